//! Resources of the engine, opened from the settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::data_dir::prepare_data_dir;
use super::object_store::ObjectStoreHandle;
use super::{embedded, secrets};
use crate::config::{DatabaseConfig, ServiceConfig, StoreConfig};
use crate::domain::clock::{Clock, Entropy, OsEntropy, SystemClock, random_hex};
use crate::domain::reason::chain;
use crate::engine::{DiskProbe, Engine, EngineDeps, KeySetFetcher, TenantRegistry, TokenSigner, TrustedIssuers};
use crate::keysets::HttpKeySets;
use crate::machine;
use crate::store::sqlite::SqliteOptions;
use crate::store::{AssetQuery, SchemaStatus, Store, postgres, sqlite};

/// Role of this process: the service itself, or a process beside it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ProcessRole {
    /// The service: it runs the embedded store.
    Serve,
    /// A worker: it uses the service's embedded store, or opens the store if no service runs.
    Attach,
    /// A command of the operator: as a worker, but it binds no port.
    Tool,
}

/// The database, the clock and the source of randomness.
pub struct DatabaseHandle {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    /// The servers of PostgreSQL, whose password can be replaced.
    pub(super) servers: Option<postgres::DatabaseServers>,
}

impl DatabaseHandle {
    /// Opens the database from the settings and brings its schema up to date.
    pub async fn open(config: &ServiceConfig) -> anyhow::Result<Self> {
        prepare_data_dir(config)?;
        let stored = embedded::has_files(config).context("the embedded store's files cannot be listed")?;
        Self::open_beside(config, stored).await
    }

    /// Opens the database for an import: it may be new beside a store with files, which are the files of `instance`. A
    /// database without assets becomes that instance's.
    pub(super) async fn open_for_import(config: &ServiceConfig, instance: &str) -> anyhow::Result<Self> {
        prepare_data_dir(config)?;
        let database = Self::open_beside(config, false).await?;
        let rows = database.store.list_assets(&AssetQuery { limit: 1, ..AssetQuery::default() }).await?;
        if rows.assets.is_empty() {
            database.store.set_setting(INSTANCE_SETTING, instance).await?;
        }
        Ok(database)
    }

