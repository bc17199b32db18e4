//! The routes for external processors, each with its description for the contract.

use serde_json::json;

use super::handlers;
use super::view::{ProcessingTaskView, ReportedAssetView, SignedUrlView};
use super::wire::{CreateDerivativeUrlBody, ReportProcessingBody};
use crate::http::openapi::access::PROCESS_ASSET_ACCESS;
use crate::http::openapi::{ApiRoutes, op, string_type};

const EXAMPLE_TOKEN: &str = "gp_AZqjwXxA";

pub(super) fn routes() -> ApiRoutes {
    let task = op("What is to be done, and where the bytes are")
        .operation_id("getProcessingTask")
        .access(PROCESS_ASSET_ACCESS);
    let task = task.query("token", string_type().example("gp_AZqjwXxA"), "The token that came with the offer.");
    let report = op("What processing came to")
        .operation_id("reportProcessing")
        .access(PROCESS_ASSET_ACCESS)
        .description("Saying the same twice is fine.");
    let report = report.json_body::<ReportProcessingBody>(
        json!({ "token": EXAMPLE_TOKEN, "outcome": "accept", "metadata": { "words": 812 } }),
    );
    let report = report.json_response::<ReportedAssetView>(200);
    let derivative =
        op("A URL for the bytes of a derivative").operation_id("createDerivativeUrl").access(PROCESS_ASSET_ACCESS);
    let derivative =
        derivative.json_body::<CreateDerivativeUrlBody>(json!({ "token": EXAMPLE_TOKEN, "id": 1, "size": 52_428_800 }));
    ApiRoutes::for_tag("Processing")
        .get(
            "/v1/assets/{id}/processing",
            handlers::get_processing_task,
            task.json_response::<ProcessingTaskView<'_>>(200).error_codes(&["wrong_state"]),
        )
        .post(
            "/v1/assets/{id}/processing",
            handlers::report_processing,
            report.error_codes(&["wrong_state", "conflict"]),
        )
        .post(
            "/v1/assets/{id}/processing/derivatives",
            handlers::create_derivative_url,
            derivative.json_response::<SignedUrlView<'_>>(200).error_codes(&["wrong_state", "too_large"]),
        )
}
