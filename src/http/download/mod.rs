//! Downloads: `GET` and `HEAD` of an asset's content and of what a link opens (RFC 9110).
//!
//! The same permission leads to a redirect or to a stream; ranges and conditions mean the same in both. `If-Range` is
//! decided here, because no store does it. Answers never carry a type that a browser would run, and no proxy may change
//! the bytes.

use axum::Router;
use axum::routing::get;

use super::Site;

mod conditions;
mod handlers;
mod ranges;
mod stream;

/// Content and links.
pub(super) fn routes() -> Router<Site> {
    Router::new().route("/v1/assets/{id}/content", get(handlers::content)).route("/d/{grant}", get(handlers::link))
}
