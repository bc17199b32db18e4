//! How one try to end an upload went wrong: another caller was faster, or there is an answer.

use super::Error;
use crate::store::StoreError;

/// Why one try to finish did not.
pub(super) enum CompletionError {
    /// Somebody else changed the upload: read it again.
    LostRace,
    /// The answer.
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
