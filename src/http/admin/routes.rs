//! The routes of the administration API, each with its description for the contract.

use serde_json::json;

use super::handlers;
use super::job_view::{AssetJobsView, JobHistoryView};
use super::overview_view::{FailureListView, OverviewView};
use super::queue_view::QueueListView;
use super::view::{
    AlarmListView, ChoreDryRunView, ChoreListView, ChoreStartView, ExtendedUploadView, HourlyStatsView, JobPageView,
    LogLevelView, ReprocessSummaryView, RetriedJobsView,
};
use super::wire::{
    DiscardJobBody, ExtendUploadBody, LogLevelBody, QueueConcurrencyBody, ReleaseAssetBody, ReprocessAssetBody,
    ReprocessAssetsBody, RetryDeadJobsBody, RunChoreBody,
};
use crate::domain::job::{JobKind, JobState};
use crate::http::openapi::access::{
    ADMIN_ACCESS, ADMIN_RESOURCE_ACCESS, OPERATOR_ACCESS, PROCESS_ASSET_ACCESS, PROCESS_TENANT_ACCESS,
    READ_TENANT_ACCESS,
};
use crate::http::openapi::{ApiRoutes, OperationSpec, one_of, op, string_type, time_type};

fn describe_job_list() -> OperationSpec {
    op("A page of jobs")
        .operation_id("listJobs")
        .access(ADMIN_ACCESS)
        .paged("after")
        .query("state", one_of(JobState::ALL.map(JobState::name)).optional(), "In this state only.")
        .query("kind", one_of(JobKind::ALL.map(JobKind::name)).optional(), "Of this kind only.")
        .query(
            "tenant",
            string_type().optional(),
            "Of this tenant, by name or id; `*`, for operators of the instance, of all tenants.",
        )
        .error_codes(&["not_found"])
}

