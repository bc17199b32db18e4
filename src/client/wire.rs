//! The service's JSON, as far as the client reads it. Unknown fields are ignored: the server may be newer.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An asset.
#[derive(Clone, Debug, Deserialize)]
pub struct ApiAsset {
    /// Its id.
    pub id: String,
    /// State of the asset.
    pub state: String,
    /// Its name.
    pub filename: String,
    /// Its size in bytes.
    pub size: u64,
    /// Digest in hexadecimal, computed or declared.
    pub sha256: Option<String>,
    /// Reason of the rejection or failure.
    pub reason: Option<ApiReason>,
    /// Time of creation, RFC 3339.
    #[serde(default)]
    pub created_at: String,
}

impl ApiAsset {
    /// True if the bytes are stored and were not refused.
    #[must_use]
    pub fn has_bytes(&self) -> bool {
        matches!(self.state.as_str(), "stored" | "processing" | "ready")
    }

    /// True if the state will not change by itself.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !matches!(self.state.as_str(), "awaiting" | "stored" | "processing")
    }
}

/// Reason why an asset was rejected or failed.
#[derive(Clone, Debug, Deserialize)]
pub struct ApiReason {
    /// Code for programs.
    pub code: String,
    /// Message for people.
    pub message: String,
}

/// An upload.
#[derive(Clone, Debug, Deserialize)]
pub struct ApiUpload {
    /// Its id.
    pub id: String,
    /// Id of the asset that the upload creates.
    pub asset_id: String,
    /// `open`, `completing`, `completed`, `failed`, `aborted` or `expired`.
    pub state: String,
    /// The declared size.
    pub size: u64,
    /// Bytes of every part but the last; `None`: a single PUT.
    pub part_size: Option<u64>,
    /// The parts that the store has.
    #[serde(default)]
    pub received: Vec<ApiReceivedPart>,
    /// When the upload expires, RFC 3339.
    #[serde(default)]
    pub expires_at: String,
}

/// A part that the store has.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct ApiReceivedPart {
    /// Its number.
    pub part: u64,
    /// Its size in bytes.
    pub size: u64,
}

/// Request for an upload. Kept as text in the journal: a repeated request must be identical.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiUploadRequest<'a> {
    /// The name.
    pub filename: &'a str,
    /// The size in bytes.
    pub size: u64,
    /// The declared type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<&'a str>,
    /// External id of the asset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<&'a str>,
    /// Metadata of the asset.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: &'a Map<String, Value>,
    /// Requested part size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_size: Option<u64>,
    /// Way of the bytes; the server chooses by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<&'static str>,
    /// Digest of the file in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Number of part URLs to return.
    pub urls: u16,
}

/// Answer to [`ApiUploadRequest`].
#[derive(Debug, Deserialize)]
pub struct ApiCreatedUpload {
    /// The upload.
    pub upload: ApiUpload,
    /// URL for the whole file, if it is sent by a single PUT.
    pub put: Option<ApiSignedUrl>,
    /// URLs for the first parts, if it is sent in parts.
    pub multipart: Option<ApiPartUrls>,
}

/// URLs for parts.
#[derive(Debug, Deserialize)]
pub struct ApiPartUrls {
    /// A URL for each requested part.
    pub urls: Vec<PartUrl>,
}

/// The URL for a part.
#[derive(Debug, Deserialize)]
pub struct PartUrl {
    /// The part's number.
    pub part: u64,
    /// URL and headers.
    #[serde(flatten)]
    pub target: ApiSignedUrl,
}

/// A signed URL for a PUT, and the headers that were signed with it. The URL is a secret: `Debug` does not show it.
#[derive(Clone, Deserialize)]
pub struct ApiSignedUrl {
    /// The signed URL.
    pub url: String,
    /// Headers to be sent exactly as they are.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

impl fmt::Debug for ApiSignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedUrl").finish_non_exhaustive()
    }
}

/// A page of assets, each as the server wrote it.
#[derive(Debug, Deserialize)]
pub struct ApiAssetPage {
    /// The assets.
    pub assets: Vec<Value>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// Assets by their ids.
#[derive(Debug, Deserialize)]
pub struct ApiAssetResults {
    /// A result for each id.
    pub results: Vec<ApiAssetResult>,
}

/// Result for an id.
#[derive(Debug, Deserialize)]
pub struct ApiAssetResult {
    /// The asset; `None`: it is gone.
    pub asset: Option<ApiAsset>,
}

/// Request for a link.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ApiLinkRequest {
    /// Lifetime: seconds, or a text like `1h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
    /// `attachment` or `inline`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disposition: Option<String>,
    /// Name under which the file is saved, instead of the asset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// Number of permitted uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
    /// The only address or network that may use the link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_server_is_understood() {
        let text = r#"{"upload":{"id":"u","asset_id":"a","state":"open","size":9,"part_size":5,"received":[{"part":1,
            "size":5,"etag":"x"}],"expires_at":"t","new":1},"multipart":{"part_size":5,"part_count":2,"urls":[{"part":2,
            "url":"http://s/?X-Amz-Signature=secret","headers":{"content-length":"4"},"expires_at":"t"}]},"grant":"gu_x"}"#;
        let opened: ApiCreatedUpload = serde_json::from_str(text).unwrap();
        let part = &opened.multipart.as_ref().unwrap().urls[0];
        assert_eq!((part.part, part.target.headers["content-length"].as_str()), (2, "4"));
        assert!(!format!("{opened:?}").contains("secret"));
    }

    #[test]
    fn only_what_is_wished_is_sent() {
        let metadata = Map::new();
        let wish = ApiUploadRequest {
            filename: "a",
            size: 1,
            content_type: None,
            external_id: None,
            metadata: &metadata,
            part_size: None,
            method: None,
            sha256: None,
            urls: 8,
        };
        assert_eq!(serde_json::to_string(&wish).unwrap(), r#"{"filename":"a","size":1,"urls":8}"#);
    }
}
