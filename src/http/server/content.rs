//! The content of a request, whichever of the two servers reads it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request's content as it comes.
#[derive(Debug)]
pub struct Content(Source);

#[derive(Debug)]
enum Source {
    Hyper(Incoming),
    Two {
        stream: RecvStream,
        /// Bytes that are still to come, if that was said.
        left: Option<u64>,
        /// Data is at its end; trailers may follow.
        at_trailers: bool,
    },
}

impl From<Incoming> for Content {
    fn from(incoming: Incoming) -> Self {
        Self(Source::Hyper(incoming))
    }
}

impl Content {
    /// Of a stream that will have `length` bytes, if that was said.
    pub(super) fn two(stream: RecvStream, length: Option<u64>) -> Self {
        let left = if stream.is_end_stream() { Some(0) } else { length };
        Self(Source::Two { stream, left, at_trailers: false })
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.get_mut().0 {
            Source::Hyper(incoming) => Pin::new(incoming).poll_frame(cx).map_err(Into::into),
            Source::Two { stream, left, at_trailers } => {
                if !*at_trailers {
                    match ready!(stream.poll_data(cx)) {
                        Some(Ok(bytes)) => {
                            // What is held here is bounded by whoever reads: the next bytes may come.
                            let _ = stream.flow_control().release_capacity(bytes.len());
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
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Hyper(incoming) => incoming.is_end_stream(),
            Source::Two { stream, .. } => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Hyper(incoming) => incoming.size_hint(),
            Source::Two { left, .. } => left.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}
