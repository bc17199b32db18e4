//! What an operator sees on one screen: numbers of all tenants, and this node's last hour. Nothing here scans all
//! assets: sums that transactions keep, counts up to a bound, and memory.

use serde_json::Value;

use super::OperationEngine;
use crate::domain::access::Actor;
use crate::domain::clock::before;
use crate::domain::job::{Chore, JobCount, JobKind, JobState, JobSubject};
use crate::domain::maintenance::MaintenanceMode;
use crate::engine::Result;
use crate::engine::disk::DiskState;
use crate::engine::minute_counts::MinuteCount;
use crate::store::{AssetTotal, FailureGroup, UploadCount};

/// Most uploads that are examined; a count of so many means at least so many.
pub(super) const MAX_COUNTED_UPLOADS: u32 = 10_000;
/// Most dead deliveries that are counted.
pub(super) const MAX_COUNTED_DELIVERIES: u32 = 10_000;

/// Numbers for one screen.
#[derive(Clone, Debug)]
pub struct InstanceOverview {
    /// Uploads that have not ended.
    pub uploads: UploadCount,
    /// Assets by state.
    pub assets: Vec<AssetTotal>,
    /// Jobs by kind and state, without chores.
    pub jobs: Vec<JobCount>,
    /// Dead deliveries to webhooks.
    pub dead_deliveries: u64,
    /// Bytes of orphaned objects that the last search found; `None` if there was none yet.
    pub orphaned_bytes: Option<u64>,
    /// The disk of the data directory; `None` if nothing is kept there.
    pub disk: Option<DiskState>,
    /// Maintenance modes that are on.
    pub maintenance: Vec<MaintenanceMode>,
    /// This node's last hour, a count for every minute.
    pub minutes: Vec<MinuteCount>,
}

/// Failures with the same code, and the request that began a recent one.
#[derive(Clone, Debug)]
pub struct FailureSummary {
    /// The group.
    pub group: FailureGroup,
    /// Request that created the upload of the sample.
    pub request: Option<String>,
}

impl OperationEngine {
    /// Numbers of all tenants.
    #[tracing::instrument(skip_all)]
    pub async fn overview(&self, actor: &Actor) -> Result<InstanceOverview> {
        self.tenants.require_operator(actor).await?;
        let now = self.store.now();
        let idle_since = before(now, self.settings.stalled_after);
        let jobs = self.store.list_job_counts(None).await?;
        Ok(InstanceOverview {
            uploads: self.store.count_uploads(idle_since, MAX_COUNTED_UPLOADS).await?,
            assets: self.store.list_asset_totals().await?,
            jobs: jobs.into_iter().filter(|counted| !matches!(counted.kind, JobKind::Chore(_))).collect(),
            dead_deliveries: self.store.list_dead_deliveries(MAX_COUNTED_DELIVERIES).await?.len() as u64,
            orphaned_bytes: self.last_orphaned_bytes().await?,
            disk: self.disk.measure(now),
            maintenance: self.store.list_maintenance_modes().await?,
            minutes: self.rows.minute_counts.last_hour(now),
        })
    }

    /// Bytes of orphaned objects that the last search found; `None` if there was none yet.
    pub(super) async fn last_orphaned_bytes(&self) -> Result<Option<u64>> {
        let chore = self.store.find_job(JobSubject::Chore(Chore::Orphans)).await?;
        let report = chore.and_then(|chore| chore.job.progress);
        Ok(report.as_ref().and_then(|last| last.pointer("/report/bytes")).and_then(Value::as_u64))
    }

    /// Failures of all tenants by their codes, the most frequent first.
    #[tracing::instrument(skip_all)]
    pub async fn list_failures(&self, actor: &Actor) -> Result<Vec<FailureSummary>> {
        self.tenants.require_operator(actor).await?;
        let mut groups = self.store.list_failures().await?;
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        let mut failures = Vec::with_capacity(groups.len());
        for group in groups {
            let request = match group.sample {
                Some((tenant, asset)) => self.audit.creating_request(tenant, asset).await?,
                None => None,
            };
            failures.push(FailureSummary { group, request });
        }
        Ok(failures)
    }
}

impl InstanceOverview {
    /// Number of dead jobs.
    #[must_use]
    pub fn dead_jobs(&self) -> u64 {
        self.jobs.iter().filter(|counted| counted.state == JobState::Dead).map(|counted| counted.count).sum()
    }

    /// Bytes of all assets.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.assets.iter().map(|total| total.bytes).sum()
    }
}
