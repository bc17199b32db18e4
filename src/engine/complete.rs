//! complete: from parts in the store to a stored asset, once, whoever asks and however often.
//!
//! ```text
//! list the parts against the plan → Tx1 open→completing (one caller wins, others wait for its answer)
//!   → CompleteMultipartUpload → any doubt is settled by HEAD + write token + size
//!   → Tx2 upload completed + asset stored + job + events, together
//! ```
//!
//! The truth is what the store lists, never what the client says. Once begun, the work runs in a task of its own: a
//! client that disconnects does not cut it off. Whoever finds an upload stuck in `completing` takes it over and begins
//! with HEAD. A single PUT needs no durable `completing`: there is nothing to do at the store between the two.

use std::time::Duration;

pub(super) use super::attempt::Attempt;
use super::{Engine, Error, Result};
use crate::blob::{BlobError, ObjectFacts, StoredPart};
use crate::crash;
use crate::domain::access::{Action, Actor};
use crate::domain::append::Concat;
use crate::domain::asset::{Asset, Content};
use crate::domain::checksum::Sha256Digest;
use crate::domain::clock::after;
use crate::domain::event::EventKind;
use crate::domain::findings::Findings;
use crate::domain::ids::{JobId, UploadId};
use crate::domain::job::{NewJob, Priority, Work};
use crate::domain::name::FileName;
use crate::domain::plan::{PartNumber, PartPlan, PartSet};
use crate::domain::upload::{Transfer, Upload, UploadState};
use crate::store::{StoreError, Tx, Write};

/// Tries of each step whose failure says nothing.
const TRIES: u32 = 6;
const PAUSE: Duration = Duration::from_millis(100);
/// How often a waiting caller looks for the winner's answer on another node.
const LOOK: Duration = Duration::from_millis(200);

/// A part as the client believes it to be; checked, not needed.
#[derive(Clone, Debug)]
pub struct ClaimedPart {
    /// Its number.
    pub number: PartNumber,
    /// Its entity tag without quotes, if the client could read it.
    pub etag: Option<String>,
}

/// The wish to end an upload.
#[derive(Clone, Debug, Default)]
pub struct CompleteUpload {
    /// What the client believes to have sent.
    pub parts: Option<Vec<ClaimedPart>>,
    /// The digest of the whole file, for clients that know it only now.
    pub sha256: Option<Sha256Digest>,
}

/// The store's word that the object is there.
pub(super) struct Proof {
    pub(super) etag: String,
    pub(super) version: Option<String>,
}

/// An upload in `completing` that this caller holds.
pub(super) struct Held {
    pub(super) completing: Upload,
    /// What has to be written together with the end: the transition to `completing`, where it was not worth a commit
    /// of its own.
    pub(super) owed: Tx,
}

impl From<ObjectFacts> for Proof {
    fn from(facts: ObjectFacts) -> Self {
        Self { etag: facts.etag, version: facts.version }
    }
}

impl Engine {
    /// Ends an upload and returns its asset. Asking again gives the same answer.
    pub async fn complete(&self, actor: &Actor, id: UploadId, wish: CompleteUpload) -> Result<Asset> {
        let upload = self.upload_for(actor, Action::DriveUpload, id).await?;
        self.spawn_finish(upload, wish).await
    }

    /// Ends an upload that is being completed already: waits for the caller that is at it, or takes over from it.
    pub(super) async fn finish_detached(&self, upload: Upload) -> Result<Asset> {
        self.spawn_finish(upload, CompleteUpload::default()).await
    }

    /// [`Self::finish`] in a task of its own: a client that disconnects does not cut it off.
    async fn spawn_finish(&self, upload: Upload, wish: CompleteUpload) -> Result<Asset> {
        let engine = self.clone();
        let work = tokio::spawn(async move { engine.finish(upload, wish).await });
        work.await.map_err(|error| Error::Internal(error.to_string()))?
    }

    /// Brings an upload from wherever it stands to its end. Also what the sweeper calls.
    pub(super) async fn finish(&self, mut upload: Upload, wish: CompleteUpload) -> Result<Asset> {
        for _ in 0..TRIES {
            match upload.state {
                UploadState::Completed => return self.completed_asset(&upload, &wish).await,
                UploadState::Failed | UploadState::Aborted | UploadState::Expired => {
                    return Err(Error::Gone { what: "upload", state: upload.state.name() });
                }
                UploadState::Completing if upload.look_at.is_none_or(|at| at > self.0.store.now()) => {
                    upload = self.await_winner(&upload).await?;
                }
                UploadState::Open | UploadState::Completing => match self.try_to_finish(&upload, &wish).await {
                    Err(Attempt::LostRace) => upload = self.reread(upload.id).await?,
                    // Parts that are gone may have become the object while we looked.
                    Err(Attempt::Refused(error @ (Error::Incomplete { .. } | Error::PartsDiffer { .. }))) => {
                        let current = self.reread(upload.id).await?;
                        if current.revision == upload.revision {
                            return Err(error);
                        }
                        upload = current;
                    }
                    Err(Attempt::Refused(error)) => return Err(error),
                    Ok(asset) => return Ok(asset),
                },
            }
        }
        Err(Error::busy("others are completing this upload"))
    }

