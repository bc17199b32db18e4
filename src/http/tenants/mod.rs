//! Tenants below `/v1/tenants`, policies below `/v1/policies`, and the audit trail at `/v1/admin/audit`.

use super::openapi::Routes;

mod handlers;
mod query;
mod routes;
mod wire;

pub(super) fn routes() -> Routes {
    routes::tenants().and(routes::policies()).and(routes::trail())
}
