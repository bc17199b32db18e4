//! The right to append: one writer at a time, on whatever node, and a newcomer that does not wait for the dead.
//!
//! A newcomer asks the holder to let go: at once if it is on this node, through the row if it is on another, where the
//! holder looks every [`HOLDER_POLL_INTERVAL`]. A holder that is gone does not answer, and loses the lease when its time is up. Nothing
//! depends on clocks being right: what a late holder writes is refused by revision and fence.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use tracing::Instrument as _;

use super::memory::AppendMemoryBudget;
use crate::domain::append::{AppendLedger, NoLease};
use crate::domain::clock::after;
use crate::domain::ids::UploadId;
use crate::domain::upload::Upload;
use crate::engine::sign::check_open_for_bytes;
use crate::engine::{Engine, Error, Result};
use crate::store::{StoreError, Tx};

/// How long a lease lasts without a sign of life.
pub(super) const LEASE_DURATION: Duration = Duration::from_secs(10);
/// How often a holder looks whether somebody else wants it.
const HOLDER_POLL_INTERVAL: Duration = Duration::from_millis(400);
/// How often a newcomer looks whether the holder let go.
const WAITER_POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How long a newcomer waits: as long as a holder that is gone could keep the lease.
const MAX_LEASE_WAIT: Duration = Duration::from_secs(12);
/// How long whoever only wants to know the offset waits for the holder to make its bytes safe.
const MAX_PROGRESS_WAIT: Duration = Duration::from_secs(1);

/// The appends of this node.
pub(in crate::engine) struct ActiveAppends {
    pub(super) budget: AppendMemoryBudget,
    pub(in crate::engine) tasks: TaskTracker,
    holders: Mutex<HashMap<UploadId, CancellationToken>>,
    closing: CancellationToken,
}

impl ActiveAppends {
    pub(in crate::engine) fn new(memory: u64) -> Self {
        Self {
            budget: AppendMemoryBudget::new(memory),
            tasks: TaskTracker::new(),
            holders: Mutex::default(),
            closing: CancellationToken::new(),
        }
    }

    fn holders(&self) -> MutexGuard<'_, HashMap<UploadId, CancellationToken>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks a holder on this node to let go.
    pub(in crate::engine) fn interrupt(&self, upload: UploadId) {
        if let Some(holder) = self.holders().get(&upload) {
            holder.cancel();
        }
    }
}

/// A lease that this node holds: somebody looks after it until it is dropped.
pub(super) struct LeaseGuard {
    engine: Engine,
    upload: UploadId,
    /// Cancelled when the holder must let go.
    pub(super) interrupt: CancellationToken,
    _keeper: AbortOnDropHandle<()>,
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        let mut holders = self.engine.0.appends.holders();
        // Somebody may have taken over on this very node.
        if holders.get(&self.upload).is_some_and(|holder| *holder == self.interrupt) {
            holders.remove(&self.upload);
        }
    }
}

impl Engine {
    /// Lets go of every append on this node, their bytes made safe, and waits for that.
    #[tracing::instrument(skip_all)]
    pub async fn close_appends(&self) {
        let appends = &self.0.appends;
        appends.closing.cancel();
        appends.tasks.close();
        appends.tasks.wait().await;
    }

    /// Whether this node is about to stop.
    pub(super) fn is_closing(&self) -> bool {
        self.0.appends.closing.is_cancelled()
    }

    /// Takes the lease on an upload as soon as its holder lets go. `prepare` looks at the upload when nobody holds it, and
    /// may refuse, or change what is written together with the lease.
    pub(super) async fn acquire_lease(
        &self,
        mut upload: Upload,
        mut prepare: impl FnMut(&mut Upload) -> Result<()> + Send,
    ) -> Result<Upload> {
        let deadline = Instant::now() + MAX_LEASE_WAIT;
        loop {
            let now = self.0.store.now();
            let mut taken = match upload.clone().take_lease(LEASE_DURATION, now) {
                Ok(taken) => taken,
                Err(NoLease::Refused(refused)) => return check_open_for_bytes(&upload, now).and(Err(refused.into())),
                Err(NoLease::Held(_)) if Instant::now() >= deadline => return Err(Error::Locked),
                Err(NoLease::Held(_)) => {
                    upload = self.request_lease(upload).await?;
                    continue;
                }
            };
            prepare(&mut taken)?;
            match self.0.store.commit(Tx::new().quietly(&mut taken)).await {
                Ok(()) => return Ok(taken),
                Err(StoreError::Conflict) => upload = self.reload_upload(upload.id).await?,
                Err(other) => return Err(other.into()),
            }
        }
    }

