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

use super::api::ApiClient;
use super::error::{Error, Result};
use super::format;
use super::journal::{JournalEntry, UploadIdentity, UploadJournal};
use super::progress::{ProgressReporter, TransferDirection, TransferEvent, TransferTracker};
use super::wire::ApiAsset;
use crate::domain::checksum::Sha256Digest;
use crate::domain::clock::Timestamp;

mod body;
mod complete;
mod digest;
mod part_urls;
mod put;
mod resume;
mod send;
mod source_file;

use digest::BackgroundHash;
use resume::ResumeState;
use send::SendOutcome;
pub use source_file::FileFingerprint;
use source_file::SourceFile;

/// How often the server may change its mind about where an upload stands.
const MAX_UPLOAD_ROUNDS: u32 = 6;

/// How to upload.
#[derive(Clone, Debug)]
pub struct UploadOptions {
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
    pub stall_timeout: Duration,
}

/// Uploads files.
pub struct FileUploader {
    api: ApiClient,
    reporter: ProgressReporter,
    journal: Option<UploadJournal>,
    options: UploadOptions,
    slots: Semaphore,
    pool: body::ChunkPool,
    stop: CancellationToken,
    finished: Mutex<Vec<PathBuf>>,
    /// The server has bytes of a file.
    kept_bytes: AtomicBool,
}

/// A file that became an asset.
#[derive(Clone, Debug)]
pub struct UploadedFile {
    /// The asset.
    pub asset: ApiAsset,
    /// Whether an earlier run had finished it.
    pub already_finished: bool,
}

/// One file on its way.
struct UploadRun<'a> {
    uploader: &'a FileUploader,
    source: Arc<SourceFile>,
    name: String,
    entry: JournalEntry,
    track: TransferTracker,
    /// When the server gives the upload up.
    kept_until: Option<Timestamp>,
}

impl FileUploader {
    /// `journal`: where unfinished uploads are remembered. `stop`: cut everything off, keeping what has arrived.
    #[must_use]
    pub fn new(
        api: ApiClient,
        reporter: ProgressReporter,
        journal: Option<UploadJournal>,
        options: UploadOptions,
        stop: CancellationToken,
    ) -> Self {
        let slots = Semaphore::new(options.concurrency);
        let (pool, finished, kept_bytes) = (body::ChunkPool::default(), Mutex::default(), AtomicBool::default());
        Self { api, reporter, journal, options, slots, pool, stop, finished, kept_bytes }
    }

    /// Part addresses to ask for at once.
    fn url_batch_size(&self) -> usize {
        self.options.concurrency * 2
    }

    /// Uploads one file.
    pub async fn upload_file(&self, path: &Path) -> Result<UploadedFile> {
        if self.stop.is_cancelled() {
            return Err(Error::Interrupted);
        }
        let mut run = self.prepare_run(path)?;
        let outcome = tokio::select! {
            outcome = run.run_to_asset() => outcome,
            () = self.stop.cancelled() => Err(Error::Interrupted),
        };
        if run.track.confirmed() > 0 {
            self.kept_bytes.store(true, Ordering::Relaxed);
        }
        match &outcome {
            Ok(_) => self.keep_until_reported(run.entry),
            Err(Error::Interrupted) => run.note_kept_bytes(),
            Err(error) => {
                run.track.report(&TransferEvent::Failed(error));
                if matches!(error, Error::Integrity(_)) {
                    run.abort_and_forget().await;
                }
            }
        }
        outcome
    }

