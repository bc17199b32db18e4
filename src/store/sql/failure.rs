//! What a failure means while a transaction is under way: undone for certain, or unknown.

use super::integrity;
use crate::store::StoreError;

/// Why a group has not been committed.
pub(super) enum GroupFailure {
    /// Nothing was written. `again`: the database itself asks for another try.
    Undone { error: StoreError, again: bool },
    /// It may have been written.
    Unknown(StoreError),
}

/// What a database says of itself that no other try will change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum DatabaseTrouble {
    /// The disk is full.
    Full,
    /// Its own structure is damaged.
    Malformed,
}

/// The trouble that an error tells of.
pub(super) fn trouble(error: &sqlx::Error) -> Option<DatabaseTrouble> {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code)?;
    super::trouble_of(&code)
}

/// What a driver's error means to the port.
pub(super) fn failed(error: sqlx::Error) -> StoreError {
    match (trouble(&error), error) {
        (Some(DatabaseTrouble::Full), _) => StoreError::Full,
        (Some(DatabaseTrouble::Malformed), error) => {
            integrity::report_damage(&error.to_string());
            StoreError::Malformed(error.to_string())
        }
        (None, sqlx::Error::Database(e)) if e.is_unique_violation() => StoreError::Conflict,
        (None, other) => StoreError::Unavailable(other.to_string()),
    }
}

/// A statement before COMMIT failed: the transaction will be rolled back.
pub(super) fn undone(error: sqlx::Error) -> GroupFailure {
    GroupFailure::Undone { again: asks_again(&error), error: failed(error) }
}

impl GroupFailure {
    /// A row was not as the transaction expects.
    pub(super) const CONFLICT: Self = Self::Undone { error: StoreError::Conflict, again: false };
}

/// Serialization failures and deadlocks of PostgreSQL (40001, 40P01).
fn asks_again(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code == "40001" || code == "40P01")
}
