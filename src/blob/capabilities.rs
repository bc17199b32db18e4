//! What a store was found to be capable of when the bucket was probed. The code path follows these answers.

use serde::{Deserialize, Serialize};

/// Answers of the capability probe; kept in the database, shown by `/readyz?verbose`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreCapabilities {
    /// `If-None-Match: *` on PutObject is honoured. Without it a single PUT travels as a one-part multipart upload.
    pub conditional_put: bool,
    /// A part whose checksum header does not fit its bytes is refused.
    pub part_checksums: bool,
    /// Parts may carry a checksum although none was declared at CreateMultipartUpload.
    pub undeclared_checksums: bool,
    /// Parts of different sizes may make one object; R2 refuses. Our plans do not need it.
    pub unequal_parts: bool,
    /// Completing again answers as the first time. Without it a repeat is settled by HEAD.
    pub repeated_complete: bool,
    /// Metadata given at CreateMultipartUpload comes back on HEAD; without it the write token proves nothing, and
    /// size and key, which is the upload's alone, have to do.
    pub metadata: bool,
    /// The store bounds the bytes of all parts of a multipart upload together ([`super::BlobStore::create_multipart`]) and closes
    /// keys ([`super::BlobStore::close_key`]): it is Gantry's own. Without it signed URLs can bring more than was granted, which is
    /// found and removed afterwards.
    #[serde(default)]
    pub enforces_limits: bool,
    /// Browsers on our own origin may PUT. `None`: not found out.
    pub cors: Option<bool>,
}
