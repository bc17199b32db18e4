//! Small files among many: an upload is created with the digest, and its bytes pass through the service, which completes
//! it. Two requests, instead of a creation, a signed PUT and a completion.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::UploadRun;
use crate::client::error::{Error, Result};
use crate::client::wire::ApiAsset;
use crate::domain::checksum::Sha256Digest;

/// Size up to which a file is sent in this way.
pub(super) const MAX_SMALL_BYTES: u64 = 1 << 20;

/// The content of a file.
pub(super) struct SmallFile {
    bytes: Bytes,
    pub(super) digest: Sha256Digest,
}

impl UploadRun<'_> {
    /// Reads the file if it is sent in this way.
    pub(super) fn load_small(&mut self) -> Result<()> {
        if self.uploader.sends_through_service(self.source.fingerprint.size) {
            self.small = Some(self.read_small()?);
        }
        Ok(())
    }

    fn read_small(&self) -> Result<SmallFile> {
        let mut bytes = vec![0; usize::try_from(self.source.fingerprint.size).unwrap_or_default()];
        self.source.read_at(&mut bytes, 0).map_err(|error| self.source.read_error(error))?;
        self.source.ensure_unchanged()?;
        let digest = Sha256Digest(Sha256::digest(&bytes).into());
        Ok(SmallFile { bytes: bytes.into(), digest })
    }

    /// Sends the content. `None`: the server no longer has the upload.
    pub(super) async fn send_content(&mut self) -> Result<Option<(ApiAsset, Sha256Digest)>> {
        let Some(upload) = self.upload_id().map(str::to_owned) else { return Ok(None) };
        let small = match self.small.take() {
            Some(small) => small,
            None => self.read_small()?,
        };
        let (bytes, digest, size) = (small.bytes.clone(), small.digest, small.bytes.len() as u64);
        self.small = Some(small);
        if let Some(limit) = &self.uploader.options.limit {
            limit.wait(size).await;
        }
        match self.uploader.api.put_content(&upload, bytes, &self.track).await {
            Ok(asset) => {
                self.track.start_attempt().confirm(size);
                self.note_finished(&asset)?;
                Ok(Some((asset, digest)))
            }
            Err(Error::NotFound(_)) => {
                self.entry.clear()?;
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }
}
