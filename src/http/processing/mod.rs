//! API for external processors: `/v1/assets/{id}/processing`.

use super::openapi::ApiRoutes;

mod handlers;
mod routes;
mod view;
mod wire;

pub(super) fn routes() -> ApiRoutes {
    routes::routes()
}