pub(super) fn job_routes() -> ApiRoutes {
    let list = describe_job_list();
    let all = op("Retry up to a thousand dead jobs")
        .operation_id("retryDeadJobs")
        .description("Until it says 0 there may be more.")
        .access(ADMIN_ACCESS);
    let all = all
        .json_body::<RetryDeadJobsBody>(json!({ "kind": "process" }))
        .body_optional()
        .json_response::<RetriedJobsView>(200);
    ApiRoutes::for_tag("Administration")
        .get("/v1/admin/jobs", handlers::list_jobs, list.json_response::<JobPageView<'_>>(200))
        .post("/v1/admin/jobs/retry", handlers::retry_dead_jobs, all)
        .get(
            "/v1/admin/jobs/{id}",
            handlers::get_job,
            op("A job with every attempt")
                .operation_id("getJob")
                .access(ADMIN_RESOURCE_ACCESS)
                .description("Finished jobs are found by their attempts, which are kept for 30 days.")
                .json_response::<JobHistoryView<'_>>(200),
        )
        .get(
            "/v1/admin/assets/{id}/jobs",
            handlers::list_asset_jobs,
            op("Every job about an asset, with every attempt")
                .operation_id("listAssetJobs")
                .access(ADMIN_RESOURCE_ACCESS)
                .json_response::<AssetJobsView<'_>>(200),
        )
        .delete(
            "/v1/admin/jobs/{id}",
            handlers::discard_job,
            op("Discard a dead job")
                .operation_id("discardJob")
                .access(ADMIN_RESOURCE_ACCESS)
                .json_body::<DiscardJobBody>(json!({ "reason": "the sender has sent the file again" }))
                .body_optional()
                .empty_response(204, "It is gone; its asset stays as it is."),
        )
        .post(
            "/v1/admin/jobs/{id}/retry",
            handlers::retry_job,
            op("Retry a dead job")
                .operation_id("retryJob")
                .access(ADMIN_RESOURCE_ACCESS)
                .empty_response(202, "It is ready again."),
        )
}

pub(super) fn instance_routes() -> ApiRoutes {
    let run = op("Have a chore come round now")
        .operation_id("runChore")
        .access(OPERATOR_ACCESS)
        .json_body::<RunChoreBody>(json!({ "dry_run": true }))
        .body_optional();
    let run = run.json_response::<ChoreDryRunView>(200).json_response::<ChoreStartView>(202);
    let stats = op("What happened, by the hour").operation_id("getStats").access(ADMIN_ACCESS).query(
        "from",
        time_type().optional(),
        "A day ago, if not said.",
    );
    ApiRoutes::for_tag("Administration")
        .get(
            "/v1/admin/chores",
            handlers::list_chores,
            op("What comes round, and its last report")
                .operation_id("listChores")
                .access(OPERATOR_ACCESS)
                .json_response::<ChoreListView<'_>>(200),
        )
        .post("/v1/admin/chores/{name}/run", handlers::run_chore, run)
        .get(
            "/v1/admin/stats",
            handlers::get_stats,
            stats.query("to", time_type().optional(), "Now, if not said.").json_response::<HourlyStatsView<'_>>(200),
        )
        .get("/v1/admin/alarms", handlers::list_alarms, describe_alarms())
        .merge(queue_routes())
        .merge(log_level_routes())
}

fn log_level_routes() -> ApiRoutes {
    let read = op("Which log lines this process writes").operation_id("getLogLevel").access(OPERATOR_ACCESS);
    let change = op("Change which log lines this process writes")
        .operation_id("setLogLevel")
        .access(OPERATOR_ACCESS)
        .description(
            "Counts at once, on the node that answers, until the next change or the end of the process; `log.level` is \
             what it starts with. The audit trail tells of it.",
        )
        .json_body::<LogLevelBody>(json!({ "filter": "info,gantry::engine=debug" }))
        .json_response::<LogLevelView>(200);
    ApiRoutes::for_tag("Administration")
        .get("/v1/admin/log-level", handlers::get_log_level, read.json_response::<LogLevelView>(200))
        .put("/v1/admin/log-level", handlers::set_log_level, change)
}

fn queue_routes() -> ApiRoutes {
    ApiRoutes::for_tag("Administration")
        .get(
            "/v1/admin/queues",
            handlers::list_queues,
            op("How many jobs wait, run, are dead")
                .operation_id("listQueues")
                .access(ADMIN_ACCESS)
                .json_response::<QueueListView>(200),
        )
        .post(
            "/v1/admin/queues/{kind}/pause",
            handlers::pause_queue,
            op("Have no worker take jobs of this kind")
                .operation_id("pauseQueue")
                .access(OPERATOR_ACCESS)
                .empty_response(204, "Paused on every node.")
                .error_codes(&["invalid"]),
        )
        .post(
            "/v1/admin/queues/{kind}/resume",
            handlers::resume_queue,
            op("Take jobs of this kind again")
                .operation_id("resumeQueue")
                .access(OPERATOR_ACCESS)
                .empty_response(204, "Resumed.")
                .error_codes(&["invalid"]),
        )
        .put(
            "/v1/admin/queues/{kind}/concurrency",
            handlers::set_queue_concurrency,
            op("Set how many jobs of this kind run at once")
                .operation_id("setQueueConcurrency")
                .access(OPERATOR_ACCESS)
                .description(
                    "Each worker takes it up within seconds and keeps to it after a restart; jobs that run already \
                     continue. With null the worker's setting counts again. Not for kinds of which one job runs at a time.",
                )
                .json_body::<QueueConcurrencyBody>(json!({ "concurrency": 8 }))
                .empty_response(204, "Set for every worker.")
                .error_codes(&["invalid"]),
        )
}

pub(super) fn overview_routes() -> ApiRoutes {
    let tenant = || string_type().optional();
    let named = "Of this tenant, by name or id; `*`, for operators of the instance, of all tenants.";
    ApiRoutes::for_tag("Administration")
        .get(
            "/v1/admin/overview",
            handlers::get_overview,
            op("Numbers for one screen")
                .operation_id("getOverview")
                .access(READ_TENANT_ACCESS)
                .description(
                    "An operator of the instance sees all tenants, every other key that may read its own tenant.",
                )
                .query("tenant", tenant(), named)
                .error_codes(&["not_found"])
                .json_response::<OverviewView>(200),
        )
        .get(
            "/v1/admin/failures",
            handlers::list_failures,
            op("What fails, by code")
                .operation_id("listFailures")
                .access(READ_TENANT_ACCESS)
                .description(
                    "Rejected and failed assets, dead jobs and dead deliveries: of all tenants for an operator of the \
                     instance, of its own tenant for every other key that may read.",
                )
                .query("tenant", tenant(), named)
                .error_codes(&["not_found"])
                .json_response::<FailureListView>(200),
        )
}

/// What administrators do with uploads of others.
pub(super) fn upload_routes() -> ApiRoutes {
    let extend = op("Give an open upload more time")
        .operation_id("extendUpload")
        .access(ADMIN_RESOURCE_ACCESS)
        .description(
            "An operator of the instance extends uploads of every tenant. A time earlier than before changes nothing.",
        )
        .json_body::<ExtendUploadBody>(json!({ "expires_in": 86_400 }))
        .json_response::<ExtendedUploadView>(200);
    ApiRoutes::for_tag("Administration")
        .post("/v1/admin/uploads/{id}/extend", handlers::extend_upload, extend.error_codes(&["wrong_state", "gone"]))
        .delete(
            "/v1/admin/uploads/{id}",
            handlers::abort_upload,
            op("Abort an upload of any tenant")
                .operation_id("abortAnyUpload")
                .access(ADMIN_RESOURCE_ACCESS)
                .empty_response(204, "It is aborted, or had ended without a file.")
                .error_codes(&["wrong_state"]),
        )
}

fn describe_alarms() -> OperationSpec {
    op("What an operator should look at")
        .operation_id("listAlarms")
        .access(OPERATOR_ACCESS)
        .json_response::<AlarmListView>(200)
}

fn release_asset_operation() -> OperationSpec {
    op("Release an asset from quarantine")
        .operation_id("releaseAsset")
        .access(OPERATOR_ACCESS)
        .description(
            "A rejected asset whose bytes are still kept becomes `ready` and is delivered, with the event \
             `asset.ready`. The audit trail keeps the reason and the verdict. Processing it again may reject it again.",
        )
        .json_body::<ReleaseAssetBody>(json!({ "reason": "a false alarm, confirmed by the vendor" }))
        .empty_response(204, "It is ready.")
        .error_codes(&["wrong_state", "gone", "not_found"])
}

pub(super) fn reprocess_routes() -> ApiRoutes {
    let many = op("Have all assets that a filter names looked at again")
        .operation_id("reprocessAssets")
        .access(PROCESS_TENANT_ACCESS)
        .description("A key needs `process` and `read`.");
    let many = many
        .json_body::<ReprocessAssetsBody>(json!({ "scan_only": true, "state": "failed" }))
        .body_optional()
        .json_response::<ReprocessSummaryView<'_>>(202);
    let one = op("Have an asset looked at again")
        .operation_id("reprocessAsset")
        .access(PROCESS_ASSET_ACCESS)
        .json_body::<ReprocessAssetBody>(json!({ "scan_only": true }))
        .body_optional();
    ApiRoutes::for_tag("Processing")
        .post("/v1/admin/reprocess", handlers::reprocess_assets, many)
        .post("/v1/admin/assets/{id}/release", handlers::release_asset, release_asset_operation())
        .post(
            "/v1/assets/{id}/reprocess",
            handlers::reprocess_asset,
            one.empty_response(202, "A job is under way.").error_codes(&["wrong_state", "gone", "conflict"]),
        )
}
