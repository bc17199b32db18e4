//! Errors of the engine, by meaning. Every protocol maps every variant; no mapping has a catch-all arm.

use std::time::Duration;

use crate::blob::BlobError;
use crate::domain::InvalidTransition;
use crate::domain::access::AccessDenied;
use crate::domain::drop_box::DropBoxLimit;
use crate::domain::plan::{PartSet, PlanError};
use crate::domain::reason::FailureCause;
use crate::store::StoreError;

/// A refusal or a failure.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No valid credential.
    #[error("a credential is required")]
    Unauthenticated,
    /// The credential is valid, but does not allow this action.
    #[error("this credential does not permit the operation")]
    Forbidden,
    /// Unknown, or of another tenant: the two look the same.
    #[error("not found")]
    NotFound,
    /// A field has an invalid value.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field, as the caller wrote it.
        field: &'static str,
        /// Description of what is wrong with its value.
        problem: String,
    },
    /// The declared size exceeds the limit.
    #[error("at most {limit} bytes are accepted")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The tenant's quota is exhausted: `bytes`, `files` or `open_uploads`.
    #[error("the quota of {limit} is used up")]
    OverQuota {
        /// Name of the exhausted quota.
        limit: &'static str,
    },
    /// The grant for many files accepts no more: `files` or `bytes`.
    #[error("this grant accepts no more {limit}")]
    GrantUsedUp {
        /// Name of the limit that is reached.
        limit: &'static str,
    },
    /// The tenant exceeds its request rate.
    #[error("too many requests")]
    RateLimited {
        /// Time until the next attempt.
        after: Duration,
    },
    /// The tenant is suspended.
    #[error("this tenant is suspended")]
    Suspended,
    /// New uploads are refused while an operator works on the service.
    #[error("{}", message.as_deref().unwrap_or("new uploads are not accepted during maintenance"))]
    Maintenance {
        /// The operator's words.
        message: Option<String>,
    },
    /// The identity or idempotency key is in use for something else.
    #[error("{0}")]
    Taken(&'static str),
    /// The `Idempotency-Key` was used with a different request.
    #[error("this Idempotency-Key was used for another request")]
    IdempotencyKeyReused,
    /// The state does not allow the action.
    #[error("the {what} is {state}")]
    WrongState {
        /// `asset` or `upload`.
        what: &'static str,
        /// Name of the state.
        state: &'static str,
    },
    /// The upload, asset or link existed and is gone for good.
    #[error("the {what} is {state}")]
    Gone {
        /// `asset`, `upload` or `link`.
        what: &'static str,
        /// Reason.
        state: &'static str,
    },
    /// The upload has another offset than the caller declared.
    #[error("the offset of the upload is {expected}")]
    OffsetMismatch {
        /// Offset of the upload.
        expected: u64,
    },
    /// The body has, or declares, more bytes than the file.
    #[error("the file has only {length} bytes")]
    Overrun {
        /// Size of the file in bytes.
        length: u64,
    },
    /// The declared length of the file differs from the known length.
    #[error("the length differs: {0}")]
    LengthMismatch(&'static str),
    /// Another request writes to the upload, or has just begun to.
    #[error("another request writes to this upload")]
    Locked,
    /// The bytes do not match the checksum of the append; none of them counts.
    #[error("the bytes do not match the checksum")]
    ChecksumMismatch,
    /// The body came too slowly; received bytes count.
    #[error("the body arrived too slowly")]
    TooSlow,
    /// The body was cut before its end; received bytes count.
    #[error("the body ended early")]
    BodyTruncated,
    /// Parts are missing.
    #[error("the upload is not complete: parts {missing} are missing")]
    Incomplete {
        /// Parts that the store does not have in their planned size.
        missing: PartSet,
    },
    /// The caller's list of parts differs from the store's.
    #[error("part {part} differs from the stored part")]
    PartsDiffer {
        /// The first part that differs.
        part: u16,
    },
    /// The store's object differs from what was declared.
    #[error("the stored object differs from the declaration")]
    ContentMismatch,
    /// The asset is not ready, but may become so.
    #[error("the asset is {state}")]
    NotReady {
        /// Name of the state.
        state: &'static str,
    },
    /// The asset was rejected and will never be delivered.
    #[error("the asset was rejected: {code}")]
    Rejected {
        /// Code of the verdict.
        code: String,
    },
    /// The store has lost the bytes of stored content. The cause is for logs.
    #[error("the stored bytes are damaged")]
    BytesMissing(#[source] FailureCause),
    /// The store's disk or quota is full.
    #[error("the storage is full")]
    StorageFull,
    /// Temporary failure: the database, the store or a concurrent request is in the way.
    #[error("{why}")]
    Busy {
        /// Cause, for logs.
        #[source]
        why: FailureCause,
        /// Time until the next attempt.
        after: Duration,
    },
    /// A defect or an invalid row. The text is for logs.
    #[error("internal error: {0}")]
    Internal(#[source] FailureCause),
}

/// Result of engine methods.
pub type Result<T> = std::result::Result<T, Error>;

const BUSY_RETRY_AFTER: Duration = Duration::from_secs(2);

impl Error {
    /// Error for an invalid value of a field.
    #[expect(clippy::needless_pass_by_value, reason = "texts, numbers and errors alike, made at the call")]
    pub fn invalid(field: &'static str, problem: impl ToString) -> Self {
        Self::Invalid { field, problem: problem.to_string() }
    }

    /// Error for a temporary failure.
    pub(crate) fn busy(why: impl Into<FailureCause>) -> Self {
        Self::Busy { why: why.into(), after: BUSY_RETRY_AFTER }
    }

    /// Error for a defect that showed as another error.
    pub(crate) fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Internal(FailureCause::of(error))
    }
}

impl From<AccessDenied> for Error {
    fn from(denied: AccessDenied) -> Self {
        match denied {
            AccessDenied::Unauthenticated => Self::Unauthenticated,
            AccessDenied::Forbidden => Self::Forbidden,
            AccessDenied::Hidden => Self::NotFound,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            // Callers that expect conflicts handle them. A conflict that comes this far lost a race and may be tried
            // again.
            StoreError::Conflict => Self::busy("the row was changed by another request"),
            StoreError::OverQuota(limit) => Self::OverQuota { limit: limit.name() },
            StoreError::DropBoxFull(DropBoxLimit::Files) => Self::GrantUsedUp { limit: "files" },
            StoreError::DropBoxFull(DropBoxLimit::Bytes) => Self::GrantUsedUp { limit: "bytes" },
            StoreError::DropBoxFull(DropBoxLimit::Revoked) => Self::Unauthenticated,
            StoreError::Full => Self::StorageFull,
            StoreError::Corrupt { .. } | StoreError::Malformed(_) => Self::internal(error),
            StoreError::Busy | StoreError::Unavailable(_) => Self::busy(FailureCause::of(error)),
        }
    }
}

impl From<BlobError> for Error {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Full => Self::StorageFull,
            BlobError::Damaged(why) => Self::BytesMissing(why),
            BlobError::NotFound | BlobError::Precondition | BlobError::BadParts(_) => Self::internal(error),
            BlobError::Denied(_) | BlobError::Unavailable(_) => Self::busy(FailureCause::of(error)),
        }
    }
}

impl From<InvalidTransition> for Error {
    fn from(refused: InvalidTransition) -> Self {
        Self::WrongState { what: refused.what, state: refused.from }
    }
}

impl From<PlanError> for Error {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::TooLarge { limit } => Self::TooLarge { limit },
            PlanError::PartSize { .. } | PlanError::TooManyParts { .. } => Self::invalid("part_size", error),
        }
    }
}
