//! IETF resumable uploads (draft-ietf-httpbis-resumable-upload) at `/files`, and at `/u/{grant}/files` for clients that
//! cannot send headers of their own.
//!
//! Interop numbers 3 to 10 and no number at all. A POST without a word of the drafts is an ordinary upload of its content.
//! Whoever sends `Tus-Resumable` speaks tus, whatever URLSession adds to it. A URL is no permission: every request needs
//! a key or a grant.

use axum::Router;
use axum::routing::any;

use super::Site;

mod digest;
mod draft;
mod error;
mod fields;
mod handlers;
mod wire;

/// Every route. Methods are told apart by the handlers: `X-HTTP-Method-Override` may name another one.
pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/files", any(handlers::collection))
        .route("/files/", any(handlers::collection))
        .route("/files/{id}", any(handlers::upload))
        .route("/u/{grant}/files", any(handlers::collection))
        .route("/u/{grant}/files/{id}", any(handlers::upload))
}
