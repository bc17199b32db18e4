//! Why the engine refuses, by meaning. Every protocol renders every variant; none of them has a catch-all arm.

use std::time::Duration;

use crate::blob::BlobError;
use crate::domain::InvalidTransition;
use crate::domain::access::AccessDenied;
use crate::domain::plan::{PartSet, PlanError};
use crate::store::StoreError;

/// A refusal or a failure.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No usable credential.
    #[error("a credential is needed")]
    Unauthenticated,
    /// The credential is good, but not for this.
    #[error("this credential does not allow that")]
    Forbidden,
    /// Unknown, or of somebody else: the two look the same.
    #[error("there is no such thing")]
    NotFound,
    /// A value that makes no sense, with the field's name.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field, as the caller wrote it.
        field: &'static str,
        /// What is wrong with its value.
        problem: String,
    },
    /// The declared size is over the limit.
    #[error("at most {limit} bytes are accepted")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The tenant has too little left of this: `bytes`, `files` or `open_uploads`.
    #[error("the quota of {limit} is used up")]
    OverQuota {
        /// What there is too little of.
        limit: &'static str,
    },
    /// The tenant has asked too often.
    #[error("too many requests")]
    RateLimited {
        /// When to ask again.
        after: Duration,
    },
    /// The tenant is suspended.
    #[error("this tenant is suspended")]
    Suspended,
    /// The identity or idempotency key is in use for something else.
    #[error("{0}")]
    Taken(&'static str),
    /// An `Idempotency-Key` came again with another request.
    #[error("this Idempotency-Key was used for another request")]
    IdempotencyKeyReused,
    /// The state does not allow it.
    #[error("the {what} is {state}")]
    WrongState {
        /// `asset` or `upload`.
        what: &'static str,
        /// The state's name.
        state: &'static str,
    },
    /// The upload or asset existed and is gone for good.
    #[error("the {what} is {state}")]
    Gone {
        /// `asset`, `upload` or `link`.
        what: &'static str,
        /// Why.
        state: &'static str,
    },
    /// The upload stands elsewhere than the caller believes.
    #[error("the upload stands at byte {expected}")]
    OffsetMismatch {
        /// Where it stands.
        expected: u64,
    },
    /// More bytes came, or were announced, than the file has.
    #[error("the file has {length} bytes and no more")]
    Overrun {
        /// Its size in bytes.
        length: u64,
    },
    /// What is said of the file's length is not what is known of it.
    #[error("another length than this: {0}")]
    LengthMismatch(&'static str),
    /// Another request writes to the upload, or has just begun to.
    #[error("another request writes to this upload")]
    Locked,
    /// The bytes are not those of the checksum that came with them; none of them counts.
    #[error("the bytes are not those of the checksum")]
    ChecksumMismatch,
    /// The body came too slowly; what came counts.
    #[error("the body came too slowly")]
    TooSlow,
    /// The body ended before it was complete; what came counts.
    #[error("the body broke off")]
    BodyTruncated,
    /// Not every byte is there.
    #[error("the upload is not complete: parts {missing} are missing")]
    Incomplete {
        /// The parts that the store does not have in their planned size.
        missing: PartSet,
    },
    /// The caller's list of parts is not what the store has.
    #[error("part {part} is not what the store has")]
    PartsDiffer {
        /// The first that differs.
        part: u16,
    },
    /// The store's object is not what was declared.
    #[error("the stored object is not what was declared")]
    ContentMismatch,
    /// The asset is not ready; it may become so.
    #[error("the asset is {state}")]
    NotReady {
        /// The state's name.
        state: &'static str,
    },
    /// The asset was rejected and will never be delivered.
    #[error("the asset was rejected: {code}")]
    Rejected {
        /// The verdict's code.
        code: String,
    },
    /// The store no longer has the bytes of something that is stored. The text is for logs.
    #[error("the stored bytes are damaged: {0}")]
    BytesMissing(String),
    /// The store's disk or quota is full.
    #[error("the storage is full")]
    StorageFull,
    /// Try again later: the database, the store or somebody else's work is in the way.
    #[error("not possible just now: {why}")]
    Busy {
        /// For logs.
        why: String,
        /// When to try again.
        after: Duration,
    },
    /// A defect or a broken row. The text is for logs.
    #[error("internal: {0}")]
    Internal(String),
}

/// What engine verbs answer.
pub type Result<T> = std::result::Result<T, Error>;

const BUSY_RETRY_AFTER: Duration = Duration::from_secs(2);

impl Error {
    /// A value that makes no sense.
    #[expect(clippy::needless_pass_by_value, reason = "texts, numbers and errors alike, made at the call")]
    pub fn invalid(field: &'static str, problem: impl ToString) -> Self {
        Self::Invalid { field, problem: problem.to_string() }
    }

    /// Not possible just now.
    #[expect(clippy::needless_pass_by_value, reason = "texts and errors alike, made at the call")]
    pub(crate) fn busy(why: impl ToString) -> Self {
        Self::Busy { why: why.to_string(), after: BUSY_RETRY_AFTER }
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
            // Whoever expects conflicts handles them; one that comes this far lost a race and may simply try again.
            StoreError::Conflict => Self::busy("the row changed meanwhile"),
            StoreError::OverQuota(limit) => Self::OverQuota { limit: limit.name() },
            StoreError::Full => Self::StorageFull,
            StoreError::Corrupt { .. } | StoreError::Malformed(_) => Self::Internal(error.to_string()),
            StoreError::Busy | StoreError::Unavailable(_) => Self::busy(error),
        }
    }
}

impl From<BlobError> for Error {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Full => Self::StorageFull,
            BlobError::Damaged(why) => Self::BytesMissing(why),
            BlobError::NotFound | BlobError::Precondition | BlobError::BadParts(_) => Self::Internal(error.to_string()),
            BlobError::Denied(_) | BlobError::Unavailable(_) => Self::busy(error),
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
