//! Looking at assets again: one, or all that a filter names, a page at a time.

use super::{Engine, Error, Result};
use crate::domain::access::Action;
use crate::domain::access::Actor;
use crate::domain::asset::{Asset, AssetState};
use crate::domain::ids::{AssetId, JobId};
use crate::domain::job::{JobSubject, NewJob, Priority};
use crate::engine::{AssetList, ListAssets};
use crate::store::{StoreError, Tx, Write};

/// How much to do again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReprocessScope {
    /// Everything, derivatives included.
    Everything,
    /// The scan alone.
    Scan,
}

/// What became owed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReprocessSummary {
    /// Assets that will be looked at again.
    pub enqueued: u32,
    /// Assets that are in no state for it, or about to be looked at anyway.
    pub skipped: u32,
    /// Where the next page begins; `None` at the end.
    pub next: Option<String>,
}

impl Engine {
    /// Has one asset looked at again: a ready one stays ready meanwhile, a failed one is processed once more. Asking
    /// while it is owed already is fine.
    ///
    /// # Errors
    /// [`Error::WrongState`] when it is neither ready, failed nor being processed.
    #[tracing::instrument(skip_all, fields(asset = %id))]
    pub async fn look_again(&self, actor: &Actor, id: AssetId, again: ReprocessScope) -> Result<()> {
        let asset = self.load_asset_for(actor, Action::ProcessAsset, id).await?;
        if matches!(asset.state, AssetState::Stored(_) | AssetState::Processing(_)) {
            return Ok(());
        }
        let wrong = Error::WrongState { what: "asset", state: asset.state.name() };
        let work = work_for(&asset, again).ok_or(wrong)?;
        self.owe(&asset, work, Priority::High).await.map(|_| ())
    }

    /// Has a page of assets looked at again.
    #[tracing::instrument(skip_all)]
    pub async fn look_again_at(
        &self,
        actor: &Actor,
        list: ListAssets,
        again: ReprocessScope,
    ) -> Result<ReprocessSummary> {
        crate::domain::access::may_ask(actor, Action::ProcessAsset)?;
        let AssetList { assets, next } = self.list_assets(actor, list).await?;
        let mut outcome = ReprocessSummary { next, ..ReprocessSummary::default() };
        for asset in assets {
            let owed = match work_for(&asset, again) {
                Some(work) => self.owe(&asset, work, Priority::Low).await?,
                None => false,
            };
            if owed {
                outcome.enqueued += 1;
            } else {
                outcome.skipped += 1;
            }
        }
        Ok(outcome)
    }

    /// `false`: it is owed already.
    pub(in crate::engine) async fn owe(&self, asset: &Asset, work: JobSubject, priority: Priority) -> Result<bool> {
        let (id, run_at) = (JobId(self.new_id()), self.0.store.now());
        let job = NewJob { id, work, tenant: asset.tenant, priority, run_at };
        match self.0.store.commit(Tx::new().with(Write::InsertJob(job))).await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(other) => Err(other.into()),
        }
    }
}

fn work_for(asset: &Asset, again: ReprocessScope) -> Option<JobSubject> {
    match (&asset.state, again) {
        (AssetState::Ready(_), ReprocessScope::Everything) => Some(JobSubject::Recheck(asset.id)),
        (AssetState::Ready(_), ReprocessScope::Scan) => Some(JobSubject::Rescan(asset.id)),
        (AssetState::Failed { .. }, _) => Some(JobSubject::Process(asset.id)),
        _ => None,
    }
}
