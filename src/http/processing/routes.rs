//! The routes for external processors, each with its description for the contract.

use serde_json::json;

use super::handlers;
use super::wire::{CreateDerivativeUrlBody, ReportProcessingBody};
use crate::http::openapi::access::PROCESS_ASSET_ACCESS;
use crate::http::openapi::{ApiRoutes, op};

const EXAMPLE_TOKEN: &str = "gp_AZqjwXxA";

pub(super) fn routes() -> ApiRoutes {
    let task = op("What is to be done, and where the bytes are")
        .operation_id("getProcessingTask")
        .access(PROCESS_ASSET_ACCESS);
    let task = task.query("token", "text = gp_AZqjwXxA", "The token that came with the offer.");
    let report = op("What processing came to")
        .operation_id("reportProcessing")
        .access(PROCESS_ASSET_ACCESS)
        .description("Saying the same twice is fine.");
    let report = report.json_body::<ReportProcessingBody>(
        json!({ "token": EXAMPLE_TOKEN, "outcome": "accept", "metadata": { "words": 812 } }),
    );
    let report = report.json_response(200, json!({ "asset_id": "uuid", "state": "text = ready" }));
    let derivative =
        op("A URL for the bytes of a derivative").operation_id("createDerivativeUrl").access(PROCESS_ASSET_ACCESS);
    let derivative =
        derivative.json_body::<CreateDerivativeUrlBody>(json!({ "token": EXAMPLE_TOKEN, "id": 1, "size": 52_428_800 }));
    ApiRoutes::for_tag("Processing")
        .define_shape("SignedUrl", signed_url_shape())
        .get(
            "/v1/assets/{id}/processing",
            handlers::get_processing_task,
            task.json_response(200, task_shape()).error_codes(&["wrong_state"]),
        )
        .post(
            "/v1/assets/{id}/processing",
            handlers::report_processing,
            report.error_codes(&["wrong_state", "conflict"]),
        )
        .post(
            "/v1/assets/{id}/processing/derivatives",
            handlers::create_derivative_url,
            derivative.json_response(200, "@SignedUrl").error_codes(&["wrong_state", "too_large"]),
        )
}

fn signed_url_shape() -> serde_json::Value {
    json!({ "url": "url", "method": "text = PUT", "headers": "map of text", "expires_at": "time" })
}

fn task_shape() -> serde_json::Value {
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
