//! The routes for many uploads or assets, each with its description for the contract.

use serde_json::json;

use super::bulk_handlers;
use super::bulk_view::{BulkResultsView, OpenedUploadsView};
use super::bulk_wire::{BulkAssetsBody, CreateUploadsBody};
use crate::http::openapi::access::{CREATE_UPLOAD_ACCESS, UPLOAD_KEY_ACCESS};
use crate::http::openapi::{ApiRoutes, op};

pub(super) fn bulk_routes() -> ApiRoutes {
    let create = op("Open many uploads")
        .operation_id("createUploads")
        .access(CREATE_UPLOAD_ACCESS)
        .description(
            "A thousand at most, each as `createUpload` takes it. A result that failed has `error` alone and leaves the \
             others alone; quotas decide on each. Repeated with the same `Idempotency-Key`, or with `external_id`s, it \
             finds what is open.",
        )
        .idempotent()
        .json_body::<CreateUploadsBody>(json!({ "uploads": [{ "filename": "film.mp4", "size": 734_003_200 }] }))
        .json_response::<OpenedUploadsView<'_>>(200);
    let change = op("Change many assets")
        .operation_id("changeAssets")
        .access(UPLOAD_KEY_ACCESS)
        .description(
            "By `ids`, or by `filter` page by page until `next` is null. `delete`, `tag` and `owner` need what \
             `deleteAsset` and `updateAsset` need, `reprocess` and `link` the scopes of these names, and a filter the \
             scope to list. Every change is audited and made known as if it were asked for alone.",
        )
        .json_body::<BulkAssetsBody>(json!({ "action": "tag", "ids": ["019aa3c1-7c40-7d2e-9f31-0b5f6f0c2a11"], "metadata": { "project": "films" } }))
        .json_response::<BulkResultsView<'_>>(200);
    ApiRoutes::for_tag("Uploads")
        .post("/v1/uploads/batch", bulk_handlers::create_uploads, create)
        .merge(ApiRoutes::for_tag("Assets").post("/v1/assets/bulk", bulk_handlers::change_assets, change))
}
