//! Tenants below `/v1/tenants`, policies below `/v1/policies`, and the audit trail at `/v1/admin/audit`.

use axum::Router;
use axum::routing::{get, post};

use super::Site;

mod handlers;
mod query;
mod wire;

pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/v1/tenants", get(handlers::tenants).post(handlers::create_tenant))
        .route("/v1/tenants/{id}", get(handlers::tenant).patch(handlers::patch_tenant))
        .route("/v1/tenants/{id}/recompute", post(handlers::recompute))
        .route("/v1/policies", get(handlers::policies))
        .route("/v1/policies/{name}", get(handlers::policy).put(handlers::put_policy).delete(handlers::drop_policy))
        .route("/v1/admin/audit", get(handlers::audit))
}
