//! Opening a store: lock, directories and database, and the components built from them.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use s3s::validation::{AwsNameValidation, NameValidation as _};

use super::EmbeddedSettings;
use super::auth::AccessKeyPair;
use super::core::{StoreCore, recently_read};
use super::cors::CorsRules;
use super::disk::DiskSpace;
use super::error::{Error, Result};
use super::files::DataFiles;
use super::gc::GcSchedule;
use super::health::StoreHealth;
use super::ingest::BodyIngest;
use super::meta::{MetadataStore, buckets};
use super::parts_in_flight::PartsInFlight;
use super::pins::ContentPins;
use super::service::S3HttpService;
use crate::domain::clock::{Clock, Entropy};
use crate::domain::reason::FailureCause;

/// Errors of opening a store.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedOpenError {
    /// Another process has the store open.
    #[error("the store in {0} is in use by another process")]
    Locked(PathBuf),
    /// A required setting is empty.
    #[error("the store needs {0}")]
    MissingSetting(&'static str),
    /// The database was written by a later version of this program.
    #[error("the store's metadata has version {version}, which this program does not know; use a newer one")]
    TooNew {
        /// Version of the database.
        version: i64,
    },
    /// Data files exist, but the database that names them is missing: a new database would make the sweep remove them.
    #[error("{0} is missing although there are data files: restore it, or move the files away")]
    MetadataMissing(PathBuf),
    /// The database names data files, but none exists: a directory that was not mounted or not restored.
    #[error(
        "{0} is missing or empty although {1} names files in it: mount or restore it; a store that may be lost is given up \
         by moving both away"
    )]
    FilesMissing(PathBuf, PathBuf),
    /// The database cannot be opened or read.
    #[error("the store's metadata cannot be opened")]
    Metadata(#[source] FailureCause),
    /// The directory cannot be used.
    #[error("the store's directory cannot be used")]
    Io(#[from] io::Error),
}

/// A store that is open.
pub(super) struct OpenedStore {
    /// Shared state of the operations.
    pub(super) core: Arc<StoreCore>,
    /// HTTP service.
    pub(super) service: S3HttpService,
    /// Schedule of maintenance.
    pub(super) schedule: GcSchedule,
    /// Lock file, held while the store is open; the operating system releases it when the process dies.
    _lock: File,
}

/// Opens the store of these settings.
pub(super) fn open(
    settings: EmbeddedSettings,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Result<OpenedStore, EmbeddedOpenError> {
    check(&settings)?;
    fs::create_dir_all(&settings.dir)?;
    let lock = lock(&settings.dir)?;
    let health = Arc::<StoreHealth>::default();
    if !DataFiles::has_any(&settings.dir)? && MetadataStore::names_files(&settings.dir) {
        return Err(EmbeddedOpenError::FilesMissing(settings.dir.join("files"), settings.dir.join("meta.db")));
    }
    let files = DataFiles::open(&settings.dir, Arc::clone(&entropy), Arc::clone(&health))?;
    let (meta, cors) = MetadataStore::open(&settings.dir, &files, Arc::clone(&health))?;
    let disk = DiskSpace::new(&settings.dir, settings.min_free);
    let core = Arc::new(StoreCore {
        read: recently_read(),
        meta,
        ingest: BodyIngest::new(Arc::clone(&files), disk, Arc::clone(&health), settings.max_bodies),
        files,
        pins: ContentPins::default(),
        parts_in_flight: PartsInFlight::default(),
        health,
        cors: CorsRules::new(settings.cors_origins, parse_cors(cors)?),
        clock,
        entropy,
    });
    let key = AccessKeyPair::new(settings.access_key, settings.secret_key);
    let service = S3HttpService::new(Arc::clone(&core), key);
    let schedule = GcSchedule {
        trash_grace: settings.trash_grace,
        tombstone_ttl: settings.tombstone_ttl,
        every: settings.maintain_every,
    };
    Ok(OpenedStore { core, service, schedule, _lock: lock })
}

/// Checks required settings. An empty key would authorise every client that signs with an empty key.
fn check(settings: &EmbeddedSettings) -> Result<(), EmbeddedOpenError> {
    if settings.dir.as_os_str().is_empty() {
        return Err(EmbeddedOpenError::MissingSetting("a directory"));
    }
    if settings.access_key.is_empty() || settings.secret_key.is_empty() {
        return Err(EmbeddedOpenError::MissingSetting("an access key and a secret key"));
    }
    Ok(())
}

fn lock(dir: &Path) -> Result<File, EmbeddedOpenError> {
    let file = File::options().create(true).append(true).open(dir.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EmbeddedOpenError::Locked(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn parse_cors(
    stored: Vec<(String, String)>,
) -> Result<HashMap<String, Arc<Vec<super::cors::CorsRule>>>, EmbeddedOpenError> {
    let parse = |(bucket, rules): (String, String)| match serde_json::from_str(&rules) {
        Ok(rules) => Ok((bucket, Arc::new(rules))),
        Err(error) => Err(EmbeddedOpenError::Metadata(FailureCause::with(format!("CORS rules of {bucket}"), error))),
    };
    stored.into_iter().map(parse).collect()
}

/// Creates a bucket unless it exists.
pub(super) async fn ensure_bucket(core: &StoreCore, name: &str) -> Result<()> {
    if !AwsNameValidation::new().validate_bucket_name(name) {
        return Err(Error::InvalidRequest("a bucket name has 3 to 63 lower-case letters, digits, dots and hyphens"));
    }
    let (name, now) = (name.to_owned(), core.now());
    match core.meta.write(move |db| buckets::create(db, &name, now)).await {
        Err(Error::BucketExists) => Ok(()),
        result => result,
    }
}
