//! Numbers of the instance for metrics: sums that transactions keep, and counts up to a bound.

use super::OperationEngine;
use super::overview::{MAX_COUNTED_DELIVERIES, MAX_COUNTED_UPLOADS};
use crate::domain::clock::before;
use crate::engine::Result;
use crate::metrics::{InstanceSnapshot, StorageBytes};

/// State of assets whose bytes are in quarantine.
const REJECTED_STATE: &str = "rejected";

impl OperationEngine {
    /// Brings a snapshot up to date, as far as the database answers.
    #[tracing::instrument(skip_all)]
    pub async fn refresh_snapshot(&self, snapshot: &mut InstanceSnapshot) -> Result<()> {
        // First: a damaged database may answer nothing else.
        snapshot.alarms = self.collect_alarms().await?.len() as u64;
        snapshot.jobs = self.store.list_job_counts(None).await?;
        let damaged = self.count_damaged_assets().await?;
        snapshot.damaged = damaged.map(|(damage, count)| (damage, count as u64)).to_vec();
        let now = self.store.now();
        let idle_since = before(now, self.settings.stalled_after);
        let uploads = self.store.count_uploads(None, idle_since, MAX_COUNTED_UPLOADS).await?;
        snapshot.open_uploads = uploads.live;
        let mut storage = StorageBytes {
            reserved: uploads.reserved_bytes,
            orphaned: self.last_orphaned_bytes().await?.unwrap_or(0),
            ..StorageBytes::default()
        };
        for total in self.store.list_asset_totals(None).await? {
            let class = if total.state == REJECTED_STATE { &mut storage.quarantine } else { &mut storage.used };
            *class += total.bytes;
        }
        snapshot.storage = storage;
        let backlog = self.store.read_backlog_gauges(MAX_COUNTED_DELIVERIES).await?;
        snapshot.quota_ratio = backlog.quota_ratio;
        snapshot.dead_deliveries = backlog.dead_deliveries;
        snapshot.oldest_delivery = backlog.oldest_delivery;
        snapshot.maintenance = self.tenants.is_in_maintenance().await?;
        snapshot.inconsistencies = self.read_last_verification().await?.map_or(0, |report| report.inconsistencies);
        snapshot.taken_at = now;
        Ok(())
    }
}
