//! Events: `/v1/events` (a tenant's), `/v1/assets/{id}/events`, and `/u/{grant}/events` for browsers' `EventSource`, which
//! sends no headers; `/v1/ws` is the same over WebSocket.
//!
//! One event has one JSON text and one id everywhere; the id is the cursor. Streams begin with the next event, or behind
//! `Last-Event-ID` or `?after=`; `?after=0` is the oldest that is kept. With `?after=` and without asking for
//! `text/event-stream`, the answer is a page of JSON, with `?wait=` a long poll.
//!
//! * An id that is no number or was never given out: 400. One older than what is kept: 410; look at the assets, go on with 0.
//! * A stream ends when its credential does or its tenant is suspended, when the service drains (the client comes back
//!   elsewhere, with its last id), or when its reader is so slow that the next event is forgotten. Nothing is
//!   queued for a reader: the events are taken when there is room to write them, and the server closes connections that
//!   nobody reads (`server.unread`).
//!
//! Must not decide who sees what, nor remember anything between requests.

use http::StatusCode;
use serde_json::json;

use super::openapi::access::{GRANTED, READS, WATCHES};
use super::openapi::{Dialect, Op, Routes, op};
use super::problem::Problem;
use crate::engine::Error;

mod caller;
mod handlers;
mod query;
mod socket;
mod stream;
mod wire;

static DIALECT: Dialect = Dialect {
    own: || {
        let nonce = "Sec-WebSocket-Key has to be sixteen bytes in base64 (RFC 6455 section 4.1).";
        let nonce = Problem::new(StatusCode::BAD_REQUEST, "invalid_websocket_key", nonce);
        vec![wire::refused(Error::invalid("after", "the id of an event, or 0")), nonce]
    },
    ..Dialect::of_problems("events", Problem::from)
};

/// Every route of events.
pub(super) fn routes() -> Routes {
    let socket = op("The tenant's events over WebSocket").named("openEventSocket").may(READS).tells(
        "One event a message, as in the pages; the first message says where it begins. With `asset`, of that one only, \
         for whoever may see it.",
    );
    let socket =
        socket.query("asset", "uuid*", "Of this asset only.").query("after", "text* = 0", "Begins behind this one.");
    let event = json!({ "id": "text = 6", "type": "text = asset.ready", "asset_id": "uuid", "seq": "int = 6", "at": "time",
        "data": "map of any" });
    Routes::speaking("Events", &DIALECT)
        .names("Event", event)
        .get("/v1/events", handlers::of_tenant, feed(op("The tenant's events").named("getEvents").may(READS)))
        .get(
            "/v1/assets/{id}/events",
            handlers::of_asset,
            feed(op("An asset's events").named("getAssetEvents").may(WATCHES)),
        )
        .get(
            "/u/{grant}/events",
            handlers::of_grant,
            feed(op("The events of a grant's upload").named("getUploadEventsByGrant").may(GRANTED)),
        )
        .get(
            "/v1/ws",
            handlers::by_socket,
            socket.done(101, "A WebSocket.").fails(&[
                "upgrade_required",
                "invalid_websocket_key",
                "gone",
                "invalid",
                "not_found",
            ]),
        )
}

fn feed(op: Op) -> Op {
    op.tells(
        "A stream (`text/event-stream`) that begins with the next event, or with `after`, `limit` or `wait` a page.",
    )
    .query("after", "text* = 0", "Begins behind this one; 0 is the oldest that is kept.")
    .query("limit", "int 1..1000* = 100", "Most events of a page.")
    .query("wait", "text* = 30s", "How long an empty page may be waited with.")
    .header("Last-Event-ID", "text*", "As `after`; browsers send it when they come back.")
    .sends(200, "text/event-stream", "Events as they happen, or a page of them.")
    .gives(200, json!({ "events": ["@Event"], "next": "text = 6" }))
    .fails(&["gone"])
}
