//! The routes of tenants, policies and the audit trail, each with its description for the contract.

use serde_json::{Value, json};

use super::handlers;
use super::wire::{CreateTenantBody, UpdateTenantBody};
use crate::domain::policy::PolicyRules;
use crate::http::openapi::access::{ADMIN_ACCESS, ADMIN_RESOURCE_ACCESS, OPERATOR_ACCESS};
use crate::http::openapi::{ApiRoutes, OperationSpec, op};

pub(super) fn tenant_routes() -> ApiRoutes {
    let limits = || json!({ "quota": { "bytes": 500_000_000_000_u64, "files": 1_000_000 }, "rate": null });
    let mut wish = limits();
    wish["name"] = "acme".into();
    let create = op("A new tenant")
        .operation_id("createTenant")
        .access(OPERATOR_ACCESS)
        .json_body::<CreateTenantBody>(wish)
        .json_response(201, "@Standing")
        .error_codes(&["conflict"]);
    let change = op("Change a tenant's limits, or suspend it")
        .operation_id("updateTenant")
        .access(OPERATOR_ACCESS)
        .json_body::<UpdateTenantBody>(limits())
        .description(
            "What is not named stays; null takes a limit away. In force on every node within seconds, quotas at once.",
        );
    ApiRoutes::for_tag("Tenants")
        .define_shape("Tenant", tenant_shape())
        .define_shape("Standing", standing_shape())
        .define_shape("Usage", json!({ "bytes": "int = 1200", "files": "int = 3", "open_uploads": "int = 0" }))
        .get(
            "/v1/tenants",
            handlers::list_tenants,
            op("A page of tenants, by name")
                .operation_id("listTenants")
                .access(OPERATOR_ACCESS)
                .paged("after")
                .json_response(200, json!({ "tenants": ["@Tenant"], "next_after": "text?" })),
        )
        .post("/v1/tenants", handlers::create_tenant, create)
        .get(
            "/v1/tenants/{id}",
            handlers::get_tenant,
            op("A tenant, its limits, and what it takes up")
                .operation_id("getTenant")
                .access(ADMIN_RESOURCE_ACCESS)
                .cacheable()
                .json_response(200, "@Standing"),
        )
        .patch("/v1/tenants/{id}", handlers::update_tenant, change.json_response(200, "@Standing"))
        .post(
            "/v1/tenants/{id}/recompute",
            handlers::recompute_usage,
            op("Sum up anew what a tenant takes up")
                .operation_id("recomputeUsage")
                .access(OPERATOR_ACCESS)
                .json_response(200, json!({ "before?": "@Usage", "usage": "@Usage" })),
        )
}

pub(super) fn policy_routes() -> ApiRoutes {
    let list = op("A page of policies, by name").operation_id("listPolicies").access(ADMIN_ACCESS).paged("after");
    let write = op("Write a policy").operation_id("putPolicy").access(ADMIN_ACCESS).description("In force on every node within five seconds.").json_body::<PolicyRules>(
        json!({ "max_size": 50_000_000, "content_types": ["image/*"], "extensions": ["jpg", "png"], "keep_for": 2_592_000 }),
    );
    ApiRoutes::for_tag("Tenants")
        .define_shape("Policy", policy_shape())
        .get(
            "/v1/policies",
            handlers::list_policies,
            with_tenant_parameter(list).json_response(200, json!({ "policies": ["@Policy"], "next_after": "text?" })),
        )
        .get(
            "/v1/policies/{name}",
            handlers::get_policy,
            with_tenant_parameter(op("A policy").operation_id("getPolicy").access(ADMIN_RESOURCE_ACCESS).cacheable())
                .json_response(200, "@Policy"),
        )
        .put("/v1/policies/{name}", handlers::put_policy, with_tenant_parameter(write).json_response(200, "@Policy"))
        .delete(
            "/v1/policies/{name}",
            handlers::delete_policy,
            with_tenant_parameter(op("Delete a policy").operation_id("deletePolicy").access(ADMIN_RESOURCE_ACCESS))
                .empty_response(204, "It is gone.")
                .error_codes(&["conflict", "wrong_state"]),
        )
}

pub(super) fn audit_routes() -> ApiRoutes {
    let read = op("Who did what to which thing, from where")
        .operation_id("listAuditEntries")
        .access(ADMIN_ACCESS)
        .paged("after");
    let read = read
        .query("actor", "text*", "Done by this one.")
        .query("action", "text*", "This action; `asset.` for all that begin so.")
        .query("subject", "text*", "Done to this thing, like `asset:019aa3c1-…`.")
        .query("since", "time*", "Not before.")
        .query("until", "time*", "Before.")
        .query("format", "one of json|ndjson*", "`json` for a page, `ndjson` for the whole of it, one entry a line.");
    ApiRoutes::for_tag("Administration").define_shape("AuditEntry", audit_entry_shape()).get(
        "/v1/admin/audit",
        handlers::list_audit_entries,
        with_tenant_parameter(read)
            .media_response(200, "application/x-ndjson", "A page, or one entry a line.")
            .json_response(200, json!({ "entries": ["@AuditEntry"], "next_after": "uuid?" })),
    )
}

fn with_tenant_parameter(op: OperationSpec) -> OperationSpec {
    op.query("tenant", "text*", "For operators: whose, by name or id.").error_codes(&["not_found"])
}

fn tenant_shape() -> Value {
    json!({
        "id": "uuid",
        "name": "text = acme",
        "created_at": "time",
        "suspended_at": "time?",
        "rate?": { "per_second": "int = 50", "burst": "int = 200" },
    })
}

fn standing_shape() -> Value {
    let mut shape = tenant_shape();
    shape["quota"] = json!({ "bytes": "int? = 500000000000", "files": "int?", "open_uploads": "int? = 100" });
    shape["usage"] = "@Usage".into();
    shape
}

fn policy_shape() -> Value {
    json!({ "name": "text = photos", "tenant": "uuid", "rules": "@Rules = {\"max_size\":50000000}", "created_at": "time",
        "changed_at": "time" })
}

fn audit_entry_shape() -> Value {
    json!({
        "id": "uuid",
        "at": "time",
        "actor": "text = key:019aa3c1-7c40-7d2e-9f31-0b5f6f0c2a11",
        "action": "text = asset.delete",
        "subject": "text = asset:019aa3c1-7c40-7d2e-9f31-0b5f6f0c2a11",
        "before": "any",
        "after": "any",
        "peer": "text? = 192.0.2.7",
        "request_id": "text? = 9f1c2a7be04d5513",
    })
}
