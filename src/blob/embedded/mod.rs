//! Embedded S3 store: an S3 endpoint inside the process, for production use in small deployments.
//!
//! Every PUT and every part becomes a data file that is written once; SQLite records which files make up an object.
//! Therefore completing an upload copies nothing, and no client's key ever becomes a path.
//!
//! ```text
//!  request ─▶ service ── health · CORS · auth (access key) · body (idle, drain) · chunked (bounded memory)
//!                │ s3s: SigV4, XML
//!                ▼
//!               s3/ ── a method per operation: parse ▶ call ▶ render
//!                │
//!    ┌───────────┼──────────────┬────────────────┐
//!    ▼           ▼              ▼                ▼
//!  ingest      read           meta/           gc
//!  body ▶ file  file ▶ body    rows, single    trash, tombstones,
//!  hashed,      read-ahead,    writer thread   orphans
//!  fsynced      pinned         with group commit
//! ```
//!
//! Invariants at any instant, also across `kill -9` and power loss:
//!
//! * A file and its directory are fsynced before a transaction names the file; the client is answered after the
//!   transaction is durable. A file that no row names is not part of the store, and is removed.
//! * Conditions (`If-Match`, `If-None-Match`) are decided inside the transaction that writes.
//! * A content that is being read stays, however slow the reader is (`pins`).
//! * After a failed fsync the store refuses writes until it is restarted (`health`); reads go on.
//! * Memory is bounded for each body and each download; their number is bounded by [`EmbeddedSettings::max_bodies`]
//!   and by the server that accepts connections.
//!
//! A full disk is answered with `507` and code `InsufficientStorage`, which no SDK retries; too many uploads at once
//! with `503 SlowDown`, which all SDKs retry with backoff.
//!
//! Logs: this module logs under its own path. `s3s` logs every 4xx at ERROR: set `s3s=off` in the filter.
//!
//! Must not use our `store`, `engine` or `http`, nor time or randomness except through [`Clock`] and [`Entropy`].

mod auth;
mod body;
mod buffers;
mod checksum;
mod chunked;
mod conditions;
mod core;
mod cors;
mod crc;
mod disk;
mod error;
mod error_document;
mod files;
mod gc;
mod health;
mod ingest;
mod local_read;
mod meta;
mod model;
mod open;
mod parts_in_flight;
mod pins;
mod protection;
mod read;
mod removal_lock;
mod s3;
mod serial_queue;
mod service;
mod unsupported;

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;

use crate::domain::clock::{Clock, Entropy};
use crate::domain::reason::chain;
use crate::sendfile::FileSpans;
pub use error::STORE_REGION;
pub use gc::GcReport;
pub use local_read::{DataFile, ReadError};
pub use meta::saved_files::{SavedFile, SavedFiles};
pub use open::EmbeddedOpenError;
pub use removal_lock::RemovalLock;

/// Settings of a store.
#[derive(Clone)]
pub struct EmbeddedSettings {
    /// Directory of all data; created if missing. A single process at a time can open it.
    pub dir: PathBuf,
    /// Access key id that clients sign with; not empty.
    pub access_key: String,
    /// Secret access key; not empty.
    pub secret_key: String,
    /// Origins whose pages may use the store, like `https://app.example`; `*` for all.
    pub cors_origins: Vec<String>,
    /// Largest number of PUTs and parts that are received at once; more get `503 SlowDown`. Each needs up to 3 MiB of
    /// memory.
    pub max_bodies: usize,
    /// Free bytes on the disk below which no body is received.
    pub min_free: u64,
    /// Time for which bytes stay after the last object that named them is gone.
    pub trash_grace: Duration,
    /// Time for which a completed upload is remembered, so that a repeated CompleteMultipartUpload gets the same
    /// answer.
    pub tombstone_ttl: Duration,
    /// Pause between two rounds of [`EmbeddedStore::maintain`].
    pub maintain_every: Duration,
}

