//! The body of a form on its way to the parser: no piece is handed over before the parser has read what it has.
//!
//! The parser takes whatever its source offers, and a connection offers pieces of any size: up to some hundred KiB from one
//! that has carried large bodies before. A limit on the form must therefore not count pieces. This source counts only what
//! the parser cannot make anything of, which is bounded whatever the pieces.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, BodyDataStream, Bytes};
use futures_util::{Stream, StreamExt};

/// Why the source gave no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FormBodyError {
    /// The body broke off.
    #[error("the body broke off")]
    Truncated,
    /// The limit's bytes came in which no field begins or ends.
    #[error("too many bytes without a field")]
    NoField,
}

/// What the parser has made of the body so far, told by the one who drives it.
#[derive(Debug, Default)]
pub(super) struct ParseProgress {
    /// The parser may find something in what it has.
    has_more: AtomicBool,
    in_file: AtomicBool,
    /// Bytes since the parser last found something, but for the last piece: the parser may not have looked at that.
    unparsed: AtomicU64,
    last_piece: AtomicU64,
}

impl ParseProgress {
    /// The parser found something, and may find more in what it has.
    pub(super) fn advance(&self) {
        self.unparsed.store(0, Ordering::Relaxed);
        self.last_piece.store(0, Ordering::Relaxed);
        self.has_more.store(true, Ordering::Relaxed);
    }

    /// From here on comes the content of the file, of any length.
    pub(super) fn begin_file(&self) {
        self.in_file.store(true, Ordering::Relaxed);
        self.advance();
    }

    /// The file's content has ended.
    pub(super) fn end_file(&self) {
        self.in_file.store(false, Ordering::Relaxed);
        self.advance();
    }
}

/// The source.
pub(super) struct FormBodyStream {
    body: BodyDataStream,
    progress: Arc<ParseProgress>,
    /// Most bytes outside of the file in which the parser finds nothing.
    limit: u64,
}

impl FormBodyStream {
    /// A source over a body.
    pub(super) fn new(body: Body, progress: Arc<ParseProgress>, limit: u64) -> Self {
        Self { body: body.into_data_stream(), progress, limit }
    }
}

impl Stream for FormBodyStream {
    type Item = Result<Bytes, FormBodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // Pending, so that the parser looks at what it has; it is asked again at once if that does not suffice.
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
