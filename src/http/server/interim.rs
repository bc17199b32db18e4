//! Interim answers (1xx) on HTTP/1.1, which hyper sends for nobody but itself: they are put on the wire between its writes.
//!
//! A request's interim answers go out before the first byte of its final answer, and after the last of the one before it.
//! Must not know what is said in them, nor who may hear it.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use http::{HeaderMap, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::two::Answering;

/// What hyper writes by itself before a final answer.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Sends interim answers to one request.
#[derive(Clone)]
pub(in crate::http) enum Interim {
    /// On HTTP/1.1.
    One(Line),
    /// On HTTP/2.
    Two(Answering),
}

impl Interim {
    /// Sends one. After the final answer has begun it is left out.
    pub(in crate::http) fn send(&self, status: StatusCode, reason: &str, headers: &HeaderMap) {
        match self {
            Self::One(line) => line.send(&text(status, reason, headers)),
            Self::Two(answering) => answering.send(status, headers),
        }
    }
}

fn text(status: StatusCode, reason: &str, headers: &HeaderMap) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).into_bytes();
    for (name, value) in headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    text
}

/// What waits to be written into a connection, between hyper's own writes.
#[derive(Clone, Default)]
pub(in crate::http) struct Line(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    bytes: VecDeque<u8>,
    /// The final answer to the current request has begun, or might have.
    answered: bool,
    /// Something was written since the last flush.
    dirty: bool,
    /// The connection's task.
    task: Option<Waker>,
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request has come. `false`: the answer before it is not out yet, so nothing may come before its own.
    pub(super) fn begin(&self) -> bool {
        let mut waiting = self.lock();
        waiting.bytes.clear();
        waiting.answered = waiting.dirty;
        !waiting.answered
    }

    fn send(&self, text: &[u8]) {
        let mut waiting = self.lock();
        if !waiting.answered {
            waiting.bytes.extend(text);
            if let Some(task) = waiting.task.take() {
                task.wake();
            }
        }
    }

    /// What hyper is about to write. Part of it may be written, so that nothing may follow but the rest.
    fn written(&self, whole: bool, bytes: &[u8]) {
        let mut waiting = self.lock();
        waiting.dirty = true;
        waiting.answered |= !(whole && bytes == CONTINUE);
    }
}

/// A connection into which a [`Line`] is written.
pub(super) struct Lined<I> {
    inner: I,
    line: Line,
}

impl<I: AsyncWrite + Unpin> Lined<I> {
    pub(super) fn new(inner: I, line: Line) -> Self {
        Self { inner, line }
    }

    /// Writes what waits.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut waiting = self.line.lock();
        waiting.task = Some(cx.waker().clone());
        while !waiting.bytes.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, waiting.bytes.as_slices().0))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            waiting.bytes.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Lined<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // A client that does not read is still read from.
        let _ = self.drain(cx);
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lined<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.drain(cx))?;
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, buf))?;
        self.line.written(written == buf.len(), buf);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.drain(cx))?;
        let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, bufs))?;
        let first = bufs.iter().find(|buf| !buf.is_empty());
        self.line.written(first.is_some_and(|buf| buf.len() == written), first.map_or(&[], |buf| &**buf));
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(cx))?;
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        self.line.lock().dirty = false;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
