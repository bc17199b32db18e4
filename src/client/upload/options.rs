//! Wishes for uploads: those of a command, and those of a file.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::client::throttle::RateLimiter;
use crate::domain::checksum::Sha256Digest;

/// Options of an upload.
#[derive(Clone, Debug, Default)]
pub struct UploadOptions {
    /// Media type to declare.
    pub content_type: Option<String>,
    /// External id of the asset.
    pub external_id: Option<String>,
    /// Metadata of the asset.
    pub metadata: Map<String, Value>,
    /// Requested part size in bytes.
    pub part_size: Option<u64>,
    /// Expected digest of the file.
    pub sha256: Option<Sha256Digest>,
    /// Continue what an earlier run has begun.
    pub resume: bool,
    /// Wait until the asset is ready or rejected.
    pub wait: bool,
    /// Number of files to come; many are sent and waited for together.
    pub files: usize,
    /// Handling of a file whose name an asset has already.
    pub if_exists: IfExists,
    /// Limit of bytes per second, over all files.
    pub limit: Option<Arc<RateLimiter>>,
    /// Maximum parts in flight, over all files.
    pub concurrency: usize,
    /// Time without progress after which a part is sent again.
    pub stall_timeout: Duration,
}

/// Handling of a file whose name, and path in a tree, an asset of the tenant has already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfExists {
    /// Nothing is sent, and the existing asset is the result.
    Skip,
    /// Nothing is sent, and that is an error.
    Fail,
    /// The file becomes another asset of this name.
    #[default]
    New,
}

/// A file to upload.
#[derive(Clone, Debug, Default)]
pub struct UploadItem {
    /// Path of the file.
    pub path: PathBuf,
    /// Name of the asset instead of the file's name.
    pub name: Option<String>,
    /// Name of the file for messages and results: its path, or its path in a tree.
    pub label: String,
    /// Size in bytes when it was found.
    pub size: u64,
    /// Metadata of this asset, beside that of all.
    pub metadata: Map<String, Value>,
}
