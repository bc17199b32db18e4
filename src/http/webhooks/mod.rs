//! Webhooks below `/v1/webhooks`: endpoints, their secrets, the log of deliveries, replays.

use super::openapi::Routes;

mod handlers;
mod routes;
mod wire;

pub(super) fn routes() -> Routes {
    routes::endpoints().and(routes::deliveries())
}
