//! Webhooks below `/v1/webhooks`: endpoints, their secrets, the log of deliveries, replays.

use super::openapi::ApiRoutes;

mod handlers;
mod routes;
mod view;
mod wire;

pub(super) fn routes() -> ApiRoutes {
    routes::endpoint_routes().merge(routes::delivery_routes())
}
