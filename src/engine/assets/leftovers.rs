//! Bytes of assets that are no longer delivered, and jobs that are owed for an asset.

use std::time::Duration;

use super::AssetEngine;
use crate::blob::BlobKey;
use crate::crash;
use crate::domain::asset::{Asset, LeftoverBytes};
use crate::domain::clock::after;
use crate::domain::event::EventKind;
use crate::domain::findings::AssetFindings;
use crate::domain::ids::JobId;
use crate::domain::job::{JobSubject, NewJob, Priority};
use crate::engine::Result;
use crate::store::{NewRow, Tx};
use crate::traces;

impl AssetEngine {
    /// Removes the object of an asset that is no longer delivered. While its upload's URL is valid, the object may be
    /// written again, so another removal is scheduled.
    pub(in crate::engine) async fn purge_asset_bytes(&self, asset: Asset) -> Result<()> {
        let Some(content) = asset.state.content().cloned() else { return Ok(()) };
        let (since, last_url) = (content.stored_at, after(content.stored_at, self.rows.upload_timeouts().url_ttl));
        let left_of_url = Duration::try_from(last_url.duration_since(self.store.now())).unwrap_or_default();
        let closed = !left_of_url.is_zero() && self.blobs.close_key(&content.key, left_of_url).await?;
        if !closed {
            self.blobs.delete(&content.key).await?;
        }
        self.drop_derivatives(&asset, &AssetFindings::default()).await?;
        crash::point("after_delete_at_store");
        let now = self.store.now();
        let next = self.uploads.next_check_at(since, last_url, now).filter(|_| !closed);
        let left = next.map_or(LeftoverBytes::Gone, LeftoverBytes::Until);
        let mut purged = asset.purge(left)?;
        purged.changed_at = now;
        let told = left == LeftoverBytes::Gone;
        let tx = if told {
            Tx::new().asset(&mut purged, EventKind::AssetPurged)
        } else {
            Tx::new().quiet_asset(&mut purged)
        };
        // The sweeper comes again after another request was faster.
        self.rows.commit_if_unchanged(tx).await.map(|_| ())
    }

    /// Removes all derivatives of an asset except those in `kept`.
    pub(in crate::engine) async fn drop_derivatives(&self, asset: &Asset, kept: &AssetFindings) -> Result<()> {
        let prefix = BlobKey::derivatives_of(asset.tenant, asset.id);
        let mut after = None;
        loop {
            let page = self.blobs.list(&prefix, after.as_deref()).await?;
            for object in page.items {
                if !kept.derivatives.iter().any(|made| made.key == object.key) {
                    self.blobs.delete(&object.key).await?;
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Enqueues a job. `false` if such a job is pending already.
    pub(in crate::engine) async fn owe(&self, asset: &Asset, work: JobSubject, priority: Priority) -> Result<bool> {
        let (id, run_at) = (JobId(self.rows.new_id()), self.store.now());
        let traceparent = traces::current_traceparent();
        let job = NewJob { id, work, tenant: asset.tenant, priority, run_at, traceparent };
        self.rows.commit_if_unchanged(Tx::new().with(NewRow::Job(job))).await
    }
}