    pub(super) async fn asset_of(&self, upload: &Upload) -> Result<Asset> {
        self.0.store.asset(upload.asset).await?.ok_or(Error::Hidden)
    }

    pub(super) async fn reread(&self, id: UploadId) -> Result<Upload> {
        self.0.store.upload(id).await?.ok_or(Error::Hidden)
    }

    /// Waits for the caller that won, on whatever node, until it is done or may be taken over.
    async fn await_winner(&self, upload: &Upload) -> Result<Upload> {
        loop {
            let change = self.0.changes.of(upload.asset);
            let current = self.reread(upload.id).await?;
            let overdue = current.look_at.is_none_or(|at| at <= self.0.store.now());
            if current.state != UploadState::Completing || overdue {
                return Ok(current);
            }
            let _ = tokio::time::timeout(LOOK, change).await;
        }
    }

    async fn try_to_finish(&self, upload: &Upload, wish: &CompleteUpload) -> std::result::Result<Asset, Attempt> {
        let asset = self.declared(upload, wish).await?;
        match &upload.transfer {
            Transfer::Put { size } => {
                let facts = self.0.blobs.head(&upload.key).await.map_err(Error::from)?;
                let facts = facts.ok_or_else(|| Error::Incomplete { missing: only_part() })?;
                let completing = upload.clone().begin_completing(self.patience(), self.0.store.now());
                let mut completing = completing.map_err(|_| Attempt::LostRace)?;
                let owed = Tx::new().upload(&mut completing, EventKind::UploadCompleting, &asset.name);
                let held = Held { completing, owed };
                if facts.size != *size {
                    return Err(self.fail(held, asset).await);
                }
                self.record(held, asset, facts.into()).await
            }
            Transfer::Multipart { plan, .. } => self.assemble(upload, asset, Some(*plan), wish).await,
            Transfer::ClientCut { .. } => self.assemble(upload, asset, None, wish).await,
            Transfer::Relayed(ledger) if !ledger.is_whole() || ledger.concat == Concat::Partial => {
                Err(Error::Incomplete { missing: only_part() }.into())
            }
            // The ledger has every byte, the store not yet as parts.
            Transfer::Relayed(ledger)
                if upload.state == UploadState::Open && (ledger.store_id.is_none() || !ledger.tail.is_empty()) =>
            {
                self.seal(upload).await?;
                Err(Attempt::LostRace)
            }
            Transfer::Relayed(_) => self.assemble(upload, asset, None, wish).await,
        }
    }

    /// The asset, with the digest that the client declares only now.
    async fn declared(&self, upload: &Upload, wish: &CompleteUpload) -> Result<Asset> {
        let mut asset = self.asset_of(upload).await?;
        match (asset.declared_sha256, wish.sha256) {
            (Some(known), Some(given)) if known != given => {
                return Err(Error::invalid("sha256", "not the digest that was declared at creation"));
            }
            (known, given) => asset.declared_sha256 = known.or(given),
        }
        Ok(asset)
    }

    async fn assemble(
        &self,
        upload: &Upload,
        asset: Asset,
        plan: Option<PartPlan>,
        wish: &CompleteUpload,
    ) -> std::result::Result<Asset, Attempt> {
        // A takeover begins with the question whether the one before got through.
        if upload.state == UploadState::Completing
            && let Some(facts) = self.0.blobs.head(&upload.key).await.map_err(Error::from)?
            && self.is_ours(upload, &facts)
        {
            let held = self.begin(upload, Tx::new(), &asset.name).await?;
            return self.record(held, asset, facts.into()).await;
        }
        let parts = self.received(upload).await?;
        if let (UploadState::Open, Some(plan)) = (upload.state, &plan) {
            all_there(plan, &parts, wish)?;
        }
        let cut = upload.state == UploadState::Open && matches!(upload.transfer, Transfer::ClientCut { .. });
        let (upload, noted) = match cut {
            true => self.measured(upload, &asset, &parts, wish).await?,
            false => (upload.clone(), Tx::new()),
        };
        let held = self.begin_or_give_up(&upload, noted, &asset.name).await?;
        match self.assembled(&held.completing, plan, parts).await? {
            Some(proof) => self.record(held, asset, proof).await,
            None => Err(self.fail(held, asset).await),
        }
    }

