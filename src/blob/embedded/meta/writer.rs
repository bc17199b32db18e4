//! Writer thread of the metadata. All queued writes are committed in a single transaction, so that many small writes
//! share an fsync; each write has a savepoint of its own and can fail alone.
//!
//! Callers are answered only after the commit is durable. If the outcome of a commit is unknown, no file is removed and
//! writing stops ([`StoreHealth`]): after a restart the database itself shows the outcome.

use std::sync::Arc;
use std::thread;

use rusqlite::{Connection, ErrorCode, ffi};
use tokio::sync::{mpsc, oneshot};

use crate::blob::embedded::error::{Error, Result};
use crate::blob::embedded::files::NewFile;
use crate::blob::embedded::health::StoreHealth;
use crate::domain::reason::chain;

/// Largest number of writes in a transaction.
const MAX_BATCH_WRITES: usize = 256;
/// Largest number of queued writes; further callers wait for room.
const MAX_QUEUED_WRITES: usize = 1024;

/// Queue of the writer thread.
#[derive(Clone)]
pub(super) struct MetadataWriter {
    queue: mpsc::Sender<Box<dyn WriteJob>>,
    health: Arc<StoreHealth>,
}

/// Reason why a transaction did not commit.
#[derive(Debug)]
enum CommitFailure {
    /// Out of space: no damage, and the next write may succeed.
    Full,
    /// The disk or the database cannot be relied upon.
    Broken(String),
}

/// Outcome of the transaction that contained a job.
enum CommitOutcome<'a> {
    Committed,
    RolledBack,
    /// Unknown outcome, for this reason.
    Unknown(&'a str),
}

trait WriteJob: Send {
    /// Runs the work inside a savepoint, which is rolled back on an error.
    fn run(&mut self, db: &Connection) -> Result<(), &Error>;
    /// Answers the caller, according to the outcome of the transaction.
    fn settle(self: Box<Self>, fate: &CommitOutcome<'_>);
}

struct QueuedWrite<F, T> {
    work: Option<F>,
    outcome: Option<Result<T>>,
    /// Data file that the work names. Kept if the commit succeeded or may have succeeded.
    file: Option<NewFile>,
    answer: oneshot::Sender<Result<T>>,
}

impl<F, T> WriteJob for QueuedWrite<F, T>
where
    F: FnOnce(&Connection) -> Result<T> + Send,
    T: Send,
{
    fn run(&mut self, db: &Connection) -> Result<(), &Error> {
        self.outcome = self.work.take().map(|work| work(db));
        match &self.outcome {
            Some(Err(error)) => Err(error),
            _ => Ok(()),
        }
    }

    fn settle(self: Box<Self>, fate: &CommitOutcome<'_>) {
        let done = matches!(self.outcome, Some(Ok(_)));
        let outcome = match (fate, self.outcome) {
            (_, Some(Err(error))) => Err(error),
            (CommitOutcome::Committed, Some(outcome)) => outcome,
            (CommitOutcome::Unknown(reason), _) => Err(Error::Poisoned((*reason).to_owned())),
            (CommitOutcome::RolledBack | CommitOutcome::Committed, _) => Err(Error::Full),
        };
        if let Some(file) = self.file.filter(|_| done && !matches!(fate, CommitOutcome::RolledBack)) {
            file.leave();
        }
        // A caller may be gone; its work is done all the same.
        let _ = self.answer.send(outcome);
    }
}

impl From<rusqlite::Error> for CommitFailure {
    fn from(error: rusqlite::Error) -> Self {
        // The WAL index is shared memory in a file and has an error code of its own for a full disk.
        let full = error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_SHMSIZE);
        if full || error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
            Self::Full
        } else {
            Self::Broken(error.to_string())
        }
    }
}

/// Effect of a job's error on its transaction; `None` if the error concerns the job alone.
fn shared(db: &Connection, error: &Error) -> Option<CommitFailure> {
    let lost = db.is_autocommit();
    match error {
        Error::Full if lost => Some(CommitFailure::Full),
        Error::Sqlite(cause) => match cause.sqlite_error_code() {
            Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Some(CommitFailure::Broken(cause.to_string()))
            }
            _ => lost.then(|| CommitFailure::Broken(cause.to_string())),
        },
        _ => lost.then(|| CommitFailure::Broken(format!("the transaction ended by itself: {}", chain(error)))),
    }
}

const WRITER_GONE_MESSAGE: &str = "the metadata writer has ended";

