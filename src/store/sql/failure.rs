//! Classifies a failed transaction: certainly rolled back, or outcome unknown.

use super::integrity;
use crate::domain::reason::FailureCause;
use crate::metrics;
use crate::store::StoreError;

/// Reasons why a group was not committed.
pub(super) enum GroupFailure {
    /// Nothing was written. `again`: the database itself asks for a retry.
    Undone { error: StoreError, again: bool },
    /// The outcome is unknown: the group may have been written.
    Unknown(StoreError),
}

/// Database errors that a retry cannot cure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum DatabaseTrouble {
    /// The disk is full.
    Full,
    /// The database's structure is damaged.
    Malformed,
}

/// The trouble that an error reports, if any.
pub(super) fn trouble(error: &sqlx::Error) -> Option<DatabaseTrouble> {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code)?;
    super::trouble_of(&code)
}

/// Class of the SQLSTATE of an error; 08 for a connection that fails or does not come.
fn sqlstate_class(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.code().map_or_else(String::new, |code| super::class_of(&code).to_owned()),
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::PoolTimedOut => {
            "08".to_owned()
        }
        _ => String::new(),
    }
}

/// Converts a driver's error to the port's error. A report of damage is counted and logged.
pub(super) fn failed(error: sqlx::Error) -> StoreError {
    metrics::database().record_error(&sqlstate_class(&error));
    match (trouble(&error), error) {
        (Some(DatabaseTrouble::Full), _) => StoreError::Full,
        (Some(DatabaseTrouble::Malformed), error) => {
            integrity::report_damage(&error.to_string());
            StoreError::Malformed(FailureCause::of(error))
        }
        (None, sqlx::Error::Database(e)) if e.is_unique_violation() => StoreError::Conflict,
        (None, other) => StoreError::Unavailable(FailureCause::of(other)),
    }
}

/// Failure of a statement before COMMIT: the transaction is rolled back.
pub(super) fn undone(error: sqlx::Error) -> GroupFailure {
    GroupFailure::Undone { again: asks_again(&error), error: failed(error) }
}

impl GroupFailure {
    /// A row differs from what the transaction expects.
    pub(super) const CONFLICT: Self = Self::Undone { error: StoreError::Conflict, again: false };
}

/// True for PostgreSQL's serialization failures and deadlocks (40001, 40P01).
fn asks_again(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code == "40001" || code == "40P01")
}
