//! `gantry get`: saves an asset's bytes to disk and resumes where an earlier run stopped.
//!
//! ```text
//! head (size, tag, digest, name) ▶ NAME.part ▶ Range + If-Range until whole ▶ size and SHA-256 ▶ fsync ▶ rename
//! ```
//!
//! Bytes of two versions are never mixed: every request is bound to the entity tag of the first answer.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::api::ApiClient;
use super::error::{Error, Result};
use super::format;
use super::progress::{ProgressReporter, RetryObserver, TransferDirection, TransferEvent, TransferTracker};
use super::throttle::RateLimiter;
use crate::domain::checksum::Sha256Digest;

mod file_name;
mod hashing_writer;
mod partial_file;
mod source;

use hashing_writer::{HashingWriter, WriteTarget};
use partial_file::PartialFile;
use source::{DownloadSource, FetchError, RemoteFileInfo};

/// Number of times that the download starts over because the remote file changed.
const MAX_FETCH_ROUNDS: u32 = 4;

/// Options of a download.
#[derive(Clone, Debug)]
pub struct DownloadOptions {
    /// Target path; `None`: the server's name in the current directory. `-`: standard output.
    pub output: Option<PathBuf>,
    /// Overwrite an existing file, and write to a terminal.
    pub force: bool,
    /// Continue what an earlier run has begun.
    pub resume: bool,
    /// Time without progress after which a transfer is retried.
    pub stall_timeout: Duration,
    /// True if the target is a folder, whether it exists or not.
    pub into_folder: bool,
    /// Limit of bytes per second, over all files.
    pub limit: Option<Arc<RateLimiter>>,
}

/// A downloaded file, complete and verified.
#[derive(Clone, Debug)]
pub struct DownloadedFile {
    /// Path of the file; `None`: it was written to standard output.
    pub path: Option<PathBuf>,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: Sha256Digest,
    /// True if the service knew the digest, so that it was compared.
    pub verified: bool,
}

/// Downloads files.
pub struct FileDownloader {
    api: ApiClient,
    reporter: ProgressReporter,
    options: DownloadOptions,
    stop: CancellationToken,
    /// True once bytes of an incomplete file were kept.
    kept_bytes: AtomicBool,
}

/// Outcome of fetching.
enum FetchOutcome {
    Whole(Sha256Digest),
    /// The remote file has changed.
    Changed,
}

impl FileDownloader {
    /// `stop`: cancels all transfers; received bytes are kept.
    #[must_use]
    pub fn new(api: ApiClient, reporter: ProgressReporter, options: DownloadOptions, stop: CancellationToken) -> Self {
        Self { api, reporter, options, stop, kept_bytes: AtomicBool::default() }
    }

    /// True if a partial file was kept for the next run.
    #[must_use]
    pub fn has_kept_bytes(&self) -> bool {
        self.kept_bytes.load(Ordering::Relaxed)
    }

    /// Downloads an asset by its id, or the content of a link.
    pub async fn download_file(&self, typed: &str) -> Result<DownloadedFile> {
        let to_stdout = self.options.output.as_deref() == Some(Path::new("-"));
        if to_stdout && std::io::stdout().is_terminal() && !self.options.force {
            let why = "standard output is a terminal; redirect it, or use --force";
            return Err(Error::Usage(why.to_owned()));
        }
        let mut origin = DownloadSource::new(self.api.clone(), typed)?;
        for _ in 0..MAX_FETCH_ROUNDS {
            let facts = tokio::select! {
                facts = self.wait_for_info(&origin) => facts?,
                () = self.stop.cancelled() => return Err(Error::Interrupted),
            };
            let fetched = if to_stdout {
                self.download_to_stdout(&mut origin, &facts).await?
            } else {
                self.download_to_file(&mut origin, &facts).await?
            };
            if let Some(fetched) = fetched {
                return Ok(fetched);
            }
        }
        Err(Error::Integrity("the asset changes faster than it can be fetched".to_owned()))
    }

    /// Waits until the file is ready; returns its metadata.
    async fn wait_for_info(&self, origin: &DownloadSource) -> Result<RemoteFileInfo> {
        let since = Instant::now();
        let asking = async || origin.fetch_info().await.map_err(|error| error.limit_not_ready_wait(since));
        self.api.with_retries("asking for the file", &self.reporter, asking).await
    }

