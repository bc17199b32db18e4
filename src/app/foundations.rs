//! What the engine stands on, opened as the settings say.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::bytes::Bytes;
use super::data_dir::prepare_data_dir;
use super::{embedded, secrets};
use crate::config::{Config, Database};
use crate::domain::clock::{Clock, Entropy, OsEntropy, SystemClock, random_hex};
use crate::engine::{Engine, Foundation, Issuers, KeySets, Registry, Tokens};
use crate::keysets::Fetcher;
use crate::store::{Store, postgres, sqlite};

/// Whether this process is the service or works beside one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The service: it owns the embedded store.
    Serve,
    /// A worker or a tool: it uses the embedded store of the service, or opens it if nobody has.
    Attach,
}

/// The database, time and chance.
pub struct Rows {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
}

impl Rows {
    /// Opens the database that the settings name and brings its schema up to date.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        prepare_data_dir(config)?;
        let stored = embedded::has_files(config).context("the embedded store's files cannot be listed")?;
        let missing = |file: &Path| !std::fs::metadata(file).is_ok_and(|file| file.len() > 0);
        if let Database::Sqlite(file) = &config.database
            && stored
            && missing(file)
        {
            // Before it is made: an empty one is not in the way of one from a backup.
            return Err(forgotten_store(config, &format!("{} is missing or empty", file.display())));
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = match &config.database {
            Database::Sqlite(file) => sqlite::open_with_reserve(file, Arc::clone(&clock), config.disk_reserve).await,
            Database::Postgres(url) => {
                let options = postgres::Options { connections: config.database_connections, clock: None };
                postgres::open(url, options).await
            }
        };
        let store = store.context("the database cannot be opened")?;
        if stored && store.setting(INSTANCE).await?.is_none() {
            return Err(forgotten_store(config, "The database is new"));
        }
        Ok(Self { store, clock, entropy: Arc::new(OsEntropy) })
    }

    /// The book of tenants and keys.
    #[must_use]
    pub fn registry(&self) -> Registry {
        Registry::new(Arc::clone(&self.store), Arc::clone(&self.entropy))
    }
}

/// The fact that every database has which has served: this instance's name.
const INSTANCE: &str = "instance";

/// A database that knows of no file would have the store's files removed as orphans, and give away a new admin key.
fn forgotten_store(config: &Config, what: &str) -> anyhow::Error {
    let store = config.data_dir.join("store");
    let store = store.display();
    anyhow::anyhow!(
        "{what}, but {store} holds files that only its rows know. Restore the database from a backup; or, to begin anew \
         without these files, move {store} away"
    )
}

/// Whose tokens count. Their keys are fetched when the first token comes.
fn issuers(config: &Config) -> anyhow::Result<Issuers> {
    if config.issuers.is_empty() {
        return Ok(Issuers::none());
    }
    let sets: Arc<dyn KeySets> = Arc::new(Fetcher::new().context("the keys of issuers cannot be fetched")?);
    Ok(Issuers::new(config.issuers.clone(), config.key_sets, &sets))
}

/// Checks the database before it serves. One that is damaged is read from and no longer written to, and the node is not
/// ready; a large one is checked on beside the service.
async fn check_database(store: &dyn Store) {
    match tokio::time::timeout(MAX_CHECK_WAIT, store.verify()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the database did not pass its check"),
        Err(_) => tracing::info!("the database is large: its check goes on beside the service"),
    }
}

/// How long a start waits for the check of the database.
const MAX_CHECK_WAIT: Duration = Duration::from_secs(5);

/// Everything, opened.
pub(super) struct Foundations {
    pub(super) rows: Rows,
    pub(super) engine: Engine,
    pub(super) store_origin: String,
    bytes: Bytes,
}

impl Foundations {
    /// Opens everything. `public_url`: where browsers load our pages from, for CORS.
    pub(super) async fn lay(config: &Config, role: Role, public_url: &str) -> anyhow::Result<Self> {
        let rows = Rows::open(config).await?;
        let bytes = Bytes::open(config, role, &rows, public_url).await?;
        let secrets = if config.signing_keys.is_empty() {
            vec![secrets::signing_key(&config.data_dir, &*rows.entropy)?]
        } else {
            config.signing_keys.clone()
        };
        let fresh = random_hex(&*rows.entropy, 16);
        let engine = Engine::new(Foundation {
            store: Arc::clone(&rows.store),
            blobs: Arc::clone(&bytes.blobs),
            entropy: Arc::clone(&rows.entropy),
            tokens: Tokens::new(&secrets).context("the signing key is too short")?,
            issuers: issuers(config)?,
            settings: config.engine.clone(),
            instance: rows.store.setting_or(INSTANCE, &fresh).await?,
        });
        if !engine.mark_bucket().await.context("the bucket cannot be marked")? {
            tracing::warn!("this bucket belongs to another instance: orphans will not be looked for");
        }
        if role == Role::Serve {
            check_database(&*rows.store).await;
        }
        Ok(Self { store_origin: bytes.origin.clone(), rows, engine, bytes })
    }

    /// Stops the embedded store, if this process runs it.
    pub(super) async fn close(self) {
        self.bytes.close().await;
    }
}