    /// `stored`: the embedded store has files.
    async fn open_beside(config: &ServiceConfig, stored: bool) -> anyhow::Result<Self> {
        let missing = |file: &Path| !std::fs::metadata(file).is_ok_and(|file| file.len() > 0);
        if let DatabaseConfig::Sqlite(file) = &config.database
            && stored
            && missing(file)
        {
            // Checked before the file is created: no empty database may stand in the way of a backup's.
            return Err(orphaned_files_error(config, &format!("{} is missing or empty", file.display())));
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut servers = None;
        let store = match &config.database {
            DatabaseConfig::Sqlite(file) => {
                let (reserve, slow_query) = (config.disk_reserve, config.slow_query);
                let options = SqliteOptions { reserve, auto_migrate: config.auto_migrate, slow_query };
                Box::pin(sqlite::open_with(file, Arc::clone(&clock), options)).await
            }
            DatabaseConfig::Postgres(url) => {
                let (connections, auto_migrate) = (config.database_connections, config.auto_migrate);
                let slow_query = config.slow_query;
                let options = postgres::PostgresOptions { connections, clock: None, auto_migrate, slow_query };
                let parsed = postgres::DatabaseServers::parse(url).context("the database cannot be opened")?;
                let servers = servers.insert(parsed);
                Box::pin(postgres::open_servers(servers, options)).await
            }
        };
        let store = store.context("the database cannot be opened")?;
        if stored && store.read_setting(INSTANCE_SETTING).await?.is_none() {
            return Err(orphaned_files_error(config, "The database is new"));
        }
        Ok(Self { store, clock, entropy: Arc::new(OsEntropy), servers })
    }

    /// Applies the pending steps of the schema, whatever `database.auto_migrate` says.
    pub async fn migrate(config: &ServiceConfig) -> anyhow::Result<()> {
        let mut config = config.clone();
        config.auto_migrate = true;
        Self::open(&config).await.map(drop)
    }

    /// Reads which steps of the schema are applied. Changes nothing and creates nothing.
    pub async fn read_schema(config: &ServiceConfig) -> anyhow::Result<SchemaStatus> {
        let schema = match &config.database {
            DatabaseConfig::Sqlite(file) => sqlite::read_schema(file).await,
            DatabaseConfig::Postgres(url) => postgres::read_schema(url).await,
        };
        schema.context("the schema cannot be read")
    }

    /// The registry of tenants and keys.
    #[must_use]
    pub fn registry(&self) -> TenantRegistry {
        TenantRegistry::new(Arc::clone(&self.store), Arc::clone(&self.entropy))
    }
}

/// The disk of the data directory, if the database or the store is on it.
fn data_dir_probe(config: &ServiceConfig) -> Option<Arc<dyn DiskProbe>> {
    let embedded = matches!(config.store, StoreConfig::Embedded { .. });
    let on_disk = embedded || matches!(config.database, DatabaseConfig::Sqlite(_));
    on_disk.then(|| Arc::new(DataDirDisk(config.data_dir.clone())) as Arc<dyn DiskProbe>)
}

/// The file system of the data directory.
struct DataDirDisk(PathBuf);

impl DiskProbe for DataDirDisk {
    fn free_bytes(&self) -> Option<u64> {
        machine::free_bytes(&self.0).ok()
    }
}

/// Setting with the instance's id, which every database has that was in service.
const INSTANCE_SETTING: &str = "instance";

/// Error for a database without rows beside a store with files: the service would remove the files as orphans and issue
/// a new admin key.
fn orphaned_files_error(config: &ServiceConfig, what: &str) -> anyhow::Error {
    let store = config.data_dir.join("store");
    let store = store.display();
    anyhow::anyhow!(
        "{what}, but {store} holds files that only its rows know. Restore the database from a backup; or, to begin anew \
         without these files, move {store} away"
    )
}

/// Signer with the keys of the settings, or with the key of the data directory.
pub(super) fn token_signer(config: &ServiceConfig, entropy: &dyn Entropy) -> anyhow::Result<TokenSigner> {
    let keys = match &config.signing_keys[..] {
        [] => vec![secrets::ensure_signing_key(&config.data_dir, entropy)?],
        keys => keys.to_vec(),
    };
    TokenSigner::new(&keys).context("the signing key is too short")
}

/// Trusted issuers of tokens. Their keys are fetched when the first token arrives.
fn issuers(config: &ServiceConfig) -> anyhow::Result<TrustedIssuers> {
    if config.issuers.is_empty() {
        return Ok(TrustedIssuers::none());
    }
    let sets: Arc<dyn KeySetFetcher> = Arc::new(HttpKeySets::new().context("the keys of issuers cannot be fetched")?);
    Ok(TrustedIssuers::new(config.issuers.clone(), config.key_sets, &sets))
}

/// Checks the database before it serves. A damaged database becomes read-only and the node is not ready; the check of a
/// large database continues while the service runs.
async fn check_database(store: &dyn Store) {
    match tokio::time::timeout(MAX_CHECK_WAIT, store.verify()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(error = %chain(&error), "the database did not pass its check"),
        Err(_) => tracing::info!("the database is large: its check goes on beside the service"),
    }
}

/// Time for which a start waits for the check of the database.
const MAX_CHECK_WAIT: Duration = Duration::from_secs(5);

/// All opened resources.
pub(super) struct Resources {
    pub(super) database: DatabaseHandle,
    pub(super) engine: Engine,
    pub(super) store_origin: String,
    pub(super) object_store: ObjectStoreHandle,
}

impl Resources {
    /// Opens all resources. `public_url`: the origin of this service's pages, for CORS.
    pub(super) async fn open(config: &ServiceConfig, role: ProcessRole, public_url: &str) -> anyhow::Result<Self> {
        let rows = DatabaseHandle::open(config).await?;
        Self::open_on(rows, config, role, public_url).await
    }

    /// As [`Self::open`], on a database that is open.
    pub(super) async fn open_on(
        rows: DatabaseHandle,
        config: &ServiceConfig,
        role: ProcessRole,
        public_url: &str,
    ) -> anyhow::Result<Self> {
        let bytes = ObjectStoreHandle::open(config, role, &rows, public_url).await?;
        let fresh = random_hex(&*rows.entropy, 16);
        let engine = Engine::new(EngineDeps {
            store: Arc::clone(&rows.store),
            blobs: Arc::clone(&bytes.blobs),
            entropy: Arc::clone(&rows.entropy),
            tokens: token_signer(config, &*rows.entropy)?,
            issuers: issuers(config)?,
            settings: config.engine.clone(),
            disk: data_dir_probe(config),
            instance_id: rows.store.setting_or(INSTANCE_SETTING, &fresh).await?,
        });
        if !engine.operations().mark_bucket().await.context("the bucket cannot be marked")? {
            tracing::warn!("this bucket belongs to another instance: orphans will not be looked for");
        }
        if role == ProcessRole::Serve {
            check_database(&*rows.store).await;
        }
        Ok(Self { store_origin: bytes.origin.clone(), database: rows, engine, object_store: bytes })
    }

    /// Stops the embedded store, if this process runs it.
    pub(super) async fn close(self) {
        self.object_store.close().await;
    }
}
