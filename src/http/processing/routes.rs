//! The routes for external processors, each with what is said of it.

use serde_json::json;

use super::super::openapi::access::PROCESSES;
use super::super::openapi::{Routes, op};
use super::handlers;
use super::wire::{NewDerivative, Report};

const TOKEN: &str = "gp_AZqjwXxA";

pub(super) fn routes() -> Routes {
    let task = op("What is to be done, and where the bytes are").named("getProcessingTask").may(PROCESSES);
    let task = task.query("token", "text = gp_AZqjwXxA", "The token that came with the offer.");
    let report =
        op("What processing came to").named("reportProcessing").may(PROCESSES).tells("Saying the same twice is fine.");
    let report = report.takes::<Report>(json!({ "token": TOKEN, "outcome": "accept", "metadata": { "words": 812 } }));
    let report = report.gives(200, json!({ "asset_id": "uuid", "state": "text = ready" }));
    let derivative = op("A URL for the bytes of a derivative").named("createDerivativeUrl").may(PROCESSES);
    let derivative = derivative.takes::<NewDerivative>(json!({ "token": TOKEN, "id": 1, "size": 52_428_800 }));
    Routes::of("Processing")
        .names("SignedUrl", signed())
        .get("/v1/assets/{id}/processing", handlers::task, task.gives(200, offered()).fails(&["wrong_state"]))
        .post("/v1/assets/{id}/processing", handlers::report, report.fails(&["wrong_state", "conflict"]))
        .post(
            "/v1/assets/{id}/processing/derivatives",
            handlers::derivative,
            derivative.gives(200, "@SignedUrl").fails(&["wrong_state", "too_large"]),
        )
}

fn signed() -> serde_json::Value {
    json!({ "url": "url", "method": "text = PUT", "headers": "map of text", "expires_at": "time" })
}

fn offered() -> serde_json::Value {
    json!({
        "asset_id": "uuid",
        "filename": "text = film.mp4",
        "size": "int = 734003200",
        "content_type": "text? = video/mp4",
        "digest": "text?",
        "metadata": "map of any",
        "report_until": "time?",
        "offers": "int = 1",
        "content": "@SignedUrl",
    })
}
