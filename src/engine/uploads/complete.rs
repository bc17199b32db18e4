//! complete: from parts in the store to a stored asset, exactly once for any number of callers and attempts.
//!
//! ```text
//! list the parts against the plan → Tx1 open→completing (a single caller wins, the rest wait for its result)
//!   → CompleteMultipartUpload → any doubt is settled by HEAD + write token + size
//!   → Tx2 upload completed + asset stored + job + events, together
//! ```
//!
//! The store's list of parts decides, never the client's. Once begun, the work runs in its own task, so a client that
//! disconnects does not cancel it. A caller that finds an upload stuck in `completing` takes it over and begins with
//! HEAD. A single PUT needs no durable `completing`, because nothing has to be done at the store between the two
//! transactions.

use std::time::Duration;

use tracing::Instrument as _;

use super::UploadEngine;
use super::completion_doubt::CompletionDoubt;
use super::part_check::{check_planned_parts, first_part_missing, is_list_complete};
use crate::blob::{BlobError, ObjectFacts, StoredPart};
use crate::crash;
use crate::domain::access::{Action, Actor};
use crate::domain::append::ConcatRole;
use crate::domain::asset::{Asset, AssetContent};
use crate::domain::backoff::ExponentialBackoff;
use crate::domain::checksum::Sha256Digest;
use crate::domain::clock::after;
use crate::domain::event::EventKind;
use crate::domain::findings::AssetFindings;
use crate::domain::ids::{JobId, UploadId};
use crate::domain::job::{JobSubject, NewJob, Priority};
use crate::domain::name::FileName;
use crate::domain::plan::{PartNumber, PartPlan};
use crate::domain::reason::{FailureCause, chain};
use crate::domain::upload::{Transfer, Upload, UploadState};
use crate::engine::rows::update::{UpdateError, UpdateResult};
use crate::engine::{Error, RequestContext, Result};
use crate::metrics::DoubtOutcome;
use crate::metrics::timing::RequestTiming;
use crate::store::{NewRow, StoreError, Tx};
use crate::traces;

/// Attempts of each step whose failure leaves the outcome unknown.
const MAX_DOUBT_ATTEMPTS: u32 = 6;
/// Delays before the next attempt.
const BACKOFF: ExponentialBackoff = ExponentialBackoff::new(Duration::from_millis(150), Duration::from_secs(5));
/// Interval at which a waiting caller reads the row, for a winner on another node.
const WINNER_POLL_INTERVAL: Duration = Duration::from_millis(200);

/// A part as the client knows it; optional, and checked against the store.
#[derive(Clone, Debug)]
pub struct ClaimedPart {
    /// Part number.
    pub number: PartNumber,
    /// Entity tag without quotes, if the client could read it.
    pub etag: Option<String>,
}

/// A request to complete an upload.
#[derive(Clone, Debug, Default)]
pub struct CompleteUpload {
    /// The parts that the client believes to have sent.
    pub parts: Option<Vec<ClaimedPart>>,
    /// SHA-256 of the whole file, for clients that know it only now.
    pub sha256: Option<Sha256Digest>,
}

/// Proof from the store that the object exists.
#[derive(Clone)]
pub(in crate::engine) struct StoredObjectVersion {
    pub(in crate::engine) etag: String,
    pub(in crate::engine) version: Option<String>,
}

/// An upload in `completing` that this caller holds.
pub(in crate::engine) struct StartedCompletion {
    pub(in crate::engine) completing: Upload,
    /// Writes to commit together with the completion: the transition to `completing`, where it needs no commit of its
    /// own.
    pub(in crate::engine) pending_tx: Tx,
}

impl From<ObjectFacts> for StoredObjectVersion {
    fn from(facts: ObjectFacts) -> Self {
        Self { etag: facts.etag, version: facts.version }
    }
}

impl UploadEngine {
    /// Completes an upload and returns its asset. Idempotent.
    #[tracing::instrument(skip_all, fields(upload = %id))]
    pub async fn complete_upload(&self, actor: &Actor, id: UploadId, wish: CompleteUpload) -> Result<Asset> {
        let upload = self.rows.load_upload_for(actor, Action::DriveUpload, id).await?;
        self.finish_in_task(upload, wish).await
    }

    /// Finishes an upload that is being completed: waits for the caller that holds it, or takes over from it.
    pub(in crate::engine) async fn finish_in_background(&self, upload: Upload) -> Result<Asset> {
        self.finish_in_task(upload, CompleteUpload::default()).await
    }

