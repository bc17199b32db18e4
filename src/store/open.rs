//! Errors on opening a database, worded for its operator.

use sqlx::migrate::MigrateError;

use super::StoreError;
use crate::domain::reason::{innermost_cause, plain_words};

/// Reasons why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A newer version of this program has changed the schema.
    #[error(
        "{place} was written by a newer version of Gantry: its schema has step {found}, and this version knows steps up to \
         {known}. Run the newer version again, or restore a copy from before the upgrade"
    )]
    Newer {
        /// The file, or the server and database.
        place: String,
        /// The first migration that this version does not know.
        found: i64,
        /// The last migration that this version knows.
        known: i64,
    },
    /// An earlier version of this program wrote the schema, and the settings forbid to change it at start.
    #[error(
        "{place} has the schema of an earlier version of Gantry (pending steps: {pending}, from step {first} on), and \
         database.auto_migrate is false. Run `gantry migrate up`, then start again; `gantry migrate plan` prints the SQL"
    )]
    Older {
        /// The file, or the server and database.
        place: String,
        /// Number of pending migrations.
        pending: usize,
        /// The first pending migration.
        first: i64,
    },
    /// A migration was applied with another checksum than this program's, or did not finish.
    #[error("{place} does not match this version of Gantry: step {step} of its schema differs")]
    Differs {
        /// The file, or the server and database.
        place: String,
        /// The migration's number.
        step: i64,
    },
    /// The server cannot be reached.
    #[error("{place} cannot be reached: {reason}")]
    Unreachable {
        /// The server and database.
        place: String,
        /// The cause, in plain words.
        reason: String,
    },
    /// The database cannot be opened, or its server refuses the connection.
    #[error("{place} cannot be opened: {reason}")]
    Refused {
        /// The file, or the server and database.
        place: String,
        /// The cause, in plain words.
        reason: String,
    },
    /// The database was opened and failed afterwards.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OpenError {
    /// Converts the error of opening or connecting.
    pub(super) fn of(place: &str, error: &sqlx::Error) -> Self {
        let place = place.to_owned();
        match error {
            sqlx::Error::Io(error) => Self::Unreachable { place, reason: plain_words(&error.to_string()) },
            sqlx::Error::PoolTimedOut => Self::Unreachable { place, reason: "no answer in time".to_owned() },
            sqlx::Error::Tls(error) => Self::Unreachable { place, reason: innermost_cause(error.as_ref()) },
            sqlx::Error::Database(error) => Self::Refused { place, reason: error.message().to_owned() },
            other => Self::Refused { place, reason: plain_words(&other.to_string()) },
        }
    }

    /// Converts the error of a schema migration. `known`: the last migration that this program has.
    pub(super) fn of_migration(place: &str, error: &MigrateError, known: Option<i64>) -> Self {
        let known = known.unwrap_or_default();
        match error {
            MigrateError::VersionMissing(found) => Self::Newer { place: place.to_owned(), found: *found, known },
            MigrateError::VersionMismatch(step) | MigrateError::Dirty(step) => {
                Self::Differs { place: place.to_owned(), step: *step }
            }
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => Self::of(place, error),
            other => Self::Refused { place: place.to_owned(), reason: plain_words(&other.to_string()) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_read_words() {
        let refused = sqlx::Error::Io(std::io::Error::from_raw_os_error(111));
        let text = OpenError::of("PostgreSQL at db.example:5432 (database a, user b)", &refused).to_string();
        assert_eq!(text, "PostgreSQL at db.example:5432 (database a, user b) cannot be reached: Connection refused");
        let newer = OpenError::of_migration("/data/gantry.db", &MigrateError::VersionMissing(17), Some(8)).to_string();
        assert!(newer.contains("/data/gantry.db was written by a newer version"), "{newer}");
        assert!(newer.contains("step 17") && newer.contains("up to 8"), "{newer}");
    }
}
