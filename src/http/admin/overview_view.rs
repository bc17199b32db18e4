//! Numbers for one screen, and failures by code, as answers. Pure.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::maintenance::{MaintenanceModeView, maintenance_mode_view};
use crate::domain::ids::AssetId;
use crate::domain::job::JobState;
use crate::engine::{FailureSource, FailureSummary, InstanceOverview, MinuteCount};
use crate::http::time_text::SortableTime;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Overview")]
pub(super) struct OverviewView {
    /// Uploads that have not ended; 10 000 means 10 000 or more.
    #[schemars(example = 3)]
    uploads_in_flight: u64,
    /// Uploads among these without activity for `uploads.stalled_after`.
    #[schemars(example = 1)]
    uploads_stalled: u64,
    /// Bytes of files that this node has stored in the last hour, the sum of the series; 0 for a single tenant.
    #[schemars(example = 734_003_200)]
    bytes_in: u64,
    /// Bytes of downloads that this node has begun to send in the last hour. Downloads that the store or a network sends
    /// are not seen. 0 for a single tenant.
    #[schemars(example = 734_003_200)]
    bytes_out: u64,
    /// Number of assets by state; states without assets are absent.
    assets: BTreeMap<String, u64>,
    /// Jobs by kind and state.
    jobs: Vec<JobCountView>,
    /// Number of dead jobs.
    #[schemars(example = 0)]
    dead_jobs: u64,
    /// Number of dead deliveries to webhooks; 10 000 means 10 000 or more.
    #[schemars(example = 0)]
    dead_deliveries: u64,
    /// Bytes in the store.
    storage: StorageView,
    /// Free bytes on the disk of the data directory; null if neither the database nor the store is embedded, and for a
    /// single tenant.
    #[schemars(example = 107_374_182_400_u64)]
    disk_free: Option<u64>,
    /// `enough`; `low`: make space now; `full`: new uploads are refused with 507. Null without a disk.
    #[schemars(example = &"enough")]
    disk_level: Option<&'static str>,
    /// Maintenance modes that are on: new uploads are refused with 503.
    maintenance: Vec<MaintenanceModeView>,
    /// Last hour of this node, an entry for every minute, oldest first. Kept in memory: other nodes count for
    /// themselves, and a restart begins anew. Empty for a single tenant.
    minutes: Vec<MinuteView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobCount")]
struct JobCountView {
    /// Kind of the jobs.
    #[schemars(example = &"process")]
    kind: &'static str,
    /// State: `ready` waits, `running` is taken by a worker, `dead` was given up.
    #[schemars(extend("enum" = JobState::ALL.map(JobState::name)))]
    state: &'static str,
    /// Number of jobs.
    #[schemars(example = 2)]
    count: u64,
    /// Time at which the oldest of them was due; of running jobs, at which the first lease ends.
    oldest_due_at: SortableTime,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Storage")]
struct StorageView {
    /// Bytes of assets that are kept, as tenants' quotas count them.
    #[schemars(example = 734_003_200)]
    used: u64,
    /// Bytes that uploads in flight may still bring.
    #[schemars(example = 16_777_216)]
    reserved: u64,
    /// Bytes of objects without a row that the last search found; null if there was no search yet, and for a
    /// single tenant.
    #[schemars(example = 0)]
    orphaned: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Minute")]
struct MinuteView {
    /// Start of the minute.
    at: SortableTime,
    /// Number of files whose last byte arrived.
    #[schemars(example = 2)]
    stored: u64,
    /// Bytes of these files.
    #[schemars(example = 16_777_216)]
    bytes_in: u64,
    /// Bytes of downloads that this node began to send.
    #[schemars(example = 16_777_216)]
    bytes_out: u64,
    /// Number of assets that this process made ready. Where another process works on jobs, it counts them: `/v1/admin/stats`
    /// has all.
    #[schemars(example = 2)]
    ready: u64,
    /// Number of assets that this process rejected.
    #[schemars(example = 0)]
    rejected: u64,
    /// Number of assets whose processing failed for good in this process.
    #[schemars(example = 0)]
    failed: u64,
}

fn minute_view(count: &MinuteCount) -> MinuteView {
    let MinuteCount { minute: _, stored, bytes_in, bytes_out, ready, rejected, failed } = *count;
    MinuteView { at: count.start().into(), stored, bytes_in, bytes_out, ready, rejected, failed }
}

pub(super) fn overview_view(overview: &InstanceOverview) -> OverviewView {
    let jobs = overview.jobs.iter().map(|counted| JobCountView {
        kind: counted.kind.name(),
        state: counted.state.name(),
        count: counted.count,
        oldest_due_at: counted.oldest.into(),
    });
    let assets = overview.assets.iter().filter(|total| total.files > 0);
    OverviewView {
        uploads_in_flight: overview.uploads.live,
        uploads_stalled: overview.uploads.idle,
        bytes_in: overview.minutes.iter().map(|minute| minute.bytes_in).sum(),
        bytes_out: overview.minutes.iter().map(|minute| minute.bytes_out).sum(),
        assets: assets.map(|total| (total.state.clone(), total.files)).collect(),
        jobs: jobs.collect(),
        dead_jobs: overview.dead_jobs(),
        dead_deliveries: overview.dead_deliveries,
        storage: StorageView {
            used: overview.used_bytes(),
            reserved: overview.uploads.reserved_bytes,
            orphaned: overview.orphaned_bytes,
        },
        disk_free: overview.disk.map(|disk| disk.free_bytes),
        disk_level: overview.disk.map(|disk| disk.level.name()),
        maintenance: overview.maintenance.iter().map(maintenance_mode_view).collect(),
        minutes: overview.minutes.iter().map(minute_view).collect(),
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FailureList")]
pub(super) struct FailureListView {
    /// Failures by code, the most frequent first.
    failures: Vec<FailureView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Failure")]
struct FailureView {
    /// Code: the reason of rejected and failed assets, `dead_job_` and the kind, `dead_delivery_` and the problem.
    #[schemars(example = &"infected")]
    code: String,
    /// Rows of the failures: `asset`, `job` or `delivery`.
    #[schemars(extend("enum" = ["asset", "job", "delivery"]))]
    source: &'static str,
    /// Number of failures.
    #[schemars(example = 12)]
    count: u64,
    /// Time of the last one.
    last_at: SortableTime,
    /// Recent failure; null if it is about no asset.
    sample: Option<FailureSampleView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FailureSample")]
struct FailureSampleView {
    /// Asset of the failure.
    asset: AssetId,
    /// Id of the request that began the upload; null if the audit trail does not have it.
    #[schemars(example = &"019aa3c1-7c40-7d2e-9f31-0b5f6f0c2a11")]
    request_id: Option<String>,
}

fn failure_view(failure: FailureSummary) -> FailureView {
    let FailureSummary { group, request } = failure;
    let (source, code) = match group.source {
        FailureSource::Asset => ("asset", group.code),
        FailureSource::Job => ("job", format!("dead_job_{}", group.code)),
        FailureSource::Delivery => ("delivery", format!("dead_delivery_{}", group.code)),
    };
    let sample = group.sample.map(|(_, asset)| FailureSampleView { asset, request_id: request });
    FailureView { code, source, count: group.count, last_at: group.last_at.into(), sample }
}

pub(super) fn failure_list_view(failures: Vec<FailureSummary>) -> FailureListView {
    FailureListView { failures: failures.into_iter().map(failure_view).collect() }
}
