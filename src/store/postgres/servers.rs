//! The servers of `database_url`, and the credentials for them.
//!
//! A URL may name several: `postgres://user:password@a:5432,b:5432/name`. A single server is the primary, the rest are
//! its standbys, and a failover makes a standby the primary. Every node finds the primary by itself: it asks the
//! servers in their order whether they are in recovery, and keeps a connection to the primary, which it asks again
//! every [`WATCH_INTERVAL`]. When that ends, it looks anew and points its pools at what it found.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use log::LevelFilter;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, PgPool};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::host_list::split_hosts;
use crate::domain::backoff::ExponentialBackoff;
use crate::domain::clock::OsEntropy;
use crate::domain::reason::{chain, plain_words};
use crate::store::{OpenError, SLOW_QUERY};

/// Time within which a server must be found at the start, and a connection while running.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Delays between attempts to reach a server that is starting, or to find the primary.
const CONNECT_BACKOFF: ExponentialBackoff =
    ExponentialBackoff::new(Duration::from_millis(100), Duration::from_millis(500));
/// Time for which a server of several may take to answer, before the next is asked.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Time between two questions to the primary.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

const IS_STANDBY: &str = "SELECT pg_is_in_recovery()";

/// The servers of a database URL with their credentials; clones share them.
#[derive(Clone)]
pub struct DatabaseServers(Arc<SharedServers>);

struct SharedServers {
    state: Mutex<ServerState>,
    /// A connection must lead to a server that takes writes: the URL names several servers, or demands it.
    must_write: bool,
    /// A new connection led to a standby.
    doubt: Arc<Notify>,
}

struct ServerState {
    /// In the order of the URL, each with the same credentials.
    servers: Vec<PgConnectOptions>,
    /// Position of the server that new connections go to.
    current: usize,
    /// Pools that follow a change of the server or of the credentials.
    pools: Vec<PgPool>,
    /// Time after which a statement is logged as slow.
    slow_query: Duration,
}

impl ServerState {
    /// How new connections of the pools are opened.
    fn options(&self) -> PgConnectOptions {
        let options = self.servers.get(self.current).cloned().unwrap_or_default();
        options.log_statements(LevelFilter::Off).log_slow_statements(LevelFilter::Warn, self.slow_query)
    }

    fn direct_pools(&self) {
        let options = self.options();
        self.pools.iter().for_each(|pool| pool.set_connect_options(options.clone()));
    }
}

impl DatabaseServers {
    /// Parses `postgres://user:password@host:port,host:port/name?…`. Connects to nothing. Of `target_session_attrs`,
    /// `any`, `read-write` and `primary` are understood; several hosts mean `read-write`.
    ///
    /// # Errors
    /// [`OpenError::Refused`]: the text is no such URL.
    pub fn parse(url: &str) -> Result<Self, OpenError> {
        let (hosts, demands_primary) = split_hosts(url).map_err(|problem| malformed(&problem))?;
        let parsed = hosts.iter().map(|url| Ok(url.parse::<PgConnectOptions>()?.application_name("gantry")));
        // Without the URL's text, which may hold a password.
        let servers: Vec<_> = parsed.collect::<sqlx::Result<_>>().map_err(|error| malformed(&error.to_string()))?;
        let must_write = demands_primary || servers.len() > 1;
        let state = ServerState { servers, current: 0, pools: Vec::new(), slow_query: SLOW_QUERY };
        let state = Mutex::new(state);
        Ok(Self(Arc::new(SharedServers { state, must_write, doubt: Arc::default() })))
    }

    /// Takes user and password from another URL of the same servers. New connections use them at once; those that are
    /// open go on, as PostgreSQL asks for a password only once. `false`: they are the same as before.
    ///
    /// # Errors
    /// [`OpenError::Refused`]: the text is no database URL, or names other servers. Nothing has changed then.
    pub fn replace_credentials(&self, url: &str) -> Result<bool, OpenError> {
        let new = Self::parse(url)?.state().servers.clone();
        let mut state = self.state();
        let target = |server: &PgConnectOptions| (address(server), server.get_database().map(str::to_owned));
        if !new.iter().map(target).eq(state.servers.iter().map(target)) {
            return Err(malformed("only user and password can be replaced while the service runs"));
        }
        let differ =
            !new.iter().map(ConnectOptions::to_url_lossy).eq(state.servers.iter().map(ConnectOptions::to_url_lossy));
        state.servers = new;
        state.direct_pools();
        Ok(differ)
    }

