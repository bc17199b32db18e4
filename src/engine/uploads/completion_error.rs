//! Failure of an attempt to complete an upload: a lost race, or an error for the caller.

use crate::engine::Error;
use crate::store::StoreError;

/// Reason why an attempt to complete failed.
pub(in crate::engine) enum CompletionError {
    /// A concurrent caller changed the upload: read it again.
    LostRace,
    /// Error for the caller.
    Refused(Error),
}

impl From<Error> for CompletionError {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<StoreError> for CompletionError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::LostRace,
            other => Self::Refused(other.into()),
        }
    }
}
