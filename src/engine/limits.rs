//! Limits of this instance; every protocol advertises them from here.

use std::time::Duration;

use crate::domain::access::Actor;
use crate::domain::append::max_relayed;
use crate::domain::checksum::ChecksumAlgorithm;
use crate::domain::name::FileName;
use crate::domain::policy::DEFAULT_POLICY;
use crate::engine::{Engine, Error, Result};

/// Limits that are published to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadLimits {
    /// Largest file in bytes.
    pub max_size: u64,
    /// Largest file in bytes for a single PUT.
    pub max_put: u64,
    /// Largest file in bytes that can pass through this service.
    pub max_append: u64,
    /// Most bytes per request that appends to a file; `None`: as many as the file has.
    pub max_request_body: Option<u64>,
    /// Smallest part in bytes; the last part may be smaller.
    pub min_part: u64,
    /// Largest part in bytes.
    pub max_part: u64,
    /// Most parts of an upload.
    pub max_parts: u16,
    /// Longest name in characters.
    pub max_name_chars: usize,
    /// Longest name in bytes of UTF-8.
    pub max_name_bytes: usize,
    /// Largest metadata in bytes of JSON.
    pub max_metadata: usize,
    /// Life of an upload.
    pub upload_ttl: Duration,
    /// Longest life of a signed URL.
    pub url_ttl: Duration,
    /// Longest life of a link.
    pub link_ttl: Duration,
    /// Checksums that the store verifies per part.
    pub checksums: &'static [ChecksumAlgorithm],
}

/// Most entries of a page of any list.
const MAX_PAGE_ENTRIES: u32 = 1000;

/// Checks the size of a page.
pub(super) fn check_page_limit(limit: u32) -> Result<()> {
    if (1..=MAX_PAGE_ENTRIES).contains(&limit) {
        return Ok(());
    }
    Err(Error::invalid("limit", format!("1 to {MAX_PAGE_ENTRIES}")))
}

/// Largest metadata of an asset in bytes of JSON.
pub(super) const MAX_METADATA_BYTES: usize = 16 << 10;

impl Engine {
    /// Limits of this instance.
    #[must_use]
    pub fn limits(&self) -> UploadLimits {
        const PART_CHECKSUM_ALGORITHMS: [ChecksumAlgorithm; 3] =
            [ChecksumAlgorithm::Sha256, ChecksumAlgorithm::Crc32c, ChecksumAlgorithm::Crc64Nvme];
        let (profile, settings) = (self.0.blobs.profile(), &self.0.settings);
        UploadLimits {
            max_size: settings.max_size.min(profile.max_object()),
            max_put: profile.max_put.min(settings.max_size),
            max_append: max_relayed(&profile).min(settings.max_size),
            max_request_body: settings.max_request_body,
            min_part: profile.min_part,
            max_part: profile.max_part,
            max_parts: profile.max_parts,
            max_name_chars: FileName::MAX_CHARS,
            max_name_bytes: FileName::MAX_BYTES,
            max_metadata: MAX_METADATA_BYTES,
            upload_ttl: settings.upload_timeouts.upload_ttl,
            url_ttl: settings.upload_timeouts.url_ttl,
            link_ttl: settings.link_ttl,
            checksums: if self.0.blobs.capabilities().part_checksums { &PART_CHECKSUM_ALGORITHMS } else { &[] },
        }
    }

    /// Limits for this actor: with an API key, those of the tenant's default policy; with an upload grant, those of its
    /// file and its remaining life.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the grant's upload is gone.
    #[tracing::instrument(skip_all)]
    pub async fn load_limits_for(&self, actor: &Actor) -> Result<UploadLimits> {
        let mut limits = self.limits();
        let max_size = match actor {
            Actor::Nobody => None,
            Actor::Key { tenant, .. } => {
                let rules = self.0.tenancy.rules(*tenant, DEFAULT_POLICY).await?;
                rules.and_then(|rules| rules.max_size)
            }
            Actor::Uploader { upload } => {
                let upload = self.0.store.find_upload(*upload).await?.ok_or(Error::NotFound)?;
                let left = upload.expires_at.duration_since(self.0.store.now());
                limits.upload_ttl = Duration::try_from(left).unwrap_or_default();
                upload.transfer.size().or(upload.max_size)
            }
        };
        if let Some(max_size) = max_size {
            limits.max_size = limits.max_size.min(max_size);
            limits.max_put = limits.max_put.min(max_size);
            limits.max_append = limits.max_append.min(max_size);
        }
        Ok(limits)
    }
}
