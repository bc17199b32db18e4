//! Compare-and-set: a row is read, changed, and committed under the guard of its revision. If another request was
//! faster, the row is read again and the change decided anew.
//!
//! Uploads and assets are changed by [`RowAccess::update_upload`] and [`RowAccess::update_asset`]; webhook endpoints, API
//! keys and creations use the loop below them. A change that need not be repeated after a conflict is a single
//! [`RowAccess::commit_if_unchanged`]. The ledger of an append, its lease and the end of a completion have loops of
//! their own: they also wait for a holder, or for the outcome of a commit that is in doubt.

use std::time::Duration;

use super::RowAccess;
use crate::blob::BlobError;
use crate::domain::InvalidTransition;
use crate::domain::access::{Action, Actor};
use crate::domain::asset::Asset;
use crate::domain::backoff::ExponentialBackoff;
use crate::domain::clock::Entropy;
use crate::domain::ids::AssetId;
use crate::domain::upload::Upload;
use crate::engine::{Error, Result};
use crate::store::{StoreError, Tx};

/// Attempts to change a row that other requests change too.
pub(in crate::engine) const MAX_UPDATE_ATTEMPTS: u32 = 8;
/// Delays before the third attempt and those after it. The second follows at once, because the faster request has
/// committed already.
const CONFLICT_BACKOFF: ExponentialBackoff =
    ExponentialBackoff::new(Duration::from_millis(30), Duration::from_millis(200));

/// Reason why an attempt to change a row failed.
#[derive(Debug)]
pub(in crate::engine) enum UpdateError {
    /// A concurrent request changed the row: read it again.
    LostRace,
    /// Error for the caller.
    Refused(Error),
}

/// Result of an attempt to change a row.
pub(in crate::engine) type UpdateResult<T> = std::result::Result<T, UpdateError>;

/// Decision about a row as it was read, with the value that the update returns.
pub(in crate::engine) enum RowUpdate<T> {
    /// The row stays as it is.
    Keep(T),
    /// The transaction changes the row, and writes what belongs to the change.
    Commit(Tx, T),
}

impl RowAccess {
    /// Changes an upload as `decide` says. `upload` is the row as the caller has read it; the first attempt does not
    /// read it again.
    pub(in crate::engine) async fn update_upload<T, Deciding>(
        &self,
        upload: Upload,
        mut decide: impl FnMut(Upload) -> Deciding,
    ) -> Result<T>
    where
        Deciding: Future<Output = UpdateResult<RowUpdate<T>>>,
    {
        let attempt = |upload| {
            let deciding = Box::pin(decide(upload));
            async move { self.carry_out(deciding.await?).await }
        };
        self.retry_with_upload(upload, attempt).await
    }

    /// As [`Self::update_upload`], for an `attempt` that commits by itself because it has to undo something after a
    /// lost race.
    pub(in crate::engine) async fn retry_with_upload<T, Attempting>(
        &self,
        upload: Upload,
        attempt: impl FnMut(Upload) -> Attempting,
    ) -> Result<T>
    where
        Attempting: Future<Output = UpdateResult<T>>,
    {
        let id = upload.id;
        retry_with_row(&*self.entropy, Some(upload), || self.reload_upload(id), attempt).await
    }

    /// Changes an asset as `decide` says.
    pub(in crate::engine) async fn update_asset<T, Deciding>(
        &self,
        id: AssetId,
        decide: impl FnMut(Asset) -> Deciding,
    ) -> Result<T>
    where
        Deciding: Future<Output = UpdateResult<RowUpdate<T>>>,
    {
        self.update_asset_read_by(|| self.reload_asset(id), decide).await
    }

    /// As [`Self::update_asset`], for an actor that wants to do `action` with the asset; an error if not permitted.
    pub(in crate::engine) async fn update_asset_for<T, Deciding>(
        &self,
        actor: &Actor,
        action: Action,
        id: AssetId,
        decide: impl FnMut(Asset) -> Deciding,
    ) -> Result<T>
    where
        Deciding: Future<Output = UpdateResult<RowUpdate<T>>>,
    {
        self.update_asset_read_by(|| self.load_asset_for(actor, action, id), decide).await
    }

    async fn update_asset_read_by<T, Reading, Deciding>(
        &self,
        read: impl FnMut() -> Reading,
        mut decide: impl FnMut(Asset) -> Deciding,
    ) -> Result<T>
    where
        Reading: Future<Output = Result<Asset>>,
        Deciding: Future<Output = UpdateResult<RowUpdate<T>>>,
    {
        let attempt = |asset| {
            let deciding = Box::pin(decide(asset));
            async move { self.carry_out(deciding.await?).await }
        };
        retry_with_row(&*self.entropy, None, read, attempt).await
    }

