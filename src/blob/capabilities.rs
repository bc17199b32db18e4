//! Capabilities of an object store, as the probe of the bucket found them. The code path follows these answers.

use serde::{Deserialize, Serialize};

/// Results of the capability probe. Stored in the database, shown by `/readyz?verbose`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreCapabilities {
    /// PutObject honours `If-None-Match: *`. If not, a single PUT is sent as a multipart upload of 1 part.
    pub conditional_put: bool,
    /// UploadPart refuses a part whose checksum header does not match its bytes.
    pub part_checksums: bool,
    /// UploadPart accepts a checksum although CreateMultipartUpload declared none.
    pub undeclared_checksums: bool,
    /// CompleteMultipartUpload accepts parts of different sizes; R2 refuses them. Our part plans do not need it.
    pub unequal_parts: bool,
    /// A repeated CompleteMultipartUpload gets the first answer again. If not, a repeat is settled by HEAD.
    pub repeated_complete: bool,
    /// HEAD returns the metadata of CreateMultipartUpload. If not, the write token proves nothing, and size and key
    /// prove a completion: each upload has a key of its own.
    pub metadata: bool,
    /// The store is Gantry's own: the sum of all parts of a multipart upload has a limit
    /// ([`super::BlobStore::create_multipart`]), and keys can be closed ([`super::BlobStore::close_key`]). If not,
    /// signed URLs can bring more bytes than were granted; these are found and removed afterwards.
    #[serde(default)]
    pub enforces_limits: bool,
    /// Browsers may PUT from our own origin (CORS). `None`: not known.
    pub cors: Option<bool>,
}
