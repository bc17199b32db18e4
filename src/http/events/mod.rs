//! Events: `/v1/events` (a tenant's), `/v1/assets/{id}/events`, and `/u/{grant}/events` for browsers' `EventSource`, which
//! sends no headers; `/v1/ws` is the same over WebSocket.
//!
//! One event has one JSON text and one id everywhere; the id is the cursor. Streams begin with the next event, or behind
//! `Last-Event-ID` or `?after=`; `?after=0` is the oldest that is kept. With `?after=` and without asking for
//! `text/event-stream`, the answer is a page of JSON, with `?wait=` a long poll.
//!
//! * An id that is no number or was never given out: 400. One older than what is kept: 410; look at the assets, go on with 0.
//! * A stream ends when its credential does, when the service drains (the client comes back elsewhere, with its last id), or
//!   when its reader is so slow that the next event is forgotten. Nothing is queued for a reader: the events are taken when
//!   there is room to write them, and the server closes connections that nobody reads (`server.unread`).
//!
//! Must not decide who sees what, nor remember anything between requests.

use axum::Router;
use axum::routing::get;

use super::Site;

mod caller;
mod handlers;
mod query;
mod socket;
mod stream;
mod wire;

/// Every route of events.
pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/v1/events", get(handlers::of_tenant))
        .route("/v1/assets/{id}/events", get(handlers::of_asset))
        .route("/u/{grant}/events", get(handlers::of_grant))
        .route("/v1/ws", get(handlers::by_socket))
}
