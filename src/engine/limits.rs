//! What this composition accepts; every protocol advertises from here.

use std::time::Duration;

use super::{Engine, Error, Result};
use crate::domain::append::max_relayed;
use crate::domain::checksum::ChecksumAlgorithm;
use crate::domain::name::FileName;

/// Limits, as clients may know them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest file in bytes.
    pub max_size: u64,
    /// Largest file in bytes that one PUT can carry.
    pub max_put: u64,
    /// Largest file in bytes that can come through this service.
    pub max_append: u64,
    /// Smallest part in bytes, the last one aside.
    pub min_part: u64,
    /// Largest part in bytes.
    pub max_part: u64,
    /// Most parts of an upload.
    pub max_parts: u16,
    /// Longest name in bytes of UTF-8.
    pub max_name: usize,
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

/// Most entries of a page, whatever it lists.
const MOST_ENTRIES: u32 = 1000;

/// Whether a page may have so many entries.
pub(super) fn check_page(limit: u32) -> Result<()> {
    if (1..=MOST_ENTRIES).contains(&limit) {
        return Ok(());
    }
    Err(Error::invalid("limit", format!("1 to {MOST_ENTRIES}")))
}

/// Largest metadata of an asset, in bytes of JSON.
pub(super) const MAX_METADATA: usize = 16 << 10;

impl Engine {
    /// What this composition accepts.
    #[must_use]
    pub fn limits(&self) -> Limits {
        const ALL: [ChecksumAlgorithm; 3] =
            [ChecksumAlgorithm::Sha256, ChecksumAlgorithm::Crc32c, ChecksumAlgorithm::Crc64Nvme];
        let (profile, settings) = (self.0.blobs.profile(), &self.0.settings);
        Limits {
            max_size: settings.max_size.min(profile.max_object()),
            max_put: profile.max_put.min(settings.max_size),
            max_append: max_relayed(&profile).min(settings.max_size),
            min_part: profile.min_part,
            max_part: profile.max_part,
            max_parts: profile.max_parts,
            max_name: FileName::MAX_BYTES,
            max_metadata: MAX_METADATA,
            upload_ttl: settings.patience.upload_ttl,
            url_ttl: settings.patience.url_ttl,
            link_ttl: settings.link_ttl,
            checksums: if self.0.blobs.capabilities().part_checksums { &ALL } else { &[] },
        }
    }
}
