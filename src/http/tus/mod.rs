//! tus 1.0.0 at `/tus`, and at `/u/{grant}/tus` for clients that cannot send headers of their own.
//!
//! Core, creation with and without bytes, deferred lengths, expiration, checksums in headers and trailers, termination,
//! concatenation. A URL is no permission: every request needs a key or a grant.

use axum::Router;
use axum::routing::any;

use super::Site;

mod error;
mod handlers;
mod wire;

/// Every route of tus. Methods are told apart by the handlers: `X-HTTP-Method-Override` may name another one.
pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/tus", any(handlers::collection))
        .route("/tus/", any(handlers::collection))
        .route("/tus/{id}", any(handlers::upload))
        .route("/u/{grant}/tus", any(handlers::collection))
        .route("/u/{grant}/tus/{id}", any(handlers::upload))
}
