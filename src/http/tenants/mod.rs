//! Tenants below `/v1/tenants`, policies below `/v1/policies`, and the audit trail at `/v1/admin/audit`.

use super::openapi::ApiRoutes;

mod erasure_view;
mod handlers;
mod query;
mod routes;
mod view;
mod wire;

pub(super) fn routes() -> ApiRoutes {
    routes::tenant_routes().merge(routes::policy_routes()).merge(routes::audit_routes())
}
