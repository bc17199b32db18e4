//! The routes of the administration API, each with its description for the contract.

use serde_json::json;

use super::handlers;
use super::wire::{ReprocessAssetBody, ReprocessAssetsBody, RetryDeadJobsBody, RunChoreBody};
use crate::domain::job::JobKind;
use crate::http::openapi::access::{
    ADMIN_ACCESS, ADMIN_RESOURCE_ACCESS, OPERATOR_ACCESS, PROCESS_ASSET_ACCESS, PROCESS_TENANT_ACCESS,
};
use crate::http::openapi::{ApiRoutes, one_of, op};

pub(super) fn job_routes() -> ApiRoutes {
    let list = op("A page of jobs").operation_id("listJobs").access(ADMIN_ACCESS).paged("after");
    let list = list.query("state", "one of ready|running|dead*", "In this state only.").query(
        "kind",
        one_of(JobKind::ALL.map(JobKind::name)) + "*",
        "Of this kind only.",
    );
    let all = op("Retry up to a thousand dead jobs")
        .operation_id("retryDeadJobs")
        .description("Until it says 0 there may be more.")
        .access(ADMIN_ACCESS);
    let all = all
        .json_body::<RetryDeadJobsBody>(json!({ "kind": "process" }))
        .body_optional()
        .json_response(200, json!({ "retried": "int = 12" }));
    ApiRoutes::for_tag("Administration")
        .define_shape("Job", job_shape())
        .get(
            "/v1/admin/jobs",
            handlers::list_jobs,
            list.json_response(200, json!({ "jobs": ["@Job"], "next_after": "uuid?" })),
        )
        .post("/v1/admin/jobs/retry", handlers::retry_dead_jobs, all)
        .delete(
            "/v1/admin/jobs/{id}",
            handlers::discard_job,
            op("Discard a dead job")
                .operation_id("discardJob")
                .access(ADMIN_RESOURCE_ACCESS)
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

fn job_shape() -> serde_json::Value {
    json!({
        "id": "uuid",
        "kind": "text = process",
        "state": "one of dead|ready|running",
        "asset_id": "uuid?",
        "attempt": "int = 8",
        "tries": "int = 8",
        "due_at": "time",
        "created_at": "time",
        "last_error": "text? = the storage did not answer",
        "steps_done": "any",
    })
}

pub(super) fn instance_routes() -> ApiRoutes {
    let chore = json!({ "name": "text = sweep", "state": "one of ready|running|dead", "next_at": "time", "last_at": "time?",
        "last_millis": "int?", "last_report": "any", "last_error": "text?" });
    let run = op("Have a chore come round now")
        .operation_id("runChore")
        .access(OPERATOR_ACCESS)
        .json_body::<RunChoreBody>(json!({ "dry_run": true }))
        .body_optional();
    let run = run
        .json_response(200, json!({ "dry_run": "bool", "would": "any" }))
        .json_response(202, json!({ "begins": "bool" }));
    let stats = op("What happened, by the hour").operation_id("getStats").access(ADMIN_ACCESS).query(
        "from",
        "time*",
        "A day ago, if not said.",
    );
    let hour = json!({ "hour": "time", "type": "text = asset.ready", "count": "int = 17", "bytes": "int = 734003200" });
    ApiRoutes::for_tag("Administration")
        .get(
            "/v1/admin/chores",
            handlers::list_chores,
            op("What comes round, and its last report")
                .operation_id("listChores")
                .access(OPERATOR_ACCESS)
                .json_response(200, json!({ "chores": [chore] })),
        )
        .post("/v1/admin/chores/{name}/run", handlers::run_chore, run)
        .get(
            "/v1/admin/stats",
            handlers::get_stats,
            stats.query("to", "time*", "Now, if not said.").json_response(200, json!({ "hours": [hour] })),
        )
        .get("/v1/admin/alarms", handlers::list_alarms, describe_alarms())
        .merge(queue_routes())
}

fn queue_routes() -> ApiRoutes {
    let queue = json!({ "kind": "text = process", "paused": "bool = false", "ready": "int = 0", "running": "int = 2",
        "dead": "int = 0", "oldest_due_at": "time?" });
    ApiRoutes::for_tag("Administration")
        .get(
            "/v1/admin/queues",
            handlers::list_queues,
            op("How many jobs wait, run, are dead")
                .operation_id("listQueues")
                .access(ADMIN_ACCESS)
                .json_response(200, json!({ "queues": [queue] })),
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
}

fn describe_alarms() -> crate::http::openapi::OperationSpec {
    let alarm = json!({ "code": "text = dead_letters", "sentence": "text = 2 jobs are dead." });
    op("What an operator should look at")
        .operation_id("listAlarms")
        .access(OPERATOR_ACCESS)
        .json_response(200, json!({ "alarms": [alarm] }))
}

pub(super) fn reprocess_routes() -> ApiRoutes {
    let many = op("Have all assets that a filter names looked at again")
        .operation_id("reprocessAssets")
        .access(PROCESS_TENANT_ACCESS)
        .description("A key needs `process` and `read`.");
    let many = many
        .json_body::<ReprocessAssetsBody>(json!({ "scan_only": true, "state": "failed" }))
        .body_optional()
        .json_response(202, json!({ "enqueued": "int = 12", "skipped": "int = 0", "next_cursor": "text?" }));
    let one = op("Have an asset looked at again")
        .operation_id("reprocessAsset")
        .access(PROCESS_ASSET_ACCESS)
        .json_body::<ReprocessAssetBody>(json!({ "scan_only": true }))
        .body_optional();
    ApiRoutes::for_tag("Processing").post("/v1/admin/reprocess", handlers::reprocess_assets, many).post(
        "/v1/assets/{id}/reprocess",
        handlers::reprocess_asset,
        one.empty_response(202, "A job is under way.").error_codes(&["wrong_state", "gone", "conflict"]),
    )
}
