//! API keys below `/v1/keys`, for administrators of a tenant; for the operator, of any.

use super::openapi::ApiRoutes;

mod handlers;
mod routes;
mod wire;

pub(super) fn routes() -> ApiRoutes {
    routes::routes()
}