    /// Tx1: from here on the upload is ours, until somebody takes it over. With it, what is `noted`. `name`: the asset's.
    pub(super) async fn begin(
        &self,
        upload: &Upload,
        noted: Tx,
        name: &FileName,
    ) -> std::result::Result<Held, Attempt> {
        let now = self.0.store.now();
        let mut completing = upload.clone().begin_completing(self.patience(), now).map_err(|_| Attempt::LostRace)?;
        let tx = noted.upload(&mut completing, EventKind::UploadCompleting, name);
        self.commit(tx, upload.asset).await?;
        self.0.uploads.invalidate(&upload.id).await;
        crash::point("after_completing");
        Ok(Held { completing, owed: Tx::new() })
    }

    /// Asks the store to assemble the parts until it is certain that it did or never will (`None`).
    async fn assembled(
        &self,
        upload: &Upload,
        plan: Option<PartPlan>,
        mut parts: Vec<StoredPart>,
    ) -> std::result::Result<Option<Proof>, Attempt> {
        let store_id = upload.store_id().ok_or_else(|| Error::Internal("completing without a store id".to_owned()))?;
        let mut why = String::new();
        for attempt in 0..TRIES {
            crash::point("complete_sent");
            let asked = self.0.blobs.complete_multipart(&upload.key, store_id, &parts).await;
            crash::point("complete_answered");
            match asked {
                Ok((etag, version)) => return Ok(Some(Proof { etag, version })),
                Err(error) => {
                    tracing::warn!(upload = %upload.id, %error, "completion is in doubt, asking for the object");
                    why = error.to_string();
                }
            }
            match self.0.blobs.head(&upload.key).await {
                Ok(Some(facts)) if self.is_ours(upload, &facts) => return Ok(Some(facts.into())),
                Ok(Some(_)) => return Ok(None),
                Ok(None) | Err(BlobError::Unavailable(_)) => {}
                Err(other) => return Err(Error::from(other).into()),
            }
            // A part may have been sent again after we listed: its new tag counts.
            tokio::time::sleep(PAUSE * 2u32.pow(attempt)).await;
            if let Ok(listed) = self.received(upload).await
                && still_whole(upload, plan.as_ref(), &listed)
            {
                parts = listed;
            }
        }
        Err(Error::busy(why).into())
    }

    /// Whether an object is this upload's: its token, where the store keeps one, and its size.
    fn is_ours(&self, upload: &Upload, facts: &ObjectFacts) -> bool {
        let stamped = !self.0.blobs.capabilities().metadata || facts.token.as_ref() == Some(&upload.write_token);
        stamped && Some(facts.size) == upload.transfer.size()
    }

    /// Tx2: everything that becomes true together.
    ///
    /// An unknown outcome is looked up, not guessed; a database that is away is waited for within reason.
    pub(super) async fn record(&self, held: Held, asset: Asset, proof: Proof) -> std::result::Result<Asset, Attempt> {
        self.recorded(held, asset, proof).await.map(|(_, stored)| stored)
    }

    /// [`Self::record`], with the upload as it is then.
    pub(super) async fn recorded(
        &self,
        held: Held,
        asset: Asset,
        proof: Proof,
    ) -> std::result::Result<(Upload, Asset), Attempt> {
        let now = self.0.store.now();
        let content = self.content(&held.completing, proof);
        let mut completed = held.completing.complete(now).map_err(|_| Attempt::LostRace)?;
        // A length that nobody knew at creation is known by now.
        let size = completed.transfer.size().unwrap_or(asset.size);
        let keep_for = self.rules_of(&asset).await?.keep_for();
        let delete_at = keep_for.map(|keep_for| after(now, keep_for));
        // The asset was read after the upload: another caller may have completed it in between.
        let mut stored = Asset { size, delete_at, ..asset }.store(content, now).map_err(|_| Attempt::LostRace)?;
        let tx = held
            .owed
            .upload(&mut completed, EventKind::UploadCompleted, &stored.name)
            .asset(&mut stored, EventKind::AssetStored)
            .with(Write::InsertJob(self.processing(&stored)));
        for attempt in 0..TRIES {
            match self.commit(tx.clone(), stored.id).await {
                Ok(()) => {
                    self.0.uploads.invalidate(&completed.id).await;
                    crash::point("after_commit");
                    return Ok((completed, stored));
                }
                Err(StoreError::Unavailable(error)) => {
                    tracing::warn!(upload = %completed.id, error, "the completion could not be written yet");
                    tokio::time::sleep(PAUSE * 2u32.pow(attempt)).await;
                }
                // Written after all, or somebody took over: the row knows.
                Err(StoreError::Conflict) => return Err(Attempt::LostRace),
                Err(other) => return Err(Error::from(other).into()),
            }
        }
        Err(Error::busy("the database is not available").into())
    }

