//! Derivatives in the bucket: written under keys of a single attempt, removed when no row names them any more.
//!
//! An attempt that died may leave some behind; they are found by the asset's prefix.

use bytes::Bytes;

use super::{Error, ProcessingEngine, Result};
use crate::blob::{BlobKey, PutPayload};
use crate::crash;
use crate::domain::asset::{Asset, AssetState};
use crate::domain::findings::{AssetFindings, Derivative};
use crate::domain::job::{Job, JobSubject};
use crate::domain::reason::chain;

impl ProcessingEngine {
    /// Stores a derivative. `serial` distinguishes an attempt's derivatives; key, entity tag and size in `made` are
    /// replaced.
    #[tracing::instrument(skip_all, fields(asset = %asset.id, job = %job.id))]
    pub async fn put_derivative(
        &self,
        job: &Job,
        asset: &Asset,
        serial: u32,
        made: Derivative,
        bytes: Bytes,
    ) -> Result<Derivative> {
        let key = derivative_key(job, asset, serial).path();
        let size = bytes.len() as u64;
        let (etag, _) = self.blobs.put_object(&key, None, PutPayload::of(bytes)).await?;
        crash::point("derivative_written");
        Ok(Derivative { key, etag, size, ..made })
    }

    /// Removes derivatives that earlier attempts have left behind.
    #[tracing::instrument(skip_all, fields(asset = %asset.id))]
    pub async fn drop_leftover_derivatives(&self, asset: &Asset) -> Result<()> {
        let current = asset.state.content().map(|content| content.findings.clone()).unwrap_or_default();
        self.assets.drop_derivatives(asset, &current).await
    }

    /// Removes the derivatives that a worker made of an asset that was deleted meanwhile: the deletion may have listed
    /// the derivatives before the last was written.
    #[tracing::instrument(skip_all, fields(job = %job.id))]
    pub async fn remove_withdrawn(&self, job: &Job) -> Result<()> {
        let JobSubject::Process(id) = job.work else { return Ok(()) };
        match self.store.find_asset(id).await? {
            Some(asset) if matches!(asset.state, AssetState::Deleted { .. }) => {
                self.assets.drop_derivatives(&asset, &AssetFindings::default()).await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// After a repeated processing: removes the derivatives that the asset had before and has no more.
    pub(super) async fn drop_derivatives_of_old(&self, before: &Asset) {
        let AssetState::Ready(content) = &before.state else { return };
        if content.findings.derivatives.is_empty() {
            return;
        }
        let outcome = match self.store.find_asset(before.id).await {
            Ok(Some(now)) => self.drop_leftover_derivatives(&now).await,
            Ok(None) => Ok(()),
            Err(error) => Err(Error::from(error)),
        };
        if let Err(error) = outcome {
            tracing::warn!(asset = %before.id, error = %chain(&error), "old derivatives are left behind; the orphan search finds them");
        }
    }
}

pub(super) fn derivative_key(job: &Job, asset: &Asset, serial: u32) -> BlobKey {
    BlobKey::Derivative { tenant: asset.tenant, asset: asset.id, job: job.id, attempt: job.attempt, serial }
}