impl MetadataWriter {
    /// Starts the thread, which ends when the last handle is dropped.
    pub(super) fn start(db: Connection, health: Arc<StoreHealth>) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel(MAX_QUEUED_WRITES);
        let poison = Arc::clone(&health);
        thread::Builder::new().name("store-metadata".to_owned()).spawn(move || serve(&db, jobs, &poison))?;
        Ok(Self { queue, health })
    }

    /// Runs `work` in a transaction and returns once it is durable. If it fails, `file` is removed.
    ///
    /// Queued work is done even if the caller stops waiting.
    pub(super) async fn write<T, F>(&self, file: Option<NewFile>, work: F) -> Result<T>
    where
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.health.check()?;
        let (answer, outcome) = oneshot::channel();
        let job = QueuedWrite { work: Some(work), outcome: None, file, answer };
        self.queue.send(Box::new(job)).await.map_err(|_| Error::Stopped(WRITER_GONE_MESSAGE))?;
        outcome.await.map_err(|_| Error::Stopped(WRITER_GONE_MESSAGE))?
    }
}

fn serve(db: &Connection, mut jobs: mpsc::Receiver<Box<dyn WriteJob>>, health: &StoreHealth) {
    let mut batch = Vec::with_capacity(MAX_BATCH_WRITES);
    while jobs.blocking_recv().map(|first| batch.push(first)).is_some() {
        while batch.len() < MAX_BATCH_WRITES
            && let Ok(next) = jobs.try_recv()
        {
            batch.push(next);
        }
        commit(db, &mut batch, health);
    }
}

fn commit(db: &Connection, batch: &mut Vec<Box<dyn WriteJob>>, health: &StoreHealth) {
    let result = match health.reason() {
        Some(_) => Ok(()),
        None => transact(db, batch),
    };
    if let Err(failure) = &result {
        if let CommitFailure::Broken(reason) = failure {
            health.poison(format!("metadata: {reason}"));
        }
        // Fails if SQLite has rolled back by itself, which is the desired state.
        let _ = db.execute_batch("ROLLBACK");
    }
    let fate = match (health.reason(), &result) {
        (Some(reason), _) => CommitOutcome::Unknown(reason),
        (None, Err(_)) => CommitOutcome::RolledBack,
        (None, Ok(())) => CommitOutcome::Committed,
    };
    batch.drain(..).for_each(|job| job.settle(&fate));
}

fn transact(db: &Connection, batch: &mut [Box<dyn WriteJob>]) -> Result<(), CommitFailure> {
    let exec = |sql| db.prepare_cached(sql)?.execute([]);
    exec("BEGIN IMMEDIATE")?;
    for job in batch {
        exec("SAVEPOINT job")?;
        if let Err(error) = job.run(db) {
            if let Some(failure) = shared(db, error) {
                return Err(failure);
            }
            exec("ROLLBACK TO job")?;
        }
        exec("RELEASE job")?;
    }
    exec("COMMIT")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(db: Connection) -> (MetadataWriter, Arc<StoreHealth>) {
        let health = Arc::<StoreHealth>::default();
        (MetadataWriter::start(db, Arc::clone(&health)).unwrap(), health)
    }

    fn insert(value: i64) -> impl FnOnce(&Connection) -> Result<()> + Send + 'static {
        move |db| {
            db.execute("INSERT INTO t VALUES (?)", [value])?;
            if value < 0 { Err(Error::NoSuchKey) } else { Ok(()) }
        }
    }

    fn table() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (v INTEGER UNIQUE)").unwrap();
        db
    }

    #[tokio::test]
    async fn each_write_fails_alone() {
        let (writer, health) = writer(table());
        let writes = [1, -2, 3, 3, 4].map(|value| writer.write(None, insert(value)));
        let results = futures_util::future::join_all(writes).await;
        assert!(matches!(results[1], Err(Error::NoSuchKey)));
        assert!(matches!(results[3], Err(Error::Sqlite(_))), "the constraint hits one writer only");
        let read = |db: &Connection| Ok(db.query_row("SELECT group_concat(v) FROM t", [], |row| row.get(0))?);
        assert_eq!(writer.write::<String, _>(None, read).await.unwrap(), "1,3,4");
        assert!(health.check().is_ok());
    }

    #[tokio::test]
    async fn a_full_database_refuses_and_recovers() {
        let db = table();
        db.execute_batch("PRAGMA max_page_count = 3").unwrap();
        let (writer, health) = writer(db);
        let fill = |db: &Connection| {
            db.execute("INSERT INTO t VALUES (zeroblob(100000))", [])?;
            Ok(())
        };
        assert!(matches!(writer.write(None, fill).await, Err(Error::Full)));
        assert!(health.check().is_ok());
        writer.write(None, insert(5)).await.unwrap();
    }

    #[tokio::test]
    async fn a_broken_database_stops_all_writing() {
        let (writer, health) = writer(table());
        let end = |db: &Connection| {
            db.execute_batch("ROLLBACK")?;
            Ok(())
        };
        assert!(matches!(writer.write(None, end).await, Err(Error::Poisoned(_))));
        assert!(health.check().is_err());
        assert!(matches!(writer.write(None, insert(1)).await, Err(Error::Poisoned(_))));
    }
}
