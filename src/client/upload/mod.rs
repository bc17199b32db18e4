//! `gantry put`: a file to the service, in parallel parts, going on where any earlier run stopped.
//!
//! ```text
//! journal ▶ begin (find or create) ▶ send (missing parts, beside the hash) ▶ complete {sha256} ▶ wait until it is ready
//! ```
//!
//! What has arrived is for the server to say; the journal only knows which upload it was. The file is watched: if it
//! changes under way, nothing half-claimed remains.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::api::Api;
use super::error::{Error, Result};
use super::journal::{Entry, Identity, Journal};
use super::progress::{Direction, Event, Reporter, Track};
use super::text;
use super::wire::Asset;
use crate::domain::checksum::Sha256Digest;
use crate::domain::clock::Timestamp;

mod begin;
mod body;
mod digest;
mod finish;
mod send;
mod source;
mod store;
mod urls;

use begin::Standing;
use digest::Hashing;
use send::Sent;
pub use source::Fingerprint;
use source::Source;

/// How often the server may change its mind about where an upload stands.
const ROUNDS: u32 = 6;

/// How to upload.
#[derive(Clone, Debug)]
pub struct Options {
    /// Another name than the file's.
    pub name: Option<String>,
    /// The declared type.
    pub content_type: Option<String>,
    /// The caller's identity for the asset.
    pub external_id: Option<String>,
    /// The caller's properties.
    pub metadata: Map<String, Value>,
    /// Wanted part size in bytes.
    pub part_size: Option<u64>,
    /// What the file is expected to hash to.
    pub sha256: Option<Sha256Digest>,
    /// Go on with what an earlier run has begun.
    pub resume: bool,
    /// Wait until the asset is ready or rejected.
    pub wait: bool,
    /// Parts in flight, over all files.
    pub concurrency: usize,
    /// How long nothing may move before a part is sent again.
    pub patience: Duration,
}

/// Uploads files.
pub struct Uploader {
    api: Api,
    reporter: Reporter,
    journal: Option<Journal>,
    options: Options,
    slots: Semaphore,
    pool: body::Pool,
    stop: CancellationToken,
    finished: Mutex<Vec<PathBuf>>,
    /// The server has bytes of a file.
    kept_bytes: AtomicBool,
}

/// A file that became an asset.
#[derive(Clone, Debug)]
pub struct Done {
    /// The asset.
    pub asset: Asset,
    /// Whether an earlier run had finished it.
    pub before: bool,
}

/// One file on its way.
struct Run<'a> {
    up: &'a Uploader,
    source: Arc<Source>,
    name: String,
    entry: Entry,
    track: Track,
    /// When the server gives the upload up.
    kept_until: Option<Timestamp>,
}

impl Uploader {
    /// `journal`: where unfinished uploads are remembered. `stop`: cut everything off, keeping what has arrived.
    #[must_use]
    pub fn new(
        api: Api,
        reporter: Reporter,
        journal: Option<Journal>,
        options: Options,
        stop: CancellationToken,
    ) -> Self {
        let slots = Semaphore::new(options.concurrency);
        let (pool, finished, kept_bytes) = (body::Pool::default(), Mutex::default(), AtomicBool::default());
        Self { api, reporter, journal, options, slots, pool, stop, finished, kept_bytes }
    }

    /// Part addresses to ask for at once.
    fn batch(&self) -> usize {
        self.options.concurrency * 2
    }

    /// Uploads one file.
    pub async fn put(&self, path: &Path) -> Result<Done> {
        if self.stop.is_cancelled() {
            return Err(Error::Interrupted);
        }
        let mut run = self.run(path)?;
        let outcome = tokio::select! {
            outcome = run.drive() => outcome,
            () = self.stop.cancelled() => Err(Error::Interrupted),
        };
        if run.track.confirmed() > 0 {
            self.kept_bytes.store(true, Ordering::Relaxed);
        }
        match &outcome {
            Ok(_) => self.keep(run.entry),
            Err(Error::Interrupted) => run.say_what_is_kept(),
            Err(error) => {
                run.track.tell(&Event::Failed(error));
                if matches!(error, Error::Integrity(_)) {
                    run.give_up().await;
                }
            }
        }
        outcome
    }