    fn content(&self, upload: &Upload, proof: Proof) -> Content {
        Content {
            key: upload.key.clone(),
            etag: proof.etag,
            version: proof.version,
            stored_at: self.0.store.now(),
            detected: None,
            sha256: None,
            findings: Findings::default(),
        }
    }

    fn processing(&self, asset: &Asset) -> NewJob {
        let (id, run_at) = (JobId(self.mint()), self.0.store.now());
        NewJob { id, work: Work::Process(asset.id), tenant: asset.tenant, priority: Priority::Normal, run_at }
    }

    /// The store's object is provably not what was declared.
    pub(super) async fn fail(&self, held: Held, asset: Asset) -> Attempt {
        let now = self.0.store.now();
        let (mut failed, mut abandoned) = match (held.completing.fail(now), asset.abandon(now)) {
            (Ok(failed), Ok(abandoned)) => (failed, abandoned),
            // Another caller has ended it since it was read.
            (Err(_), _) | (_, Err(_)) => return Attempt::LostRace,
        };
        let tx = held.owed.upload(&mut failed, EventKind::UploadFailed, &abandoned.name);
        let tx = tx.asset(&mut abandoned, EventKind::AssetAbandoned);
        match self.commit(tx, abandoned.id).await {
            Ok(()) => {
                self.clean_soon(failed);
                Error::WrongBytes.into()
            }
            Err(error) => error.into(),
        }
    }
}

/// Whether a new list of parts may stand for the one before.
fn still_whole(upload: &Upload, plan: Option<&PartPlan>, listed: &[StoredPart]) -> bool {
    match &upload.transfer {
        Transfer::ClientCut { total, .. } => Some(listed.iter().map(|part| part.size).sum()) == *total,
        Transfer::Put { .. } | Transfer::Multipart { .. } | Transfer::Relayed(_) => {
            plan.is_none_or(|plan| listed.len() == usize::from(plan.count()))
        }
    }
}

fn only_part() -> PartSet {
    PartSet::from_numbers(PartNumber::new(1))
}

/// Every part of the plan is there, and the client's list, if it gave one, is the store's.
fn all_there(plan: &PartPlan, parts: &[StoredPart], wish: &CompleteUpload) -> Result<()> {
    let find = |number: PartNumber| parts.binary_search_by_key(&number, |part| part.number).ok().map(|at| &parts[at]);
    for claimed in wish.parts.iter().flatten() {
        let part = claimed.number.get();
        let Some(there) = find(claimed.number) else {
            return if plan.len_of(claimed.number).is_some() {
                Err(Error::Incomplete { missing: PartSet::from_numbers([claimed.number]) })
            } else {
                Err(Error::PartsDiffer { part })
            };
        };
        if claimed.etag.as_ref().is_some_and(|etag| *etag != there.etag) {
            return Err(Error::PartsDiffer { part });
        }
    }
    let missing = PartSet::from_numbers(plan.parts().filter(|number| find(*number).is_none()));
    if missing.is_empty() { Ok(()) } else { Err(Error::Incomplete { missing }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u64, size: u64) -> StoredPart {
        StoredPart { number: PartNumber::new(number).unwrap(), size, etag: format!("e{number}"), checksum: None }
    }

    #[test]
    fn the_client_is_checked_against_the_store_and_the_plan() {
        let plan = PartPlan::exact(25, 10).unwrap();
        let parts = [part(1, 10), part(2, 10), part(3, 5)];
        let claim = |number, etag: Option<&str>| CompleteUpload {
            parts: Some(vec![ClaimedPart { number: PartNumber::new(number).unwrap(), etag: etag.map(str::to_owned) }]),
            sha256: None,
        };
        assert!(all_there(&plan, &parts, &CompleteUpload::default()).is_ok());
        assert!(all_there(&plan, &parts, &claim(2, Some("e2"))).is_ok());
        assert!(matches!(all_there(&plan, &parts, &claim(2, Some("x"))), Err(Error::PartsDiffer { part: 2 })));
        assert!(matches!(all_there(&plan, &parts, &claim(4, None)), Err(Error::PartsDiffer { part: 4 })));
        let missing = all_there(&plan, &parts[..1], &CompleteUpload::default());
        assert!(matches!(missing, Err(Error::Incomplete { missing }) if missing.to_string() == "2-3"));
    }
}