    fn prepare_run(&self, path: &Path) -> Result<UploadRun<'_>> {
        let source = Arc::new(SourceFile::open(path)?);
        let name = match &self.options.name {
            Some(name) => name.clone(),
            None => source.name()?.to_owned(),
        };
        let options = &self.options;
        // What makes it another upload than an earlier one of the same file.
        let wish = serde_json::json!([name, options.content_type, options.external_id, options.metadata]).to_string();
        let identity = UploadIdentity { server: self.api.base(), path: &source.path, wish: &wish };
        let entry = match &self.journal {
            Some(journal) => journal.lock_entry(identity)?,
            None => JournalEntry::in_memory(),
        };
        let track = self.reporter.track(&source.label, source.fingerprint.size, TransferDirection::Up);
        Ok(UploadRun { uploader: self, source, name, entry, track, kept_until: None })
    }

    /// Whether the server has bytes of any of the files.
    #[must_use]
    pub fn has_kept_bytes(&self) -> bool {
        self.kept_bytes.load(Ordering::Relaxed)
    }

    /// Finished uploads stay known until the user is told of them, and for a while after: if the command is cut off, the
    /// next run skips them.
    fn keep_until_reported(&self, entry: JournalEntry) {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner).extend(entry.release());
    }

    /// Every file of the command is through, and the user was told of each.
    pub fn mark_reported(&self) {
        let Some(journal) = &self.journal else { return };
        let finished = std::mem::take(&mut *self.finished.lock().unwrap_or_else(PoisonError::into_inner));
        journal.mark_reported(&finished);
    }
}

impl UploadRun<'_> {
    fn upload_id(&self) -> Option<&str> {
        self.entry.state().upload.as_deref()
    }

    /// From wherever the file stands to an asset.
    async fn run_to_asset(&mut self) -> Result<UploadedFile> {
        self.drop_stale().await?;
        let mut hashing = BackgroundHash::start(Arc::clone(&self.source));
        let mut renewed = false;
        for _ in 0..MAX_UPLOAD_ROUNDS {
            let sent = match self.find_or_create().await? {
                ResumeState::Done { asset, sure: true } => {
                    self.track.report(&TransferEvent::Note("an earlier run has sent it; --no-resume sends it anew"));
                    return Ok(UploadedFile {
                        asset: self.wait_for_verdict(&asset, None).await?,
                        already_finished: true,
                    });
                }
                ResumeState::Done { asset, sure: false } => {
                    self.entry.record_finished(&asset)?;
                    let digest = self.finish_digest(&mut hashing).await?;
                    return Ok(UploadedFile {
                        asset: self.wait_for_verdict(&asset, Some(digest)).await?,
                        already_finished: true,
                    });
                }
                ResumeState::Completing => SendOutcome::All,
                ResumeState::Whole(target) => {
                    let sent = self.send_whole(&target, &hashing, renewed).await?;
                    renewed = sent == SendOutcome::AskAgain;
                    sent
                }
                ResumeState::Parts(upload, urls) => self.send_parts(&upload, urls, &hashing).await?,
            };
            if sent == SendOutcome::All {
                let digest = self.finish_digest(&mut hashing).await?;
                if let Some(asset) = self.complete_upload(digest).await? {
                    return Ok(UploadedFile {
                        asset: self.wait_for_verdict(&asset, Some(digest)).await?,
                        already_finished: false,
                    });
                }
                hashing = BackgroundHash::start(Arc::clone(&self.source));
            }
        }
        Err(Error::Other(format!("{}: the server loses this upload again and again", self.source.label)))
    }

    /// For whoever pressed Ctrl-C.
    fn note_kept_bytes(&self) {
        let (kept, size) = (self.track.confirmed(), self.source.fingerprint.size);
        let note = match self.upload_id() {
            Some(_) if kept > 0 => {
                let until = self.kept_until.map(|at| at.strftime(" until %Y-%m-%d %H:%M UTC").to_string());
                let (kept, size, until) = (format::size(kept), format::size(size), until.unwrap_or_default());
                format!("interrupted; {kept} of {size} are safe on the server{until}")
            }
            _ => "interrupted before anything had arrived".to_owned(),
        };
        self.track.report(&TransferEvent::Note(&note));
    }

    /// The bytes are not what was begun: nothing of them may be completed, now or later.
    async fn abort_and_forget(&mut self) {
        let finished = self.entry.state().finished.is_some();
        if let Some(upload) = self.upload_id().filter(|_| !finished) {
            let _ = self.uploader.api.abort_upload(upload, &self.track).await;
        }
        let _ = self.entry.clear();
    }
}
