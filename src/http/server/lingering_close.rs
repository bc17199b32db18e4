//! Lingering close of a connection on which the client may still be sending (RFC 9112 §9.6): the sending side is closed
//! first, and received bytes are read and dropped for a while. A socket that is closed with unread bytes is reset, and
//! the client loses the answer that told it to stop.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Sleep, sleep, timeout};

/// Maximum bytes that are read and dropped for a refused body.
pub(super) const MAX_DROPPED_BYTES: u64 = 32 << 20;
/// Time for which a refused body is read and dropped.
pub(super) const DROP_TIMEOUT: Duration = Duration::from_secs(5);
const SCRATCH_BYTES: usize = 8 << 10;

/// Expected data from the client at the end of a connection. Shared by the connection and the bodies of its requests.
#[derive(Clone, Debug, Default)]
pub(super) struct LingerState(Arc<AtomicU8>);

impl LingerState {
    /// The client was refused and may send its body nevertheless.
    const STATE_MAY_SEND: u8 = 1;
    /// The limit of dropped bytes is used up.
    const STATE_SPENT: u8 = 2;

    /// Notes that a body was refused unread, because the client waits for `100 Continue`.
    pub(super) fn expect_body(&self) {
        let _ = self.0.compare_exchange(0, Self::STATE_MAY_SEND, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Notes that the client sent more than is read and dropped.
    pub(super) fn stop_draining(&self) {
        self.0.store(Self::STATE_SPENT, Ordering::Relaxed);
    }
}

/// A connection with a lingering close, also when it is dropped.
pub(super) struct LingeringStream<I: AsyncRead + AsyncWrite + Unpin + Send + 'static> {
    /// `None` once the connection was moved to the task that closes it.
    inner: Option<I>,
    linger_state: LingerState,
    drain: Option<DrainState>,
    /// True in the task that closes the connection.
    is_closing_task: bool,
}

struct DrainState {
    timer: Pin<Box<Sleep>>,
    left: u64,
    /// True if more data is waited for when none is available.
    waits: bool,
}

impl<I: AsyncRead + AsyncWrite + Unpin + Send + 'static> LingeringStream<I> {
    pub(super) fn new(inner: I, farewell: LingerState) -> Self {
        Self { inner: Some(inner), linger_state: farewell, drain: None, is_closing_task: false }
    }

    fn inner(&mut self) -> io::Result<Pin<&mut I>> {
        self.inner.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Reads and drops until the client has closed its side, or has reached the limit of bytes or of time.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (Some(dropping), Some(inner)) = (&mut self.drain, &mut self.inner) else { return Poll::Ready(()) };
        let mut scratch = [0; SCRATCH_BYTES];
        while dropping.left > 0 {
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut *inner).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    dropping.left = dropping.left.saturating_sub(buf.filled().len() as u64);
                    dropping.waits = true;
                    if dropping.timer.is_elapsed() {
                        break;
                    }
                }
                Poll::Ready(_) => break,
                Poll::Pending if dropping.waits => {
                    ready!(dropping.timer.as_mut().poll(cx));
                    break;
                }
                Poll::Pending => break,
            }
        }
        Poll::Ready(())
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin + Send + 'static> AsyncRead for LingeringStream<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.inner()?.poll_read(cx, buf)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin + Send + 'static> AsyncWrite for LingeringStream<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.inner()?.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.inner()?.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.drain.is_none() {
            ready!(self.inner()?.poll_shutdown(cx))?;
            let state = self.linger_state.0.load(Ordering::Relaxed);
            let left = if state == LingerState::STATE_SPENT { 0 } else { MAX_DROPPED_BYTES };
            let waits = state == LingerState::STATE_MAY_SEND;
            self.drain = Some(DrainState { timer: Box::pin(sleep(DROP_TIMEOUT)), left, waits });
        }
        self.poll_drain(cx).map(Ok)
    }
}

/// Closes as above also on drop: WebSockets, and connections that hyper gives up, are dropped without a shutdown.
impl<I: AsyncRead + AsyncWrite + Unpin + Send + 'static> Drop for LingeringStream<I> {
    fn drop(&mut self) {
        let Some(inner) = self.inner.take() else { return };
        if self.drain.is_some() || self.is_closing_task {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // A runtime that shuts down drops its tasks, which must not spawn new tasks.
            let mut ending = Self {
                inner: Some(inner),
                linger_state: self.linger_state.clone(),
                drain: None,
                is_closing_task: true,
            };
            runtime.spawn(async move {
                let _ = timeout(DROP_TIMEOUT * 2, ending.shutdown()).await;
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, duplex};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_comes_after_the_end_is_dropped_within_bounds() {
        for (farewell, sends, closes, expected) in [
            // Nothing is on its way: nothing is waited for.
            (LingerState::default(), 0, false, Duration::ZERO),
            (LingerState::default(), 100_000, true, Duration::ZERO),
            (LingerState::default(), 100_000, false, DROP_TIMEOUT),
            (LingerState(Arc::new(AtomicU8::new(LingerState::STATE_MAY_SEND))), 0, false, DROP_TIMEOUT),
            (LingerState(Arc::new(AtomicU8::new(LingerState::STATE_SPENT))), 100_000, false, Duration::ZERO),
            (LingerState::default(), usize::try_from(MAX_DROPPED_BYTES).unwrap() + 100_000, false, Duration::ZERO),
        ] {
            let (mut client, server) = duplex(64 << 10);
            let mut server = LingeringStream::new(server, farewell);
            let sender = tokio::spawn(async move {
                let sent = client.write_all(&vec![0; sends]).await;
                let mut seen = Vec::new();
                if closes {
                    client.shutdown().await.unwrap();
                }
                let _ = client.read_to_end(&mut seen).await;
                (sent.is_ok(), client)
            });
            tokio::task::yield_now().await;
            let begun = Instant::now();
            server.shutdown().await.unwrap();
            assert_eq!(begun.elapsed().as_secs(), expected.as_secs(), "{sends} bytes, closes: {closes}");
            drop(server);
            let _ = sender.await.unwrap();
        }
    }
}
