//! `gantry put`: sends a file to the service in parallel parts and resumes where an earlier run stopped.
//!
//! ```text
//! journal ▶ begin (find or create) ▶ send (missing parts, beside the hash) ▶ complete {sha256} ▶ wait until it is ready
//! ```
//!
//! The server knows which parts have arrived; the journal only knows which upload it was. If the file changes during
//! the upload, the upload is aborted.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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

mod batch;
mod body;
mod complete;
mod digest;
mod options;
mod part_urls;
mod put;
mod resume;
mod send;
mod small;
mod source_file;
mod stream;

pub use complete::check_asset;
use digest::BackgroundHash;
pub use options::{IfExists, UploadItem, UploadOptions};
use resume::ResumeState;
use send::SendOutcome;
use small::SmallFile;
pub use source_file::FileFingerprint;
use source_file::SourceFile;
pub use stream::StreamUploader;

/// Number of times that the upload may be re-examined because the server's view of it changed.
const MAX_UPLOAD_ROUNDS: u32 = 6;

/// Uploads files.
pub struct FileUploader {
    api: ApiClient,
    reporter: ProgressReporter,
    journal: Option<UploadJournal>,
    options: UploadOptions,
    slots: Semaphore,
    /// Permits of files that are sent in parts or by a signed PUT, of which few are begun at once.
    large: Semaphore,
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
    /// True if nothing was sent because an asset has this name.
    pub existed: bool,
}

/// The upload of a file.
struct UploadRun<'a> {
    uploader: &'a FileUploader,
    source: Arc<SourceFile>,
    name: String,
    metadata: Map<String, Value>,
    small: Option<SmallFile>,
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
        let (slots, large) = (Semaphore::new(options.concurrency), Semaphore::new(options.concurrency));
        let pool = body::ChunkPool::limited(options.limit.clone(), options.concurrency);
        let (finished, kept_bytes) = (Mutex::default(), AtomicBool::default());
        Self { api, reporter, journal, options, slots, large, pool, stop, finished, kept_bytes }
    }

    /// Number of part URLs per request.
    fn url_batch_size(&self) -> usize {
        self.options.concurrency * 2
    }

    /// True for a small file among many.
    fn sends_through_service(&self, size: u64) -> bool {
        self.is_bulk() && size <= small::MAX_SMALL_BYTES && self.options.part_size.is_none()
    }

    /// Uploads a file.
    pub async fn upload_file(&self, item: &UploadItem) -> Result<UploadedFile> {
        let _permit = if self.sends_through_service(item.size) { None } else { Some(self.large.acquire().await) };
        if self.stop.is_cancelled() {
            return Err(Error::Interrupted);
        }
        let mut run = self.prepare_run(item)?;
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

    fn prepare_run(&self, item: &UploadItem) -> Result<UploadRun<'_>> {
        let source = Arc::new(SourceFile::open(&item.path)?);
        let name = match &item.name {
            Some(name) => name.clone(),
            None => source.name()?.to_owned(),
        };
        let options = &self.options;
        // The properties by which the upload differs from an earlier upload of the same file.
        let mut metadata = options.metadata.clone();
        metadata.extend(item.metadata.clone());
        let wish = serde_json::json!([name, options.content_type, options.external_id, metadata]).to_string();
        let identity = UploadIdentity { server: self.api.base(), path: &source.path, wish: &wish };
        let entry = match &self.journal {
            Some(journal) => journal.lock_entry(identity)?,
            None => JournalEntry::in_memory(),
        };
        let track = self.reporter.track(&item.label, source.fingerprint.size, TransferDirection::Up);
        Ok(UploadRun { uploader: self, source, name, metadata, small: None, entry, track, kept_until: None })
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
        if let Some(asset) = self.find_existing().await? {
            return Ok(UploadedFile { asset, already_finished: false, existed: true });
        }
        self.drop_stale().await?;
        self.load_small()?;
        let mut hashing = self.start_hash();
        let mut renewed = false;
        for _ in 0..MAX_UPLOAD_ROUNDS {
            let sent = match self.find_or_create().await? {
                ResumeState::Done(asset) => {
                    if !self.uploader.is_bulk() {
                        let note = "already sent by an earlier run; --no-resume sends it again";
                        self.track.report(&TransferEvent::Note(note));
                    }
                    return self.finish(asset, None, true).await;
                }
                ResumeState::Completed(asset) => {
                    let asset = self.uploader.api.get_asset(&asset, &self.track).await?;
                    self.entry.record_finished(&asset.id)?;
                    let digest = self.finish_digest(&mut hashing).await?;
                    return self.finish(asset, Some(digest), true).await;
                }
                ResumeState::Content => match self.send_content().await? {
                    Some((asset, digest)) => return self.finish(asset, Some(digest), false).await,
                    None => SendOutcome::AskAgain,
                },
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
                    return self.finish(asset, Some(digest), false).await;
                }
                hashing = self.start_hash();
            }
        }
        Err(Error::Other(format!("{}: the server has repeatedly lost this upload", self.source.label).into()))
    }

    fn start_hash(&self) -> BackgroundHash {
        match &self.small {
            Some(small) => BackgroundHash::of_known(small.digest),
            None => BackgroundHash::start(Arc::clone(&self.source)),
        }
    }

    async fn finish(
        &mut self,
        asset: ApiAsset,
        digest: Option<Sha256Digest>,
        already_finished: bool,
    ) -> Result<UploadedFile> {
        Ok(UploadedFile { asset: self.wait_for_verdict(asset, digest).await?, already_finished, existed: false })
    }

    /// The asset that has this file's name and path, if that matters and the user did not ask for it to be made.
    async fn find_existing(&self) -> Result<Option<ApiAsset>> {
        let options = &self.uploader.options;
        if options.if_exists == IfExists::New {
            return Ok(None);
        }
        let path = self.metadata.get("path").and_then(Value::as_str);
        let found = self.uploader.api.find_asset_by_name(&self.name, path, &self.track).await?;
        // An asset that a killed run has made, and of which the user was never told, is the result of this run.
        let own = |asset: &ApiAsset| self.entry.state().unreported() == Some(&asset.id);
        match found.filter(|asset| !own(asset)) {
            Some(asset) if options.if_exists == IfExists::Fail => {
                let name = format::shown(path.unwrap_or(&self.name));
                Err(Error::Other(format!("an asset has the name \"{name}\": {}", asset.id).into()))
            }
            found => Ok(found),
        }
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