    /// Asks the holder to let go, waits a moment, and reads again.
    async fn request_lease(&self, mut upload: Upload) -> Result<Upload> {
        let id = upload.id;
        self.0.appends.interrupt(id);
        if let Some(lease) = upload.ledger_mut().and_then(|ledger| ledger.lease.as_mut())
            && !lease.wanted
        {
            lease.wanted = true;
            match self.0.store.commit(Tx::new().quietly(&mut upload)).await {
                Ok(()) | Err(StoreError::Conflict) => {}
                Err(other) => return Err(other.into()),
            }
        }
        tokio::time::sleep(WAITER_POLL_INTERVAL).await;
        self.reload_upload(id).await
    }

    /// An upload whose offset stands still: if somebody writes, they are asked to let go, for whoever asks where to go on
    /// has lost that connection. One that does not answer is not waited for.
    pub(super) async fn wait_for_writer(&self, mut upload: Upload) -> Result<Upload> {
        let deadline = Instant::now() + MAX_PROGRESS_WAIT;
        while upload.ledger().is_some_and(|ledger| ledger.is_held(self.0.store.now())) && Instant::now() < deadline {
            upload = self.request_lease(upload).await?;
        }
        Ok(upload)
    }

    /// Looks after a lease that was just taken.
    pub(super) fn spawn_lease_keeper(&self, upload: &Upload, fence: u64) -> LeaseGuard {
        let interrupt = self.0.appends.closing.child_token();
        self.0.appends.holders().insert(upload.id, interrupt.clone());
        let keeper =
            tokio::spawn(keep_lease_alive(self.clone(), upload.id, fence, interrupt.clone()).in_current_span());
        LeaseGuard { engine: self.clone(), upload: upload.id, interrupt, _keeper: AbortOnDropHandle::new(keeper) }
    }
}

/// Renews a lease while nobody else wants it, and tells the holder when somebody does, or when it is lost.
async fn keep_lease_alive(engine: Engine, id: UploadId, fence: u64, interrupt: CancellationToken) {
    loop {
        tokio::time::sleep(HOLDER_POLL_INTERVAL).await;
        // A database that is away gives the lease to nobody else either.
        let Ok(Some(mut upload)) = engine.0.store.find_upload(id).await else { continue };
        let now = engine.0.store.now();
        let held = upload.is_held_by(fence);
        let Some(lease) = upload.ledger_mut().and_then(|ledger| ledger.lease.as_mut()).filter(|_| held) else {
            return interrupt.cancel();
        };
        if lease.wanted {
            return interrupt.cancel();
        }
        if lease.until < after(now, LEASE_DURATION / 2) {
            lease.until = after(now, LEASE_DURATION);
            // The holder's own writes renew it too, and win.
            let _ = engine.0.store.commit(Tx::new().quietly(&mut upload)).await;
        }
    }
}

/// Whether a row says what was to be written, other people's wishes and times aside.
pub(super) fn is_same_ledger(row: Option<&AppendLedger>, wanted: Option<&AppendLedger>) -> bool {
    let essence = |ledger: &AppendLedger| {
        let AppendLedger { offset, tail, next_part, fence, store_id, length, lease, .. } = ledger.clone();
        (offset, tail, next_part, fence, store_id, length, lease.is_some())
    };
    row.map(essence) == wanted.map(essence)
}

pub(super) fn no_ledger_error() -> Error {
    Error::Internal("an upload without a ledger is not appended to".to_owned())
}
