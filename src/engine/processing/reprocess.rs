//! Repeated processing of assets: a single asset, or a page of those that match a filter.

use super::{Error, Result};
use crate::domain::access::Action;
use crate::domain::access::Actor;
use crate::domain::asset::{Asset, AssetState};
use crate::domain::ids::{AssetId, JobId};
use crate::domain::job::{JobSubject, NewJob, Priority};
use crate::engine::processing::ProcessingEngine;
use crate::engine::{AssetList, ListAssets};
use crate::store::{NewRow, StoreError, Tx};

/// Scope of the repeated processing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReprocessScope {
    /// Everything, derivatives included.
    Everything,
    /// The scan alone.
    Scan,
}

/// Result of enqueueing a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReprocessSummary {
    /// Assets that will be processed again.
    pub enqueued: u32,
    /// Assets in an unsuitable state, or with a pending job.
    pub skipped: u32,
    /// Cursor of the next page; `None` at the end.
    pub next: Option<String>,
}

impl ProcessingEngine {
    /// Enqueues the repeated processing of an asset. A ready asset stays ready meanwhile; a failed asset is processed
    /// again. Idempotent while the job is pending.
    ///
    /// # Errors
    /// [`Error::WrongState`] when the asset is neither ready, failed nor being processed.
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

    /// Enqueues the repeated processing of a page of assets.
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

    /// Enqueues a job. `false` if such a job is pending already.
    pub(in crate::engine) async fn owe(&self, asset: &Asset, work: JobSubject, priority: Priority) -> Result<bool> {
        let (id, run_at) = (JobId(self.new_id()), self.store.now());
        let job = NewJob { id, work, tenant: asset.tenant, priority, run_at };
        match self.store.commit(Tx::new().with(NewRow::Job(job))).await {
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
