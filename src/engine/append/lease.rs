//! The lease on an upload's ledger: at most 1 writer at a time over all nodes, and no waiting for a node that died.
//!
//! A new writer asks the holder to release the lease: directly if the holder is on this node, else through the row,
//! which the holder reads every [`HOLDER_POLL_INTERVAL`]. A holder that died does not react and loses the lease when it
//! expires. Correctness does not depend on clocks: writes of a late holder are refused by revision and fence.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::AppendEngine;
use super::memory::AppendMemoryBudget;
use super::writer::AppendWriter;
use crate::domain::append::{AppendLedger, NoLease};
use crate::domain::backoff::ExponentialBackoff;
use crate::domain::clock::after;
use crate::domain::ids::UploadId;
use crate::domain::upload::Upload;
use crate::engine::uploads::sign::check_open_for_bytes;
use crate::engine::{Error, RequestContext, Result};
use crate::metrics;
use crate::store::Tx;

/// Validity of a lease without renewal.
pub(super) const LEASE_DURATION: Duration = Duration::from_secs(10);
/// Delays before the ledger is written again, when the outcome of a write is unknown.
pub(super) const LEDGER_BACKOFF: ExponentialBackoff =
    ExponentialBackoff::new(Duration::from_millis(75), Duration::from_secs(5));
/// Interval at which a holder reads the row for requests of other writers.
const HOLDER_POLL_INTERVAL: Duration = Duration::from_millis(400);
/// Interval at which a waiting writer checks for the release.
const WAITER_POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Longest wait of a writer: as long as a holder that died could keep the lease.
const MAX_LEASE_WAIT: Duration = Duration::from_secs(12);
/// Longest wait of a request for the offset until the holder has stored its bytes.
const MAX_PROGRESS_WAIT: Duration = Duration::from_secs(1);

/// The appends of this node.
pub(in crate::engine) struct ActiveAppends {
    pub(super) budget: AppendMemoryBudget,
    holders: Mutex<HashMap<UploadId, CancellationToken>>,
    closing: CancellationToken,
}

impl ActiveAppends {
    pub(in crate::engine) fn new(memory: u64) -> Self {
        Self { budget: AppendMemoryBudget::new(memory), holders: Mutex::default(), closing: CancellationToken::new() }
    }

    fn holders(&self) -> MutexGuard<'_, HashMap<UploadId, CancellationToken>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Interrupts a holder on this node, which then releases the lease.
    pub(in crate::engine) fn interrupt(&self, upload: UploadId) {
        if let Some(holder) = self.holders().get(&upload) {
            holder.cancel();
        }
    }
}

/// A lease held by this node; renewed by a task until the guard is dropped.
pub(super) struct LeaseGuard {
    engine: AppendEngine,
    upload: UploadId,
    /// Cancelled when the holder must release the lease.
    pub(super) interrupt: CancellationToken,
    _keeper: AbortOnDropHandle<()>,
}

/// An append under a lease of this node.
pub(super) struct LeasedAppend {
    pub(super) writer: AppendWriter,
    pub(super) lease: LeaseGuard,
}

impl LeasedAppend {
    /// True if the lease is still this append's, as far as its writer knows.
    pub(super) fn is_held(&self) -> bool {
        self.writer.upload.is_held_by(self.writer.fence())
    }

    /// Ends the append with the `outcome` of its work, which has released the lease if it succeeded. After a failure the
    /// lease is released here, so that no writer has to wait until it expires; the ledger is valid whatever went wrong.
    /// Returns the upload as the writer left it.
    pub(super) async fn end(mut self, outcome: Result<()>) -> Result<Upload> {
        if outcome.is_err() && self.is_held() {
            // The failure is reported; a lease that cannot be released now expires.
            let _ = self.writer.discard_and_release().await;
        }
        outcome.map(|()| self.writer.upload)
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        let mut holders = self.engine.appends.holders();
        // Another append on this node may have replaced the entry.
        if holders.get(&self.upload).is_some_and(|holder| *holder == self.interrupt) {
            holders.remove(&self.upload);
        }
    }
}

