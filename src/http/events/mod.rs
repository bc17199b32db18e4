//! Events: `/v1/events` (of a tenant), `/v1/assets/{id}/events`, and `/u/{grant}/events` for browsers' `EventSource`,
//! which sends no headers; `/v1/ws` is the same over WebSocket.
//!
//! An event has the same JSON text and the same id everywhere; the id is the cursor. Streams begin with the next event,
//! or after `Last-Event-ID` or `?after=`; `?after=0` begins with the oldest event that is kept. With `?after=` and
//! without `Accept: text/event-stream`, the answer is a page of JSON, with `?wait=` a long poll.
//!
//! * An id that is no number or was never assigned: 400. An id older than the events that are kept: 410; the client
//!   should list the assets and continue with 0.
//! * A stream ends when its credential does or its tenant is suspended, when the service drains (the client reconnects
//!   to another node, with its last id), or when its reader is so slow that the next event is no longer kept. No queue
//!   exists per reader: events are read when there is room to write them, and the server closes connections whose
//!   client does not read (`server.unread`).
//!
//! This module must not decide on permissions, nor keep state between requests.

use http::StatusCode;

use super::openapi::access::{ONE_FILE_GRANT_ACCESS, READ_TENANT_ACCESS, VIEW_ACCESS};
use super::openapi::{ApiRoutes, ErrorDialect, OperationSpec, integer_in, op, string_type, uuid_type};
use super::problem::ProblemDetails;
use crate::engine::Error;

mod handlers;
mod query;
mod sse;
mod subscriber;
mod websocket;
mod wire;

static EVENTS_DIALECT: ErrorDialect = ErrorDialect {
    own_problems: || {
        let nonce = "Sec-WebSocket-Key must be sixteen bytes in base64 (RFC 6455 section 4.1).";
        let nonce = ProblemDetails::new(StatusCode::BAD_REQUEST, "invalid_websocket_key", nonce);
        vec![wire::problem_of(Error::invalid("after", "must be the id of an event, or 0")), nonce]
    },
    ..ErrorDialect::of_problems("events", ProblemDetails::from)
};

/// Every route of events.
pub(super) fn routes() -> ApiRoutes {
    let socket = op("The tenant's events over WebSocket").operation_id("openEventSocket").access(READ_TENANT_ACCESS).description(
        "One event a message, as in the pages; the first message says where it begins. With `asset`, of that one only, \
         for whoever may see it.",
    );
    let socket = socket.query("asset", uuid_type().optional(), "Of this asset only.").query(
        "after",
        string_type().optional().example("0"),
        "Begins behind this one.",
    );
    ApiRoutes::with_dialect("Events", &EVENTS_DIALECT)
        .get(
            "/v1/events",
            handlers::get_tenant_events,
            describe_feed(op("The tenant's events").operation_id("getEvents").access(READ_TENANT_ACCESS)),
        )
        .get(
            "/v1/assets/{id}/events",
            handlers::get_asset_events,
            describe_feed(op("An asset's events").operation_id("getAssetEvents").access(VIEW_ACCESS)),
        )
        .get(
            "/u/{grant}/events",
            handlers::get_grant_events,
            describe_feed(
                op("The events of a grant's upload")
                    .operation_id("getUploadEventsByGrant")
                    .access(ONE_FILE_GRANT_ACCESS),
            ),
        )
        .get(
            "/v1/ws",
            handlers::open_event_socket,
            socket.empty_response(101, "A WebSocket.").error_codes(&[
                "upgrade_required",
                "invalid_websocket_key",
                "gone",
                "invalid",
                "not_found",
            ]),
        )
}

fn describe_feed(op: OperationSpec) -> OperationSpec {
    op.description(
        "A stream (`text/event-stream`) that begins with the next event, or with `after`, `limit` or `wait` a page.",
    )
    .query("after", string_type().optional().example("0"), "Begins behind this one; 0 is the oldest that is kept.")
    .query("limit", integer_in(1..=1000).optional().example(100), "Most events of a page.")
    .query("wait", string_type().optional().example("30s"), "How long an empty page may be waited with.")
    .header("Last-Event-ID", string_type().optional(), "As `after`; browsers send it when they come back.")
    .media_response(200, "text/event-stream", "Events as they happen, or a page of them.")
    .json_response::<wire::EventPageView<'_>>(200)
    .error_codes(&["gone"])
}