    /// Pools that are opened from now on log statements as slow that take longer.
    pub(in crate::store) fn set_slow_query(&self, slow: Duration) {
        self.state().slow_query = slow;
    }

    fn state(&self) -> MutexGuard<'_, ServerState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if the URL names several servers: [`Self::follow_primary`] must run.
    pub(in crate::store) fn are_several(&self) -> bool {
        self.state().servers.len() > 1
    }

    /// The servers' addresses and the database, without a password.
    pub(in crate::store) fn place(&self) -> String {
        let state = self.state();
        let servers: Vec<_> = state.servers.iter().map(address).collect();
        let servers = servers.join(", ");
        let Some(options) = state.servers.first() else { return "PostgreSQL".to_owned() };
        let user = options.get_username();
        format!("PostgreSQL at {servers} (database {}, user {user})", options.get_database().unwrap_or(user))
    }

    /// Waits for a server that is starting, or for a primary among several, and directs new connections there. On
    /// failure returns the server's error; a pool would report only a timeout.
    pub(in crate::store) async fn await_connection(&self) -> Result<PgConnection, OpenError> {
        let (deadline, mut failures) = (Instant::now() + ACQUIRE_TIMEOUT, 0);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let error = match timeout(left, self.connect()).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => error,
                Err(_) => sqlx::Error::PoolTimedOut,
            };
            failures += 1;
            let delay = CONNECT_BACKOFF.delay(failures, &OsEntropy);
            if !is_starting(&error) || Instant::now() + delay >= deadline {
                return Err(OpenError::of(&self.place(), &error));
            }
            tokio::time::sleep(delay).await;
        }
    }

    /// Connects to the first server that takes writes, and directs the pools there. Of several failures the one that
    /// may pass is returned.
    async fn connect(&self) -> sqlx::Result<PgConnection> {
        let servers = self.state().servers.clone();
        let several = servers.len() > 1;
        let mut failure = sqlx::Error::PoolTimedOut;
        for (position, options) in servers.iter().enumerate() {
            let attempt = self.connect_to(options);
            let outcome = if several {
                timeout(PROBE_TIMEOUT, attempt).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
            } else {
                attempt.await
            };
            match outcome {
                Ok(connection) => {
                    self.direct_to(position);
                    return Ok(connection);
                }
                Err(error) if position == 0 || is_starting(&error) => failure = error,
                Err(_) => {}
            }
        }
        Err(failure)
    }

    async fn connect_to(&self, options: &PgConnectOptions) -> sqlx::Result<PgConnection> {
        let mut connection = options.connect().await?;
        if self.0.must_write
            && let Err(error) = refuse_standby(&mut connection).await
        {
            let _ = connection.close().await;
            return Err(error);
        }
        Ok(connection)
    }

    fn direct_to(&self, position: usize) {
        let mut state = self.state();
        if state.current == position {
            return;
        }
        state.current = position;
        state.direct_pools();
        if let Some(server) = state.servers.get(position) {
            tracing::warn!(server = address(server), "connections to the database go to another server now");
        }
    }

    /// Opens a pool that follows the primary and the credentials.
    pub(in crate::store) async fn open_pool(&self, connections: u32) -> Result<PgPool, OpenError> {
        let pool = self.prepare_pool(PgPoolOptions::new().max_connections(connections));
        pool.acquire().await.map_err(|error| OpenError::of(&self.place(), &error))?;
        Ok(pool)
    }

    /// A pool for a single connection that stays open. Connects when the connection is acquired.
    pub(in crate::store) fn listener_pool(&self) -> PgPool {
        self.prepare_pool(PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None))
    }

    /// A pool for a single connection whose statements may take as long as they take. Connects when it is used.
    pub(in crate::store) fn migration_pool(&self) -> PgPool {
        let options = self.state().options();
        PgPoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_TIMEOUT).connect_lazy_with(options)
    }

    fn prepare_pool(&self, settings: PgPoolOptions) -> PgPool {
        // Not `self`: the pool would keep itself.
        let (must_write, doubt) = (self.0.must_write, Arc::clone(&self.0.doubt));
        let settings = settings.acquire_timeout(ACQUIRE_TIMEOUT).after_connect(move |connection, _| {
            let doubt = Arc::clone(&doubt);
            Box::pin(async move {
                if must_write {
                    refuse_standby(connection).await.inspect_err(|_| doubt.notify_one())?;
                }
                // No statement may hang for ever; and the server's default for writes is not meant for this service.
                connection.execute("SET statement_timeout = '30s'").await?;
                connection.execute("SET default_transaction_read_only = off").await?;
                Ok(())
            })
        });
        let mut state = self.state();
        let pool = settings.connect_lazy_with(state.options());
        state.pools.retain(|pool| !pool.is_closed());
        state.pools.push(pool.clone());
        pool
    }

    /// Keeps the pools on the primary for as long as it runs.
    pub(in crate::store) async fn follow_primary(self) {
        let mut failures = 0;
        loop {
            match self.connect().await {
                Ok(connection) => {
                    failures = 0;
                    self.watch_primary(connection).await;
                }
                Err(error) => {
                    failures += 1;
                    tracing::debug!(error = %chain(&error), "no server of the database takes writes");
                    tokio::time::sleep(CONNECT_BACKOFF.delay(failures, &OsEntropy)).await;
                }
            }
        }
    }

    /// Returns when the server behind this connection has gone or has become a standby.
    async fn watch_primary(&self, mut connection: PgConnection) {
        while let Ok(Ok(())) = timeout(PROBE_TIMEOUT, refuse_standby(&mut connection)).await {
            tokio::select! {
                () = tokio::time::sleep(WATCH_INTERVAL) => {}
                () = self.0.doubt.notified() => {}
            }
        }
        drop(tokio::spawn(connection.close_hard()));
    }
}