impl Default for EmbeddedSettings {
    /// Defaults for all settings but `dir`, `access_key` and `secret_key`, which are empty.
    fn default() -> Self {
        Self {
            dir: PathBuf::new(),
            access_key: String::new(),
            secret_key: String::new(),
            cors_origins: Vec::new(),
            max_bodies: 128,
            min_free: 256 << 20,
            trash_grace: Duration::from_secs(60),
            tombstone_ttl: Duration::from_secs(7 * 24 * 3600),
            maintain_every: Duration::from_secs(10),
        }
    }
}

impl std::fmt::Debug for EmbeddedSettings {
    /// Prints directory and access key, without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("dir", &self.dir).field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// An open store. Clones share it; the store is closed when the last clone is dropped.
#[derive(Clone)]
pub struct EmbeddedStore(Arc<open::OpenedStore>);

impl EmbeddedStore {
    /// Opens or creates the store in [`EmbeddedSettings::dir`] and locks it for this process. Blocks on the disk.
    ///
    /// # Errors
    /// [`EmbeddedOpenError`]; then nothing was changed, except that directories may have been created.
    pub fn open(
        settings: EmbeddedSettings,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, EmbeddedOpenError> {
        open::open(settings, clock, entropy).map(|opened| Self(Arc::new(opened)))
    }

    /// Creates a bucket unless it exists.
    ///
    /// # Errors
    /// A sentence: S3 does not allow the name, or the store cannot be written.
    pub async fn ensure_bucket(&self, name: &str) -> Result<(), String> {
        open::ensure_bucket(&self.0.core, name).await.map_err(|error| chain(&error).to_string())
    }

    /// Answers an S3 request, including the check of its signature. This is the whole HTTP service: mount it at the
    /// root of a listener of its own, because paths are signed. `GET /-/health` is answered without a signature: 200,
    /// or 503 once the store has stopped writing. Never fails.
    pub async fn handle<B>(&self, request: http::Request<B>) -> http::Response<s3s::Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<s3s::StdError>,
    {
        self.0.service.handle(request).await
    }

    /// Reads bytes of the object with this entity tag, without a request. The files stay until the stream is dropped.
    ///
    /// # Errors
    /// [`ReadError`]; also if the range is not inside the object.
    pub async fn read(
        &self,
        bucket: &str,
        key: &str,
        etag: &str,
        range: Range<u64>,
    ) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>, ReadError> {
        local_read::read(&self.0.core, address(bucket, key), etag, range).await
    }

    /// Same bytes as [`Self::read`], as ranges of files for `sendfile`. The files stay until the stream is dropped.
    ///
    /// # Errors
    /// [`ReadError`]; also if the range is not inside the object.
    pub async fn spans(&self, bucket: &str, key: &str, etag: &str, range: Range<u64>) -> Result<FileSpans, ReadError> {
        Ok(local_read::spans(&self.0.core, address(bucket, key), etag, range).await?.boxed())
    }

    /// Data file that contains the whole object with this entity tag; `None` if the object is not in a single file. The
    /// file can be opened for [`EmbeddedSettings::trash_grace`] even if the object is removed right after this call.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn data_file(&self, bucket: &str, key: &str, etag: &str) -> Result<Option<DataFile>, ReadError> {
        local_read::data_file(&self.0.core, address(bucket, key), etag).await
    }

    /// Runs maintenance until `shutdown`: removes unreferenced contents and old tombstones and, once, files that a
    /// crash left behind. Run it exactly once beside [`EmbeddedStore::handle`].
    pub async fn maintain(&self, shutdown: CancellationToken) {
        gc::run(Arc::clone(&self.0.core), self.0.schedule, shutdown).await;
    }

    /// Runs a whole round of maintenance now, including the orphan sweep.
    ///
    /// # Errors
    /// A sentence, if the disk or the metadata fails; a later round does the rest.
    pub async fn sweep(&self) -> Result<GcReport, String> {
        gc::run_round(&self.0.core, self.0.schedule, true).await.map_err(|error| chain(&error).to_string())
    }
}

fn address(bucket: &str, key: &str) -> model::ObjectAddress {
    model::ObjectAddress { bucket: bucket.to_owned(), key: key.to_owned() }
}