    /// Runs [`Self::finish_upload`] in a task, so that a client that disconnects does not cancel it.
    async fn finish_in_task(&self, upload: Upload, wish: CompleteUpload) -> Result<Asset> {
        let engine = self.clone();
        let work = async move { engine.finish_upload(upload, wish).await }.in_current_span();
        let work = tokio::spawn(RequestTiming::in_current(work));
        work.await.map_err(Error::internal)?
    }

    /// Completes an upload from any state. Also called by the sweeper.
    pub(in crate::engine) async fn finish_upload(&self, upload: Upload, wish: CompleteUpload) -> Result<Asset> {
        let wish = &wish;
        self.rows
            .retry_with_upload(upload, |upload| async move {
                let upload = self.await_winner(upload).await?;
                match upload.state {
                    UploadState::Completed => Ok(self.verify_completed_asset(&upload, wish).await?),
                    UploadState::Failed | UploadState::Aborted | UploadState::Expired => {
                        Err(Error::Gone { what: "upload", state: upload.state.name() }.into())
                    }
                    UploadState::Open | UploadState::Completing => match self.try_to_finish(&upload, wish).await {
                        // The store may have assembled the missing parts into the object meanwhile.
                        Err(UpdateError::Refused(error @ (Error::Incomplete { .. } | Error::PartsDiffer { .. }))) => {
                            let current = self.rows.reload_upload(upload.id).await?;
                            Err(if current.revision == upload.revision { error.into() } else { UpdateError::LostRace })
                        }
                        outcome => outcome,
                    },
                }
            })
            .await
    }

    /// The upload, once no other caller completes it: waits until the caller that won is done, on whatever node, or may
    /// be taken over.
    async fn await_winner(&self, mut upload: Upload) -> Result<Upload> {
        let is_held = |upload: &Upload| {
            let overdue = upload.next_check_at.is_none_or(|at| at <= self.store.now());
            upload.state == UploadState::Completing && !overdue
        };
        if !is_held(&upload) {
            return Ok(upload);
        }
        loop {
            let change = self.rows.asset_notify.notified(upload.asset);
            upload = self.rows.reload_upload(upload.id).await?;
            if !is_held(&upload) {
                return Ok(upload);
            }
            let _ = tokio::time::timeout(WINNER_POLL_INTERVAL, change).await;
        }
    }

    async fn try_to_finish(&self, upload: &Upload, wish: &CompleteUpload) -> UpdateResult<Asset> {
        let asset = self.with_declared_digest(upload, wish).await?;
        match &upload.transfer {
            Transfer::Put { size } => {
                let facts = self.blobs.head(&upload.key).await.map_err(Error::from)?;
                let facts = facts.ok_or_else(|| Error::Incomplete { missing: first_part_missing() })?;
                let mut completing = self.take_completion(upload)?;
                let owed = Tx::new().upload(&mut completing, EventKind::UploadCompleting, &asset.name);
                let held = StartedCompletion { completing, pending_tx: owed };
                if facts.size != *size {
                    return Err(self.fail_completion(held, asset).await);
                }
                self.commit_completed_asset(held, asset, facts.into()).await
            }
            Transfer::Multipart { plan, .. } => self.complete_from_parts(upload, asset, Some(*plan), wish).await,
            Transfer::UnplannedMultipart { .. } => self.complete_from_parts(upload, asset, None, wish).await,
            Transfer::Relayed(ledger) if !ledger.is_whole() || ledger.concat == ConcatRole::Partial => {
                Err(Error::Incomplete { missing: first_part_missing() }.into())
            }
            // The ledger has every byte, but the store does not have all of them as parts yet.
            Transfer::Relayed(ledger)
                if upload.state == UploadState::Open && (ledger.store_id.is_none() || !ledger.tail.is_empty()) =>
            {
                self.running_appends.flush_final_tail(upload).await?;
                Err(UpdateError::LostRace)
            }
            Transfer::Relayed(_) => self.complete_from_parts(upload, asset, None, wish).await,
        }
    }

    /// The asset, with the digest that the client declares in this request.
    async fn with_declared_digest(&self, upload: &Upload, wish: &CompleteUpload) -> Result<Asset> {
        let mut asset = self.rows.load_asset_of(upload).await?;
        match (asset.declared_sha256, wish.sha256) {
            (Some(known), Some(given)) if known != given => {
                return Err(Error::invalid("sha256", "differs from the digest that was declared at creation"));
            }
            (known, given) => asset.declared_sha256 = known.or(given),
        }
        Ok(asset)
    }

