//! Numbers for one screen: an operator sees all tenants and this node's last hour, everybody else who may read their
//! own tenant. Nothing here scans all assets: sums that transactions keep, counts up to a bound, and memory.

use serde_json::Value;

use super::OperationEngine;
use crate::domain::access::{Action, Actor, may_ask};
use crate::domain::clock::before;
use crate::domain::ids::TenantId;
use crate::domain::job::{Chore, JobCount, JobKind, JobState, JobSubject};
use crate::domain::maintenance::MaintenanceMode;
use crate::engine::disk::DiskState;
use crate::engine::minute_counts::MinuteCount;
use crate::engine::rows::tenant_of;
use crate::engine::{Error, Result};
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
    /// Bytes of orphaned objects that the last search found; `None` if there was none yet, and for a single tenant.
    pub orphaned_bytes: Option<u64>,
    /// The disk of the data directory; `None` if nothing is kept there, and for a single tenant.
    pub disk: Option<DiskState>,
    /// Maintenance modes that are on: of the instance, and of the tenants covered.
    pub maintenance: Vec<MaintenanceMode>,
    /// This node's last hour, a count for every minute; empty for a single tenant.
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
    /// Numbers of all tenants for an operator of the instance, of their own tenant for every other caller that may
    /// read. `named`: of this tenant, by name or id; `*`: of all tenants.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without the right to read, and for `*` without that to operate; [`Error::NotFound`] for
    /// another tenant.
    #[tracing::instrument(skip_all)]
    pub async fn overview(&self, actor: &Actor, named: Option<&str>) -> Result<InstanceOverview> {
        let tenant = self.load_overview_tenant(actor, named).await?;
        let now = self.store.now();
        let idle_since = before(now, self.settings.stalled_after);
        let jobs = self.store.list_job_counts(tenant).await?;
        let mut maintenance = self.store.list_maintenance_modes().await?;
        maintenance.retain(|mode| tenant.is_none() || mode.tenant.is_none() || mode.tenant == tenant);
        let instance = tenant.is_none();
        Ok(InstanceOverview {
            uploads: self.store.count_uploads(tenant, idle_since, MAX_COUNTED_UPLOADS).await?,
            assets: self.store.list_asset_totals(tenant).await?,
            jobs: jobs.into_iter().filter(|counted| !matches!(counted.kind, JobKind::Chore(_))).collect(),
            dead_deliveries: self.store.list_dead_deliveries(tenant, MAX_COUNTED_DELIVERIES).await?.len() as u64,
            orphaned_bytes: if instance { self.last_orphaned_bytes().await? } else { None },
            disk: if instance { self.disk.measure(now) } else { None },
            maintenance,
            minutes: if instance { self.rows.minute_counts.last_hour(now) } else { Vec::new() },
        })
    }

    /// The tenant whose numbers this caller sees; `None`: all tenants.
    pub(super) async fn load_overview_tenant(&self, actor: &Actor, named: Option<&str>) -> Result<Option<TenantId>> {
        may_ask(actor, Action::ListAssets)?;
        if named.is_some() {
            return self.tenants.load_listed_tenant(actor, named).await;
        }
        match self.tenants.require_operator(actor).await {
            Ok(()) => Ok(None),
            Err(Error::Forbidden) => tenant_of(actor).map(Some),
            Err(other) => Err(other),
        }
    }

    /// Bytes of orphaned objects that the last search found; `None` if there was none yet.
    pub(super) async fn last_orphaned_bytes(&self) -> Result<Option<u64>> {
        let chore = self.store.find_job(JobSubject::Chore(Chore::Orphans)).await?;
        let report = chore.and_then(|chore| chore.job.progress);
        Ok(report.as_ref().and_then(|last| last.pointer("/report/bytes")).and_then(Value::as_u64))
    }

    /// Failures by their codes, the most frequent first: of the same tenants as [`Self::overview`], with the same
    /// errors.
    #[tracing::instrument(skip_all)]
    pub async fn list_failures(&self, actor: &Actor, named: Option<&str>) -> Result<Vec<FailureSummary>> {
        let tenant = self.load_overview_tenant(actor, named).await?;
        let mut groups = self.store.list_failures(tenant).await?;
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
