//! API keys below `/v1/keys`, for administrators of a tenant, and for the operator those of any tenant.

use super::openapi::ApiRoutes;

mod handlers;
mod routes;
mod view;
mod wire;

pub(super) fn routes() -> ApiRoutes {
    routes::routes()
}
