//! The embedded adapter: SQLite in WAL mode with `synchronous=FULL`, so that an acknowledged write survives power loss.
//!
//! A single connection writes, a few read. Writers never fail on a lock upgrade, because `BEGIN IMMEDIATE` takes the
//! write lock at once; other processes on the same file wait for the lock.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use log::LevelFilter;
use sqlx::ConnectOptions as _;
use sqlx::Connection as _;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::{DiskReserve, OpenError, Result, SchemaStatus, Store, StoreClock, StoreError};
use crate::domain::clock::Clock;
use crate::domain::reason::FailureCause;

#[path = "sql/mod.rs"]
mod sql;

type Db = sqlx::Sqlite;

/// Takes the write lock at once. A lock upgrade on the first write could fail with SQLITE_BUSY instead of waiting.
const BEGIN: &str = "BEGIN IMMEDIATE";
/// No lock needed: a single connection writes.
const LOCK_QUOTA: Option<&str> = None;
/// The single writer commits all waiting transactions together.
const GROUP_EVERYTHING: bool = true;
/// A single process serves the file.
const MANY_PROCESSES: bool = false;
const NOW: &str = "SELECT CAST(unixepoch('subsec') * 1000000 AS integer)";
/// Claims due jobs and sets `run_at` to the lease's end, so that a job whose lease expires is due again.
const CLAIM: &str = "\
    WITH due (due_id) AS MATERIALIZED (
        SELECT id FROM job
        WHERE kind = $1 AND priority = $5 AND state <> 'dead' AND run_at <= $2 ORDER BY run_at, id LIMIT $4)
    UPDATE job SET state = 'running', attempt = attempt + 1, tries = tries + 1, run_at = $3,
        lost_claimed_at = claimed_at, lost_claimed_by = claimed_by, claimed_at = $2, claimed_by = $6 FROM due
    WHERE id = due_id
    RETURNING id, kind, tenant_id, subject_id, attempt, tries, progress, traceparent";

/// Name as lists are ordered by it: compared byte by byte.
const NAME_KEY: &str = "name";
/// Counts names that contain a phrase, up to a bound.
const COUNT_NAMES: Option<&str> =
    Some("SELECT count(*) FROM (SELECT 1 FROM asset_name WHERE asset_name MATCH $1 LIMIT $2)");
/// True if the index of names does not have all of them.
const NAMES_OWED: Option<&str> = Some(
    "SELECT EXISTS (SELECT 1 FROM asset_name_row \
     WHERE row > coalesce((SELECT rowid FROM asset_name ORDER BY rowid DESC LIMIT 1), 0))",
);
/// Adds the next names to the index, at most so many.
const INDEX_NAMES: &str = "INSERT INTO asset_name (rowid, name) \
     SELECT row, name FROM asset_name_row JOIN asset ON asset.id = asset_id \
     WHERE row > coalesce((SELECT rowid FROM asset_name ORDER BY rowid DESC LIMIT 1), 0) ORDER BY row LIMIT $1";
/// Triggers keep the sums of assets themselves, in the transaction of the single writer.
const SETTLE_TOTALS: Option<&str> = None;

/// The only process counts requests in its memory.
const LEASE_REQUESTS: Option<&str> = None;
/// Deletes what the index of names has of the first `$2` assets of the tenant `$1`.
const ERASE_SIDE_ROWS: &[&str] = &[
    "DELETE FROM asset_name WHERE rowid IN (SELECT row FROM asset_name_row WHERE asset_id IN \
        (SELECT id FROM asset WHERE tenant_id = $1 ORDER BY id LIMIT $2))",
    "DELETE FROM asset_name_row WHERE asset_id IN (SELECT id FROM asset WHERE tenant_id = $1 ORDER BY id LIMIT $2)",
];

/// True if the database records steps of the schema.
const HAS_APPLIED_STEPS: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = '_sqlx_migrations')";
/// Applied steps with their times in microseconds.
const APPLIED_STEPS: &str = "SELECT version, description, CAST(unixepoch(installed_on) * 1000000 AS integer), success, \
     checksum FROM _sqlx_migrations ORDER BY version";

/// Makes a connection read anew what it remembers of the index of names.
const REFRESH_NAME_INDEX: Option<&str> = Some("SELECT rowid FROM asset_name LIMIT 1");
const QUICK_CHECK: Option<&str> = Some("PRAGMA quick_check(1)");
const INTEGRITY_CHECK: Option<&str> = Some("PRAGMA integrity_check(1)");

/// Maps the primary result code, the lowest byte of SQLite's code (<https://sqlite.org/rescode.html>).
fn trouble_of(code: &str) -> Option<sql::DatabaseTrouble> {
    const FULL: i32 = 13;
    const CORRUPT: i32 = 11;
    const NOT_A_DATABASE: i32 = 26;
    match code.parse::<i32>().ok()? & 0xff {
        FULL => Some(sql::DatabaseTrouble::Full),
        CORRUPT | NOT_A_DATABASE => Some(sql::DatabaseTrouble::Malformed),
        _ => None,
    }
}

