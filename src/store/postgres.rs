//! The adapter for several nodes: PostgreSQL 13 or newer. Needs no extension.
//!
//! Leases and expiry use the server's clock, which is read every 5 seconds and carried forward in between.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::PgListener;
use sqlx::{Connection as _, PgPool};
use tokio_util::task::AbortOnDropHandle;

use super::{Notifier, OpenError, Result, SchemaStatus, Store, StoreClock, StoreError};
use crate::domain::backoff::ExponentialBackoff;
use crate::domain::clock::{Clock as _, OsEntropy, SystemClock, Timestamp, micros};
use crate::domain::reason::{FailureCause, chain};
use crate::metrics;
use crate::metrics::ClockSource;

mod host_list;
mod servers;
#[path = "sql/mod.rs"]
mod sql;

pub use servers::DatabaseServers;

type Db = sqlx::Postgres;

/// Microseconds until the whole burst of a rate is there again, before a lease.
macro_rules! spent {
    () => {
        "least(greatest(held.spent_until - excluded.asked_at, 0), $5)"
    };
}
/// Requests that a lease gets.
macro_rules! grantable {
    () => {
        concat!("greatest(0, least($2, $3 - (", spent!(), " * $4 + 999999) / 1000000))")
    };
}

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
    "WITH noted AS (DELETE FROM asset_count_change RETURNING tenant_id, state, files, bytes, charged), \
     change AS (SELECT tenant_id, state, CAST(sum(files) AS bigint) AS files, CAST(sum(bytes) AS bigint) AS bytes, \
         CAST(sum(charged) AS bigint) AS charged FROM noted GROUP BY tenant_id, state) \
     INSERT INTO asset_count (tenant_id, state, files, bytes, charged) \
     SELECT tenant_id, state, files, bytes, charged FROM change ORDER BY tenant_id, state \
     ON CONFLICT (tenant_id, state) DO UPDATE SET files = asset_count.files + excluded.files, \
     bytes = asset_count.bytes + excluded.bytes, charged = asset_count.charged + excluded.charged",
);

/// Takes requests of a tenant's rate by the generic cell rate algorithm (ITU-T I.371): what has been spent is the time
/// until the whole burst is there again, at most $5 microseconds.
const LEASE_REQUESTS: Option<&str> = Some(concat!(
    "INSERT INTO request_rate AS held (tenant_id, asked_at, spent_until, granted) \
     SELECT $1, now, now + least($2, $3) * 1000000 / $4, least($2, $3) \
     FROM (SELECT CAST(extract(epoch FROM statement_timestamp()) * 1000000 AS bigint) AS now) AS clock \
     ON CONFLICT (tenant_id) DO UPDATE SET asked_at = excluded.asked_at, granted = ",
    grantable!(),
    ", spent_until = excluded.asked_at + ",
    spent!(),
    " + ",
    grantable!(),
    " * 1000000 / $4 RETURNING granted, spent_until - asked_at"
));
/// Deletes the differences noted beside the sums of assets of the tenant `$1`, and what it spent of its rate.
const ERASE_SIDE_ROWS: &[&str] = &[
    "DELETE FROM asset_count_change WHERE tenant_id = $1 AND $2 > 0",
    "DELETE FROM request_rate WHERE tenant_id = $1 AND $2 > 0",
];

/// True if the database records steps of the schema.
const HAS_APPLIED_STEPS: &str = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";
/// Applied steps with their times in microseconds.
const APPLIED_STEPS: &str = "SELECT version, description, CAST(extract(epoch FROM installed_on) * 1000000 AS bigint), \
     success, checksum FROM _sqlx_migrations ORDER BY version";

/// No index of names apart from the table, and no integrity check: PostgreSQL manages its own files.
const REFRESH_NAME_INDEX: Option<&str> = None;
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

/// True for a prepared statement whose columns a migration has changed ("cached plan must not change result type",
/// SQLSTATE `feature_not_supported`).
fn is_stale_plan(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == "0A000")
}

