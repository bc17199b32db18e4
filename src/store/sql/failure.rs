//! What a failure means while a transaction is under way: undone for certain, or unknown.

use super::super::super::StoreError;
use super::failed;

/// Why a group has not been committed.
pub(super) enum Failure {
    /// Nothing was written. `again`: the database itself asks for another try.
    Undone { error: StoreError, again: bool },
    /// It may have been written.
    Unknown(StoreError),
}

/// A statement before COMMIT failed: the transaction will be rolled back.
pub(super) fn undone(error: sqlx::Error) -> Failure {
    Failure::Undone { again: asks_again(&error), error: failed(error) }
}

impl Failure {
    /// A row was not as the transaction expects.
    pub(super) const CONFLICT: Self = Self::Undone { error: StoreError::Conflict, again: false };
}

/// Serialization failures and deadlocks of PostgreSQL (40001, 40P01).
fn asks_again(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code == "40001" || code == "40P01")
}
