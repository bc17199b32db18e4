//! The body of a request, over HTTP/1.1 and HTTP/2.
//!
//! Every request body of every listener is read here, under the same rules: a client that is too slow is disconnected,
//! and the unread rest of a body is read and dropped when its request is answered, because a client may read the answer
//! only after it has sent everything.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::body_pace::BodyPaceMonitor;
use super::flow_control::ReadBytes;
use super::lingering_close::{DROP_TIMEOUT, LingerState, MAX_DROPPED_BYTES};
use crate::engine::BodyPaceLimits;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request body as it arrives. Fails with an error of the kind [`io::ErrorKind::TimedOut`] when the client is too
/// slow.
#[derive(Debug)]
pub struct RequestBody {
    source: RequestBodySource,
    pace_monitor: BodyPaceMonitor,
    state: RequestBodyState,
    linger_state: LingerState,
}

/// Progress of reading a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequestBodyState {
    /// The client waits for `100 Continue`, which the first read sends.
    AwaitingContinue,
    Reading,
    /// The body was read to its end, or broke off.
    Ended,
    TooSlow,
}

#[derive(Debug)]
enum RequestBodySource {
    Http1(Incoming),
    H2 {
        stream: RecvStream,
        /// Remaining bytes, if the length was announced.
        left: Option<u64>,
        /// All data was read; trailers may follow.
        at_trailers: bool,
        read: ReadBytes,
    },
    Empty,
}

impl std::fmt::Debug for ReadBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ReadBytes").field(&self.count()).finish()
    }
}

impl RequestBody {
    /// The body of a request over HTTP/1.1; `expects`: the client waits for `100 Continue`.
    pub(super) fn from_http1(incoming: Incoming, expects: bool, pace: BodyPaceLimits, farewell: LingerState) -> Self {
        let state = if expects { RequestBodyState::AwaitingContinue } else { RequestBodyState::Reading };
        Self {
            source: RequestBodySource::Http1(incoming),
            pace_monitor: BodyPaceMonitor::new(pace),
            state,
            linger_state: farewell,
        }
    }

    /// The body of an HTTP/2 stream of `length` bytes, if that was announced. Bytes that are read are counted in
    /// `read`.
    pub(super) fn from_h2(stream: RecvStream, length: Option<u64>, pace: BodyPaceLimits, read: ReadBytes) -> Self {
        let left = if stream.is_end_stream() { Some(0) } else { length };
        let source = RequestBodySource::H2 { stream, left, at_trailers: false, read };
        Self {
            source,
            pace_monitor: BodyPaceMonitor::new(pace),
            state: RequestBodyState::Reading,
            linger_state: LingerState::default(),
        }
    }
}

impl RequestBodySource {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self {
            Self::Http1(incoming) => Pin::new(incoming).poll_frame(cx).map_err(Into::into),
            Self::H2 { stream, left, at_trailers, read } => {
                if !*at_trailers {
                    match ready!(stream.poll_data(cx)) {
                        Some(Ok(bytes)) => {
                            // The reader bounds the data held here, so the next bytes may come.
                            let _ = stream.flow_control().release_capacity(bytes.len());
                            read.add(bytes.len());
                            *left = left.map(|left| left.saturating_sub(bytes.len() as u64));
                            return Poll::Ready(Some(Ok(Frame::data(bytes))));
                        }
                        Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                        None => *at_trailers = true,
                    }
                }
                match ready!(stream.poll_trailers(cx)) {
                    Ok(trailers) => Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers)))),
                    Err(error) => Poll::Ready(Some(Err(error.into()))),
                }
            }
            Self::Empty => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(incoming) => incoming.is_end_stream(),
            Self::H2 { stream, .. } => stream.is_end_stream(),
            Self::Empty => true,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let too_slow = || Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::TimedOut).into())));
        match this.state {
            RequestBodyState::TooSlow => return too_slow(),
            RequestBodyState::AwaitingContinue => this.state = RequestBodyState::Reading,
            RequestBodyState::Reading | RequestBodyState::Ended => {}
        }
        let slow = match this.source.poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if !this.pace_monitor.record_bytes(frame.data_ref().map_or(0, Bytes::len)) {
                    return Poll::Ready(Some(Ok(frame)));
                }
                true
            }
            Poll::Ready(end) => {
                this.state = RequestBodyState::Ended;
                return Poll::Ready(end);
            }
            Poll::Pending => this.pace_monitor.poll_silence(cx).is_ready(),
        };
        if slow {
            this.state = RequestBodyState::TooSlow;
            return too_slow();
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.state != RequestBodyState::TooSlow && self.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            RequestBodySource::Http1(incoming) => incoming.size_hint(),
            RequestBodySource::H2 { left, .. } => left.map_or_else(SizeHint::default, SizeHint::with_exact),
            RequestBodySource::Empty => SizeHint::with_exact(0),
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let source = std::mem::replace(&mut self.source, RequestBodySource::Empty);
        if source.is_end_stream() {
            return;
        }
        match self.state {
            // A read would send `100 Continue`.
            RequestBodyState::AwaitingContinue => self.linger_state.expect_body(),
            RequestBodyState::Reading => {
                if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                    runtime.spawn(drain_body(source, self.linger_state.clone()));
                }
            }
            RequestBodyState::TooSlow | RequestBodyState::Ended => {}
        }
    }
}

/// Reads and drops the rest of a body.
async fn drain_body(mut source: RequestBodySource, farewell: LingerState) {
    let mut left = MAX_DROPPED_BYTES;
    let whole = timeout(DROP_TIMEOUT, async {
        while let Some(Ok(frame)) = std::future::poll_fn(|cx| source.poll_frame(cx)).await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len) as u64);
            if left == 0 {
                return false;
            }
        }
        true
    });
    if !whole.await.unwrap_or(false) {
        farewell.stop_draining();
    }
}
