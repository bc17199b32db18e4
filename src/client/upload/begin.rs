//! From a file to an open upload: a new one, or the one that an earlier run has begun.
//!
//! The journal says which upload it was, the server says what became of it. Whatever cannot be gone on with is begun
//! afresh, under a new `Idempotency-Key` that is on disk before the request leaves.

use super::Run;
use crate::client::error::{Error, Result};
use crate::client::journal::Begin;
use crate::client::wire::{NewUpload, PartUrl, SignedUrl, Upload};
use crate::domain::clock::random_hex;

/// Uploads that may turn out to be gone before we give up.
const TRIES: u32 = 3;

/// Where a file stands.
pub(super) enum Standing {
    /// It is an asset already. `sure`: we have seen that ourselves.
    Done { asset: String, sure: bool },
    /// Every byte is there, and completing it has begun.
    Completing,
    /// It goes as one PUT.
    Whole(SignedUrl),
    /// It goes in parts; some addresses may be here already.
    Parts(Upload, Vec<PartUrl>),
}

impl Run<'_> {
    /// Finds or makes the upload.
    pub(super) async fn begin(&mut self) -> Result<Standing> {
        if let Some(standing) = self.go_on().await? {
            return Ok(standing);
        }
        for _ in 0..TRIES {
            if let Some(standing) = self.create().await? {
                return Ok(standing);
            }
        }
        Err(Error::Other("the server gives up every upload as soon as it is begun".to_owned()))
    }

    /// Drops what is remembered of another content of this file, or what the person does not want to go on with.
    pub(super) async fn drop_stale(&mut self) -> Result<()> {
        let memory = self.entry.memory().clone();
        let Some(begin) = memory.begin else { return Ok(()) };
        let changed = begin.file != self.source.print;
        if self.up.options.resume && !changed {
            return Ok(());
        }
        if memory.finished.is_none() {
            if changed {
                let label = &self.source.label;
                let note = format!("{label} has changed since its unfinished upload began: that one is given up");
                self.up.reporter.note(&note);
            }
            let known = match memory.upload {
                Some(id) => Ok(id),
                // The answer was lost; the same request brings it again.
                None => self.up.api.create_upload(&begin.request, &begin.key, &self.track).await.map(|it| it.upload.id),
            };
            // Only its storage would be lost for a week; no reason not to send the file.
            if let Ok(id) = known {
                let _ = self.up.api.abort(&id, &self.track).await;
            }
        }
        self.entry.clear()
    }

    /// What the journal knows, as far as the server confirms it.
    async fn go_on(&mut self) -> Result<Option<Standing>> {
        let memory = self.entry.memory().clone();
        if let Some(asset) = memory.finished {
            match self.up.api.asset(&asset, &self.track).await {
                Ok(asset) if !matches!(asset.state.as_str(), "rejected" | "failed" | "deleted" | "abandoned") => {
                    return Ok(Some(Standing::Done { asset: asset.id, sure: true }));
                }
                Ok(_) | Err(Error::NotFound(_)) => self.entry.clear()?,
                Err(other) => return Err(other),
            }
        } else if let Some(upload) = memory.upload {
            match self.up.api.upload(&upload, &self.track).await {
                // Its address comes with a repeat of the creation.
                Ok(upload) if upload.state == "open" && upload.part_size.is_none() => {}
                Ok(upload) => return self.standing(upload, None, Vec::new()),
                Err(Error::NotFound(_)) => self.entry.clear()?,
                Err(other) => return Err(other),
            }
        }
        Ok(None)
    }

    /// Creates an upload, or finds the one whose creation was answered to nobody. `None`: it is gone already.
    async fn create(&mut self) -> Result<Option<Standing>> {
        let begin = match &self.entry.memory().begin {
            Some(begin) => begin.clone(),
            None => {
                let begin = self.wish()?;
                self.entry.begin(begin.clone())?;
                begin
            }
        };
        let opened = match self.up.api.create_upload(&begin.request, &begin.key, &self.track).await {
            Ok(opened) => opened,
            Err(refused @ (Error::Usage(_) | Error::Limit(_) | Error::Refused(_))) if !refused.is_retryable() => {
                // Nothing was made, and another wish for this file must not find this one.
                self.entry.clear()?;
                return Err(refused);
            }
            Err(other) => return Err(other),
        };
        self.entry.created(&opened.upload.id)?;
        self.standing(opened.upload, opened.put, opened.multipart.map(|parts| parts.urls).unwrap_or_default())
    }

    fn standing(&mut self, upload: Upload, put: Option<SignedUrl>, urls: Vec<PartUrl>) -> Result<Option<Standing>> {
        if upload.size != self.source.print.size {
            return Err(Error::Other("the server has this upload with another size".to_owned()));
        }
        self.kept_until = upload.expires_at.parse().ok();
        let standing = match (upload.state.as_str(), put, upload.part_size) {
            ("completed", ..) => Standing::Done { asset: upload.asset_id, sure: false },
            ("completing", ..) => Standing::Completing,
            ("open", Some(put), _) => Standing::Whole(put),
            ("open", None, Some(_)) => Standing::Parts(upload, urls),
            ("open", None, None) => return Err(Error::Other("the server says not how to send the file".to_owned())),
            // Aborted, expired, failed: it takes a new one.
            _ => {
                self.entry.clear()?;
                return Ok(None);
            }
        };
        Ok(Some(standing))
    }

    /// The request for a new upload, as it will be repeated byte by byte.
    fn wish(&self) -> Result<Begin> {
        let options = &self.up.options;
        let request = NewUpload {
            filename: &self.name,
            size: self.source.print.size,
            content_type: options.content_type.as_deref(),
            external_id: options.external_id.as_deref(),
            metadata: &options.metadata,
            part_size: options.part_size,
            urls: u16::try_from(self.up.batch()).unwrap_or(u16::MAX),
        };
        Ok(Begin {
            path: self.source.path.display().to_string(),
            file: self.source.print,
            key: random_hex(self.up.api.entropy(), 16),
            request: serde_json::to_string(&request).map_err(|error| Error::Other(error.to_string()))?,
        })
    }
}
