//! Server-Sent Events: `id`, `data` with the event's JSON, `retry`, and comments as heartbeats.
//!
//! Events carry no `event:` name, so that `onmessage` hears all of them. The stream begins with an id without data: a
//! client that is cut off before the first event comes back with it and misses nothing.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderName, HeaderValue, header};
use tokio::time::Instant;

use super::caller::{BEAT, Caller};
use super::wire;
use crate::engine::Follower;

/// When a client that was cut off comes back.
const RETRY: Duration = Duration::from_secs(2);

/// The stream of a follower, until it ends.
pub(super) fn answer(caller: Caller, follower: Follower) -> Response {
    let begin = Event::default().retry(RETRY).id(follower.at().to_string());
    let events = stream::iter([Ok(begin)]).chain(events(caller, follower));
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(BEAT).text("ka"));
    // nginx would collect the events before it passes them on.
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store")), unbuffered], events).into_response()
}

fn events(caller: Caller, follower: Follower) -> impl Stream<Item = Result<Event, Infallible>> {
    let state = (caller, follower, Instant::now() + BEAT);
    let batches = stream::unfold(state, |(caller, mut follower, mut look)| async move {
        loop {
            tokio::select! {
                () = caller.site.draining.cancelled() => return None,
                () = tokio::time::sleep_until(look) => {
                    if !caller.is_still_good().await {
                        return None;
                    }
                    look = Instant::now() + BEAT;
                }
                events = follower.next_events() => {
                    // Why it ends, the client learns when it comes back.
                    let events = events.ok()?;
                    return Some((events, (caller, follower, look)));
                }
            }
        }
    });
    let shown = |event: &_| Ok(Event::default().id(wire::id(event)).data(wire::line(event)));
    batches.flat_map(move |events| stream::iter(events).map(move |event| shown(&event)))
}