    async fn carry_out<T>(&self, decision: RowUpdate<T>) -> UpdateResult<T> {
        match decision {
            RowUpdate::Keep(value) => Ok(value),
            RowUpdate::Commit(tx, value) => {
                self.commit(tx).await?;
                Ok(value)
            }
        }
    }
}

/// Repeats `attempt` until it succeeds or is refused, at most [`MAX_UPDATE_ATTEMPTS`] times. The first attempt gets
/// `known`, if the caller has read the row already; each other attempt gets the row as `read` finds it.
pub(in crate::engine) async fn retry_with_row<R, T, Reading, Attempting>(
    entropy: &dyn Entropy,
    known: Option<R>,
    mut read: impl FnMut() -> Reading,
    mut attempt: impl FnMut(R) -> Attempting,
) -> Result<T>
where
    Reading: Future<Output = Result<R>>,
    Attempting: Future<Output = UpdateResult<T>>,
{
    let mut known = known;
    for lost_races in 0..MAX_UPDATE_ATTEMPTS {
        if lost_races > 1 {
            tokio::time::sleep(CONFLICT_BACKOFF.delay(lost_races - 1, entropy)).await;
        }
        let row = match known.take() {
            Some(row) => row,
            None => read().await?,
        };
        // Boxed, because an attempt is large and its caller waits for it with every other future of the request.
        match Box::pin(attempt(row)).await {
            Ok(value) => return Ok(value),
            Err(UpdateError::Refused(error)) => return Err(error),
            Err(UpdateError::LostRace) => {}
        }
    }
    // The conflict is the caller's error now.
    Err(StoreError::Conflict.into())
}

/// As [`retry_with_row`], for an `attempt` that reads what it needs.
pub(in crate::engine) async fn retry_on_conflict<T, Attempting>(
    entropy: &dyn Entropy,
    mut attempt: impl FnMut() -> Attempting,
) -> Result<T>
where
    Attempting: Future<Output = UpdateResult<T>>,
{
    retry_with_row(entropy, None, || std::future::ready(Ok(())), |()| attempt()).await
}

impl From<Error> for UpdateError {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<StoreError> for UpdateError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::LostRace,
            other => Self::Refused(other.into()),
        }
    }
}

impl From<BlobError> for UpdateError {
    fn from(error: BlobError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<InvalidTransition> for UpdateError {
    fn from(error: InvalidTransition) -> Self {
        Self::Refused(error.into())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::ready;

    use super::*;
    use crate::domain::clock::SeededEntropy;

    /// Attempts that lose `losses` races, each with a row that is read as the next number.
    async fn update(known: Option<u32>, losses: u32) -> (Result<u32>, u32, u32) {
        let (reads, attempts) = (Cell::new(0), Cell::new(0));
        let read = || {
            reads.set(reads.get() + 1);
            ready(Ok(reads.get()))
        };
        let attempt = |row| {
            attempts.set(attempts.get() + 1);
            ready(if attempts.get() > losses { Ok(row) } else { Err(UpdateError::LostRace) })
        };
        let outcome = retry_with_row(&SeededEntropy::new(1), known, read, attempt).await;
        (outcome, reads.get(), attempts.get())
    }

    #[tokio::test(start_paused = true)]
    async fn a_row_that_is_known_is_not_read_before_the_first_attempt() {
        assert!(matches!(update(Some(100), 0).await, (Ok(100), 0, 1)));
        assert!(matches!(update(None, 0).await, (Ok(1), 1, 1)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_row_is_read_again_after_each_lost_race_and_the_second_attempt_follows_at_once() {
        let begun = tokio::time::Instant::now();
        assert!(matches!(update(Some(100), 1).await, (Ok(1), 1, 2)));
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert!(matches!(update(Some(100), 2).await, (Ok(2), 2, 3)));
        assert!((Duration::from_millis(15)..=Duration::from_millis(31)).contains(&begun.elapsed()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_eighth_lost_race_is_an_error() {
        let last = MAX_UPDATE_ATTEMPTS - 1;
        assert!(matches!(update(None, last).await, (Ok(_), _, MAX_UPDATE_ATTEMPTS)));
        assert!(matches!(update(None, u32::MAX).await, (Err(Error::Busy { .. }), _, MAX_UPDATE_ATTEMPTS)));
    }

    #[tokio::test]
    async fn an_error_ends_the_attempts() {
        let entropy = SeededEntropy::new(1);
        let attempt = || ready(Err::<(), _>(UpdateError::Refused(Error::Forbidden)));
        assert!(matches!(retry_on_conflict(&entropy, attempt).await, Err(Error::Forbidden)));
        let read = || ready(Err::<(), _>(Error::NotFound));
        let refused = retry_with_row(&entropy, None, read, |()| ready(Ok::<_, UpdateError>(())));
        assert!(matches!(refused.await, Err(Error::NotFound)));
    }
}
