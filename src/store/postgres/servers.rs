//! The server of `database_url`, and the credentials for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;

use super::connect_options;
use crate::domain::reason::plain_words;
use crate::store::OpenError;

/// The server of a database URL with its credentials; clones share them.
#[derive(Clone)]
pub struct DatabaseServers(Arc<Mutex<ServerState>>);

struct ServerState {
    options: PgConnectOptions,
    /// Pools that follow a change of the credentials.
    pools: Vec<PgPool>,
}

impl DatabaseServers {
    /// Parses `postgres://user:password@host:port/name?…`. Connects to nothing.
    ///
    /// # Errors
    /// [`OpenError::Refused`]: the text is no such URL.
    pub fn parse(url: &str) -> Result<Self, OpenError> {
        let state = ServerState { options: connect_options(url)?, pools: Vec::new() };
        Ok(Self(Arc::new(Mutex::new(state))))
    }

    /// Takes user and password from another URL of the same server. New connections use them at once; those that are
    /// open go on, as PostgreSQL asks for a password only once.
    ///
    /// # Errors
    /// [`OpenError::Refused`]: the text is no database URL, or names another server. Nothing has changed then.
    pub fn replace_credentials(&self, url: &str) -> Result<(), OpenError> {
        let options = connect_options(url)?;
        let mut state = self.state();
        if target(&options) != target(&state.options) {
            return Err(OpenError::Refused {
                place: "the database of database_url".to_owned(),
                reason: plain_words("only user and password can be replaced while the service runs"),
            });
        }
        state.pools.iter().for_each(|pool| pool.set_connect_options(options.clone()));
        state.options = options;
        Ok(())
    }

    pub(super) fn options(&self) -> PgConnectOptions {
        self.state().options.clone()
    }

    /// Has a pool follow the credentials.
    pub(super) fn attach(&self, pool: &PgPool) {
        let mut state = self.state();
        pool.set_connect_options(state.options.clone());
        state.pools.push(pool.clone());
    }

    fn state(&self) -> MutexGuard<'_, ServerState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn target(options: &PgConnectOptions) -> (String, u16, Option<String>) {
    (options.get_host().to_owned(), options.get_port(), options.get_database().map(ToOwned::to_owned))
}
