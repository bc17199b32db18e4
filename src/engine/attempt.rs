//! How one try to end an upload went wrong: another caller was faster, or there is an answer.

use super::Error;
use crate::store::StoreError;

/// Why one try to finish did not.
pub(super) enum Attempt {
    /// Somebody else changed the upload: read it again.
    LostRace,
    /// The answer.
    Refused(Error),
}

impl From<Error> for Attempt {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<StoreError> for Attempt {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::LostRace,
            other => Self::Refused(other.into()),
        }
    }
}
