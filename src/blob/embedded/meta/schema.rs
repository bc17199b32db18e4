//! Metadata database: connection settings and schema migrations.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::blob::embedded::error::Result;

/// Migrations from an empty database to the current schema; `PRAGMA user_version` counts those that were applied.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql"), include_str!("schema_2.sql")];

/// Settings of the writer: commits survive power loss, and readers and the writer do not wait for each other.
const WRITER_PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 10000;
    PRAGMA cache_size = -32000; PRAGMA temp_store = MEMORY;
    PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;";
const READER_PRAGMAS: &str = "PRAGMA query_only = ON; PRAGMA busy_timeout = 10000; PRAGMA cache_size = -8000;";

/// Number of prepared statements per connection, enough for all of them.
const MAX_CACHED_STATEMENTS: usize = 64;

/// State of the database before it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SchemaState {
    /// Created just now.
    New,
    /// Existed; migrated to the current version if needed.
    Existing,
    /// Written by a later version of this program, with this schema version; left unchanged.
    FromTheFuture(i64),
}

/// Opens the database for writing and migrates the schema.
pub(super) fn open_writer(path: &Path) -> Result<(Connection, SchemaState)> {
    let mut db = Connection::open(path)?;
    db.set_prepared_statement_cache_capacity(MAX_CACHED_STATEMENTS);
    db.execute_batch(WRITER_PRAGMAS)?;
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let transaction = db.transaction()?;
    let mut current = 0i64;
    for step in MIGRATIONS {
        if current >= version {
            transaction.execute_batch(step)?;
        }
        current += 1;
    }
    if version > current {
        drop(transaction);
        return Ok((db, SchemaState::FromTheFuture(version)));
    }
    transaction.pragma_update(None, "user_version", current)?;
    transaction.commit()?;
    Ok((db, if version == 0 { SchemaState::New } else { SchemaState::Existing }))
}

/// Opens the database for reading only.
pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.set_prepared_statement_cache_capacity(MAX_CACHED_STATEMENTS);
    db.execute_batch(READER_PRAGMAS)?;
    Ok(db)
}

#[cfg(test)]
mod tests {
    use super::super::super::model::ObjectAddress;
    use super::super::{closed_keys, uploads};
    use super::*;

    #[test]
    fn a_database_is_made_once_and_a_later_one_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("meta.db");
        assert_eq!(open_writer(&path).unwrap().1, SchemaState::New);
        let (db, found) = open_writer(&path).unwrap();
        assert_eq!(found, SchemaState::Existing);
        assert_eq!(db.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0)).unwrap(), 2);
        db.pragma_update(None, "user_version", 99).unwrap();
        drop(db);
        assert_eq!(open_writer(&path).unwrap().1, SchemaState::FromTheFuture(99));
    }

    #[test]
    fn a_database_of_version_1_is_brought_up_to_date_with_its_rows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("meta.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(MIGRATIONS[0]).unwrap();
        old.execute_batch(
            "PRAGMA user_version = 1;
             INSERT INTO bucket VALUES ('b', 0, NULL);
             INSERT INTO content VALUES (1, 1, x'');
             INSERT INTO upload VALUES ('u', 'b', x'6b', 1, 0, '{}', '[]', 'CRC64NVME', 'FULL_OBJECT');",
        )
        .unwrap();
        drop(old);
        let (db, found) = open_writer(&path).unwrap();
        assert_eq!(found, SchemaState::Existing);
        assert_eq!(db.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap(), 2);
        let at = ObjectAddress { bucket: "b".to_owned(), key: "k".to_owned() };
        assert_eq!(uploads::require(&db, &at, "u").unwrap().max_bytes, None);
        closed_keys::close(&db, &at, 9, 5).unwrap();
        assert!(uploads::require(&db, &at, "u").is_err(), "closing a key aborts what is open under it");
        assert!(closed_keys::check(&db, &at, 8).is_err() && closed_keys::check(&db, &at, 9).is_ok());
        drop(db);
        assert_eq!(open_writer(&path).unwrap().1, SchemaState::Existing);
    }

    #[test]
    fn a_reader_cannot_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("meta.db");
        open_writer(&path).unwrap();
        assert!(open_reader(&path).unwrap().execute("INSERT INTO bucket VALUES ('b', 0, NULL)", []).is_err());
    }
}