    async fn complete_from_parts(
        &self,
        upload: &Upload,
        asset: Asset,
        plan: Option<PartPlan>,
        wish: &CompleteUpload,
    ) -> UpdateResult<Asset> {
        // A takeover first checks whether the previous caller got through.
        if upload.state == UploadState::Completing
            && let Some(facts) = self.blobs.head(&upload.key).await.map_err(Error::from)?
            && self.is_ours(upload, &facts)
        {
            let held = self.begin_completion(upload, Tx::new(), &asset.name).await?;
            return self.commit_completed_asset(held, asset, facts.into()).await;
        }
        let parts = self.list_received_parts(upload).await?;
        if let (UploadState::Open, Some(plan)) = (upload.state, &plan) {
            check_planned_parts(plan, &parts, wish)?;
        }
        let cut = upload.state == UploadState::Open && matches!(upload.transfer, Transfer::UnplannedMultipart { .. });
        let (upload, noted) = match cut {
            true => self.measure(upload, &asset, &parts, wish).await?,
            false => (upload.clone(), Tx::new()),
        };
        let held = self.begin_completion_or_abort(&upload, noted, &asset.name).await?;
        match self.assemble_in_store(&held.completing, plan, parts).await? {
            Some(proof) => self.commit_completed_asset(held, asset, proof).await,
            None => Err(self.fail_completion(held, asset).await),
        }
    }

    /// Tx1: moves the upload to `completing`, held by this caller until another caller takes it over. Commits `noted`
    /// with it. `name`: name of the asset.
    pub(in crate::engine) async fn begin_completion(
        &self,
        upload: &Upload,
        noted: Tx,
        name: &FileName,
    ) -> UpdateResult<StartedCompletion> {
        let mut completing = self.take_completion(upload)?;
        let tx = noted.upload(&mut completing, EventKind::UploadCompleting, name);
        self.rows.commit(tx).await?;
        crash::point("after_completing");
        Ok(StartedCompletion { completing, pending_tx: Tx::new() })
    }

    /// The upload in `completing`, held by this process.
    fn take_completion(&self, upload: &Upload) -> UpdateResult<Upload> {
        let taken = upload.clone().serve_from(RequestContext::node_name());
        taken.begin_completing(self.rows.upload_timeouts(), self.store.now()).map_err(|_| UpdateError::LostRace)
    }

    /// Asks the store to assemble the parts until it is certain that it did, or that it never will (`None`).
    async fn assemble_in_store(
        &self,
        upload: &Upload,
        plan: Option<PartPlan>,
        mut parts: Vec<StoredPart>,
    ) -> UpdateResult<Option<StoredObjectVersion>> {
        let store_id = upload.store_id().ok_or_else(|| Error::Internal("completing without a store id".into()))?;
        let mut why = FailureCause::from("nothing was tried");
        let mut doubt = CompletionDoubt::default();
        for attempt in 1..=MAX_DOUBT_ATTEMPTS {
            crash::point("complete_sent");
            let asked = self.blobs.complete_multipart(&upload.key, store_id, &parts).await;
            crash::point("complete_answered");
            match asked {
                Ok((etag, version)) => {
                    doubt.resolve(DoubtOutcome::Completed);
                    return Ok(Some(StoredObjectVersion { etag, version }));
                }
                Err(error) => {
                    doubt.raise();
                    tracing::warn!(upload = %upload.id, error = %chain(&error), "completion is in doubt, asking for the object");
                    why = FailureCause::of(error);
                }
            }
            match self.blobs.head(&upload.key).await {
                Ok(Some(facts)) if self.is_ours(upload, &facts) => {
                    doubt.resolve(DoubtOutcome::Completed);
                    return Ok(Some(facts.into()));
                }
                Ok(Some(_)) => {
                    doubt.resolve(DoubtOutcome::Failed);
                    return Ok(None);
                }
                Ok(None) | Err(BlobError::Unavailable(_)) => {}
                Err(other) => return Err(Error::from(other).into()),
            }
            // A part may have been sent again after the parts were listed; its new entity tag counts.
            tokio::time::sleep(BACKOFF.delay(attempt, &*self.entropy)).await;
            if let Ok(listed) = self.list_received_parts(upload).await
                && is_list_complete(upload, plan.as_ref(), &listed)
            {
                parts = listed;
            }
        }
        Err(Error::busy(why).into())
    }

