//! The embedded S3 store: an S3 endpoint inside the process, for real small deployments.
//!
//! Every PUT and every part becomes one data file, written once; SQLite says which files make up which object.
//! Completing an upload therefore copies nothing, and no user's key ever becomes a path.
//!
//! ```text
//!  request ─▶ service ── health · CORS · door (who may pass) · body (idle, drain) · chunked (bounded memory)
//!                │ s3s: SigV4, XML
//!                ▼
//!               s3/ ── one method per operation: parse ▶ call ▶ render
//!                │
//!    ┌───────────┼──────────────┬────────────────┐
//!    ▼           ▼              ▼                ▼
//!  ingest      read           meta/           janitor
//!  body ▶ file  file ▶ body    rows, one       trash, tombstones,
//!  hashed,      read-ahead,    writer thread   orphans
//!  fsynced      pinned         with group commit
//! ```
//!
//! What holds at any instant, also across `kill -9` and power loss:
//!
//! * A file is fsynced, and its directory too, before a transaction names it; the client is answered after the
//!   transaction is durable. A file that no row names is nothing, and is removed.
//! * Conditions (`If-Match`, `If-None-Match`) are decided inside the transaction that writes.
//! * A content that is read stays, however slow the reader (`pins`).
//! * After a failed fsync the store writes no more until it is restarted (`health`); it goes on reading.
//! * Memory is bounded for each body and each download; their number is bounded by [`EmbeddedSettings::max_bodies`] and by
//!   whoever accepts connections.
//!
//! The disk full: `507` with code `InsufficientStorage`, which no SDK retries; too many uploads: `503 SlowDown`,
//! which all retry with backoff.
//!
//! Logs: this module logs under its own path. `s3s` logs every 4xx at ERROR: set `s3s=off` in the filter.
//!
//! Must not use our `store`, `engine` or `http`, nor time or chance except through [`Clock`] and [`Entropy`].

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
use crate::sendfile::FileSpans;
pub use error::REGION;
pub use gc::GcReport;
pub use local_read::{DataFile, ReadError};
pub use open::EmbeddedOpenError;

/// How a store is set up.
#[derive(Clone)]
pub struct EmbeddedSettings {
    /// Where it keeps everything; made when missing. One process at a time.
    pub dir: PathBuf,
    /// The access key id that requests are signed with; not empty.
    pub access_key: String,
    /// Its secret; not empty.
    pub secret_key: String,
    /// Origins whose pages may use the store, like `https://app.example`; `*` for all.
    pub cors_origins: Vec<String>,
    /// The most PUTs and parts that are received at once; further ones get `503 SlowDown`. Each needs up to 3 MiB.
    pub max_bodies: usize,
    /// Free bytes on the disk below which nothing is received.
    pub min_free: u64,
    /// How long bytes stay after the last object that named them is gone.
    pub trash_grace: Duration,
    /// How long a completed upload is remembered, so that a repeated CompleteMultipartUpload gets the same answer.
    pub tombstone_ttl: Duration,
    /// The pause between two rounds of [`EmbeddedStore::maintain`].
    pub maintain_every: Duration,
}

impl Default for EmbeddedSettings {
    /// Everything but `dir`, `access_key` and `secret_key`, which have no default.
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
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("dir", &self.dir).field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// An open store. Clones share it; it is closed when the last one is dropped.
#[derive(Clone)]
pub struct EmbeddedStore(Arc<open::OpenedStore>);

impl EmbeddedStore {
    /// Opens or makes the store in [`EmbeddedSettings::dir`] and locks it for this process. Blocks on the disk.
    ///
    /// # Errors
    /// [`EmbeddedOpenError`] says what is wrong; nothing is changed then, except that directories may have been made.
    pub fn open(
        settings: EmbeddedSettings,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, EmbeddedOpenError> {
        open::open(settings, clock, entropy).map(|opened| Self(Arc::new(opened)))
    }

    /// Makes a bucket unless it exists.
    ///
    /// # Errors
    /// A sentence: the name is not one that S3 allows, or the store cannot be written.
    pub async fn ensure_bucket(&self, name: &str) -> Result<(), String> {
        open::ensure_bucket(&self.0.core, name).await.map_err(|error| error.to_string())
    }

    /// Answers one S3 request, signature and all. This is the whole HTTP service: mount it at the root of a listener
    /// of its own, since paths are signed. `GET /-/health` is answered without a signature: 200, or 503 when the
    /// store has stopped writing. Never fails.
    pub async fn handle<B>(&self, request: http::Request<B>) -> http::Response<s3s::Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<s3s::StdError>,
    {
        self.0.service.handle(request).await
    }

    /// Bytes of the object that still has this entity tag, without a request. The files stay until the stream is dropped.
    ///
    /// # Errors
    /// [`ReadError`]; also when the range is not inside the object.
    pub async fn read(
        &self,
        bucket: &str,
        key: &str,
        etag: &str,
        range: Range<u64>,
    ) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>, ReadError> {
        local_read::read(&self.0.core, address(bucket, key), etag, range).await
    }

    /// The same bytes as parts of files, for whoever sends them to a socket. The files stay until the stream is dropped.
    ///
    /// # Errors
    /// [`ReadError`]; also when the range is not inside the object.
    pub async fn spans(&self, bucket: &str, key: &str, etag: &str, range: Range<u64>) -> Result<FileSpans, ReadError> {
        Ok(local_read::spans(&self.0.core, address(bucket, key), etag, range).await?.boxed())
    }

    /// The data file that is the whole of the object which still has this entity tag; `None` if it is in several. It can
    /// be opened for [`EmbeddedSettings::trash_grace`] even if the object is removed right now.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn data_file(&self, bucket: &str, key: &str, etag: &str) -> Result<Option<DataFile>, ReadError> {
        local_read::data_file(&self.0.core, address(bucket, key), etag).await
    }

    /// Looks after the store until `shutdown`: removes what nothing names any more, forgets old tombstones, and,
    /// once, sweeps what a crash left behind. Run it exactly once beside [`EmbeddedStore::handle`].
    pub async fn maintain(&self, shutdown: CancellationToken) {
        gc::run(Arc::clone(&self.0.core), self.0.schedule, shutdown).await;
    }

    /// One whole round of maintenance now, the sweep for orphans included.
    ///
    /// # Errors
    /// A sentence, when the disk or the metadata fails; what was not done is done by a later round.
    pub async fn sweep(&self) -> Result<GcReport, String> {
        gc::run_round(&self.0.core, self.0.schedule, true).await.map_err(|error| error.to_string())
    }
}

fn address(bucket: &str, key: &str) -> model::ObjectAddress {
    model::ObjectAddress { bucket: bucket.to_owned(), key: key.to_owned() }
}