    fn run(&self, path: &Path) -> Result<Run<'_>> {
        let source = Arc::new(Source::open(path)?);
        let name = match &self.options.name {
            Some(name) => name.clone(),
            None => source.name()?.to_owned(),
        };
        let options = &self.options;
        // What makes it another upload than an earlier one of the same file.
        let wish = serde_json::json!([name, options.content_type, options.external_id, options.metadata]).to_string();
        let identity = Identity { server: self.api.base(), path: &source.path, wish: &wish };
        let entry = match &self.journal {
            Some(journal) => journal.entry(identity)?,
            None => Entry::in_memory(),
        };
        let track = self.reporter.track(&source.label, source.print.size, Direction::Up);
        Ok(Run { up: self, source, name, entry, track, kept_until: None })
    }

    /// Whether the server has bytes of any of the files.
    #[must_use]
    pub fn has_kept_bytes(&self) -> bool {
        self.kept_bytes.load(Ordering::Relaxed)
    }

    /// Finished uploads stay known until the user is told of them, and for a while after: if the command is cut off, the
    /// next run skips them.
    fn keep(&self, entry: Entry) {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner).extend(entry.release());
    }

    /// Every file of the command is through, and the user was told of each.
    pub fn note_told(&self) {
        let Some(journal) = &self.journal else { return };
        let finished = std::mem::take(&mut *self.finished.lock().unwrap_or_else(PoisonError::into_inner));
        journal.told(&finished);
    }
}

impl Run<'_> {
    fn upload_id(&self) -> Option<&str> {
        self.entry.memory().upload.as_deref()
    }

    /// From wherever the file stands to an asset.
    async fn drive(&mut self) -> Result<Done> {
        self.drop_stale().await?;
        let mut hashing = Hashing::start(Arc::clone(&self.source));
        let mut renewed = false;
        for _ in 0..ROUNDS {
            let sent = match self.begin().await? {
                Standing::Done { asset, sure: true } => {
                    self.track.tell(&Event::Note("an earlier run has sent it; --no-resume sends it anew"));
                    return Ok(Done { asset: self.settle(&asset, None).await?, before: true });
                }
                Standing::Done { asset, sure: false } => {
                    self.entry.finished(&asset)?;
                    let digest = self.digest(&mut hashing).await?;
                    return Ok(Done { asset: self.settle(&asset, Some(digest)).await?, before: true });
                }
                Standing::Completing => Sent::All,
                Standing::Whole(target) => {
                    let sent = self.send_whole(&target, &hashing, renewed).await?;
                    renewed = sent == Sent::AskAgain;
                    sent
                }
                Standing::Parts(upload, urls) => self.send_parts(&upload, urls, &hashing).await?,
            };
            if sent == Sent::All {
                let digest = self.digest(&mut hashing).await?;
                if let Some(asset) = self.complete(digest).await? {
                    return Ok(Done { asset: self.settle(&asset, Some(digest)).await?, before: false });
                }
                hashing = Hashing::start(Arc::clone(&self.source));
            }
        }
        Err(Error::Other(format!("{}: the server loses this upload again and again", self.source.label)))
    }

    /// For whoever pressed Ctrl-C.
    fn say_what_is_kept(&self) {
        let (kept, size) = (self.track.confirmed(), self.source.print.size);
        let note = match self.upload_id() {
            Some(_) if kept > 0 => {
                let until = self.kept_until.map(|at| at.strftime(" until %Y-%m-%d %H:%M UTC").to_string());
                let (kept, size, until) = (text::size(kept), text::size(size), until.unwrap_or_default());
                format!("interrupted; {kept} of {size} are safe on the server{until}")
            }
            _ => "interrupted before anything had arrived".to_owned(),
        };
        self.track.tell(&Event::Note(&note));
    }

    /// The bytes are not what was begun: nothing of them may be completed, now or later.
    async fn give_up(&mut self) {
        let finished = self.entry.memory().finished.is_some();
        if let Some(upload) = self.upload_id().filter(|_| !finished) {
            let _ = self.up.api.abort(upload, &self.track).await;
        }
        let _ = self.entry.clear();
    }
}
