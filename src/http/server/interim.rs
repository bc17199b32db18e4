//! Interim answers (1xx) on HTTP/1.1. hyper has no API for them, so they are written to the connection between its
//! writes.
//!
//! A request's interim answers are written before the first byte of its final answer, and after the last byte of the
//! previous answer. This module must not know their content, nor which clients may get them.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use http::{HeaderMap, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::h2::H2Responder;

/// Bytes that hyper writes by itself before a final answer.
const CONTINUE_RESPONSE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Sends interim answers to a request.
#[derive(Clone)]
pub(in crate::http) enum InterimSender {
    /// On HTTP/1.1.
    Http1(InterimQueue),
    /// On HTTP/2.
    Http2(H2Responder),
}

impl InterimSender {
    /// Sends an interim answer. Does nothing once the final answer has begun.
    pub(in crate::http) fn send(&self, status: StatusCode, reason: &str, headers: &HeaderMap) {
        match self {
            Self::Http1(line) => line.send(&format_interim(status, reason, headers)),
            Self::Http2(answering) => answering.send_interim(status, headers),
        }
    }
}

fn format_interim(status: StatusCode, reason: &str, headers: &HeaderMap) -> Vec<u8> {
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

/// Interim answers that wait to be written to a connection, between hyper's own writes.
#[derive(Clone, Default)]
pub(in crate::http) struct InterimQueue(Arc<Mutex<InterimQueueState>>);

#[derive(Default)]
struct InterimQueueState {
    bytes: VecDeque<u8>,
    /// The final answer to the current request has begun, or may have begun.
    answered: bool,
    /// Bytes were written since the last flush.
    unflushed: bool,
    /// Waker of the connection's task.
    waker: Option<Waker>,
}

impl InterimQueue {
    fn lock(&self) -> MutexGuard<'_, InterimQueueState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the start of a request. `false`: the previous answer is not written yet, so that this request gets no
    /// interim answers.
    pub(super) fn begin_request(&self) -> bool {
        let mut waiting = self.lock();
        waiting.bytes.clear();
        waiting.answered = waiting.unflushed;
        !waiting.answered
    }

    fn send(&self, text: &[u8]) {
        let mut waiting = self.lock();
        if !waiting.answered {
            waiting.bytes.extend(text);
            if let Some(task) = waiting.waker.take() {
                task.wake();
            }
        }
    }

    /// Notes bytes that hyper writes. Once they may be a part of an answer, only the rest may follow.
    fn note_written(&self, whole: bool, bytes: &[u8]) {
        let mut waiting = self.lock();
        waiting.unflushed = true;
        waiting.answered |= !(whole && bytes == CONTINUE_RESPONSE);
    }
}

/// A connection into which an [`InterimQueue`] is written.
pub(super) struct InterimStream<I> {
    inner: I,
    queue: InterimQueue,
}

impl<I: AsyncWrite + Unpin> InterimStream<I> {
    pub(super) fn new(inner: I, line: InterimQueue) -> Self {
        Self { inner, queue: line }
    }

    /// Writes the waiting interim answers.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut waiting = self.queue.lock();
        waiting.waker = Some(cx.waker().clone());
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

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for InterimStream<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Reading continues even if the client does not read.
        let _ = self.poll_drain(cx);
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for InterimStream<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(cx))?;
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, buf))?;
        self.queue.note_written(written == buf.len(), buf);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(cx))?;
        let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, bufs))?;
        let first = bufs.iter().find(|buf| !buf.is_empty());
        self.queue.note_written(first.is_some_and(|buf| buf.len() == written), first.map_or(&[], |buf| &**buf));
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        self.queue.lock().unflushed = false;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
