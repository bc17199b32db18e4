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

/// Attempts to cut two databases between the commits of a writer, before the writer is made to wait.
const MAX_FREE_CUTS: u32 = 200;
/// Pause between two attempts.
const CUT_RETRY_DELAY: Duration = Duration::from_millis(2);

/// A connection that reads a database as it was when its transaction began.
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

/// Begins to read both databases as they are at the same instant: at that instant, neither has a commit that its snapshot
/// lacks.
///
/// The instant is that of the second snapshot. No commit to the first database may fall between the two, which is seen
/// afterwards; a writer that never pauses is made to wait for it in the end.
pub fn cut_together(first: &Path, second: &Path) -> anyhow::Result<(DatabaseSnapshot, DatabaseSnapshot)> {
    let (rows, metadata) = (DatabaseSnapshot::open(first)?, DatabaseSnapshot::open(second)?);
    let mut watch = CommitWatch::open(first)?;
    for _ in 0..MAX_FREE_CUTS {
        watch.look()?;
        rows.begin()?;
        metadata.begin()?;
        if !watch.look()? {
            return Ok((rows, metadata));
        }
        rows.end()?;
        metadata.end()?;
        std::thread::sleep(CUT_RETRY_DELAY);
    }
    let barrier = open(first, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    barrier.execute_batch("BEGIN IMMEDIATE").with_context(|| format!("{} cannot be locked", first.display()))?;
    rows.begin()?;
    metadata.begin()?;
    barrier.execute_batch("ROLLBACK")?;
    Ok((rows, metadata))
}

/// Opens a copy that nothing else uses, for reading.
pub fn open_copy(file: &Path) -> anyhow::Result<Connection> {
    let opened = Connection::open_with_flags_and_vfs(file, OpenFlags::SQLITE_OPEN_READ_ONLY, LOCKLESS_VFS);
    opened.with_context(|| format!("{} cannot be opened", file.display()))
}

impl DatabaseSnapshot {
    /// Opens a database, and reads its schema so that a transaction begins in an instant.
    fn open(file: &Path) -> anyhow::Result<Self> {
        let snapshot = Self { db: open(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?, file: file.to_owned() };
        snapshot.begin()?;
        snapshot.end()?;
        Ok(snapshot)
    }

    /// Begins a read transaction, with its first read.
    fn begin(&self) -> anyhow::Result<()> {
        let begin = || self.db.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;");
        begin().with_context(|| format!("{} cannot be read", self.file.display()))
    }

    fn end(&self) -> anyhow::Result<()> {
        Ok(self.db.execute_batch("ROLLBACK")?)
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

/// True if the cause of an error is a disk without space.
#[must_use]
pub fn is_disk_full(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<std::io::Error>();
        let database = cause.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
        io.is_some_and(|cause| cause.kind() == std::io::ErrorKind::StorageFull)
            || database == Some(rusqlite::ErrorCode::DiskFull)
    })
}

/// Watch for commits of other connections to a database.
pub struct CommitWatch {
    db: Connection,
    seen: Option<i64>,
}

impl CommitWatch {
    /// Begins to watch. The first look finds a change.
    pub fn open(file: &Path) -> anyhow::Result<Self> {
        Ok(Self { db: open(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?, seen: None })
    }

    /// True if there was a commit since the last look.
    pub fn look(&mut self) -> anyhow::Result<bool> {
        let version = self.db.pragma_query_value(None, "data_version", |row| row.get(0))?;
        Ok(self.seen.replace(version) != Some(version))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn create(file: &Path) -> Connection {
        let db = Connection::open(file).unwrap();
        db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; CREATE TABLE t (v INTEGER);").unwrap();
        db
    }

    fn last(copy: &Path) -> i64 {
        open_copy(copy).unwrap().query_row("SELECT coalesce(max(v), 0) FROM t", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_copy_is_a_file_alone_and_is_what_was_there_at_the_cut() {
        let dir = tempfile::tempdir().unwrap();
        let files = ["a.db", "b.db"].map(|name| dir.path().join(name));
        let writers = files.each_ref().map(|file| create(file));
        writers[0].execute("INSERT INTO t VALUES (1)", []).unwrap();
        let (first, _) = cut_together(&files[0], &files[1]).unwrap();
        let mut watch = CommitWatch::open(&files[0]).unwrap();
        assert!(watch.look().unwrap() && !watch.look().unwrap());
        writers[0].execute("INSERT INTO t VALUES (2)", []).unwrap();
        assert!(watch.look().unwrap() && !watch.look().unwrap());
        let copy = dir.path().join("copy.db");
        first.copy_to(&copy).unwrap();
        assert_eq!(last(&copy), 1);
        let beside: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert!(!beside.iter().any(|name| name.to_string_lossy().starts_with("copy.db-")), "{beside:?}");
    }

    /// A writer that never pauses writes each number to the second database, and then to the first.
    #[test]
    fn a_cut_falls_between_two_commits_of_both_databases() {
        let dir = tempfile::tempdir().unwrap();
        let files = ["rows.db", "store.db"].map(|name| dir.path().join(name));
        let stop = AtomicBool::new(false);
        let writers = files.each_ref().map(|file| create(file));
        std::thread::scope(|scope| {
            let stop = &stop;
            scope.spawn(move || {
                for number in 1.. {
                    for writer in [&writers[1], &writers[0]] {
                        writer.busy_timeout(WRITE_LOCK_TIMEOUT).unwrap();
                        writer.execute("INSERT INTO t VALUES (?)", [number]).unwrap();
                    }
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
            for round in 0..20 {
                let (rows, metadata) = cut_together(&files[0], &files[1]).unwrap();
                let copies = [0, 1].map(|which| dir.path().join(format!("{round}-{which}")));
                rows.copy_to(&copies[0]).unwrap();
                metadata.copy_to(&copies[1]).unwrap();
                let (row, object) = (last(&copies[0]), last(&copies[1]));
                assert!(row == object || row + 1 == object, "{row} and {object} were never there at the same time");
            }
            stop.store(true, Ordering::Relaxed);
        });
    }
}