    async fn download_to_file(
        &self,
        origin: &mut DownloadSource,
        facts: &RemoteFileInfo,
    ) -> Result<Option<DownloadedFile>> {
        let target = self.target_path(facts);
        partial_file::ensure_writable(&target, self.options.force)?;
        if let Some(folder) = target.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(Error::local(folder))?;
        }
        let label = target.display().to_string();
        let track = self.reporter.track(&label, facts.size, TransferDirection::Down);
        let (mut part, mut resume) = (PartialFile::open(&target)?, self.options.resume);
        loop {
            let there = part.prepare(facts, resume)?;
            track.report(&TransferEvent::Started { there, upload: None });
            let sink =
                HashingWriter::start(WriteTarget::File { file: part.open_handle()?, path: part.path.clone(), there });
            let digest = match self.fetch(origin, facts, there, sink, &track).await {
                Ok(FetchOutcome::Whole(digest)) => digest,
                Ok(FetchOutcome::Changed) => return Ok(None),
                Err(error) => {
                    if track.confirmed() > 0 {
                        self.kept_bytes.store(true, Ordering::Relaxed);
                    }
                    return Err(report_failure(&track, error, Some(&part.path)));
                }
            };
            match check_digest(facts, digest) {
                Ok(verified) => {
                    part.publish(self.options.force)?;
                    track.report(&TransferEvent::Saved { path: &label });
                    return Ok(Some(DownloadedFile { path: Some(target), size: facts.size, sha256: digest, verified }));
                }
                // A crash of the machine can leave holes in the partial file; downloading everything again settles it.
                Err(_) if there > 0 => resume = false,
                Err(error) => {
                    part.discard();
                    return Err(report_failure(&track, error, None));
                }
            }
        }
    }

    async fn download_to_stdout(
        &self,
        origin: &mut DownloadSource,
        facts: &RemoteFileInfo,
    ) -> Result<Option<DownloadedFile>> {
        let track = self.reporter.track(&facts.name, facts.size, TransferDirection::Down);
        track.report(&TransferEvent::Started { there: 0, upload: None });
        let fetched = self.fetch(origin, facts, 0, HashingWriter::start(WriteTarget::Stdout), &track).await;
        let digest = match fetched.map_err(|error| report_failure(&track, error, None))? {
            FetchOutcome::Whole(digest) => digest,
            FetchOutcome::Changed => {
                let why = "the asset changed while it was fetched; the output is incomplete";
                return Err(Error::Integrity(why.to_owned()));
            }
        };
        let verified = check_digest(facts, digest)?;
        Ok(Some(DownloadedFile { path: None, size: facts.size, sha256: digest, verified }))
    }

    /// Path at which the file is saved.
    fn target_path(&self, facts: &RemoteFileInfo) -> PathBuf {
        match &self.options.output {
            None => PathBuf::from(&facts.name),
            Some(output) if self.options.into_folder || output.is_dir() => output.join(&facts.name),
            Some(output) => output.clone(),
        }
    }

    /// Fetches until all bytes are written.
    async fn fetch(
        &self,
        origin: &mut DownloadSource,
        facts: &RemoteFileInfo,
        there: u64,
        sink: HashingWriter,
        track: &TransferTracker,
    ) -> Result<FetchOutcome> {
        let (mut offset, mut backoff, mut refused) = (there, self.api.backoff(), false);
        while offset < facts.size {
            let before = offset;
            let tried = tokio::select! {
                tried = self.fetch_once(origin, facts, &mut offset, &sink, track) => tried,
                () = self.stop.cancelled() => return Err(Error::Interrupted),
            };
            if offset > before {
                backoff = self.api.backoff();
                refused = false;
            }
            let error = match tried {
                Ok(true) => continue,
                Ok(false) => break,
                Err(FetchError::Changed) => {
                    // The old writer must have stopped before the new file begins.
                    let _ = sink.finish().await;
                    return Ok(FetchOutcome::Changed);
                }
                Err(FetchError::Expired(_)) if !refused => {
                    refused = true;
                    continue;
                }
                Err(FetchError::Expired(refusal)) => return Err(refusal.into()),
                Err(FetchError::Failed(error)) => error,
            };
            let next = backoff.next_pause(&error, self.api.entropy(), Instant::now());
            let Some(pause) = next else { return Err(error) };
            track.on_retry("fetching", &error, pause);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled() => return Err(Error::Interrupted),
            }
        }
        track.set_activity("verifying");
        let digest = sink.finish().await;
        track.set_activity("");
        digest.map(FetchOutcome::Whole)
    }

    /// Reads a single answer as far as it goes. `false`: the writer takes no more.
    async fn fetch_once(
        &self,
        origin: &mut DownloadSource,
        facts: &RemoteFileInfo,
        offset: &mut u64,
        sink: &HashingWriter,
        track: &TransferTracker,
    ) -> std::result::Result<bool, FetchError> {
        let mut response = origin.open_stream(facts, *offset).await?;
        let attempt = track.start_attempt();
        while *offset < facts.size {
            let piece = tokio::time::timeout(self.options.stall_timeout, response.chunk()).await;
            let piece = piece.map_err(|_| Error::network("no progress for too long"))?.map_err(Error::transport)?;
            let piece: Bytes = piece.ok_or_else(|| Error::network("the answer ended early"))?;
            let len = piece.len() as u64;
            if len > facts.size - *offset {
                return Err(FetchError::Changed);
            }
            if let Some(limit) = &self.options.limit {
                limit.wait(len).await;
            }
            if !sink.push(piece).await {
                return Ok(false);
            }
            *offset += len;
            attempt.confirm(len);
        }
        Ok(true)
    }
}

/// Reports a failure, and which bytes are kept.
fn report_failure(track: &TransferTracker, error: Error, part: Option<&Path>) -> Error {
    match (&error, part) {
        (Error::Interrupted, Some(part)) => {
            let note = format!("interrupted; {} are kept in {}", format::size(track.confirmed()), part.display());
            track.report(&TransferEvent::Note(&note));
        }
        _ => track.report(&TransferEvent::Failed(&error)),
    }
    error
}

/// Compares the digest; `false` if the service did not send any.
fn check_digest(facts: &RemoteFileInfo, digest: Sha256Digest) -> Result<bool> {
    match facts.sha256 {
        Some(expected) if expected != digest => Err(Error::Integrity(format!(
            "the download has {digest}, but the service says {expected}; the file was discarded"
        ))),
        known => Ok(known.is_some()),
    }
}
