//! Events as JSON, and refusals in this part of the API. Pure.

use std::sync::Arc;

use http::StatusCode;
use serde::Serialize;

use super::super::problem::Problem;
use crate::domain::event::{EventView, FeedEvent};
use crate::engine::{Error, FeedPage};

/// Its id, which is the cursor behind it.
pub(super) fn id(of: &FeedEvent) -> String {
    of.id.to_string()
}

/// One event in one line.
pub(super) fn line(of: &FeedEvent) -> String {
    serde_json::to_string(&EventView::of(of)).unwrap_or_default()
}

/// The first message on a WebSocket: where it begins, for whoever is cut off before an event came.
pub(super) fn begins(at: i64) -> String {
    format!("{{\"id\":\"{at}\",\"type\":\"feed.begins\"}}")
}

/// A page of the feed.
#[derive(Serialize)]
pub(super) struct PageView<'a> {
    events: Vec<EventView<'a>>,
    next: String,
}

pub(super) fn page(of: &FeedPage) -> PageView<'_> {
    let events = of.events.iter().map(Arc::as_ref).map(EventView::of).collect();
    PageView { events, next: of.next.to_string() }
}

/// A cursor is a header here, and a bad one is a bad request (400); everything else is as in the rest of the API.
pub(super) fn refused(error: Error) -> Problem {
    let cursor = matches!(&error, Error::Invalid { field: "after" | "Last-Event-ID", .. });
    let problem = Problem::from(error);
    if cursor { Problem { status: StatusCode::BAD_REQUEST, ..problem } } else { problem }
}
