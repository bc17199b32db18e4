//! Port to object storage, as the engine needs it. The adapter [`s3`] serves every store.
//!
//! The embedded store is used through the same adapter, over its own S3 endpoint; nothing above this module knows the
//! difference. Quirks of stores are normalised in the adapter, with the reason beside each.
//!
//! Must not know of rows, uploads or tenants beyond what a [`BlobKey`] contains.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::domain::checksum::{ChecksumAlgorithm, PartChecksum};
use crate::domain::clock::Timestamp;
use crate::domain::plan::{PartNumber, StoreProfile};
use crate::domain::reason::FailureCause;
use crate::sendfile::FileSpans;

mod capabilities;
pub mod cdn;
pub mod embedded;
mod key;
pub mod presign;
pub mod s3;

pub use capabilities::StoreCapabilities;
pub use key::BlobKey;

/// Errors of a store operation. Causes are for logs, never for responses to clients.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BlobError {
    /// The object or multipart upload does not exist.
    #[error("the store has no such object or upload")]
    NotFound,
    /// A precondition failed: the entity tag differs (`If-Match`), or the object exists already (`If-None-Match`).
    #[error("a precondition does not hold")]
    Precondition,
    /// A part is missing, too small, out of order, or its entity tag or checksum differs.
    #[error("the store refuses the parts")]
    BadParts(#[source] FailureCause),
    /// The store has lost bytes of the object: a retry does not help, an operator has to look.
    #[error("the store's copy of the object is damaged")]
    Damaged(#[source] FailureCause),
    /// The store's disk or quota is full.
    #[error("the store is full")]
    Full,
    /// The store does not accept our credentials: a configuration error.
    #[error("the store denies access")]
    Denied(#[source] FailureCause),
    /// No answer, or an answer without a known meaning. The request may or may not have been carried out.
    #[error("the store is not available")]
    Unavailable(#[source] FailureCause),
}

/// Result of [`BlobStore`] methods.
pub type Result<T> = std::result::Result<T, BlobError>;

/// A stream of bytes. Ends with an error if the store broke off; a short stream without an error cannot happen.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// Bytes to send to the store.
pub struct PutPayload {
    /// Exact number of bytes.
    pub len: u64,
    /// The bytes.
    pub bytes: ByteStream,
}

impl PutPayload {
    /// Payload of bytes in memory.
    #[must_use]
    pub fn of(bytes: Bytes) -> Self {
        use futures_util::{StreamExt, stream};
        Self { len: bytes.len() as u64, bytes: stream::once(async { Ok(bytes) }).boxed() }
    }
}

/// Attributes of a stored object (HeadObject).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectFacts {
    /// Size in bytes.
    pub size: u64,
    /// Entity tag without quotes.
    pub etag: String,
    /// Version id, if the bucket keeps versions.
    pub version: Option<String>,
    /// Write token in the object's metadata, if the store returns metadata.
    pub token: Option<String>,
    /// Time of the last write, by the store's clock.
    pub modified: Option<Timestamp>,
}

/// A part that the store holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// Part number.
    pub number: PartNumber,
    /// Size in bytes.
    pub size: u64,
    /// Entity tag, in the form that completion expects.
    pub etag: String,
    /// Checksum, if the upload has checksums.
    pub checksum: Option<PartChecksum>,
}

/// A page of a listing.
#[derive(Clone, Debug)]
pub struct ListPage<T, Marker> {
    /// Items in the store's order.
    pub items: Vec<T>,
    /// Start of the next page; `None` at the end.
    pub next: Option<Marker>,
}

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// Object key.
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last write.
    pub modified: Option<Timestamp>,
}

/// An unfinished multipart upload in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedMultipart {
    /// Object key.
    pub key: String,
    /// Upload id of the store.
    pub store_id: String,
    /// Time of CreateMultipartUpload.
    pub initiated: Option<Timestamp>,
}

/// Position in a listing of multipart uploads: continue after this key and upload id.
pub type MultipartMarker = (String, Option<String>);

/// A URL that any client may use until it expires, with the headers that the client must send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedUrl {
    /// Complete URL. A secret: never logged.
    pub url: String,
    /// Headers that are part of the signature, in lower case. `host` is implied.
    pub headers: Vec<(&'static str, String)>,
    /// Time at which the URL expires.
    pub expires_at: Timestamp,
}

/// Response headers of a signed GET, in place of those stored with the object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseHeaders {
    /// `Content-Type` of the response.
    pub content_type: Option<String>,
    /// `Content-Disposition` of the response.
    pub disposition: Option<String>,
    /// `Cache-Control` of the response.
    pub cache_control: Option<String>,
}

/// A file on this machine that holds exactly the bytes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFile {
    /// Path of the file.
    pub path: PathBuf,
    /// Name relative to the directory of data files: hexadecimal digits and slashes only.
    pub name: String,
}

/// Reads without HTTP requests, if the store runs in this process. Semantics are those of the [`BlobStore`] methods of
/// the same names.
#[async_trait]
pub trait LocalReader: Send + Sync {
    /// See [`BlobStore::get`].
    async fn get(&self, key: &str, etag: &str, range: Range<u64>) -> Result<ByteStream>;
    /// See [`BlobStore::spans`].
    async fn spans(&self, key: &str, etag: &str, range: Range<u64>) -> Result<FileSpans>;
    /// See [`BlobStore::local_file`].
    async fn local_file(&self, key: &str, etag: &str) -> Result<Option<LocalFile>>;
}

