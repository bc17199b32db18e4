//! The part of the port for operators: lists and counts over many rows, each bounded by an index or by a number of rows
//! to examine.

use async_trait::async_trait;

use super::Result;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{AssetId, DeliveryId, JobId, KeyId, TenantId, UploadId};
use crate::domain::job::{JobEntry, JobKind, JobState};
use crate::domain::job_attempt::{AttemptMinute, JobAttempt};
use crate::domain::name::FileName;
use crate::domain::node::ServiceNode;
use crate::domain::upload::{Upload, UploadProtocol, UploadState};

/// Filter and page of a list of uploads. Newest first.
#[derive(Clone, Copy, Debug, Default)]
pub struct UploadQuery {
    /// Only uploads of this tenant; `None`: of all tenants.
    pub tenant: Option<TenantId>,
    /// Only uploads of this asset.
    pub asset: Option<AssetId>,
    /// Only uploads in this state.
    pub state: Option<UploadState>,
    /// Only uploads that this key created.
    pub owner: Option<KeyId>,
    /// Only uploads of this protocol.
    pub protocol: Option<UploadProtocol>,
    /// Only uploads whose client was last seen at this time or earlier, and that have not ended unless `state` says
    /// so.
    pub idle_since: Option<Timestamp>,
    /// Only uploads created at this time or later.
    pub created_after: Option<Timestamp>,
    /// Cursor: the last upload of the previous page. The page holds older uploads.
    pub after: Option<UploadId>,
    /// Maximum number of rows.
    pub limit: u32,
}

/// An upload in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct UploadEntry {
    /// The upload.
    pub upload: Upload,
    /// The name of its file.
    pub filename: FileName,
}

/// A page of uploads.
#[derive(Clone, Debug)]
pub struct UploadPage {
    /// Uploads, newest first. A page may be shorter than the limit, or empty, although more follow.
    pub uploads: Vec<UploadEntry>,
    /// Cursor of the next page; `None` at the end.
    pub next: Option<UploadId>,
}

/// Numbers of uploads that have not ended, counted up to a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UploadCount {
    /// Uploads.
    pub live: u64,
    /// Uploads without activity since a given time.
    pub idle: u64,
    /// Bytes that they may still bring, as tenants' quotas count them.
    pub reserved_bytes: u64,
}

/// Number and bytes of the assets in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetTotal {
    /// Name of the state.
    pub state: String,
    /// Assets, without pieces of other files.
    pub files: u64,
    /// Bytes, as tenants' quotas count them.
    pub bytes: u64,
}

/// Origin of a group of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureSource {
    /// Rejected and failed assets.
    Asset,
    /// Dead jobs.
    Job,
    /// Dead deliveries to webhooks.
    Delivery,
}

/// Failures with the same code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureGroup {
    /// Origin.
    pub source: FailureSource,
    /// Code of the verdict; kind of the jobs; problem of the deliveries.
    pub code: String,
    /// Number of failures.
    pub count: u64,
    /// The last failure.
    pub last_at: Timestamp,
    /// Tenant and asset of a recent failure, if it is about an asset.
    pub sample: Option<(TenantId, AssetId)>,
}

/// Numbers for metrics, of all tenants.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BacklogGauges {
    /// Largest share of a quota that a tenant uses; 1 is all of it.
    pub quota_ratio: f64,
    /// Dead deliveries to webhooks, counted up to a bound.
    pub dead_deliveries: u64,
    /// Creation of the oldest delivery that is not made yet.
    pub oldest_delivery: Option<Timestamp>,
}

/// Reads rows for operators.
#[async_trait]
pub trait OperationStore: Send + Sync {
    /// A page of uploads. The time per page does not depend on the number of rows.
    async fn list_uploads(&self, query: &UploadQuery) -> Result<UploadPage>;
    /// Numbers of uploads that have not ended, at most `most` of which are examined, the oldest first. `None` for
    /// `tenant`: of all tenants.
    async fn count_uploads(&self, tenant: Option<TenantId>, idle_since: Timestamp, most: u32) -> Result<UploadCount>;
    /// Numbers of assets by state, from sums that every transaction keeps. `None`: of all tenants.
    async fn list_asset_totals(&self, tenant: Option<TenantId>) -> Result<Vec<AssetTotal>>;
    /// Writes: adds up what transactions have noted for the sums of assets. The sums say the same before and after.
    async fn settle_asset_totals(&self) -> Result<()>;
    /// Writes: adds names of new assets to the index in which text is searched, at most so many batches. True if it has
    /// all of them then.
    async fn index_asset_names(&self, batches: u32) -> Result<bool>;
    /// A tenant's job by its id; `None` for `tenant`: of any tenant.
    async fn find_job_by_id(&self, id: JobId, tenant: Option<TenantId>) -> Result<Option<JobEntry>>;
    /// Ids of jobs of this kind in this state, oldest first.
    async fn list_job_ids(&self, kind: JobKind, state: JobState, limit: u32) -> Result<Vec<JobId>>;
    /// Attempts of a job that have ended, in their order, the last `limit`. Kept for 30 days, also for finished jobs.
    async fn list_job_attempts(&self, job: JobId, limit: u32) -> Result<Vec<JobAttempt>>;
    /// Jobs about an asset that are not finished, dead ones too, oldest first.
    async fn list_asset_jobs(&self, asset: AssetId) -> Result<Vec<JobEntry>>;
    /// Attempts of all jobs about an asset that have ended, in the order in which they began, the last `limit`.
    async fn list_asset_attempts(&self, asset: AssetId, limit: u32) -> Result<Vec<JobAttempt>>;
    /// Ends of attempts by kind and minute, in order, at most the last `most` since `since`. `None`: of all tenants.
    async fn count_attempt_minutes(
        &self,
        tenant: Option<TenantId>,
        since: Timestamp,
        most: u32,
    ) -> Result<Vec<AttemptMinute>>;
    /// Ids of dead deliveries, newest first. `None`: of all tenants.
    async fn list_dead_deliveries(&self, tenant: Option<TenantId>, limit: u32) -> Result<Vec<DeliveryId>>;
    /// Inserts or replaces the row of a process, and deletes rows that were last written before `forgotten`.
    async fn note_node(&self, node: &ServiceNode, forgotten: Timestamp) -> Result<()>;
    /// Deletes the row of a process.
    async fn forget_node(&self, id: uuid::Uuid) -> Result<()>;
    /// The processes that were seen after this time, by name.
    async fn list_nodes(&self, seen_after: Timestamp) -> Result<Vec<ServiceNode>>;
    /// Numbers for metrics; at most `most` dead deliveries are counted.
    async fn read_backlog_gauges(&self, most: u32) -> Result<BacklogGauges>;
    /// Failures by their codes: rejected and failed assets, dead jobs, dead deliveries. `None`: of all tenants.
    async fn list_failures(&self, tenant: Option<TenantId>) -> Result<Vec<FailureGroup>>;
}
