//! Outcome of a request body, for the handler, which sees only a failed stream.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use s3s::StdError;

/// Outcome of a request body.
#[derive(Debug, Default)]
pub(super) struct BodyOutcome {
    idle: AtomicBool,
    wanted: AtomicBool,
}

impl BodyOutcome {
    /// True if the client was too slow: the body failed with an error of the kind [`io::ErrorKind::TimedOut`].
    pub(super) fn was_idle(&self) -> bool {
        self.idle.load(Ordering::Relaxed)
    }

    /// True if the body was polled. Only then was `100 Continue` sent to a client that expects it.
    pub(super) fn was_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }
}

/// A body that records its outcome.
pub(super) struct WatchedBody<B> {
    body: Pin<Box<B>>,
    fate: Arc<BodyOutcome>,
}

impl<B> WatchedBody<B> {
    pub(super) fn new(body: B, fate: Arc<BodyOutcome>) -> Self {
        Self { body: Box::pin(body), fate }
    }
}

impl<B> Body for WatchedBody<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<StdError>,
{
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        if self.body.is_end_stream() {
            // No bytes to ask for: `100 Continue` is not sent.
            return Poll::Ready(None);
        }
        self.fate.wanted.store(true, Ordering::Relaxed);
        self.body.as_mut().poll_frame(cx).map_err(|error| {
            let error = error.into();
            let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
            if kind == Some(io::ErrorKind::TimedOut) {
                self.fate.idle.store(true, Ordering::Relaxed);
            }
            error
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
