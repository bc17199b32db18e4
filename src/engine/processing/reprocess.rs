//! Repeated processing of assets: a single asset, or a page of those that match a filter.

use super::{Error, ProcessingEngine, Result};
use crate::domain::access::{Action, Actor};
use crate::domain::asset::{Asset, AssetState};
use crate::domain::ids::AssetId;
use crate::domain::job::{JobSubject, Priority};
use crate::engine::assets::{AssetList, ListAssets};

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
        let asset = self.rows.load_asset_for(actor, Action::ProcessAsset, id).await?;
        if matches!(asset.state, AssetState::Stored(_) | AssetState::Processing(_)) {
            return Ok(());
        }
        let wrong = Error::WrongState { what: "asset", state: asset.state.name() };
        let work = work_for(&asset, again).ok_or(wrong)?;
        self.assets.owe(&asset, work, Priority::High).await.map(|_| ())
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
        let AssetList { assets, next } = self.assets.list_assets(actor, list).await?;
        let mut outcome = ReprocessSummary { next, ..ReprocessSummary::default() };
        for asset in assets {
            let owed = match work_for(&asset, again) {
                Some(work) => self.assets.owe(&asset, work, Priority::Low).await?,
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
}

fn work_for(asset: &Asset, again: ReprocessScope) -> Option<JobSubject> {
    match (&asset.state, again) {
        (AssetState::Ready(_), ReprocessScope::Everything) => Some(JobSubject::Recheck(asset.id)),
        (AssetState::Ready(_), ReprocessScope::Scan) => Some(JobSubject::Rescan(asset.id)),
        (AssetState::Failed { .. }, _) => Some(JobSubject::Process(asset.id)),
        _ => None,
    }
}
