//! The adapter for several nodes: PostgreSQL 13 or newer. Needs no extension.
//!
//! Leases and expiry use the server's clock, which is read every 5 seconds and carried forward in between.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, PgPool};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::{Notifier, OpenError, Result, SchemaStatus, Store, StoreClock, StoreError};
use crate::domain::backoff::ExponentialBackoff;
use crate::domain::clock::{Clock as _, OsEntropy, SystemClock, Timestamp, micros};
use crate::domain::reason::{FailureCause, chain, plain_words};
use crate::metrics;
use crate::metrics::ClockSource;

#[path = "sql/mod.rs"]
mod sql;

type Db = sqlx::Postgres;

const BEGIN: &str = "BEGIN";
/// Waits for every open transaction that has charged a quota, and blocks new charges.
const LOCK_QUOTA: Option<&str> = Some("LOCK TABLE quota IN SHARE ROW EXCLUSIVE MODE");
/// Transactions that change rows run on parallel connections, so that a slow transaction delays no other.
const GROUP_EVERYTHING: bool = false;
/// Other processes write to the same database.
const MANY_PROCESSES: bool = true;
const NOW: &str = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)";
/// Claims due jobs and sets `run_at` to the lease's end, so that a job whose lease expires is due again. MATERIALIZED
/// keeps the planner from running the locking subquery twice and exceeding the limit.
const CLAIM: &str = "\
    WITH due (due_id) AS MATERIALIZED (
        SELECT id FROM job
        WHERE kind = $1 AND priority = $5 AND state <> 'dead' AND run_at <= $2 ORDER BY run_at, id LIMIT $4
        FOR UPDATE SKIP LOCKED)
    UPDATE job SET state = 'running', attempt = attempt + 1, tries = tries + 1, run_at = $3,
        lost_claimed_at = claimed_at, lost_claimed_by = claimed_by, claimed_at = $2, claimed_by = $6 FROM due
    WHERE id = due_id
    RETURNING id, kind, tenant_id, subject_id, attempt, tries, progress, traceparent";

/// Name as lists are ordered by it: compared byte by byte, whatever the locale.
const NAME_KEY: &str = "name COLLATE \"C\"";
/// The planner chooses between the index of `lower(name)` and the order of the list.
const COUNT_NAMES: Option<&str> = None;
/// The index of names has all of them.
const NAMES_OWED: Option<&str> = None;
const INDEX_NAMES: &str = "";
/// Adds up the differences that transactions have noted beside the sums of assets.
const SETTLE_TOTALS: Option<&str> = Some(
    "WITH noted AS (DELETE FROM asset_count_change RETURNING tenant_id, state, files, bytes), \
     change AS (SELECT tenant_id, state, CAST(sum(files) AS bigint) AS files, CAST(sum(bytes) AS bigint) AS bytes \
         FROM noted GROUP BY tenant_id, state) \
     INSERT INTO asset_count (tenant_id, state, files, bytes) \
     SELECT tenant_id, state, files, bytes FROM change ORDER BY tenant_id, state \
     ON CONFLICT (tenant_id, state) DO UPDATE \
     SET files = asset_count.files + excluded.files, bytes = asset_count.bytes + excluded.bytes",
);

/// Deletes the differences noted beside the sums of assets of the tenant `$1`.
const ERASE_SIDE_ROWS: &[&str] = &["DELETE FROM asset_count_change WHERE tenant_id = $1 AND $2 > 0"];

/// True if the database records steps of the schema.
const HAS_APPLIED_STEPS: &str = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";
/// Applied steps with their times in microseconds.
const APPLIED_STEPS: &str = "SELECT version, description, CAST(extract(epoch FROM installed_on) * 1000000 AS bigint), \
     success, checksum FROM _sqlx_migrations ORDER BY version";

/// No integrity check: PostgreSQL manages its own files.
const QUICK_CHECK: Option<&str> = None;
const INTEGRITY_CHECK: Option<&str> = None;

/// SQLSTATE `disk_full`, `data_corrupted` and `index_corrupted`
/// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn trouble_of(code: &str) -> Option<sql::DatabaseTrouble> {
    match code {
        "53100" => Some(sql::DatabaseTrouble::Full),
        "XX001" | "XX002" => Some(sql::DatabaseTrouble::Malformed),
        _ => None,
    }
}

/// No thread stands between the driver and the server.
const DRIVER_THREAD_MAY_END: bool = false;

