//! The right to append: one writer at a time, on whatever node, and a newcomer that does not wait for the dead.
//!
//! A newcomer asks the holder to let go: at once if it is on this node, through the row if it is on another, where the
//! holder looks every [`LOOK`]. A holder that is gone does not answer, and loses the lease when its time is up. Nothing
//! depends on clocks being right: what a late holder writes is refused by revision and fence.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::super::sign::open_for_bytes;
use super::super::{Engine, Error, Result};
use super::memory::Budget;
use crate::domain::append::NoLease;
use crate::domain::clock::after;
use crate::domain::ids::UploadId;
use crate::domain::upload::Upload;
use crate::store::{StoreError, Tx};

/// How long a lease lasts without a sign of life.
pub(super) const TERM: Duration = Duration::from_secs(10);
/// How often a holder looks whether somebody else wants it.
const LOOK: Duration = Duration::from_millis(400);
/// How often a newcomer looks whether the holder let go.
const ASK: Duration = Duration::from_millis(50);
/// How long a newcomer waits: as long as a holder that is gone could keep the lease.
const PATIENCE: Duration = Duration::from_secs(12);
/// How long whoever only wants to know the offset waits for the holder to make its bytes safe.
const GLANCE: Duration = Duration::from_secs(1);

/// The appends of this node.
pub(in crate::engine) struct Appends {
    pub(super) budget: Budget,
    pub(in crate::engine) tasks: TaskTracker,
    holders: Mutex<HashMap<UploadId, CancellationToken>>,
    closing: CancellationToken,
}

impl Appends {
    pub(in crate::engine) fn new(memory: u64) -> Self {
        Self {
            budget: Budget::new(memory),
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
pub(super) struct Held {
    engine: Engine,
    upload: UploadId,
    /// Cancelled when the holder must let go.
    pub(super) interrupt: CancellationToken,
    _keeper: AbortOnDropHandle<()>,
}

impl Drop for Held {
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
    pub(super) async fn lease(
        &self,
        mut upload: Upload,
        mut prepare: impl FnMut(&mut Upload) -> Result<()> + Send,
    ) -> Result<Upload> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.0.store.now();
            let mut taken = match upload.clone().take_lease(TERM, now) {
                Ok(taken) => taken,
                Err(NoLease::Refused(refused)) => return open_for_bytes(&upload, now).and(Err(refused.into())),
                Err(NoLease::Held(_)) if Instant::now() >= deadline => return Err(Error::Locked),
                Err(NoLease::Held(_)) => {
                    upload = self.ask_for(upload).await?;
                    continue;
                }
            };
            prepare(&mut taken)?;
            match self.0.store.commit(Tx::new().quietly(&mut taken)).await {
                Ok(()) => return Ok(taken),
                Err(StoreError::Conflict) => upload = self.reread(upload.id).await?,
                Err(other) => return Err(other.into()),
            }
        }
    }

    /// Asks the holder to let go, waits a moment, and reads again.
    async fn ask_for(&self, mut upload: Upload) -> Result<Upload> {
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
        tokio::time::sleep(ASK).await;
        self.reread(id).await
    }

    /// An upload whose offset stands still: if somebody writes, they are asked to let go, for whoever asks where to go on
    /// has lost that connection. One that does not answer is not waited for.
    pub(super) async fn settled(&self, mut upload: Upload) -> Result<Upload> {
        let deadline = Instant::now() + GLANCE;
        while upload.ledger().is_some_and(|ledger| ledger.is_held(self.0.store.now())) && Instant::now() < deadline {
            upload = self.ask_for(upload).await?;
        }
        Ok(upload)
    }

    /// Looks after a lease that was just taken.
    pub(super) fn hold(&self, upload: &Upload, fence: u64) -> Held {
        let interrupt = self.0.appends.closing.child_token();
        self.0.appends.holders().insert(upload.id, interrupt.clone());
        let keeper = tokio::spawn(keep(self.clone(), upload.id, fence, interrupt.clone()));
        Held { engine: self.clone(), upload: upload.id, interrupt, _keeper: AbortOnDropHandle::new(keeper) }
    }
}

/// Renews a lease while nobody else wants it, and tells the holder when somebody does, or when it is lost.
async fn keep(engine: Engine, id: UploadId, fence: u64, interrupt: CancellationToken) {
    loop {
        tokio::time::sleep(LOOK).await;
        // A database that is away gives the lease to nobody else either.
        let Ok(Some(mut upload)) = engine.0.store.upload(id).await else { continue };
        let now = engine.0.store.now();
        let held = upload.is_held_by(fence);
        let Some(lease) = upload.ledger_mut().and_then(|ledger| ledger.lease.as_mut()).filter(|_| held) else {
            return interrupt.cancel();
        };
        if lease.wanted {
            return interrupt.cancel();
        }
        if lease.until < after(now, TERM / 2) {
            lease.until = after(now, TERM);
            // The holder's own writes renew it too, and win.
            let _ = engine.0.store.commit(Tx::new().quietly(&mut upload)).await;
        }
    }
}
