//! Opens the upload of a file: a new upload, or the upload that an earlier run has begun.
//!
//! The journal names the upload, the server knows its state. An upload that cannot be continued is replaced by a new
//! upload, under a new `Idempotency-Key` that is on disk before the request leaves.

use super::UploadRun;
use super::small::MAX_SMALL_BYTES;
use crate::client::error::{Error, Result};
use crate::client::journal::BeginRecord;
use crate::client::wire::{ApiAsset, ApiSignedUrl, ApiUpload, ApiUploadRequest, PartUrl};
use crate::domain::clock::random_hex;
use crate::domain::reason::FailureCause;

/// Maximum number of attempts to create an upload that turns out to be gone.
const MAX_CREATE_ATTEMPTS: u32 = 3;

/// State of a file's upload.
pub(super) enum ResumeState {
    /// The asset exists: an earlier run has finished the upload.
    Done(ApiAsset),
    /// The upload is completed as this asset; an earlier run did not see that.
    Completed(String),
    /// All bytes are stored, and the completion has begun.
    Completing,
    /// The file is sent by a single PUT.
    Whole(ApiSignedUrl),
    /// The file is sent in parts; some URLs may have come with the upload.
    Parts(ApiUpload, Vec<PartUrl>),
    /// The file is sent through the service.
    Content,
}

impl UploadRun<'_> {
    /// Finds or creates the upload.
    pub(super) async fn find_or_create(&mut self) -> Result<ResumeState> {
        if let Some(standing) = self.resume().await? {
            return Ok(standing);
        }
        for _ in 0..MAX_CREATE_ATTEMPTS {
            if let Some(standing) = self.create_upload().await? {
                return Ok(standing);
            }
        }
        Err(Error::Other("the server ends every upload right after its creation".into()))
    }

    /// Forgets an upload of other content of this file, or an upload that the user does not want to continue.
    pub(super) async fn drop_stale(&mut self) -> Result<()> {
        let memory = self.entry.state().clone();
        let Some(begin) = memory.begin else { return Ok(()) };
        let changed = begin.file != self.source.fingerprint;
        if self.uploader.options.resume && !changed {
            return Ok(());
        }
        if memory.finished.is_none() {
            if changed {
                let label = &self.source.label;
                let note =
                    format!("{label} has changed since its unfinished upload began: the unfinished upload is aborted");
                self.uploader.reporter.note(&note);
            }
            let known = match memory.upload {
                Some(id) => Ok(id),
                // The answer was lost; the same request gets it again.
                None => self
                    .uploader
                    .api
                    .create_upload(&begin.request, &begin.key, &self.track)
                    .await
                    .map(|it| it.upload.id),
            };
            // A failure only keeps its storage for a week: no reason not to send the file.
            if let Ok(id) = known {
                let _ = self.uploader.api.abort_upload(&id, &self.track).await;
            }
        }
        self.entry.clear()
    }

    /// The upload in the journal, if the server confirms it.
    async fn resume(&mut self) -> Result<Option<ResumeState>> {
        let memory = self.entry.state().clone();
        if let Some(asset) = memory.finished {
            match self.uploader.api.get_asset(&asset, &self.track).await {
                Ok(asset) if !matches!(asset.state.as_str(), "rejected" | "failed" | "deleted" | "abandoned") => {
                    return Ok(Some(ResumeState::Done(asset)));
                }
                Ok(_) | Err(Error::NotFound(_)) => self.entry.clear()?,
                Err(other) => return Err(other),
            }
        } else if let Some(upload) = memory.upload {
            match self.uploader.api.get_upload(&upload, &self.track).await {
                // Its URL comes with a repeated creation.
                Ok(upload) if upload.state == "open" && upload.part_size.is_none() => {}
                Ok(upload) => return self.build_resume_state(upload, None, Vec::new()),
                Err(Error::NotFound(_)) => self.entry.clear()?,
                Err(other) => return Err(other),
            }
        }
        Ok(None)
    }

    /// Creates an upload, or finds the upload whose creation was not answered. `None`: it no longer exists.
    async fn create_upload(&mut self) -> Result<Option<ResumeState>> {
        let begin = match &self.entry.state().begin {
            Some(begin) => begin.clone(),
            None => {
                let begin = self.build_begin_record()?;
                self.entry.record_begin(begin.clone())?;
                begin
            }
        };
        let opened = match self.uploader.api.create_upload(&begin.request, &begin.key, &self.track).await {
            Ok(opened) => opened,
            Err(refused @ (Error::Usage(_) | Error::Limit(_) | Error::Refused(_))) if !refused.is_retryable() => {
                // Nothing was created, and another wish for this file must not find this entry.
                self.entry.clear()?;
                return Err(refused);
            }
            Err(other) => return Err(other),
        };
        self.entry.record_created(&opened.upload.id)?;
        self.build_resume_state(opened.upload, opened.put, opened.multipart.map(|parts| parts.urls).unwrap_or_default())
    }

    fn build_resume_state(
        &mut self,
        upload: ApiUpload,
        put: Option<ApiSignedUrl>,
        urls: Vec<PartUrl>,
    ) -> Result<Option<ResumeState>> {
        if upload.size != self.source.fingerprint.size {
            return Err(Error::Other("the upload has a different size on the server".into()));
        }
        self.kept_until = upload.expires_at.parse().ok();
        let standing = match (upload.state.as_str(), put, upload.part_size) {
            ("completed", ..) => ResumeState::Completed(upload.asset_id),
            ("completing", ..) => ResumeState::Completing,
            ("open", Some(put), _) => ResumeState::Whole(put),
            ("open", None, Some(_)) => ResumeState::Parts(upload, urls),
            ("open", None, None) if upload.size <= MAX_SMALL_BYTES => ResumeState::Content,
            ("open", None, None) => {
                return Err(Error::Other("the server's answer does not say how to send the file".into()));
            }
            // Aborted, expired or failed: a new upload is needed.
            _ => {
                self.entry.clear()?;
                return Ok(None);
            }
        };
        Ok(Some(standing))
    }

    /// The request for a new upload, to be repeated byte for byte.
    fn build_begin_record(&self) -> Result<BeginRecord> {
        let options = &self.uploader.options;
        let urls = u16::try_from(self.uploader.url_batch_size()).unwrap_or(u16::MAX);
        let request = ApiUploadRequest {
            filename: &self.name,
            size: self.source.fingerprint.size,
            content_type: options.content_type.as_deref(),
            external_id: options.external_id.as_deref(),
            metadata: &self.metadata,
            part_size: options.part_size,
            method: self.small.as_ref().map(|_| "append"),
            sha256: self.small.as_ref().map(|small| hex::encode(small.digest.0)),
            urls: if self.small.is_some() { 0 } else { urls },
        };
        Ok(BeginRecord {
            path: self.source.path.display().to_string(),
            file: self.source.fingerprint,
            key: random_hex(self.uploader.api.entropy(), 16),
            request: serde_json::to_string(&request).map_err(|error| Error::Other(FailureCause::of(error)))?,
        })
    }
}
