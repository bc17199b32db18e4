//! What an external processor asks and reports: `/v1/assets/{id}/processing`.

use axum::Router;
use axum::routing::{get, post};

use super::Site;

mod handlers;
mod wire;

pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/v1/assets/{id}/processing", get(handlers::task).post(handlers::report))
        .route("/v1/assets/{id}/processing/derivatives", post(handlers::derivative))
}