async fn refuse_standby(connection: &mut PgConnection) -> sqlx::Result<()> {
    let is_standby: bool = sqlx::query_scalar(IS_STANDBY).fetch_one(connection).await?;
    if is_standby {
        // As of a server that is not ready yet: a standby may become the primary.
        return Err(sqlx::Error::Io(std::io::Error::new(ErrorKind::ConnectionRefused, "the server is a standby")));
    }
    Ok(())
}

fn is_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => error.is_transient_in_connect_phase(),
        _ => false,
    }
}

fn address(options: &PgConnectOptions) -> String {
    let (host, port) = (options.get_host(), options.get_port());
    match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None if host.starts_with('/') => host.to_owned(),
        None if host.contains(':') => format!("[{host}]:{port}"),
        None => format!("{host}:{port}"),
    }
}

fn malformed(problem: &str) -> OpenError {
    OpenError::Refused { place: "the database of database_url".to_owned(), reason: plain_words(problem) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> String {
        match DatabaseServers::parse(url) {
            Ok(servers) => servers.place(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn operators_read_which_servers() {
        let of_two = place("postgres://u:secret@a:1,b:2/db?target_session_attrs=read-write");
        assert_eq!(of_two, "PostgreSQL at a:1, b:2 (database db, user u)");
        assert!(place("postgres://u@a,,b/db").contains("a host between commas is empty"));
        assert!(place("postgres://u@a/db?target_session_attrs=standby").contains("read-write, primary or any"));
    }

    #[test]
    fn credentials_are_replaced_on_all_servers() {
        let servers = DatabaseServers::parse("postgres://u:old@a:1,b:2/db").unwrap();
        assert!(!servers.replace_credentials("postgres://u:old@a:1,b:2/db").unwrap());
        assert!(servers.replace_credentials("postgres://v:new@a:1,b:2/db").unwrap());
        let urls: Vec<_> = servers.state().servers.iter().map(ConnectOptions::to_url_lossy).collect();
        assert!(urls.iter().all(|url| url.username() == "v" && url.password() == Some("new")), "{urls:?}");
        let error = servers.replace_credentials("postgres://v:new@c:1/db").unwrap_err().to_string();
        assert!(error.contains("only user and password") && !error.contains("new@"), "{error}");
    }
}
