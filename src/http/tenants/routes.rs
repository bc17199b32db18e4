//! The routes of tenants, policies and the audit trail, each with its description for the contract.

use serde_json::json;

use super::erasure_view::TenantErasureView;
use super::handlers;
use super::view::{AuditPageView, PolicyPageView, PolicyView, RecomputedUsageView, TenantPageView, TenantStandingView};
use super::wire::{CreateTenantBody, UpdateTenantBody};
use crate::domain::policy::PolicyRules;
use crate::http::openapi::access::{ADMIN_ACCESS, ADMIN_RESOURCE_ACCESS, OPERATOR_ACCESS};
use crate::http::openapi::{ApiRoutes, OperationSpec, one_of, op, string_type, time_type};

pub(super) fn tenant_routes() -> ApiRoutes {
    let limits = || json!({ "quota": { "bytes": 500_000_000_000_u64, "files": 1_000_000 }, "rate": null });
    let mut wish = limits();
    wish["name"] = "acme".into();
    let create = op("A new tenant")
        .operation_id("createTenant")
        .access(OPERATOR_ACCESS)
        .json_body::<CreateTenantBody>(wish)
        .json_response::<TenantStandingView<'_>>(201)
        .error_codes(&["conflict"]);
    let change = op("Change a tenant's limits, or suspend it")
        .operation_id("updateTenant")
        .access(OPERATOR_ACCESS)
        .json_body::<UpdateTenantBody>(limits())
        .description(
            "What is not named stays; null takes a limit away. In force on every node within seconds, quotas at once.",
        );
    ApiRoutes::for_tag("Tenants")
        .get(
            "/v1/tenants",
            handlers::list_tenants,
            op("A page of tenants, by name")
                .operation_id("listTenants")
                .access(OPERATOR_ACCESS)
                .paged("after")
                .json_response::<TenantPageView<'_>>(200),
        )
        .post("/v1/tenants", handlers::create_tenant, create)
        .get(
            "/v1/tenants/{id}",
            handlers::get_tenant,
            op("A tenant, its limits, and what it takes up")
                .operation_id("getTenant")
                .access(ADMIN_RESOURCE_ACCESS)
                .cacheable()
                .json_response::<TenantStandingView<'_>>(200),
        )
        .patch("/v1/tenants/{id}", handlers::update_tenant, change.json_response::<TenantStandingView<'_>>(200))
        .delete("/v1/tenants/{id}", handlers::delete_tenant, delete_operation())
        .post(
            "/v1/tenants/{id}/recompute",
            handlers::recompute_usage,
            op("Sum up anew what a tenant takes up")
                .operation_id("recomputeUsage")
                .access(OPERATOR_ACCESS)
                .json_response::<RecomputedUsageView>(200),
        )
}

fn delete_operation() -> OperationSpec {
    op("Delete a tenant with everything it has")
        .operation_id("deleteTenant")
        .access(OPERATOR_ACCESS)
        .description(
            "Without `confirm` nothing is changed: the answer counts what would be deleted. With it the tenant is \
             suspended at once, and a job deletes objects, rows, keys, links and webhooks. Another call tells how far it \
             is. In the end the tenant is unknown (404), and an entry in the operators' audit trail is all that stays.",
        )
        .query("confirm", string_type().optional(), "The tenant's name: delete it, not only count.")
        .json_response::<TenantErasureView<'_>>(200)
        .json_response::<TenantErasureView<'_>>(202)
}

pub(super) fn policy_routes() -> ApiRoutes {
    let list = op("A page of policies, by name").operation_id("listPolicies").access(ADMIN_ACCESS).paged("after");
    let write = op("Write a policy").operation_id("putPolicy").access(ADMIN_ACCESS).description("In force on every node within five seconds.").json_body::<PolicyRules>(
        json!({ "max_size": 50_000_000, "content_types": ["image/*"], "extensions": ["jpg", "png"], "keep_for": 2_592_000 }),
    );
    ApiRoutes::for_tag("Tenants")
        .get(
            "/v1/policies",
            handlers::list_policies,
            with_tenant_parameter(list).json_response::<PolicyPageView<'_>>(200),
        )
        .get(
            "/v1/policies/{name}",
            handlers::get_policy,
            with_tenant_parameter(op("A policy").operation_id("getPolicy").access(ADMIN_RESOURCE_ACCESS).cacheable())
                .json_response::<PolicyView<'_>>(200),
        )
        .put(
            "/v1/policies/{name}",
            handlers::put_policy,
            with_tenant_parameter(write).json_response::<PolicyView<'_>>(200),
        )
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
        .query("actor", string_type().optional(), "Done by this one.")
        .query("action", string_type().optional(), "This action; `asset.` for all that begin so.")
        .query("subject", string_type().optional(), "Done to this thing, like `asset:019aa3c1-…`.")
        .query("since", time_type().optional(), "Not before.")
        .query("until", time_type().optional(), "Before.")
        .query(
            "format",
            one_of(["json", "ndjson", "csv", "text"]).optional(),
            "`json` for a page; `ndjson`, `csv` or `text` for a report of the whole selection, one entry a line.",
        );
    ApiRoutes::for_tag("Administration").get(
        "/v1/admin/audit",
        handlers::list_audit_entries,
        with_tenant_parameter(read)
            .media_response(200, "application/x-ndjson", "A page, or one entry a line.")
            .media_response(200, "text/csv", "One entry a line, with a heading.")
            .media_response(200, "text/plain", "One entry a line, with a heading.")
            .json_response::<AuditPageView<'_>>(200),
    )
}

fn with_tenant_parameter(op: OperationSpec) -> OperationSpec {
    op.query("tenant", string_type().optional(), "For operators: whose, by name or id.").error_codes(&["not_found"])
}
