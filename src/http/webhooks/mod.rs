//! Webhooks below `/v1/webhooks`: endpoints, their secrets, the log of deliveries, replays.

use axum::Router;
use axum::routing::{get, post};

use super::Site;

mod handlers;
mod wire;

pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/v1/webhooks", get(handlers::list).post(handlers::create))
        .route("/v1/webhooks/{id}", get(handlers::show).patch(handlers::change).delete(handlers::delete))
        .route("/v1/webhooks/{id}/rotate", post(handlers::rotate))
        .route("/v1/webhooks/{id}/test", post(handlers::test))
        .route("/v1/webhooks/{id}/replay", post(handlers::replay_range))
        .route("/v1/webhooks/{id}/deliveries", get(handlers::deliveries))
        .route("/v1/webhooks/{id}/deliveries/{delivery}/replay", post(handlers::replay))
}
