//! `gantry put`: sends a file to the service in parallel parts and resumes where an earlier run stopped.
//!
//! ```text
//! journal ▶ begin (find or create) ▶ send (missing parts, beside the hash) ▶ complete {sha256} ▶ wait until it is ready
//! ```
//!
//! The server knows which parts have arrived; the journal only knows which upload it was. If the file changes during
//! the upload, the upload is aborted.

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

/// Number of times that the upload may be re-examined because the server's view of it changed.
const MAX_UPLOAD_ROUNDS: u32 = 6;

/// Options of an upload.
#[derive(Clone, Debug)]
pub struct UploadOptions {
    /// Name of the asset instead of the file's name.
    pub name: Option<String>,
    /// Media type to declare.
    pub content_type: Option<String>,
    /// External id of the asset.
    pub external_id: Option<String>,
    /// Metadata of the asset.
    pub metadata: Map<String, Value>,
    /// Requested part size in bytes.
    pub part_size: Option<u64>,
    /// Expected digest of the file.
    pub sha256: Option<Sha256Digest>,
    /// Continue what an earlier run has begun.
    pub resume: bool,
    /// Wait until the asset is ready or rejected.
    pub wait: bool,
    /// Maximum parts in flight, over all files.
    pub concurrency: usize,
    /// Time without progress after which a part is sent again.
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
    /// True once the server has bytes of a file.
    kept_bytes: AtomicBool,
}

/// A file that was uploaded.
#[derive(Clone, Debug)]
pub struct UploadedFile {
    /// The asset of the file.
    pub asset: ApiAsset,
    /// True if an earlier run had finished the upload.
    pub already_finished: bool,
}

/// The upload of a file.
struct UploadRun<'a> {
    uploader: &'a FileUploader,
    source: Arc<SourceFile>,
    name: String,
    entry: JournalEntry,
    track: TransferTracker,
    /// When the server lets the upload expire.
    kept_until: Option<Timestamp>,
}

impl FileUploader {
    /// `journal`: records of unfinished uploads. `stop`: cancels all transfers; the parts that have arrived stay.
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

    /// Number of part URLs per request.
    fn url_batch_size(&self) -> usize {
        self.options.concurrency * 2
    }

    /// Uploads a file.
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
        // The properties by which the upload differs from an earlier upload of the same file.
        let wish = serde_json::json!([name, options.content_type, options.external_id, options.metadata]).to_string();
        let identity = UploadIdentity { server: self.api.base(), path: &source.path, wish: &wish };
        let entry = match &self.journal {
            Some(journal) => journal.lock_entry(identity)?,
            None => JournalEntry::in_memory(),
        };
        let track = self.reporter.track(&source.label, source.fingerprint.size, TransferDirection::Up);
        Ok(UploadRun { uploader: self, source, name, entry, track, kept_until: None })
    }

    /// True if the server has bytes of any of the files.
    #[must_use]
    pub fn has_kept_bytes(&self) -> bool {
        self.kept_bytes.load(Ordering::Relaxed)
    }

    /// Keeps the record of a finished upload until it is reported to the user, and for a while after: if the command is
    /// killed, the next run skips the file.
    fn keep_until_reported(&self, entry: JournalEntry) {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner).extend(entry.release());
    }

    /// Notes that all files of the command are done and were reported to the user.
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

    /// Continues from the upload's current state to an asset.
    async fn run_to_asset(&mut self) -> Result<UploadedFile> {
        self.drop_stale().await?;
        let mut hashing = BackgroundHash::start(Arc::clone(&self.source));
        let mut renewed = false;
        for _ in 0..MAX_UPLOAD_ROUNDS {
            let sent = match self.find_or_create().await? {
                ResumeState::Done { asset, sure: true } => {
                    self.track
                        .report(&TransferEvent::Note("already sent by an earlier run; --no-resume sends it again"));
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
        Err(Error::Other(format!("{}: the server has repeatedly lost this upload", self.source.label).into()))
    }

    /// Tells the user after Ctrl-C how long the bytes are kept.
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

    /// Aborts the upload because the file has changed: its parts must never be completed.
    async fn abort_and_forget(&mut self) {
        let finished = self.entry.state().finished.is_some();
        if let Some(upload) = self.upload_id().filter(|_| !finished) {
            let _ = self.uploader.api.abort_upload(upload, &self.track).await;
        }
        let _ = self.entry.clear();
    }
}