    /// True if an object belongs to this upload: same write token, where the store keeps it, and same size.
    fn is_ours(&self, upload: &Upload, facts: &ObjectFacts) -> bool {
        let stamped = !self.blobs.capabilities().metadata || facts.token.as_ref() == Some(&upload.write_token);
        stamped && Some(facts.size) == upload.transfer.size()
    }

    /// Tx2: commits the completed upload, the stored asset, the job and the events.
    ///
    /// After an unknown outcome the row is read again. Retries bound the wait for an unreachable database.
    pub(in crate::engine) async fn commit_completed_asset(
        &self,
        held: StartedCompletion,
        asset: Asset,
        proof: StoredObjectVersion,
    ) -> UpdateResult<Asset> {
        self.commit_completion(held, asset, proof).await.map(|(_, stored)| stored)
    }

    /// As [`Self::commit_completed_asset`]; also returns the completed upload.
    pub(in crate::engine) async fn commit_completion(
        &self,
        held: StartedCompletion,
        asset: Asset,
        proof: StoredObjectVersion,
    ) -> UpdateResult<(Upload, Asset)> {
        let now = self.store.now();
        let content = self.stored_content(&held.completing, proof);
        let mut completed = held.completing.complete(now).map_err(|_| UpdateError::LostRace)?;
        // A length that was unknown at creation is known by now.
        let size = completed.transfer.size().unwrap_or(asset.size);
        let keep_for = self.tenants.rules_of(&asset).await?.keep_for();
        let delete_at = keep_for.map(|keep_for| after(now, keep_for));
        // The asset was read after the upload, so another caller may have completed it in between.
        let mut stored = Asset { size, delete_at, ..asset }.store(content, now).map_err(|_| UpdateError::LostRace)?;
        let tx = held
            .pending_tx
            .upload(&mut completed, EventKind::UploadCompleted, &stored.name)
            .asset(&mut stored, EventKind::AssetStored)
            .with(NewRow::Job(self.processing_job(&stored)));
        for attempt in 1..=MAX_DOUBT_ATTEMPTS {
            match self.rows.commit(tx.clone()).await {
                Ok(()) => {
                    crash::point("after_commit");
                    return Ok((completed, stored));
                }
                Err(StoreError::Unavailable(error)) => {
                    tracing::warn!(upload = %completed.id, error = %chain(&error), "the completion could not be written yet");
                    tokio::time::sleep(BACKOFF.delay(attempt, &*self.entropy)).await;
                }
                // The write succeeded after all, or another caller took over: the row shows which.
                Err(StoreError::Conflict) => return Err(UpdateError::LostRace),
                Err(other) => return Err(Error::from(other).into()),
            }
        }
        Err(Error::busy("the database is not available").into())
    }

    fn stored_content(&self, upload: &Upload, proof: StoredObjectVersion) -> AssetContent {
        AssetContent {
            key: upload.key.clone(),
            etag: proof.etag,
            version: proof.version,
            stored_at: self.store.now(),
            detected: None,
            sha256: None,
            findings: AssetFindings::default(),
        }
    }

    fn processing_job(&self, asset: &Asset) -> NewJob {
        let (id, run_at) = (JobId(self.rows.new_id()), self.store.now());
        let (work, traceparent) = (JobSubject::Process(asset.id), traces::current_traceparent());
        NewJob { id, work, tenant: asset.tenant, priority: Priority::Normal, run_at, traceparent }
    }

    /// Ends the upload as failed: the store's object provably differs from what was declared.
    pub(in crate::engine) async fn fail_completion(&self, held: StartedCompletion, asset: Asset) -> UpdateError {
        let now = self.store.now();
        let (mut failed, mut abandoned) = match (held.completing.fail(now), asset.abandon(now)) {
            (Ok(failed), Ok(abandoned)) => (failed, abandoned),
            // Another caller has ended the upload since it was read.
            (Err(_), _) | (_, Err(_)) => return UpdateError::LostRace,
        };
        let tx = held.pending_tx.upload(&mut failed, EventKind::UploadFailed, &abandoned.name);
        let tx = tx.asset(&mut abandoned, EventKind::AssetAbandoned);
        match self.rows.commit(tx).await {
            Ok(()) => {
                self.spawn_cleanup(failed);
                Error::ContentMismatch.into()
            }
            Err(error) => error.into(),
        }
    }
}