/// True for a prepared statement whose columns a migration has changed ("cached plan must not change result type",
/// SQLSTATE `feature_not_supported`).
fn is_stale_plan(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == "0A000")
}

/// Class of a SQLSTATE: its first two characters.
fn class_of(code: &str) -> &str {
    code.get(..2).unwrap_or("other")
}

const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Delays between attempts to reach a server that is starting.
const CONNECT_BACKOFF: ExponentialBackoff =
    ExponentialBackoff::new(Duration::from_millis(100), Duration::from_millis(500));
const CLOCK_REANCHOR_INTERVAL: Duration = Duration::from_secs(5);
/// Pause between two NOTIFYs. A separate task sends them: a commit must not wait for NOTIFY's lock, which all commits
/// of a server share.
const NOTIFY_INTERVAL: Duration = Duration::from_millis(50);
/// Delays before the LISTEN connection is opened again.
const LISTEN_BACKOFF: ExponentialBackoff = ExponentialBackoff::new(Duration::from_millis(500), Duration::from_secs(5));

/// Number of connections, the clock, and the schema at start.
#[derive(Clone)]
pub struct PostgresOptions {
    /// Maximum number of connections; half of them write.
    pub connections: u32,
    /// Clock to use; `None`: the server's clock.
    pub clock: Option<StoreClock>,
    /// Whether to bring the schema up to date; otherwise an older schema is refused with [`OpenError::Older`], and the
    /// database's user needs no right to create tables.
    pub auto_migrate: bool,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { connections: 16, clock: None, auto_migrate: true }
    }
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable(FailureCause::of(error))
}

/// Steps of the schema.
static STEPS: Migrator = sqlx::migrate!("migrations/postgres");

/// Opens `postgres://…` and brings its schema up to date.
///
/// # Errors
/// The server cannot be reached within ten seconds, refuses, or has a schema of a newer version; or of an
/// older version, if the options forbid to change it.
pub async fn open(url: &str, options: PostgresOptions) -> Result<Arc<dyn Store>, OpenError> {
    if options.auto_migrate {
        Box::pin(migrate(url)).await?;
    } else {
        read_schema(url).await?.require_current()?;
    }
    let writers = (options.connections / 2).max(1);
    let write = pool(url, writers).await?;
    let read = pool(url, (options.connections - writers).max(1)).await?;
    let clock = match options.clock {
        Some(clock) => clock,
        None => server_clock(&read).await?,
    };
    let news = Arc::new(Notifier::default());
    let tasks = [
        tokio::spawn(announce(read.clone(), Arc::clone(&news))),
        tokio::spawn(listen(url.to_owned(), Arc::clone(&news))),
    ];
    let tasks = tasks.into_iter().map(AbortOnDropHandle::new).collect();
    Ok(Arc::new(sql::SqlStore::new(read, write, writers as usize, clock, sql::SqlStoreDeps { news, tasks }, None)))
}

/// Brings the schema up to date. An advisory lock serialises nodes that start at the same time.
pub async fn migrate(url: &str) -> Result<(), OpenError> {
    let options = connect_options(url)?;
    let place = place(&options);
    // Without the time limit that statements of the other pools have: a step of a large table, and the wait for another
    // node's, take as long as they take.
    // A connection that ends without a Terminate message is logged by the server.
    let _ = await_server(&options, &place).await?.close().await;
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_TIMEOUT).connect_with(options).await;
    let pool = pool.map_err(|error| OpenError::of(&place, &error))?;
    let outcome = STEPS.run(&pool).await;
    pool.close().await;
    outcome.map_err(|error| OpenError::of_migration(&place, &error, STEPS.iter().map(|step| step.version).max()))
}

/// Reads which steps of the schema are applied. Changes nothing.
pub async fn read_schema(url: &str) -> Result<SchemaStatus, OpenError> {
    let options = connect_options(url)?;
    let place = place(&options);
    let mut connection = await_server(&options, &place).await?;
    let applied = sql::read_applied(&mut connection).await;
    let _ = connection.close().await;
    let applied = applied.map_err(|error| OpenError::of(&place, &error))?;
    Ok(SchemaStatus::compare(place, &STEPS, &applied))
}

/// The server's address and the database, without a password.
fn place(options: &PgConnectOptions) -> String {
    let (host, port) = (options.get_host(), options.get_port());
    let server = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None if host.starts_with('/') => host.to_owned(),
        None if host.contains(':') => format!("[{host}]:{port}"),
        None => format!("{host}:{port}"),
    };
    let user = options.get_username();
    format!("PostgreSQL at {server} (database {}, user {user})", options.get_database().unwrap_or(user))
}

