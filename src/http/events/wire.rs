//! Events as JSON, and errors of this part of the API. Pure.

use std::sync::Arc;

use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::event::{EventView, FeedEvent};
use crate::engine::{Error, FeedPage};
use crate::http::problem::ProblemDetails;

/// The event's id, which is the cursor after it.
pub(super) fn event_id(of: &FeedEvent) -> String {
    of.id.to_string()
}

/// An event as a line of JSON.
pub(super) fn event_json(of: &FeedEvent) -> String {
    serde_json::to_string(&EventView::of(of)).unwrap_or_default()
}

/// The first message on a WebSocket: the position at which it begins, for clients that are disconnected before the
/// first event.
pub(super) fn first_message(at: i64) -> String {
    format!("{{\"id\":\"{at}\",\"type\":\"feed.begins\"}}")
}

/// A page of the feed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EventPage")]
pub(super) struct EventPageView<'a> {
    /// Events, oldest first.
    events: Vec<EventView<'a>>,
    /// Cursor of the next page, behind the last event; always present.
    #[schemars(example = &"6")]
    next: String,
}

pub(super) fn page_view(of: &FeedPage) -> EventPageView<'_> {
    let events = of.events.iter().map(Arc::as_ref).map(EventView::of).collect();
    EventPageView { events, next: of.next.to_string() }
}

/// Problem details of an error. A bad cursor is 400, because it is a header here; everything else is as in the rest of
/// the API.
pub(super) fn problem_of(error: Error) -> ProblemDetails {
    let cursor = matches!(&error, Error::Invalid { field: "after" | "Last-Event-ID", .. });
    let problem = ProblemDetails::from(error);
    if cursor { ProblemDetails { status: StatusCode::BAD_REQUEST, ..problem } } else { problem }
}
