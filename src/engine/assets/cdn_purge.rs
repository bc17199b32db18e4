//! CDN purge: tells a content delivery network what it must no longer serve. The job is created in the transaction that
//! takes the asset away.
//!
//! The call names paths and path prefixes, not URLs, because the content must go whatever query it is cached under.

use serde_json::json;

use super::AssetEngine;
use crate::domain::asset::Asset;
use crate::domain::ids::{AssetId, JobId, TenantId};
use crate::domain::job::{Job, JobSubject, NewJob, Priority};
use crate::engine::Result;
use crate::store::{RowChange, Tx};
use crate::traces;

/// A call of the purge hook.
#[derive(Clone)]
pub struct PurgeCall {
    /// URL of the hook.
    pub url: String,
    /// Bearer token (`Authorization: Bearer`).
    pub token: Option<String>,
    /// Body, as JSON.
    pub body: Vec<u8>,
}

impl AssetEngine {
    /// Adds a purge job to the transaction if a CDN and a hook are configured. A job that is pending already suffices.
    pub(in crate::engine) fn with_purge(&self, tx: Tx, asset: &Asset) -> Tx {
        let deliveries = &self.settings.deliveries;
        if deliveries.cdn.is_none() || deliveries.purge.is_none() {
            return tx;
        }
        tx.with(RowChange::OweJob(NewJob {
            id: JobId(self.rows.new_id()),
            work: JobSubject::Purge(asset.id),
            tenant: asset.tenant,
            priority: Priority::High,
            run_at: self.store.now(),
            traceparent: traces::current_traceparent(),
        }))
    }

    /// The purge call for an asset. `None` if there is nothing to purge, or no hook.
    #[tracing::instrument(skip_all, fields(asset = %id))]
    pub async fn purge_call(&self, id: AssetId) -> Result<Option<PurgeCall>> {
        let deliveries = &self.settings.deliveries;
        let (Some(cdn), Some(hook)) = (&deliveries.cdn, &deliveries.purge) else { return Ok(None) };
        let Some(asset) = self.store.find_asset(id).await? else { return Ok(None) };
        let paths: Vec<String> = asset.state.content().map(|content| cdn.path(&content.key)).into_iter().collect();
        let prefixes = [cdn.path(&derivatives(asset.tenant, id))];
        let body = json!({ "asset_id": id, "paths": paths, "prefixes": prefixes }).to_string().into_bytes();
        Ok(Some(PurgeCall { url: hook.url.clone(), token: hook.token.clone(), body }))
    }

    /// Finishes a job. `false` if its lease was lost.
    #[tracing::instrument(skip_all, fields(job = %job.id))]
    pub async fn finish_job(&self, job: &Job) -> Result<bool> {
        self.rows.commit_if_unchanged(Tx::new().with(RowChange::FinishJob(job.clone()))).await
    }
}

fn derivatives(tenant: TenantId, asset: AssetId) -> String {
    crate::blob::BlobKey::derivatives_of(tenant, asset)
}
