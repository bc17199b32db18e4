//! Upload limits as an answer. Pure.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::checksum::ChecksumAlgorithm;
use crate::engine::UploadLimits;
use crate::http::openapi::absent_not_null;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Limits", transform = absent_not_null)]
pub(super) struct LimitsView {
    /// Largest file in bytes.
    #[schemars(example = 50_000_000_000_000_u64)]
    max_size: u64,
    /// Largest file in bytes for a single signed PUT.
    #[schemars(example = 5_368_709_120_u64)]
    max_put_size: u64,
    /// Largest file in bytes that is sent by appending (tus, IETF, forms, a PUT to the service).
    #[schemars(example = 52_428_800_000_u64)]
    max_append_size: u64,
    /// Largest body in bytes of a request that appends; absent unless the operator has set a limit for proxies.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 104_857_600)]
    max_append_request_size: Option<u64>,
    /// Smallest part in bytes; the last part may be smaller.
    #[schemars(example = 5_242_880)]
    min_part_size: u64,
    /// Largest part in bytes.
    #[schemars(example = 5_368_709_120_u64)]
    max_part_size: u64,
    /// Maximum number of parts of a file.
    #[schemars(example = 10_000)]
    max_parts: u16,
    /// Maximum length of a filename in characters.
    #[schemars(example = 255)]
    max_filename_characters: usize,
    /// Maximum length of a filename in bytes of UTF-8.
    #[schemars(example = 1020)]
    max_filename_bytes: usize,
    /// Maximum size of an asset's metadata in bytes of JSON.
    #[schemars(example = 16_384)]
    max_metadata_bytes: usize,
    /// Seconds after which an upload that is not complete expires.
    #[schemars(example = 604_800)]
    upload_expires_in: u64,
    /// Seconds for which a signed URL is valid.
    #[schemars(example = 3600)]
    url_expires_in: u64,
    /// Longest life of a link in seconds.
    #[schemars(example = 2_592_000)]
    max_link_expires_in: u64,
    /// Algorithms whose checksums of parts are verified.
    #[schemars(extend("items" = { "type": "string", "enum": ChecksumAlgorithm::ALL.map(ChecksumAlgorithm::name) }))]
    checksums: Vec<&'static str>,
    /// Media types that the default policy of the key's tenant accepts; absent if it accepts all, and without a key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = ["image/*", "application/pdf"])]
    content_types: Vec<String>,
    /// Bytes that the quota of the key's tenant still has, without those that open uploads may bring; absent without
    /// a quota of bytes, and without a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 18_000_000_000_u64)]
    quota_left: Option<u64>,
}

pub(super) fn limits_view(limits: &UploadLimits) -> LimitsView {
    LimitsView {
        max_size: limits.max_size,
        max_put_size: limits.max_put,
        max_append_size: limits.max_append,
        max_append_request_size: limits.max_request_body,
        min_part_size: limits.min_part,
        max_part_size: limits.max_part,
        max_parts: limits.max_parts,
        max_filename_characters: limits.max_name_chars,
        max_filename_bytes: limits.max_name_bytes,
        max_metadata_bytes: limits.max_metadata,
        upload_expires_in: limits.upload_ttl.as_secs(),
        url_expires_in: limits.url_ttl.as_secs(),
        max_link_expires_in: limits.link_ttl.as_secs(),
        checksums: limits.checksums.iter().map(|algorithm| algorithm.name()).collect(),
        content_types: limits.content_types.clone(),
        quota_left: limits.quota_left,
    }
}
