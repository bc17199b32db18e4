//! Limits of this instance; every protocol advertises them from here.

use std::time::Duration;

use crate::domain::asset::AssetMetadata;
use crate::domain::checksum::ChecksumAlgorithm;
use crate::domain::json_text::has_nul;
use crate::engine::{Error, Result};

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
    /// Media types that the caller's default policy accepts, like `image/*`. Empty: all.
    pub content_types: Vec<String>,
    /// Bytes that the quota of the caller's tenant still has; `None`: no quota of bytes, or a caller without a key.
    pub quota_left: Option<u64>,
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

/// Longest time that a request may wait for an asset.
pub(super) const MAX_STATE_WAIT: Duration = Duration::from_secs(60);

/// Checks the size of a caller's metadata, and that the database can store its texts.
pub(super) fn check_metadata_size(metadata: &AssetMetadata) -> Result<()> {
    let json = serde_json::to_vec(metadata).unwrap_or_default();
    if has_nul(&json) {
        return Err(Error::invalid("metadata", "must not contain the character U+0000"));
    }
    if json.len() <= MAX_METADATA_BYTES {
        Ok(())
    } else {
        Err(Error::invalid("metadata", format!("must be at most {MAX_METADATA_BYTES} bytes of JSON")))
    }
}
