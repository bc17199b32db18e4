//! The routes of tenants, policies and the audit trail, each with what is said of it.

use serde_json::{Value, json};

use super::super::openapi::access::{ADMINISTERS, ADMINISTERS_ONE, OPERATES};
use super::super::openapi::{Op, Routes, op};
use super::handlers;
use super::wire::{ChangeTenant, NewTenant};
use crate::domain::policy::Rules;

pub(super) fn tenants() -> Routes {
    let limits = || json!({ "quota": { "bytes": 500_000_000_000_u64, "files": 1_000_000 }, "rate": null });
    let mut wish = limits();
    wish["name"] = "acme".into();
    let create = op("A new tenant")
        .named("createTenant")
        .may(OPERATES)
        .takes::<NewTenant>(wish)
        .gives(201, "@Standing")
        .fails(&["conflict"]);
    let change = op("Change a tenant's limits, or suspend it")
        .named("updateTenant")
        .may(OPERATES)
        .takes::<ChangeTenant>(limits())
        .tells(
            "What is not named stays; null takes a limit away. In force on every node within seconds, quotas at once.",
        );
    Routes::of("Tenants")
        .names("Tenant", tenant())
        .names("Standing", standing())
        .names("Usage", json!({ "bytes": "int = 1200", "files": "int = 3", "open_uploads": "int = 0" }))
        .get(
            "/v1/tenants",
            handlers::tenants,
            op("A page of tenants, by name")
                .named("listTenants")
                .may(OPERATES)
                .paged("after")
                .gives(200, json!({ "tenants": ["@Tenant"], "next_after": "text?" })),
        )
        .post("/v1/tenants", handlers::create_tenant, create)
        .get(
            "/v1/tenants/{id}",
            handlers::tenant,
            op("A tenant, its limits, and what it takes up")
                .named("getTenant")
                .may(ADMINISTERS_ONE)
                .kept()
                .gives(200, "@Standing"),
        )
        .patch("/v1/tenants/{id}", handlers::patch_tenant, change.gives(200, "@Standing"))
        .post(
            "/v1/tenants/{id}/recompute",
            handlers::recompute,
            op("Sum up anew what a tenant takes up")
                .named("recomputeUsage")
                .may(OPERATES)
                .gives(200, json!({ "before?": "@Usage", "usage": "@Usage" })),
        )
}

pub(super) fn policies() -> Routes {
    let list = op("A page of policies, by name").named("listPolicies").may(ADMINISTERS).paged("after");
    let write = op("Write a policy").named("putPolicy").may(ADMINISTERS).tells("In force on every node within five seconds.").takes::<Rules>(
        json!({ "max_size": 50_000_000, "content_types": ["image/*"], "extensions": ["jpg", "png"], "keep_for": 2_592_000 }),
    );
    Routes::of("Tenants")
        .names("Policy", policy())
        .get(
            "/v1/policies",
            handlers::policies,
            of(list).gives(200, json!({ "policies": ["@Policy"], "next_after": "text?" })),
        )
        .get(
            "/v1/policies/{name}",
            handlers::policy,
            of(op("A policy").named("getPolicy").may(ADMINISTERS_ONE).kept()).gives(200, "@Policy"),
        )
        .put("/v1/policies/{name}", handlers::put_policy, of(write).gives(200, "@Policy"))
        .delete(
            "/v1/policies/{name}",
            handlers::drop_policy,
            of(op("Delete a policy").named("deletePolicy").may(ADMINISTERS_ONE))
                .done(204, "It is gone.")
                .fails(&["conflict", "wrong_state"]),
        )
}

pub(super) fn trail() -> Routes {
    let read = op("Who did what to which thing, from where").named("listAuditEntries").may(ADMINISTERS).paged("after");
    let read = read
        .query("actor", "text*", "Done by this one.")
        .query("action", "text*", "This action; `asset.` for all that begin so.")
        .query("subject", "text*", "Done to this thing, like `asset:019aa3c1-…`.")
        .query("since", "time*", "Not before.")
        .query("until", "time*", "Before.")
        .query("format", "one of json|ndjson*", "`json` for a page, `ndjson` for the whole of it, one entry a line.");
    Routes::of("Administration").names("AuditEntry", entry()).get(
        "/v1/admin/audit",
        handlers::audit,
        of(read)
            .sends(200, "application/x-ndjson", "A page, or one entry a line.")
            .gives(200, json!({ "entries": ["@AuditEntry"], "next_after": "uuid?" })),
    )
}

fn of(op: Op) -> Op {
    op.query("tenant", "text*", "For operators: whose, by name or id.").fails(&["not_found"])
}

fn tenant() -> Value {
    json!({
        "id": "uuid",
        "name": "text = acme",
        "created_at": "time",
        "suspended_at": "time?",
        "rate?": { "per_second": "int = 50", "burst": "int = 200" },
    })
}

fn standing() -> Value {
    let mut shape = tenant();
    shape["quota"] = json!({ "bytes": "int? = 500000000000", "files": "int?", "open_uploads": "int? = 100" });
    shape["usage"] = "@Usage".into();
    shape
}

fn policy() -> Value {
    json!({ "name": "text = photos", "tenant": "uuid", "rules": "@Rules = {\"max_size\":50000000}", "created_at": "time",
        "changed_at": "time" })
}

fn entry() -> Value {
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
