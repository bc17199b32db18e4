//! process, as far as rows are concerned: a worker takes a job, and settles it.
//!
//! What the worker found out is written together with the end of its job, so that a worker which lost its lease
//! changes nothing: its attempt is fenced.

use super::{Engine, Error, Result};
use crate::domain::asset::{Asset, AssetState, Inspection, Verdict};
use crate::domain::event::EventKind;
use crate::domain::job::Job;
use crate::store::{StoreError, Tx, Write};

/// What inspection came to.
#[derive(Clone, Debug)]
pub enum Inspected {
    /// Nothing speaks against it.
    Sound(Inspection),
    /// It is not what was declared, or not allowed.
    Unsound(Inspection, Verdict),
}

impl Engine {
    /// Begins processing the asset of a job. `None`: there is nothing left to do, and the job is finished.
    pub async fn begin_inspection(&self, job: &Job) -> Result<Option<Asset>> {
        let Some(asset) = self.0.store.asset(job.asset).await? else {
            return self.drop_job(job).await;
        };
        match asset.state {
            // An attempt before this one got as far as this.
            AssetState::Processing(_) => return Ok(Some(asset)),
            AssetState::Stored(_) | AssetState::Failed { .. } => {}
            AssetState::Awaiting | AssetState::Abandoned | AssetState::Ready(_) => return self.drop_job(job).await,
            AssetState::Rejected { .. } | AssetState::Deleted { .. } => return self.drop_job(job).await,
        }
        let mut processing = asset.process(self.0.store.now())?;
        let tx = Tx::new().asset(&mut processing, EventKind::AssetProcessing);
        self.commit(tx, processing.id).await?;
        Ok(Some(processing))
    }

    async fn drop_job(&self, job: &Job) -> Result<Option<Asset>> {
        self.0.store.commit(Tx::new().with(Write::FinishJob(job.clone()))).await?;
        Ok(None)
    }

    /// Writes what was found and ends the job, together. `false`: the lease was lost and nothing was written.
    pub async fn settle_inspection(&self, job: &Job, asset: Asset, outcome: Inspected) -> Result<bool> {
        let now = self.0.store.now();
        let (settled, kind) = match outcome {
            Inspected::Sound(found) => (asset.ready(found, now)?, EventKind::AssetReady),
            Inspected::Unsound(found, verdict) => {
                let quarantine = self.0.settings.quarantine;
                (asset.reject(found, verdict, quarantine, now)?, EventKind::AssetRejected)
            }
        };
        self.settle(job, settled, kind, Write::FinishJob(job.clone())).await
    }

    /// Gives a job up for good: the asset failed, and the job is kept among the dead.
    pub async fn fail_inspection(&self, job: &Job, why: &str) -> Result<bool> {
        let now = self.0.store.now();
        let asset = self.0.store.asset(job.asset).await?.ok_or(Error::Hidden)?;
        let asset = if matches!(asset.state, AssetState::Processing(_)) { asset } else { asset.process(now)? };
        let verdict = Verdict {
            code: "processing_failed".to_owned(),
            sentence: "Processing was tried several times and did not succeed.".to_owned(),
        };
        let failed = asset.fail(verdict, now)?;
        self.settle(job, failed, EventKind::AssetFailed, Write::ReleaseJob(job.clone(), None, why.to_owned())).await
    }

    async fn settle(&self, job: &Job, asset: Asset, kind: EventKind, end: Write) -> Result<bool> {
        let mut asset = asset;
        let tx = Tx::new().asset(&mut asset, kind).with(end);
        match self.commit(tx, job.asset).await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(other) => Err(other.into()),
        }
    }

    /// How many bytes are hashed although nobody declared a digest.
    #[must_use]
    pub fn digest_up_to(&self) -> u64 {
        self.0.settings.digest_up_to
    }
}
