//! Copies of SQLite databases that other processes write to, as they were at one instant.
//!
//! In WAL mode a read transaction sees the database as it was when it began, and keeps no writer waiting. SQLite's
//! backup interface copies the pages that such a transaction sees.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

/// Longest wait for the write lock, which writers hold for a commit.
const WRITE_LOCK_TIMEOUT: Duration = Duration::from_secs(60);
/// Pages that are copied at a time.
const PAGES_PER_STEP: i32 = 4096;
/// File access without locks: nothing else opens a copy, and a share may offer no locks.
const LOCKLESS_VFS: &str = "unix-none";

/// A database to which nothing is written while this value lives.
pub struct WriteBarrier(Connection);

impl WriteBarrier {
    /// Takes the write lock. Writers wait as for any other writer.
    pub fn raise(file: &Path) -> anyhow::Result<Self> {
        let db = open(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        db.execute_batch("BEGIN IMMEDIATE").with_context(|| format!("{} cannot be locked", file.display()))?;
        Ok(Self(db))
    }
}

impl Drop for WriteBarrier {
    fn drop(&mut self) {
        // Closing the connection does the same.
        let _ = self.0.execute_batch("ROLLBACK");
    }
}

/// A database as it was when this value was made.
pub struct DatabaseSnapshot {
    db: Connection,
    file: PathBuf,
}

fn open(file: &Path, flags: OpenFlags) -> anyhow::Result<Connection> {
    let opened = Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    let db = opened.with_context(|| format!("{} cannot be opened", file.display()))?;
    db.busy_timeout(WRITE_LOCK_TIMEOUT)?;
    Ok(db)
}

/// Opens a copy that nothing else uses, for reading.
pub fn open_copy(file: &Path) -> anyhow::Result<Connection> {
    let opened = Connection::open_with_flags_and_vfs(file, OpenFlags::SQLITE_OPEN_READ_ONLY, LOCKLESS_VFS);
    opened.with_context(|| format!("{} cannot be opened", file.display()))
}

impl DatabaseSnapshot {
    /// Begins a read transaction.
    pub fn begin(file: &Path) -> anyhow::Result<Self> {
        let db = open(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // The transaction begins with its first read.
        let begin = || db.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;");
        begin().with_context(|| format!("{} cannot be read", file.display()))?;
        Ok(Self { db, file: file.to_owned() })
    }

    /// Writes the database to a new file and checks the structure of the copy.
    ///
    /// # Errors
    /// The copy cannot be written, or the database is damaged.
    pub fn copy_to(&self, to: &Path) -> anyhow::Result<()> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let shown = to.display().to_string();
        let opened = Connection::open_with_flags_and_vfs(to, flags, LOCKLESS_VFS);
        let mut copy = opened.with_context(|| format!("{shown} cannot be created"))?;
        copy.execute_batch("PRAGMA locking_mode = EXCLUSIVE")?;
        {
            let backup = Backup::new(&self.db, &mut copy)?;
            loop {
                match backup.step(PAGES_PER_STEP).with_context(|| format!("{shown} cannot be written"))? {
                    StepResult::Done => break,
                    StepResult::More => {}
                    _ => std::thread::sleep(Duration::from_millis(20)),
                }
            }
        }
        // A single file, which needs no log beside it.
        let mode: String = copy.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get(0))?;
        ensure!(mode == "delete", "{shown} keeps a log beside it");
        let lines: String = copy.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        ensure!(
            lines == "ok",
            "{} is damaged ({lines}): it was not backed up, and earlier points are as they were. Restore the newest of them, \
             or save what can be read with `sqlite3 FILE .recover`",
            self.file.display()
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_what_was_there_when_the_snapshot_began() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.db");
        let writer = Connection::open(&file).unwrap();
        writer.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (v INTEGER); INSERT INTO t VALUES (1);").unwrap();
        let barrier = WriteBarrier::raise(&file).unwrap();
        let snapshot = DatabaseSnapshot::begin(&file).unwrap();
        writer.busy_timeout(Duration::ZERO).unwrap();
        assert!(writer.execute("INSERT INTO t VALUES (2)", []).is_err(), "nothing is written behind the barrier");
        drop(barrier);
        writer.execute("INSERT INTO t VALUES (2)", []).unwrap();
        let copy = dir.path().join("copy.db");
        snapshot.copy_to(&copy).unwrap();
        let sum: i64 = open_copy(&copy).unwrap().query_row("SELECT sum(v) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(sum, 1);
        let beside: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert!(!beside.iter().any(|name| name.to_string_lossy().starts_with("copy.db-")), "{beside:?}");
    }
}
