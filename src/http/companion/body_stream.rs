//! The body of a form on its way to the parser: the next piece is passed on only when the parser has read what it has.
//!
//! The parser takes all that its source offers, and a connection offers pieces of any size: up to some hundred KiB
//! after it has carried large bodies. A limit on the form must therefore not count pieces. This source counts only
//! bytes in which the parser finds neither the start nor the end of a field; their number is bounded whatever the size
//! of the pieces.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, BodyDataStream, Bytes};
use futures_util::{Stream, StreamExt};

/// Reason why the source stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FormBodyError {
    /// The connection broke off before the end of the body.
    #[error("the body ended early")]
    Truncated,
    /// The limit was reached without the start or end of a field.
    #[error("too many bytes without a field")]
    NoField,
}

/// Progress of the parser, reported by the code that drives it.
#[derive(Debug, Default)]
pub(super) struct ParseProgress {
    /// The parser may find something in the bytes that it has.
    has_more: AtomicBool,
    in_file: AtomicBool,
    /// Bytes since the parser last found something, except the last piece, which the parser may not have read yet.
    unparsed: AtomicU64,
    last_piece: AtomicU64,
}

impl ParseProgress {
    /// Notes that the parser found something and may find more in the bytes that it has.
    pub(super) fn advance(&self) {
        self.unparsed.store(0, Ordering::Relaxed);
        self.last_piece.store(0, Ordering::Relaxed);
        self.has_more.store(true, Ordering::Relaxed);
    }

    /// Notes that the content of the file begins, which has any length.
    pub(super) fn begin_file(&self) {
        self.in_file.store(true, Ordering::Relaxed);
        self.advance();
    }

    /// Notes that the content of the file has ended.
    pub(super) fn end_file(&self) {
        self.in_file.store(false, Ordering::Relaxed);
        self.advance();
    }
}

/// The body as a stream for the parser.
pub(super) struct FormBodyStream {
    body: BodyDataStream,
    progress: Arc<ParseProgress>,
    /// Maximum number of bytes outside of the file in which the parser finds nothing.
    limit: u64,
}

impl FormBodyStream {
    /// Wraps a body.
    pub(super) fn new(body: Body, progress: Arc<ParseProgress>, limit: u64) -> Self {
        Self { body: body.into_data_stream(), progress, limit }
    }
}

impl Stream for FormBodyStream {
    type Item = Result<Bytes, FormBodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // Pending, so that the parser reads what it has; it polls again at once if that does not suffice.
        if self.progress.has_more.swap(false, Ordering::Relaxed) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let counts = !self.progress.in_file.load(Ordering::Relaxed);
        if counts && self.progress.unparsed.load(Ordering::Relaxed) > self.limit {
            return Poll::Ready(Some(Err(FormBodyError::NoField)));
        }
        let next = self.body.poll_next_unpin(context);
        if let Poll::Ready(Some(Ok(bytes))) = &next {
            self.progress.has_more.store(true, Ordering::Relaxed);
            if counts {
                let before = self.progress.last_piece.swap(bytes.len() as u64, Ordering::Relaxed);
                self.progress.unparsed.fetch_add(before, Ordering::Relaxed);
            }
        }
        next.map(|piece| piece.map(|piece| piece.map_err(|_| FormBodyError::Truncated)))
    }
}
