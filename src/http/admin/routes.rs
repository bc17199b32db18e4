//! The routes of administration, each with what is said of it.

use serde_json::json;

use super::super::openapi::access::{ADMINISTERS, ADMINISTERS_ONE, OPERATES, PROCESSES, PROCESSES_MANY};
use super::super::openapi::{Routes, one_of, op};
use super::handlers;
use super::wire::{Reprocess, ReprocessMany, RetryDead, RunChore};
use crate::domain::job::JobKind;

pub(super) fn jobs() -> Routes {
    let list = op("A page of jobs").named("listJobs").may(ADMINISTERS).paged("after");
    let list = list.query("state", "one of ready|running|dead*", "In this state only.").query(
        "kind",
        one_of(JobKind::ALL.map(JobKind::name)) + "*",
        "Of this kind only.",
    );
    let all = op("Retry up to a thousand dead jobs")
        .named("retryDeadJobs")
        .tells("Until it says 0 there may be more.")
        .may(ADMINISTERS);
    let all =
        all.takes::<RetryDead>(json!({ "kind": "process" })).or_nothing().gives(200, json!({ "retried": "int = 12" }));
    Routes::of("Administration")
        .names("Job", job())
        .get("/v1/admin/jobs", handlers::jobs, list.gives(200, json!({ "jobs": ["@Job"], "next_after": "uuid?" })))
        .post("/v1/admin/jobs/retry", handlers::retry_dead, all)
        .delete(
            "/v1/admin/jobs/{id}",
            handlers::discard_job,
            op("Discard a dead job")
                .named("discardJob")
                .may(ADMINISTERS_ONE)
                .done(204, "It is gone; its asset stays as it is."),
        )
        .post(
            "/v1/admin/jobs/{id}/retry",
            handlers::retry_job,
            op("Retry a dead job").named("retryJob").may(ADMINISTERS_ONE).done(202, "It is ready again."),
        )
}

fn job() -> serde_json::Value {
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

pub(super) fn instance() -> Routes {
    let chore = json!({ "name": "text = sweep", "state": "one of ready|running|dead", "next_at": "time", "last_at": "time?",
        "last_millis": "int?", "last_report": "any", "last_error": "text?" });
    let run = op("Have a chore come round now")
        .named("runChore")
        .may(OPERATES)
        .takes::<RunChore>(json!({ "dry_run": true }))
        .or_nothing();
    let run = run.gives(200, json!({ "dry_run": "bool", "would": "any" })).gives(202, json!({ "begins": "bool" }));
    let stats = op("What happened, by the hour").named("getStats").may(ADMINISTERS).query(
        "from",
        "time*",
        "A day ago, if not said.",
    );
    let hour = json!({ "hour": "time", "type": "text = asset.ready", "count": "int = 17", "bytes": "int = 734003200" });
    Routes::of("Administration")
        .get(
            "/v1/admin/chores",
            handlers::chores,
            op("What comes round, and its last report")
                .named("listChores")
                .may(OPERATES)
                .gives(200, json!({ "chores": [chore] })),
        )
        .post("/v1/admin/chores/{name}/run", handlers::run_chore, run)
        .get(
            "/v1/admin/stats",
            handlers::stats,
            stats.query("to", "time*", "Now, if not said.").gives(200, json!({ "hours": [hour] })),
        )
        .get("/v1/admin/alarms", handlers::alarms, alarms())
        .and(queues())
}

fn queues() -> Routes {
    let queue = json!({ "kind": "text = process", "paused": "bool = false", "ready": "int = 0", "running": "int = 2",
        "dead": "int = 0", "oldest_due_at": "time?" });
    Routes::of("Administration")
        .get(
            "/v1/admin/queues",
            handlers::queues,
            op("How many jobs wait, run, are dead")
                .named("listQueues")
                .may(ADMINISTERS)
                .gives(200, json!({ "queues": [queue] })),
        )
        .post(
            "/v1/admin/queues/{kind}/pause",
            handlers::pause,
            op("Have no worker take jobs of this kind")
                .named("pauseQueue")
                .may(OPERATES)
                .done(204, "Paused on every node.")
                .fails(&["invalid"]),
        )
        .post(
            "/v1/admin/queues/{kind}/resume",
            handlers::resume,
            op("Take jobs of this kind again")
                .named("resumeQueue")
                .may(OPERATES)
                .done(204, "Resumed.")
                .fails(&["invalid"]),
        )
}

fn alarms() -> super::super::openapi::Op {
    let alarm = json!({ "code": "text = dead_letters", "sentence": "text = 2 jobs are dead." });
    op("What an operator should look at").named("listAlarms").may(OPERATES).gives(200, json!({ "alarms": [alarm] }))
}

pub(super) fn again() -> Routes {
    let many = op("Have all assets that a filter names looked at again")
        .named("reprocessAssets")
        .may(PROCESSES_MANY)
        .tells("A key needs `process` and `read`.");
    let many = many
        .takes::<ReprocessMany>(json!({ "scan_only": true, "state": "failed" }))
        .or_nothing()
        .gives(202, json!({ "enqueued": "int = 12", "skipped": "int = 0", "next_cursor": "text?" }));
    let one = op("Have an asset looked at again")
        .named("reprocessAsset")
        .may(PROCESSES)
        .takes::<Reprocess>(json!({ "scan_only": true }))
        .or_nothing();
    Routes::of("Processing").post("/v1/admin/reprocess", handlers::reprocess_many, many).post(
        "/v1/assets/{id}/reprocess",
        handlers::reprocess,
        one.done(202, "A job is under way.").fails(&["wrong_state", "gone", "conflict"]),
    )
}
