//! Downloads: `GET` and `HEAD` of an asset's content and of what a link opens (RFC 9110).
//!
//! The same permission leads to every delivery; ranges and conditions mean the same in each. `If-Range` is
//! decided here, because no store does it. Answers never carry a type that a browser would run, and no proxy may change
//! the bytes.

use axum::Router;
use axum::routing::get;

use super::Site;

mod conditions;
mod handed;
mod handlers;
mod ranges;
mod stream;

/// Content and links.
pub(super) fn routes() -> Router<Site> {
    Router::new().route("/v1/assets/{id}/content", get(handlers::content)).route("/d/{grant}", get(handlers::link))
}
