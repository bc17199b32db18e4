//! abort: the owner cancels an upload. The rows record the end first. The upload's objects and parts are removed from
//! the store right after, and again later, because a part in flight may land after the abort and signed URLs stay valid
//! until they expire.

use std::time::Duration;

use serde_json::json;
use tracing::Instrument as _;

use super::UploadEngine;
use crate::blob::{BlobError, BlobKey};
use crate::crash;
use crate::domain::access::{Action, Actor};
use crate::domain::asset::AssetState;
use crate::domain::clock::{Timestamp, after};
use crate::domain::event::EventKind;
use crate::domain::ids::UploadId;
use crate::domain::name::FileName;
use crate::domain::reason::chain;
use crate::domain::upload::{Transfer, Upload, UploadState, UploadTimeouts};
use crate::engine::audit::AuditedAct;
use crate::engine::rows::ABORT_ACTION;
use crate::engine::rows::update::RowUpdate;
use crate::engine::{Error, Result};
use crate::store::{RowChange, Tx};

/// Longest time that the caller of an abort waits until the upload's URLs stop working.
const CLEANUP_WAIT_TIMEOUT: Duration = Duration::from_secs(5);

impl UploadEngine {
    /// Aborts an open upload. Idempotent; a completed upload is refused.
    #[tracing::instrument(skip_all, fields(upload = %id))]
    pub async fn abort(&self, actor: &Actor, id: UploadId) -> Result<()> {
        let upload = self.rows.load_upload_for(actor, Action::DriveUpload, id).await?;
        self.abort_upload(upload, Some(actor)).await
    }

    /// Aborts `upload`. `by`: the actor that asked, for the audit trail; `None` when a rule of the service did.
    pub(in crate::engine) async fn abort_upload(&self, upload: Upload, by: Option<&Actor>) -> Result<()> {
        let aborted = self.rows.update_upload(upload, |upload| async move {
            if matches!(upload.state, UploadState::Aborted | UploadState::Expired | UploadState::Failed) {
                return Ok(RowUpdate::Keep(None));
            }
            let mut aborted = upload.abort(self.store.now())?;
            let tx = self.build_end_tx(&mut aborted, EventKind::UploadAborted, by).await?;
            Ok(RowUpdate::Commit(tx, Some(aborted)))
        });
        if let Some(aborted) = aborted.await? {
            self.interrupt_and_clean_up(aborted).await;
        }
        Ok(())
    }

