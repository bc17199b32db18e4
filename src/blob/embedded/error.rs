//! Errors of the store, and their mapping to S3 error responses.
//!
//! Must not know HTTP beyond the S3 error codes that `s3s` renders.

use crate::domain::reason::chain;
use std::io;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use s3s::{S3Error, S3ErrorCode};

use super::model;

/// Region of this store. Clients may sign for any region; this name is known to all SDKs, and AWS never accepted
/// Signature V2 there: botocore presigns with V2 in every region that once accepted it, such as `us-east-1`.
pub const STORE_REGION: &str = "eu-central-1";

/// Error code of an object whose data file is missing or too short: a retry does not help, an operator has to look. S3
/// has no code for this.
pub(super) const DAMAGED_BYTES_CODE: &str = "ObjectDamaged";

/// Result of store operations.
pub(super) type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors of a request.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the bucket does not exist")]
    NoSuchBucket,
    #[error("the key does not exist")]
    NoSuchKey,
    #[error("the version does not exist: this store keeps no versions")]
    NoSuchVersion,
    #[error("the upload does not exist: its id is wrong, or it was completed or aborted")]
    NoSuchUpload,
    #[error("the bucket has no CORS configuration")]
    NoSuchCors,
    #[error("the bucket exists and is yours")]
    BucketExists,
    #[error("the bucket is not empty: delete its objects first")]
    BucketNotEmpty,
    #[error("at least one of the preconditions you specified did not hold")]
    PreconditionFailed,
    #[error("not modified")]
    NotModified {
        /// Entity tag of the object, repeated in the 304 response.
        etag: String,
    },
    #[error("the range is not satisfiable")]
    InvalidRange {
        /// Size of the object in bytes, for `Content-Range` of the 416 response.
        size: u64,
    },
    #[error("the object has no such part")]
    NoSuchPart,
    #[error("part {0} was not uploaded, or its ETag or checksum differs")]
    InvalidPart(u16),
    #[error("the list of parts is not in ascending order")]
    InvalidPartOrder,
    #[error("part {0} is smaller than 5 MiB and is not the last")]
    EntityTooSmall(u16),
    #[error("a single PUT accepts at most {0} bytes")]
    EntityTooLarge(u64),
    #[error("the parts of this upload must not exceed {0} bytes in total")]
    UploadTooLarge(u64),
    #[error("this key accepts no more writes: its upload has ended, or its object was deleted")]
    KeyClosed,
    #[error("a Content-Length header is required")]
    MissingLength,
    #[error("the {0} you specified did not match what was received")]
    BadDigest(&'static str),
    #[error("{0} is not a valid digest in base64")]
    InvalidDigest(&'static str),
    #[error("the SHA-256 of the body differs from the signed value")]
    PayloadMismatch,
    #[error("the signature of a chunk does not match")]
    ChunkSignature,
    #[error("the body ended early, or was longer than declared")]
    IncompleteBody,
    #[error("the body did not arrive in time")]
    BodyTimeout,
    #[error("too many uploads at once")]
    Busy,
    #[error("the disk is full")]
    Full,
    #[error("the store refuses writes after a failed disk operation, until it is restarted: {0}")]
    Poisoned(String),
    #[error("{0}")]
    InvalidArgument(&'static str),
    #[error("{0}")]
    InvalidRequest(&'static str),
    #[error("{0}")]
    InvalidTag(&'static str),
    #[error("the only supported storage class is STANDARD")]
    InvalidStorageClass,
    #[error("user metadata has at most 2 KiB")]
    MetadataTooLarge,
    #[error("{0}")]
    MalformedXml(&'static str),
    #[error("the difference between the request time and the server's time is too large")]
    TimeTooSkewed,
    #[error("{0}")]
    AccessDenied(&'static str),
    #[error("the authorization header is malformed: the region is wrong; expecting '{STORE_REGION}'")]
    WrongRegion,
    #[error("a header you provided implies functionality that is not implemented: {0}")]
    NotImplemented(&'static str),
    #[error(transparent)]
    Corrupt(#[from] model::CorruptRow),
    #[error("a data file of the object {what}: {file}")]
    Damaged {
        /// Damaged file.
        file: model::FileId,
        /// Kind of damage.
        what: &'static str,
    },
    #[error("a disk operation failed")]
    Io(#[source] io::Error),
    #[error("a metadata operation failed")]
    Sqlite(#[source] rusqlite::Error),
    #[error("{0}")]
    Stopped(&'static str),
}

impl Error {
    /// True for internal faults, which are logged for the operator.
    fn is_ours(&self) -> bool {
        matches!(self, Self::Corrupt(_) | Self::Damaged { .. } | Self::Io(_) | Self::Sqlite(_) | Self::Stopped(_))
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(error),
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            _ => Self::Sqlite(error),
        }
    }
}

impl From<Error> for S3Error {
    fn from(error: Error) -> Self {
        if error.is_ours() {
            tracing::error!(error = %chain(&error), "the embedded store failed a request");
        }
        let mut answer = Self::with_message(code(&error), error.to_string());
        match error {
            Error::Damaged { .. } => {
                answer.set_status_code(StatusCode::INTERNAL_SERVER_ERROR);
                answer.set_message("the stored bytes of this object are damaged: a data file is missing or too short");
            }
            Error::Full => answer.set_status_code(StatusCode::INSUFFICIENT_STORAGE),
            Error::NoSuchPart => answer.set_status_code(StatusCode::RANGE_NOT_SATISFIABLE),
            Error::PayloadMismatch => answer.set_status_code(StatusCode::BAD_REQUEST),
            Error::NotModified { etag } => answer.set_headers(quoted(header::ETAG, &format!("\"{etag}\""))),
            Error::InvalidRange { size } => {
                answer.set_headers(quoted(header::CONTENT_RANGE, &format!("bytes */{size}")));
            }
            Error::Io(_) | Error::Sqlite(_) | Error::Corrupt(_) => answer.set_message("internal error"),
            _ => {}
        }
        answer
    }
}

/// Error headers with the content type: `s3s` replaces all headers of an error response by these.
fn quoted(name: header::HeaderName, value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    if let Ok(value) = value.parse() {
        headers.insert(name, value);
    }
    headers
}

/// S3 error code. No SDK retries 507 with `InsufficientStorage`; S3 itself has no code for a full disk.
fn code(error: &Error) -> S3ErrorCode {
    match error {
        Error::NoSuchBucket => S3ErrorCode::NoSuchBucket,
        Error::NoSuchKey => S3ErrorCode::NoSuchKey,
        Error::NoSuchVersion => S3ErrorCode::NoSuchVersion,
        Error::NoSuchUpload => S3ErrorCode::NoSuchUpload,
        Error::NoSuchCors => S3ErrorCode::NoSuchCORSConfiguration,
        Error::BucketExists => S3ErrorCode::BucketAlreadyOwnedByYou,
        Error::BucketNotEmpty => S3ErrorCode::BucketNotEmpty,
        Error::PreconditionFailed => S3ErrorCode::PreconditionFailed,
        Error::NotModified { .. } => S3ErrorCode::NotModified,
        Error::InvalidRange { .. } => S3ErrorCode::InvalidRange,
        Error::NoSuchPart => custom("InvalidPartNumber"),
        Error::InvalidPart(_) => S3ErrorCode::InvalidPart,
        Error::InvalidPartOrder => S3ErrorCode::InvalidPartOrder,
        Error::EntityTooSmall(_) => S3ErrorCode::EntityTooSmall,
        Error::EntityTooLarge(_) | Error::UploadTooLarge(_) => S3ErrorCode::EntityTooLarge,
        Error::MissingLength => S3ErrorCode::MissingContentLength,
        Error::BadDigest(_) => S3ErrorCode::BadDigest,
        Error::InvalidDigest(_) => S3ErrorCode::InvalidDigest,
        Error::PayloadMismatch => custom("XAmzContentSHA256Mismatch"),
        Error::ChunkSignature => S3ErrorCode::SignatureDoesNotMatch,
        Error::IncompleteBody => S3ErrorCode::IncompleteBody,
        Error::BodyTimeout => S3ErrorCode::RequestTimeout,
        Error::Busy => S3ErrorCode::SlowDown,
        Error::Full => custom("InsufficientStorage"),
        Error::Poisoned(_) | Error::Stopped(_) => S3ErrorCode::ServiceUnavailable,
        Error::InvalidArgument(_) => S3ErrorCode::InvalidArgument,
        Error::InvalidRequest(_) => S3ErrorCode::InvalidRequest,
        Error::InvalidTag(_) => S3ErrorCode::InvalidTag,
        Error::InvalidStorageClass => S3ErrorCode::InvalidStorageClass,
        Error::MetadataTooLarge => S3ErrorCode::MetadataTooLarge,
        Error::MalformedXml(_) => S3ErrorCode::MalformedXML,
        Error::AccessDenied(_) | Error::KeyClosed => S3ErrorCode::AccessDenied,
        Error::TimeTooSkewed => S3ErrorCode::RequestTimeTooSkewed,
        Error::WrongRegion => S3ErrorCode::AuthorizationHeaderMalformed,
        Error::NotImplemented(_) => S3ErrorCode::NotImplemented,
        Error::Damaged { .. } => custom(DAMAGED_BYTES_CODE),
        Error::Corrupt(_) | Error::Io(_) | Error::Sqlite(_) => S3ErrorCode::InternalError,
    }
}

fn custom(code: &'static str) -> S3ErrorCode {
    S3ErrorCode::from_bytes(code.as_bytes()).unwrap_or(S3ErrorCode::InternalError)
}