/// SQLite prepares a statement anew by itself after a change of the schema. The driver does not live through columns that
/// another process added (sqlx 0.9.0, `SqliteRow::current`): an embedded instance is stopped before it is upgraded.
fn is_stale_plan(_: &sqlx::Error) -> bool {
    false
}

/// Class of SQLSTATE with the meaning of a result code of SQLite.
fn class_of(code: &str) -> &'static str {
    match code.parse::<i32>().unwrap_or(0) & 0xff {
        // SQLITE_BUSY, SQLITE_LOCKED
        5 | 6 => "55",
        // SQLITE_INTERRUPT, SQLITE_IOERR, SQLITE_CANTOPEN
        9 => "57",
        10 | 14 => "58",
        // SQLITE_CORRUPT, SQLITE_NOTADB
        11 | 26 => "XX",
        // SQLITE_NOMEM, SQLITE_FULL
        7 | 13 => "53",
        // SQLITE_CONSTRAINT
        19 => "23",
        _ => "other",
    }
}

const MAX_READ_CONNECTIONS: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable(FailureCause::of(error))
}

fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .log_statements(LevelFilter::Off)
}

/// Steps of the schema.
static STEPS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Free disk space, and the schema at start.
#[derive(Clone, Copy)]
pub struct SqliteOptions {
    /// Bytes that new rows leave free on the disk; below, they are refused with [`StoreError::Full`].
    pub reserve: u64,
    /// Whether to bring the schema up to date; otherwise an older schema is refused with [`OpenError::Older`].
    pub auto_migrate: bool,
    /// Time after which a statement is logged as slow.
    pub slow_query: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { reserve: 0, auto_migrate: true, slow_query: super::SLOW_QUERY }
    }
}

/// Opens the database file, creates it if it is missing, and brings its schema up to date.
pub async fn open(file: &Path, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, OpenError> {
    open_with(file, clock, SqliteOptions::default()).await
}

/// As [`open`], with options.
pub async fn open_with(file: &Path, clock: Arc<dyn Clock>, with: SqliteOptions) -> Result<Arc<dyn Store>, OpenError> {
    if with.auto_migrate {
        Box::pin(migrate(file)).await?;
    } else {
        read_schema(file).await?.require_current()?;
    }
    let write = SqlitePoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_TIMEOUT);
    let place = file.display().to_string();
    let failed = |error| OpenError::of(&place, &error);
    let options = options(file).log_slow_statements(LevelFilter::Warn, with.slow_query);
    let write = write.connect_with(options.clone()).await.map_err(failed)?;
    let read = SqlitePoolOptions::new().max_connections(MAX_READ_CONNECTIONS).acquire_timeout(ACQUIRE_TIMEOUT);
    let read = read.connect_with(options.read_only(true)).await.map_err(failed)?;
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let reserve = Some(DiskReserve::new(dir.to_owned(), with.reserve));
    let clock = StoreClock::Given(clock);
    Ok(Arc::new(sql::SqlStore::new(read, write, 1, clock, sql::SqlStoreDeps::default(), reserve)))
}

/// Brings the schema up to date. SQLite has no advisory locks, so a lock file beside the database serialises processes.
pub async fn migrate(file: &Path) -> Result<(), OpenError> {
    let place = file.display().to_string();
    if let Some(dir) = file.parent() {
        std::fs::create_dir_all(dir).map_err(unavailable)?;
    }
    let guard = lock_file(&file.with_extension("migrating")).await?;
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options(file)).await;
    let pool = pool.map_err(|error| OpenError::of(&place, &error))?;
    let outcome = STEPS.run(&pool).await;
    pool.close().await;
    drop(guard);
    outcome.map_err(|error| OpenError::of_migration(&place, &error, STEPS.iter().map(|step| step.version).max()))
}

/// Reads which steps of the schema are applied. Changes nothing: a missing file stays missing, all steps are pending.
pub async fn read_schema(file: &Path) -> Result<SchemaStatus, OpenError> {
    let place = file.display().to_string();
    if !std::fs::metadata(file).is_ok_and(|file| file.len() > 0) {
        return Ok(SchemaStatus::compare(place, &STEPS, &[]));
    }
    let options = SqliteConnectOptions::new().filename(file).read_only(true).busy_timeout(BUSY_TIMEOUT);
    let failed = |error| OpenError::of(&place, &error);
    let mut connection = options.connect().await.map_err(failed)?;
    let applied = sql::read_applied(&mut connection).await.map_err(failed)?;
    let _ = connection.close().await;
    Ok(SchemaStatus::compare(place, &STEPS, &applied))
}

async fn lock_file(path: &Path) -> Result<std::fs::File> {
    let file = std::fs::File::create(path).map_err(unavailable)?;
    let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file));
    locked.await.map_err(unavailable)?.map_err(unavailable)
}
