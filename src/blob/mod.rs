//! The port to bytes: an object store as the engine needs it, with one adapter, [`s3`], for every store there is.
//!
//! The embedded store is reached through the same adapter over its own S3 endpoint; nothing above this module knows
//! the difference. Quirks of stores are normalised below it, with the reason beside them.
//!
//! Must not know of rows, uploads or tenants beyond what a [`BlobKey`] spells.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::domain::checksum::{ChecksumAlgorithm, PartChecksum};
use crate::domain::clock::Timestamp;
use crate::domain::plan::{PartNumber, StoreProfile};
use crate::sendfile::FileSpans;

mod capabilities;
pub mod cdn;
pub mod embedded;
mod key;
pub mod presign;
pub mod s3;

pub use capabilities::StoreCapabilities;
pub use key::BlobKey;

/// Why the store did not do what was asked. Texts are for logs, never for answers.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no such object or multipart upload.
    #[error("the store has no such object or upload")]
    NotFound,
    /// The object is not the one that was asked for (`If-Match`), or exists already (`If-None-Match`).
    #[error("a precondition does not hold")]
    Precondition,
    /// A part is missing, too small, out of order, or not the one that was named.
    #[error("the store refuses the parts: {0}")]
    BadParts(String),
    /// The store knows the object and has lost bytes of it: trying again does not help, an operator has to look.
    #[error("the store's copy of the object is damaged: {0}")]
    Damaged(String),
    /// The store's disk or quota is full.
    #[error("the store is full")]
    Full,
    /// The store does not accept our credentials: a matter of configuration.
    #[error("the store denies access: {0}")]
    Denied(String),
    /// No answer, or one that says nothing. The request may or may not have been carried out.
    #[error("the store is not available: {0}")]
    Unavailable(String),
}

/// What [`BlobStore`] methods answer.
pub type Result<T> = std::result::Result<T, BlobError>;

/// A stream of bytes. It ends with an error when the store broke off; a short stream without error cannot happen.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// Bytes of ours on their way to the store.
pub struct PutPayload {
    /// Exactly so many.
    pub len: u64,
    /// The bytes.
    pub bytes: ByteStream,
}

impl PutPayload {
    /// Bytes that are at hand.
    #[must_use]
    pub fn of(bytes: Bytes) -> Self {
        use futures_util::{StreamExt, stream};
        Self { len: bytes.len() as u64, bytes: stream::once(async { Ok(bytes) }).boxed() }
    }
}

/// What the store says about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectFacts {
    /// Bytes.
    pub size: u64,
    /// Entity tag without quotes.
    pub etag: String,
    /// Version id, where the bucket keeps versions.
    pub version: Option<String>,
    /// The write token stamped on it, if the store gives metadata back.
    pub token: Option<String>,
    /// When it was last written, by the store's clock.
    pub modified: Option<Timestamp>,
}

/// A part that the store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// Its number.
    pub number: PartNumber,
    /// Its bytes.
    pub size: u64,
    /// Its entity tag, as the store wants it back at completion.
    pub etag: String,
    /// Its checksum, where the upload has one.
    pub checksum: Option<PartChecksum>,
}

/// One page of anything; `next` is where the following one begins.
#[derive(Clone, Debug)]
pub struct ListPage<T, Marker> {
    /// The items, in the store's order.
    pub items: Vec<T>,
    /// `None` at the end.
    pub next: Option<Marker>,
}

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: Option<Timestamp>,
}

/// An unfinished multipart upload as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedMultipart {
    /// Its key.
    pub key: String,
    /// The store's id for it.
    pub store_id: String,
    /// When it was begun.
    pub initiated: Option<Timestamp>,
}

/// Where a listing of multipart uploads continues: after this key and id.
pub type MultipartMarker = (String, Option<String>);

/// A URL that anybody may use until it expires, together with the headers that must be sent along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedUrl {
    /// The whole URL. A secret: never logged.
    pub url: String,
    /// Headers that are part of the signature, in lower case. `host` is implied.
    pub headers: Vec<(&'static str, String)>,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// How a signed GET presents the object, whatever was stored with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseHeaders {
    /// `Content-Type` of the answer.
    pub content_type: Option<String>,
    /// `Content-Disposition` of the answer.
    pub disposition: Option<String>,
    /// `Cache-Control` of the answer.
    pub cache_control: Option<String>,
}

/// A file on this machine that holds exactly the bytes of an object, from its first to its last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its place below the directory of data files, made by us: hexadecimal digits and slashes.
    pub name: String,
}

/// A way to the bytes that needs no request, where the store is in this very process. It means exactly what the methods of
/// the same names of [`BlobStore`] mean.
#[async_trait]
pub trait LocalReader: Send + Sync {
    /// See [`BlobStore::get`].
    async fn get(&self, key: &str, etag: &str, range: Range<u64>) -> Result<ByteStream>;
    /// See [`BlobStore::spans`].
    async fn spans(&self, key: &str, etag: &str, range: Range<u64>) -> Result<FileSpans>;
    /// See [`BlobStore::local_file`].
    async fn local_file(&self, key: &str, etag: &str) -> Result<Option<LocalFile>>;
}

