//! The routes of API keys, each with its description for the contract.

use serde_json::json;

use super::handlers;
use super::view::{ApiKeyPageView, ApiKeyView, ApiKeyWithSecretView, CallerView};
use super::wire::{CreateApiKeyBody, RotateApiKeyBody};
use crate::http::openapi::access::{ADMIN_ACCESS, ADMIN_RESOURCE_ACCESS, KEY_HOLDER_ACCESS};
use crate::http::openapi::{ApiRoutes, OperationSpec, op, string_type};

pub(super) fn routes() -> ApiRoutes {
    let create = op("A new key")
        .operation_id("createKey")
        .access(ADMIN_ACCESS)
        .description("The key itself is shown this once.")
        .idempotent();
    let create = create.error_codes(&["conflict"]);
    let create = create
        .json_body::<CreateApiKeyBody>(json!({ "name": "shop", "scopes": ["upload", "read"], "expires_in": "90d" }));
    let rotate = op("A new secret")
        .operation_id("rotateKey")
        .access(ADMIN_RESOURCE_ACCESS)
        .description("The old one works as well until `overlap` has passed.");
    let rotate = rotate
        .idempotent()
        .json_body::<RotateApiKeyBody>(json!({ "overlap": "24h" }))
        .body_optional()
        .error_codes(&["gone"]);
    let list = op("A page of keys").operation_id("listKeys").access(ADMIN_ACCESS).paged("after");
    let caller = op("The key of this request, its tenant and its scopes").operation_id("getCaller");
    let caller = caller.access(KEY_HOLDER_ACCESS).json_response::<CallerView<'_>>(200);
    ApiRoutes::for_tag("Keys")
        .get("/v1/whoami", handlers::get_caller, caller)
        .get("/v1/keys", handlers::list_keys, with_tenant_parameter(list).json_response::<ApiKeyPageView<'_>>(200))
        .post(
            "/v1/keys",
            handlers::create_key,
            with_tenant_parameter(create).json_response::<ApiKeyWithSecretView<'_>>(201),
        )
        .get(
            "/v1/keys/{id}",
            handlers::get_key,
            with_tenant_parameter(op("A key").operation_id("getKey").access(ADMIN_RESOURCE_ACCESS).cacheable())
                .json_response::<ApiKeyView<'_>>(200),
        )
        .delete(
            "/v1/keys/{id}",
            handlers::revoke_key,
            with_tenant_parameter(op("Revoke a key").operation_id("revokeKey").access(ADMIN_RESOURCE_ACCESS))
                .empty_response(204, "It opens nothing any more, on every node within 5 s."),
        )
        .post(
            "/v1/keys/{id}/rotate",
            handlers::rotate_key,
            with_tenant_parameter(rotate).json_response::<ApiKeyWithSecretView<'_>>(200),
        )
}

fn with_tenant_parameter(op: OperationSpec) -> OperationSpec {
    op.query("tenant", string_type().optional(), "For operators: whose, by name or id.").error_codes(&["not_found"])
}