/// Class of a SQLSTATE: its first two characters.
fn class_of(code: &str) -> &str {
    code.get(..2).unwrap_or("other")
}

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
    /// Time after which a statement is logged as slow.
    pub slow_query: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { connections: 16, clock: None, auto_migrate: true, slow_query: super::SLOW_QUERY }
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
    open_servers(&DatabaseServers::parse(url)?, options).await
}

/// Opens the database on these servers and brings its schema up to date. The store follows the servers' primary and
/// their credentials.
///
/// # Errors
/// No server can be reached within ten seconds and takes writes, a server refuses, or the schema is of a newer version;
/// or of an older version, if the options forbid to change it.
pub async fn open_servers(servers: &DatabaseServers, options: PostgresOptions) -> Result<Arc<dyn Store>, OpenError> {
    if options.auto_migrate {
        Box::pin(migrate_servers(servers)).await?;
    } else {
        read_schema_of(servers).await?.require_current()?;
    }
    servers.set_slow_query(options.slow_query);
    let writers = (options.connections / 2).max(1);
    let write = servers.open_pool(writers).await?;
    let read = servers.open_pool((options.connections - writers).max(1)).await?;
    let clock = match options.clock {
        Some(clock) => clock,
        None => server_clock(&read).await?,
    };
    let news = Arc::new(Notifier::default());
    let mut tasks = vec![
        tokio::spawn(announce(read.clone(), Arc::clone(&news))),
        tokio::spawn(listen(servers.clone(), Arc::clone(&news))),
    ];
    if servers.are_several() {
        tasks.push(tokio::spawn(servers.clone().follow_primary()));
    }
    let tasks = tasks.into_iter().map(AbortOnDropHandle::new).collect();
    Ok(Arc::new(sql::SqlStore::new(read, write, writers as usize, clock, sql::SqlStoreDeps { news, tasks }, None)))
}

/// Logs in to the servers of a URL once.
///
/// # Errors
/// No server can be reached within ten seconds and takes writes, or a server refuses.
pub async fn try_login(url: &str) -> Result<(), OpenError> {
    let connection = DatabaseServers::parse(url)?.await_connection().await?;
    // A connection that ends without a Terminate message is logged by the server.
    let _ = connection.close().await;
    Ok(())
}

/// Brings the schema up to date. An advisory lock serialises nodes that start at the same time.
///
/// # Errors
/// As [`open`].
pub async fn migrate(url: &str) -> Result<(), OpenError> {
    migrate_servers(&DatabaseServers::parse(url)?).await
}

async fn migrate_servers(servers: &DatabaseServers) -> Result<(), OpenError> {
    // Without the time limit that statements of the pools have: a step of a large table, and the wait for another node's,
    // take as long as they take.
    // A connection that ends without a Terminate message is logged by the server.
    let _ = servers.await_connection().await?.close().await;
    let pool = servers.migration_pool();
    let outcome = STEPS.run(&pool).await;
    pool.close().await;
    let known = STEPS.iter().map(|step| step.version).max();
    outcome.map_err(|error| OpenError::of_migration(&servers.place(), &error, known))
}

/// Reads which steps of the schema are applied. Changes nothing.
///
/// # Errors
/// No server can be reached within ten seconds, or a server refuses.
pub async fn read_schema(url: &str) -> Result<SchemaStatus, OpenError> {
    read_schema_of(&DatabaseServers::parse(url)?).await
}

async fn read_schema_of(servers: &DatabaseServers) -> Result<SchemaStatus, OpenError> {
    let mut connection = servers.await_connection().await?;
    let applied = sql::read_applied(&mut connection).await;
    let _ = connection.close().await;
    let applied = applied.map_err(|error| OpenError::of(&servers.place(), &error))?;
    Ok(SchemaStatus::compare(servers.place(), &STEPS, &applied))
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
async fn listen(servers: DatabaseServers, news: Arc<Notifier>) {
    news.wait_for_follower().await;
    let (pool, mut failures) = (servers.listener_pool(), 0);
    loop {
        let ended = async {
            let mut listener = PgListener::connect_with(&pool).await?;
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