fn connect_options(url: &str) -> Result<PgConnectOptions, OpenError> {
    // Without the URL's text, which may hold a password.
    let malformed = |error: sqlx::Error| OpenError::Refused {
        place: "the database of database_url".to_owned(),
        reason: plain_words(&error.to_string()),
    };
    Ok(url.parse::<PgConnectOptions>().map_err(malformed)?.application_name("gantry"))
}

/// Waits for a server that is starting. On failure returns the server's error; a pool would report only a timeout.
async fn await_server(options: &PgConnectOptions, place: &str) -> Result<PgConnection, OpenError> {
    let (deadline, mut failures) = (Instant::now() + ACQUIRE_TIMEOUT, 0);
    loop {
        let error = match timeout_at(deadline, options.connect()).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => error,
            Err(_) => sqlx::Error::PoolTimedOut,
        };
        let is_starting = match &error {
            sqlx::Error::Io(error) => error.kind() == ErrorKind::ConnectionRefused,
            sqlx::Error::Database(error) => error.is_transient_in_connect_phase(),
            _ => false,
        };
        failures += 1;
        let delay = CONNECT_BACKOFF.delay(failures, &OsEntropy);
        if !is_starting || Instant::now() + delay >= deadline {
            return Err(OpenError::of(place, &error));
        }
        tokio::time::sleep(delay).await;
    }
}

async fn pool(url: &str, connections: u32) -> Result<PgPool, OpenError> {
    let connect = connect_options(url)?;
    let place = place(&connect);
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(|conn, _| {
            Box::pin(async move {
                // After a failover an old connection may lead to a standby; and no statement may hang for ever.
                conn.execute("SET statement_timeout = '30s'").await?;
                conn.execute("SET default_transaction_read_only = off").await?;
                Ok(())
            })
        })
        .connect_with(connect)
        .await
        .map_err(|error| OpenError::of(&place, &error))
}

/// Reads the server's clock now and every [`CLOCK_REANCHOR_INTERVAL`], for as long as the pool lives.
async fn server_clock(pool: &PgPool) -> Result<StoreClock> {
    let clock = StoreClock::anchored(reading(pool).await?);
    let (weak, pool) = (clock.clone(), pool.clone());
    tokio::spawn(async move {
        while !pool.is_closed() {
            tokio::time::sleep(CLOCK_REANCHOR_INTERVAL).await;
            if let Ok(now) = reading(&pool).await {
                weak.anchor(now);
            }
        }
    });
    Ok(clock)
}

async fn reading(pool: &PgPool) -> Result<Timestamp> {
    let begun = SystemClock.now();
    let reading = sqlx::query_scalar(NOW).fetch_one(pool).await.map(micros).map_err(unavailable)?;
    // The server read its clock somewhere between; in the middle, as NTP assumes (RFC 5905 §8).
    let middle = begun.as_microsecond().midpoint(SystemClock.now().as_microsecond());
    let skew = reading.as_microsecond().saturating_sub(middle) as f64 / 1_000_000.0;
    metrics::clocks().set_skew(ClockSource::Database, skew);
    Ok(reading)
}

/// Notifies other nodes of events that this node has written.
async fn announce(pool: PgPool, news: Arc<Notifier>) {
    loop {
        news.wait_for_event().await;
        // A lost notification delays the other nodes until their next poll.
        let _ = sqlx::query("SELECT pg_notify('gantry_events', '')").execute(&pool).await;
        tokio::time::sleep(NOTIFY_INTERVAL).await;
    }
}

/// Listens for the notifications of other nodes on its own connection, from the first waiter on.
async fn listen(url: String, news: Arc<Notifier>) {
    news.wait_for_follower().await;
    let mut failures = 0;
    loop {
        let ended = async {
            let mut listener = PgListener::connect(&url).await?;
            listener.listen("gantry_events").await?;
            failures = 0;
            // `None`: the connection was lost and restored, and notifications may have been missed.
            loop {
                listener.try_recv().await?;
                news.hear();
            }
        };
        let Err::<Infallible, sqlx::Error>(error) = ended.await;
        tracing::debug!(error = %chain(&error), "other nodes' events are not announced; looking for them goes on");
        failures += 1;
        tokio::time::sleep(LISTEN_BACKOFF.delay(failures, &OsEntropy)).await;
    }
}
