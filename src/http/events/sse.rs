//! Server-Sent Events: `id`, `data` with the event's JSON, `retry`, and comments as heartbeats.
//!
//! Events carry no `event:` name, so that `onmessage` receives all of them. The stream begins with an id without data:
//! a client that is disconnected before the first event reconnects with this id and misses nothing.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderName, HeaderValue, header};
use tokio::time::Instant;

use super::subscriber::{EventSubscriber, HEARTBEAT_INTERVAL};
use super::wire;
use crate::engine::FeedFollower;
use crate::metrics;

/// Delay before a disconnected client reconnects.
const RECONNECT_DELAY: Duration = Duration::from_secs(2);

/// The stream of a follower, until it ends.
pub(super) fn sse_response(caller: EventSubscriber, follower: FeedFollower) -> Response {
    let begin = Event::default().retry(RECONNECT_DELAY).id(follower.at().to_string());
    let events = stream::iter([Ok(begin)]).chain(sse_events(caller, follower));
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT_INTERVAL).text("ka"));
    // nginx would otherwise buffer the events.
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store")), unbuffered], events).into_response()
}

fn sse_events(caller: EventSubscriber, follower: FeedFollower) -> impl Stream<Item = Result<Event, Infallible>> {
    let state = (caller, follower, Instant::now() + HEARTBEAT_INTERVAL, metrics::http().enter_sse_client());
    let batches = stream::unfold(state, |(caller, mut follower, mut look, counted)| async move {
        loop {
            tokio::select! {
                () = caller.site.draining.cancelled() => return None,
                () = tokio::time::sleep_until(look) => {
                    if !caller.is_credential_valid().await {
                        return None;
                    }
                    look = Instant::now() + HEARTBEAT_INTERVAL;
                }
                events = follower.next_events() => {
                    // The client learns the reason when it reconnects.
                    let events = events.ok()?;
                    return Some((events, (caller, follower, look, counted)));
                }
            }
        }
    });
    let shown = |event: &_| Ok(Event::default().id(wire::event_id(event)).data(wire::event_json(event)));
    batches.flat_map(move |events| stream::iter(events).map(move |event| shown(&event)))
}
