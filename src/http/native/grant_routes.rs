//! The routes of grants for many files, each with its description for the contract.

use serde_json::json;

use super::asset_view::AssetView;
use super::grant_handlers;
use super::grant_view::{GrantPageView, GrantView, MadeGrantView};
use super::grant_wire::CreateGrantBody;
use crate::http::chunk_detection::PARTIAL_FILE_CODE;
use crate::http::openapi::access::{GRANT_ACCESS, OWN_GRANT_ACCESS, UPLOAD_KEY_ACCESS};
use crate::http::openapi::{ApiRoutes, OperationSpec, op};

pub(super) fn grant_routes() -> ApiRoutes {
    let create = op("A grant for many files")
        .operation_id("createGrant")
        .access(UPLOAD_KEY_ACCESS)
        .description(
            "For drop boxes: its holders send any number of files within the limits, by every protocol and by the page \
             at `url`, and see nothing but what was sent with it. Files belong to the key. The grant counts files and \
             bytes from the moment an upload is opened; an upload that ends without a file gives back what it took.",
        )
        .idempotent()
        .json_body::<CreateGrantBody>(json!({ "max_files": 200, "max_size": 5_000_000_000_u64, "expires_in": "7d" }));
    let list = op("A page of grants for many files, newest first")
        .operation_id("listGrants")
        .access(UPLOAD_KEY_ACCESS)
        .paged("cursor")
        .description("Those of the key; for administrators, all of the tenant. Tokens are not shown again.");
    ApiRoutes::for_tag("Uploads")
        .post(
            "/v1/grants",
            grant_handlers::create_grant,
            create.json_response::<MadeGrantView<'_>>(201).error_codes(&["gone"]),
        )
        .get("/v1/grants", grant_handlers::list_grants, list.json_response::<GrantPageView<'_>>(200))
        .get(
            "/v1/grants/{id}",
            grant_handlers::get_grant,
            op("A grant for many files, and what was sent with it")
                .operation_id("getGrant")
                .access(OWN_GRANT_ACCESS)
                .cacheable()
                .json_response::<GrantView<'_>>(200),
        )
        .delete(
            "/v1/grants/{id}",
            grant_handlers::revoke_grant,
            op("Revoke a grant for many files")
                .operation_id("revokeGrant")
                .access(OWN_GRANT_ACCESS)
                .empty_response(204, "It opens nothing any more, on every node within 5 s."),
        )
        .put("/u/{grant}/put/{name}", grant_handlers::put_granted_file, put_operation())
}

fn put_operation() -> OperationSpec {
    let put = op("The whole file as the body, with a grant")
        .operation_id("putGrantedFile")
        .access(GRANT_ACCESS)
        .bytes_body("application/octet-stream", "hello")
        .with_any_parameters()
        .description(
            "`curl -T film.mp4 https://files.example/u/<grant>/put/`: the upload is complete when this answers.",
        );
    put.json_response::<AssetView>(200).error_codes(&[
        "too_large",
        "length_differs",
        "wrong_state",
        "gone",
        "locked",
        "wrong_bytes",
        "body_broke_off",
        "storage_full",
        "quota_exceeded",
        "grant_used_up",
        "maintenance",
        "invalid",
        "conflict",
        PARTIAL_FILE_CODE,
    ])
}