impl AppendEngine {
    /// Interrupts every append on this node and waits until their bytes are stored and their leases released.
    #[tracing::instrument(skip_all)]
    pub async fn close_appends(&self) {
        self.appends.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// True while this node shuts down.
    pub(super) fn is_closing(&self) -> bool {
        self.appends.closing.is_cancelled()
    }

    /// Takes the lease on an upload as soon as it is free. The attempts end at a deadline, not after a number of
    /// conflicts, because each may wait for the holder. `prepare` sees the upload once no writer holds it; it may
    /// refuse, or change what is committed together with the lease.
    pub(super) async fn acquire_lease(
        &self,
        mut upload: Upload,
        mut prepare: impl FnMut(&mut Upload) -> Result<()> + Send,
    ) -> Result<Upload> {
        let deadline = Instant::now() + MAX_LEASE_WAIT;
        let mut met_holder = false;
        loop {
            let now = self.store.now();
            let mut taken = match upload.clone().take_lease(LEASE_DURATION, now) {
                Ok(taken) => taken,
                Err(NoLease::Refused(refused)) => return check_open_for_bytes(&upload, now).and(Err(refused.into())),
                Err(NoLease::Held(_)) if Instant::now() >= deadline => return Err(Error::Locked),
                Err(NoLease::Held(_)) => {
                    if !std::mem::replace(&mut met_holder, true) {
                        metrics::leases().record_lease_conflict();
                    }
                    upload = self.request_lease(upload).await?;
                    continue;
                }
            };
            taken.last_activity_at = now;
            taken = taken.serve_from(RequestContext::node_name());
            prepare(&mut taken)?;
            let left_behind = upload.ledger().is_some_and(|ledger| ledger.lease.is_some());
            if self.rows.commit_if_unchanged(Tx::new().quietly(&mut taken)).await? {
                if met_holder || left_behind {
                    metrics::leases().record_takeover();
                }
                return Ok(taken);
            }
            upload = self.rows.reload_upload(upload.id).await?;
        }
    }

    /// Asks the holder to release the lease, waits [`WAITER_POLL_INTERVAL`], and reads the row again.
    async fn request_lease(&self, mut upload: Upload) -> Result<Upload> {
        let id = upload.id;
        self.appends.interrupt(id);
        if let Some(lease) = upload.ledger_mut().and_then(|ledger| ledger.lease.as_mut())
            && !lease.wanted
        {
            lease.wanted = true;
            // After a conflict the row shows whether to ask again.
            self.rows.commit_if_unchanged(Tx::new().quietly(&mut upload)).await?;
        }
        tokio::time::sleep(WAITER_POLL_INTERVAL).await;
        self.rows.reload_upload(id).await
    }

    /// An upload whose offset does not move. A client that asks for the offset has lost its old connection, so an
    /// active writer is asked to release the lease. The wait for it ends after [`MAX_PROGRESS_WAIT`].
    pub(super) async fn wait_for_writer(&self, mut upload: Upload) -> Result<Upload> {
        let deadline = Instant::now() + MAX_PROGRESS_WAIT;
        while upload.ledger().is_some_and(|ledger| ledger.is_held(self.store.now())) && Instant::now() < deadline {
            upload = self.request_lease(upload).await?;
        }
        Ok(upload)
    }

    /// Begins an append under a lease that was just taken; [`LeasedAppend::end`] must end it. With `all_or_nothing`, no
    /// byte counts until the last.
    pub(super) async fn begin_append(
        &self,
        leased: Upload,
        all_or_nothing: bool,
        heard: Option<watch::Sender<u64>>,
    ) -> Result<LeasedAppend> {
        let writer = AppendWriter::new(self.clone(), leased, all_or_nothing, heard).await?;
        let lease = self.spawn_lease_keeper(&writer.upload, writer.fence());
        Ok(LeasedAppend { writer, lease })
    }

    /// Starts the task that renews a lease which was just taken.
    fn spawn_lease_keeper(&self, upload: &Upload, fence: u64) -> LeaseGuard {
        let interrupt = self.appends.closing.child_token();
        self.appends.holders().insert(upload.id, interrupt.clone());
        let keeper =
            tokio::spawn(keep_lease_alive(self.clone(), upload.id, fence, interrupt.clone()).in_current_span());
        LeaseGuard { engine: self.clone(), upload: upload.id, interrupt, _keeper: AbortOnDropHandle::new(keeper) }
    }
}

/// Renews a lease until another writer wants it. Interrupts the holder then, and when the lease is lost.
async fn keep_lease_alive(engine: AppendEngine, id: UploadId, fence: u64, interrupt: CancellationToken) {
    loop {
        tokio::time::sleep(HOLDER_POLL_INTERVAL).await;
        // While the database is unreachable, no other writer can take the lease either.
        let Ok(Some(mut upload)) = engine.store.find_upload(id).await else { continue };
        let now = engine.store.now();
        let held = upload.is_held_by(fence);
        let Some(lease) = upload.ledger_mut().and_then(|ledger| ledger.lease.as_mut()).filter(|_| held) else {
            return interrupt.cancel();
        };
        if lease.wanted {
            return interrupt.cancel();
        }
        if lease.until < after(now, LEASE_DURATION / 2) {
            lease.until = after(now, LEASE_DURATION);
            // Conflicts are ignored: the holder's own writes renew the lease too, and take precedence.
            let _ = engine.rows.commit(Tx::new().quietly(&mut upload)).await;
        }
    }
}

/// True if the row equals the ledger that was to be written, except for requests of other writers and times.
pub(super) fn is_same_ledger(row: Option<&AppendLedger>, wanted: Option<&AppendLedger>) -> bool {
    let essence = |ledger: &AppendLedger| {
        let AppendLedger { offset, tail, next_part, fence, store_id, length, lease, .. } = ledger.clone();
        (offset, tail, next_part, fence, store_id, length, lease.is_some())
    };
    row.map(essence) == wanted.map(essence)
}

/// Error for a write whose writer has lost the lease, by its fence; counted.
pub(super) fn lost_lease_error() -> Error {
    metrics::leases().record_stale_fence();
    Error::Locked
}

pub(super) fn no_ledger_error() -> Error {
    Error::Internal("an upload without a ledger is not appended to".into())
}
