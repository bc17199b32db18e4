//! API keys below `/v1/keys`, for administrators of a tenant; for the operator, of any.

use axum::Router;
use axum::routing::{get, post};

use super::Site;

mod handlers;
mod wire;

pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/v1/keys", get(handlers::list).post(handlers::create))
        .route("/v1/keys/{id}", get(handlers::show).delete(handlers::revoke))
        .route("/v1/keys/{id}/rotate", post(handlers::rotate))
}