/// An object store. Signing needs no network; every other method is a request with its own deadline.
#[async_trait]
pub trait BlobStore: Send + Sync {
    /// Capabilities of this store, as probed.
    fn capabilities(&self) -> &StoreCapabilities;

    /// Limits of this store.
    fn profile(&self) -> StoreProfile;

    /// Starts a multipart upload with the write token in its metadata (CreateMultipartUpload) and returns the store's
    /// upload id. With a checksum algorithm, every part must carry that checksum. A store that [enforces
    /// limits](StoreCapabilities::enforces_limits) refuses the part that takes the sum of all parts over `max_bytes`;
    /// other stores do not get this limit.
    async fn create_multipart(
        &self,
        key: &str,
        token: &str,
        checksum: Option<ChecksumAlgorithm>,
        max_bytes: Option<u64>,
    ) -> Result<String>;

    /// Lists the parts after `after`, ascending (ListParts).
    async fn list_parts(
        &self,
        key: &str,
        store_id: &str,
        after: Option<PartNumber>,
    ) -> Result<ListPage<StoredPart, PartNumber>>;

    /// Writes a part (UploadPart) and returns its entity tag. The payload is consumed: for a retry the caller brings
    /// the bytes again.
    async fn put_part(&self, key: &str, store_id: &str, number: PartNumber, payload: PutPayload) -> Result<String>;

    /// Assembles the parts (CompleteMultipartUpload) and returns the object's entity tag and version.
    ///
    /// # Errors
    /// [`BlobError::BadParts`] is final. Every other error leaves open whether the object exists; settle it with
    /// [`BlobStore::head`] and the write token.
    async fn complete_multipart(
        &self,
        key: &str,
        store_id: &str,
        parts: &[StoredPart],
    ) -> Result<(String, Option<String>)>;

    /// Aborts a multipart upload (AbortMultipartUpload). An upload that does not exist counts as aborted. A part that
    /// is still in flight may survive, so ask [`BlobStore::list_parts`] afterwards.
    async fn abort_multipart(&self, key: &str, store_id: &str) -> Result<()>;

    /// Attributes of the object under a key (HeadObject); `None` if there is no object.
    async fn head(&self, key: &str) -> Result<Option<ObjectFacts>>;

    /// Bytes of the object, if it still has this entity tag (GetObject with `If-Match`). The range must be inside the
    /// object and not empty.
    async fn get(&self, key: &str, etag: &str, range: Range<u64>) -> Result<ByteStream>;

    /// Same bytes as [`Self::get`], as ranges of local files, for a connection that sends files itself. `None`: the
    /// store is not on this machine.
    async fn spans(&self, _key: &str, _etag: &str, _range: Range<u64>) -> Result<Option<FileSpans>> {
        Ok(None)
    }

    /// The file that holds the object with this entity tag, for servers on this machine that send files themselves.
    /// `None`: the store is not on this machine, or the object is in several files. The file can still be opened for [a
    /// grace period](embedded::EmbeddedSettings::trash_grace) after its removal.
    async fn local_file(&self, _key: &str, _etag: &str) -> Result<Option<LocalFile>> {
        Ok(None)
    }

    /// Writes a whole object (PutObject) and returns its entity tag and version. A token is stored in the metadata;
    /// then a store that honours conditions refuses the write if the key is taken ([`BlobError::Precondition`]).
    async fn put_object(&self, key: &str, token: Option<&str>, payload: PutPayload)
    -> Result<(String, Option<String>)>;

    /// Writes a small object of the service itself and replaces an existing object (PutObject).
    async fn put(&self, key: &str, bytes: Bytes) -> Result<()>;

    /// Removes an object (DeleteObject). An object that does not exist counts as removed.
    async fn delete(&self, key: &str) -> Result<()>;

    /// Removes the object under a key, aborts the multipart uploads there, and makes the store refuse every write under
    /// the key for `life`, which must be as long as the signed URLs for the key live. `false`: nothing was done,
    /// because the store does not [enforce limits](StoreCapabilities::enforces_limits).
    async fn close_key(&self, key: &str, life: Duration) -> Result<bool>;

    /// Lists objects whose key begins with `prefix`, after `after`, in key order (ListObjectsV2).
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<ListPage<ListedObject, String>>;

    /// Lists unfinished multipart uploads whose key begins with `prefix` (ListMultipartUploads).
    async fn list_multiparts(
        &self,
        prefix: &str,
        after: Option<&MultipartMarker>,
    ) -> Result<ListPage<ListedMultipart, MultipartMarker>>;

    /// Signs a URL for a PutObject of exactly `len` bytes, which the store refuses if the key is taken.
    async fn sign_put(&self, key: &str, len: u64, checksum: Option<&PartChecksum>, ttl: Duration) -> Result<SignedUrl>;

    /// Prepares URLs for the parts of a multipart upload; each URL is then made without I/O.
    async fn sign_parts(&self, key: &str, store_id: &str, ttl: Duration) -> Result<presign::PartUrls>;

    /// Signs a URL for a part of any length, for clients that choose part sizes themselves.
    async fn sign_part(&self, key: &str, store_id: &str, part: PartNumber, ttl: Duration) -> Result<SignedUrl>;

    /// Signs a URL for GetObject.
    async fn sign_get(&self, key: &str, shown: &ResponseHeaders, ttl: Duration) -> Result<SignedUrl>;
}