/// An object store. Signing needs no network; every other method is a request with a deadline of its own.
#[async_trait]
pub trait BlobStore: Send + Sync {
    /// What this store was found to be capable of.
    fn capabilities(&self) -> &StoreCapabilities;

    /// What it accepts.
    fn profile(&self) -> StoreProfile;

    /// Begins a multipart upload stamped with the write token (CreateMultipartUpload). With a checksum algorithm,
    /// every part must carry that checksum. A store that [enforces limits](StoreCapabilities::enforces_limits) refuses the part
    /// that takes the sum of all over `max_bytes`; other stores are not told of it.
    async fn create_multipart(
        &self,
        key: &str,
        token: &str,
        checksum: Option<ChecksumAlgorithm>,
        max_bytes: Option<u64>,
    ) -> Result<String>;

    /// The parts that the store has after `after`, ascending (ListParts).
    async fn list_parts(
        &self,
        key: &str,
        store_id: &str,
        after: Option<PartNumber>,
    ) -> Result<ListPage<StoredPart, PartNumber>>;

    /// Writes one part from bytes of ours (UploadPart) and returns its entity tag. Given once: whoever tries again
    /// brings the bytes again.
    async fn put_part(&self, key: &str, store_id: &str, number: PartNumber, payload: PutPayload) -> Result<String>;

    /// Assembles the parts (CompleteMultipartUpload) and returns the object's entity tag and version.
    ///
    /// # Errors
    /// [`BlobError::BadParts`] is the store's final word. Every other error leaves open whether the object exists;
    /// settle it with [`BlobStore::head`] and the write token.
    async fn complete_multipart(
        &self,
        key: &str,
        store_id: &str,
        parts: &[StoredPart],
    ) -> Result<(String, Option<String>)>;

    /// Gives up a multipart upload (AbortMultipartUpload). One that does not exist is as good as aborted; a part that
    /// is still in flight may survive, so ask [`BlobStore::list_parts`] afterwards.
    async fn abort_multipart(&self, key: &str, store_id: &str) -> Result<()>;

    /// What the store has under a key (HeadObject); `None` when nothing.
    async fn head(&self, key: &str) -> Result<Option<ObjectFacts>>;

    /// Bytes of the object that still has this entity tag (GetObject with `If-Match`). The range must lie inside the
    /// object and must not be empty.
    async fn get(&self, key: &str, etag: &str, range: Range<u64>) -> Result<ByteStream>;

    /// The same bytes as parts of files of this machine, for a connection that sends files itself. `None`: the store is
    /// elsewhere.
    async fn spans(&self, _key: &str, _etag: &str, _range: Range<u64>) -> Result<Option<FileSpans>> {
        Ok(None)
    }

    /// The file that holds the object which still has this entity tag, for servers on this machine that send files
    /// themselves. `None`: the store is elsewhere, or the object is in several files. A file that is removed right
    /// afterwards can still be opened for [a while](embedded::EmbeddedSettings::trash_grace).
    async fn local_file(&self, _key: &str, _etag: &str) -> Result<Option<LocalFile>> {
        Ok(None)
    }

    /// Writes a whole object from bytes of ours (PutObject) and returns its entity tag and version. With a token it is
    /// stamped, and where the store honours conditions, refused if the key is taken ([`BlobError::Precondition`]).
    async fn put_object(&self, key: &str, token: Option<&str>, payload: PutPayload)
    -> Result<(String, Option<String>)>;

    /// Writes a small object of our own, replacing what is there (PutObject).
    async fn put(&self, key: &str, bytes: Bytes) -> Result<()>;

    /// Removes an object (DeleteObject). One that does not exist is as good as removed.
    async fn delete(&self, key: &str) -> Result<()>;

    /// Removes the object under a key, aborts the multipart uploads there, and makes the store refuse every write under the key
    /// for `life`, the longest that a signed URL for it is still good. `false`: nothing was done, because the store does not
    /// [enforce limits](StoreCapabilities::enforces_limits).
    async fn close_key(&self, key: &str, life: Duration) -> Result<bool>;

    /// Objects whose key begins with `prefix`, after `after`, in key order (ListObjectsV2).
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<ListPage<ListedObject, String>>;

    /// Unfinished multipart uploads whose key begins with `prefix` (ListMultipartUploads).
    async fn list_multiparts(
        &self,
        prefix: &str,
        after: Option<&MultipartMarker>,
    ) -> Result<ListPage<ListedMultipart, MultipartMarker>>;

    /// A URL for one PutObject of exactly `len` bytes, refused by the store if the key is taken.
    async fn sign_put(&self, key: &str, len: u64, checksum: Option<&PartChecksum>, ttl: Duration) -> Result<SignedUrl>;

    /// URLs for the parts of one multipart upload, made one by one without further waiting.
    async fn sign_parts(&self, key: &str, store_id: &str, ttl: Duration) -> Result<presign::PartUrls>;

    /// A URL for one part of a multipart upload, of whatever length: for clients that cut by themselves.
    async fn sign_part(&self, key: &str, store_id: &str, part: PartNumber, ttl: Duration) -> Result<SignedUrl>;

    /// A URL for GetObject.
    async fn sign_get(&self, key: &str, shown: &ResponseHeaders, ttl: Duration) -> Result<SignedUrl>;
}
