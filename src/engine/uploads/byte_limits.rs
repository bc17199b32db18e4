//! Limit on the bytes that may reach the store for a multipart upload without a plan, and how the limit is enforced.
//!
//! URLs for such parts do not contain their length. The embedded store gets the limit when the multipart upload is
//! created and refuses the part that exceeds it. Other stores take every part: there the engine bounds the number of
//! signed and unused URLs, and aborts an upload over the limit when the client asks for the next URL, or in the sweep.

use super::UploadEngine;
use super::complete::StartedCompletion;
use crate::blob::StoredPart;
use crate::domain::name::FileName;
use crate::domain::plan::PartNumber;
use crate::domain::upload::{Transfer, Upload};
use crate::engine::rows::update::{UpdateError, UpdateResult};
use crate::engine::{Error, Result};
use crate::store::Tx;

/// Most URLs of an upload that may be signed and unused at a time, on stores that do not enforce its limit.
const MAX_UNUSED_URLS: u64 = 32;

/// Limit on the bytes of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct ByteLimit {
    /// Most bytes of all parts together.
    pub(in crate::engine) bytes: u64,
    /// True if the tenant's quota sets the limit.
    by_quota: bool,
}

impl ByteLimit {
    /// The error for an upload that exceeds the limit.
    pub(in crate::engine) fn refusal(self) -> Error {
        if self.by_quota { Error::OverQuota { limit: "bytes" } } else { Error::TooLarge { limit: self.bytes } }
    }

    /// Highest part number for which a URL may be signed while the store has `stored` parts: at most as many parts as
    /// the limit has room for, and at most [`MAX_UNUSED_URLS`] that the store does not have yet.
    fn highest_part(self, stored: usize, min_part: u64) -> u64 {
        let room = self.bytes / min_part.max(1) + 1;
        room.min(stored as u64 + MAX_UNUSED_URLS).min(u64::from(PartNumber::MAX))
    }
}

impl UploadEngine {
    /// Limit of an upload: its size, or if that is not declared, what its grant, its policy and its tenant's quota
    /// leave. Bytes that are reserved in the quota already are not limited by the quota again.
    pub(in crate::engine) async fn load_byte_limit(&self, upload: &Upload) -> Result<ByteLimit> {
        if let Some(size) = upload.transfer.size() {
            return Ok(ByteLimit { bytes: size, by_quota: false });
        }
        let bytes = self.most(upload).await?;
        let limit = ByteLimit { bytes, by_quota: false };
        if upload.max_size.is_some() {
            return Ok(limit);
        }
        let Some((quota, used)) = self.store.find_quota(upload.tenant).await? else { return Ok(limit) };
        let Some(allowed) = quota.bytes else { return Ok(limit) };
        let left = allowed.saturating_sub(u64::try_from(used.bytes).unwrap_or(0));
        if left < bytes { Ok(ByteLimit { bytes: left, by_quota: true }) } else { Ok(limit) }
    }

    /// As [`UploadEngine::begin_completion`], but aborts an upload for which the tenant has no quota left, instead of keeping
    /// the upload until it expires.
    pub(in crate::engine) async fn begin_completion_or_abort(
        &self,
        upload: &Upload,
        noted: Tx,
        name: &FileName,
    ) -> UpdateResult<StartedCompletion> {
        match self.begin_completion(upload, noted, name).await {
            Err(UpdateError::Refused(error @ (Error::OverQuota { .. } | Error::GrantUsedUp { .. }))) => {
                self.abort_upload(upload.clone(), None).await?;
                Err(error.into())
            }
            begun => begun,
        }
    }

    /// On a store that does not enforce limits: aborts an upload that exceeds its limit, and refuses URLs for parts
    /// that the upload cannot need yet.
    pub(in crate::engine) async fn limit_unused_urls(&self, upload: &Upload, highest: PartNumber) -> Result<()> {
        if self.blobs.capabilities().enforces_limits || !matches!(upload.transfer, Transfer::UnplannedMultipart { .. })
        {
            return Ok(());
        }
        let (limit, parts) = (self.load_byte_limit(upload).await?, self.list_received_parts(upload).await?);
        if total_size(&parts) > limit.bytes {
            self.abort_upload(upload.clone(), None).await?;
            return Err(limit.refusal());
        }
        let allowed = limit.highest_part(parts.len(), self.blobs.profile().min_part);
        if u64::from(highest.get()) > allowed {
            let problem = format!("URLs are available up to part {allowed}; upload these parts before requesting more");
            return Err(Error::invalid("partNumber", problem));
        }
        Ok(())
    }
}

/// Bytes of all parts together.
pub(in crate::engine) fn total_size(parts: &[StoredPart]) -> u64 {
    parts.iter().fold(0, |sum, part| sum.saturating_add(part.size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_that_can_be_needed_are_signed() {
        const MIN_PART: u64 = 5 << 20;
        let limit = |bytes| ByteLimit { bytes, by_quota: false };
        assert_eq!(limit(1000).highest_part(0, MIN_PART), 1);
        assert_eq!(limit(11 << 20).highest_part(0, MIN_PART), 3);
        assert_eq!(limit(50 << 30).highest_part(0, MIN_PART), MAX_UNUSED_URLS);
        assert_eq!(limit(50 << 30).highest_part(100, MIN_PART), 100 + MAX_UNUSED_URLS);
        assert_eq!(limit(u64::MAX).highest_part(9_999, MIN_PART), 10_000);
    }
}