    /// Aborts `upload` as [`Self::abort_upload`] does. `false`: a completion came first, and the upload is completing or
    /// completed.
    pub(in crate::engine) async fn abort_unless_completed(&self, upload: Upload, by: Option<&Actor>) -> Result<bool> {
        match self.abort_upload(upload, by).await {
            Ok(()) => Ok(true),
            Err(Error::WrongState { .. }) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Ends an upload as expired, unless another request changes it meanwhile.
    pub(in crate::engine) async fn expire_upload(&self, upload: Upload) -> Result<()> {
        let Ok(mut expired) = upload.expire(self.store.now()) else { return Ok(()) };
        let tx = self.build_end_tx(&mut expired, EventKind::UploadExpired, None).await?;
        if self.rows.commit_if_unchanged(tx).await? {
            self.interrupt_and_clean_up(expired).await;
        }
        Ok(())
    }

    /// The transaction that ends an upload without bytes, together with its asset. `by`: as for
    /// [`Self::abort_upload`].
    async fn build_end_tx(&self, ended: &mut Upload, kind: EventKind, by: Option<&Actor>) -> Result<Tx> {
        let asset = self.store.find_asset(ended.asset).await?;
        let name = asset.as_ref().map_or_else(FileName::nameless, |asset| asset.name.clone());
        let tx = Tx::new().upload(ended, kind, &name);
        let tx = match by {
            Some(actor) => {
                let deed = AuditedAct::new(ended.tenant, actor, ABORT_ACTION, format!("asset:{}", ended.asset));
                tx.with(self.audit.audited(deed.after(json!({ "upload": ended.id }))))
            }
            None => tx,
        };
        let abandoned = asset.and_then(|asset| asset.abandon(self.store.now()).ok());
        Ok(match abandoned {
            Some(mut abandoned) => tx.asset(&mut abandoned, EventKind::AssetAbandoned),
            None => tx,
        })
    }

    /// What follows the commit that ended an upload without bytes.
    async fn interrupt_and_clean_up(&self, ended: Upload) {
        self.running_appends.interrupt(ended.id);
        self.wait_for_cleanup(ended).await;
    }

    /// Waits until the URLs of the upload stop working, at most [`CLEANUP_WAIT_TIMEOUT`], on a store that closes keys.
    /// On other stores the URLs stay valid until they expire, so the caller does not wait.
    async fn wait_for_cleanup(&self, ended: Upload) {
        let cleaning = self.spawn_cleanup(ended);
        if self.blobs.capabilities().enforces_limits {
            // A task of its own, so that a client that disconnects does not cancel it. The sweeper does what is not
            // done in time.
            let _ = tokio::time::timeout(CLEANUP_WAIT_TIMEOUT, cleaning).await;
        }
    }

    /// Cleans up in a task, without making the caller wait. If the task is cut off, the sweeper finds the row.
    pub(in crate::engine) fn spawn_cleanup(&self, ended: Upload) -> tokio::task::JoinHandle<()> {
        let engine = self.clone();
        tokio::spawn(
            async move {
                let id = ended.id;
                if let Err(error) = engine.clean_up_upload(ended).await {
                    tracing::warn!(upload = %id, error = %chain(&error), "not cleaned up yet; the sweeper will");
                }
            }
            .in_current_span(),
        )
    }

    /// Removes what an ended upload left in the store and sets the time of the next check: bytes may arrive as long as
    /// a URL that was signed for the upload is valid, unless the store closes the key.
    pub(in crate::engine) async fn clean_up_upload(&self, ended: Upload) -> Result<()> {
        let completed = ended.state == UploadState::Completed;
        let life = self.rows.upload_timeouts().url_life(&ended.transfer);
        // First of all, because nothing more arrives under a closed key.
        let closed = !completed && self.blobs.close_key(&ended.key, life).await?;
        if ended.ledger().is_some() {
            self.delete_tails(&ended).await?;
        }
        if !closed {
            self.abort_multiparts(&ended).await?;
        }
        if completed {
            return self.clean_up_completed(ended).await;
        }
        if !closed {
            self.blobs.delete(&ended.key).await?;
        }
        crash::point("after_abort_at_store");
        let (now, last_url) = (self.store.now(), after(ended.changed_at, life));
        // A closed key takes nothing more, but an interrupted writer may still leave a tail under another key.
        let late = !closed || ended.ledger().is_some();
        let next = self.next_check_at(ended.changed_at, last_url, now).filter(|_| late);
        self.commit_cleanup(ended, next).await
    }

    /// Aborts every multipart upload under the key of an ended upload, whatever its transfer: the response to a
    /// CreateMultipartUpload may have been lost, so that no row has the id.
    async fn abort_multiparts(&self, ended: &Upload) -> Result<()> {
        for store_id in self.list_multiparts_under(&ended.key).await? {
            self.abort_until_gone(&ended.key, &store_id).await?;
        }
        if let Some(store_id) = ended.store_id().filter(|_| ended.state != UploadState::Completed) {
            // Also by its recorded id: a store may list its multipart uploads late or not at all.
            self.abort_until_gone(&ended.key, store_id).await?;
        }
        Ok(())
    }

    /// Cleans up after a completed upload. Its object belongs to the asset and stays, unless the asset was deleted
    /// while a URL for a single PUT was still valid.
    async fn clean_up_completed(&self, ended: Upload) -> Result<()> {
        let Transfer::Put { .. } = ended.transfer else { return self.commit_cleanup(ended, None).await };
        let asset = self.store.find_asset(ended.asset).await?;
        if asset.is_none_or(|asset| matches!(asset.state, AssetState::Deleted { .. })) {
            self.blobs.delete(&ended.key).await?;
        }
        let (now, last_url) = (self.store.now(), after(ended.changed_at, self.rows.upload_timeouts().url_ttl));
        let next = self.next_check_at(ended.changed_at, last_url, now);
        self.commit_cleanup(ended, next).await
    }

    /// Time of the next check for bytes that arrive late, by a URL that is valid until `last_url`. The upload has taken
    /// no bytes since `since`. The interval grows with that age, and the last check is at `last_url`. `None` after
    /// `last_url`.
    pub(in crate::engine) fn next_check_at(
        &self,
        since: Timestamp,
        last_url: Timestamp,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let UploadTimeouts { takeover_after, rescue_after, .. } = *self.rows.upload_timeouts();
        let age = Duration::try_from(now.duration_since(since)).unwrap_or_default();
        let pause = age.max(takeover_after).min(rescue_after.max(takeover_after));
        (now < last_url).then(|| after(now, pause).min(last_url))
    }

    async fn commit_cleanup(&self, ended: Upload, next: Option<Timestamp>) -> Result<()> {
        let has_rows = matches!(ended.transfer, Transfer::Relayed(_) | Transfer::UnplannedMultipart { .. });
        let forget = has_rows.then_some(RowChange::ForgetParts(ended.id));
        let mut cleaned = ended.cleaned(next)?;
        let tx = forget.into_iter().fold(Tx::new(), Tx::with).quietly(&mut cleaned);
        // The sweeper comes again after another request was faster.
        self.rows.commit_if_unchanged(tx).await.map(|_| ())
    }

    /// Deletes the tail segments that relaying an upload's bytes left in the store.
    pub(in crate::engine) async fn delete_tails(&self, ended: &Upload) -> Result<()> {
        let (prefix, mut after) = (BlobKey::tails_of(ended.id), None);
        loop {
            let page = self.blobs.list(&prefix, after.as_deref()).await?;
            for tail in page.items {
                self.blobs.delete(&tail.key).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Repeats AbortMultipartUpload until ListParts reports that the upload does not exist.
    pub(in crate::engine) async fn abort_until_gone(&self, key: &str, store_id: &str) -> Result<()> {
        const MAX_ABORT_ATTEMPTS: u32 = 3;
        for _ in 0..MAX_ABORT_ATTEMPTS {
            self.blobs.abort_multipart(key, store_id).await?;
            match self.blobs.list_parts(key, store_id, None).await {
                Err(BlobError::NotFound) => return Ok(()),
                Ok(page) if page.items.is_empty() => return Ok(()),
                Ok(_) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(Error::busy("parts of the aborted upload keep arriving"))
    }
}
