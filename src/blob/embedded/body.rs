//! A request's body under watch: a client that stops sending is cut off, and a body that nobody wants is drained.
//!
//! Draining matters to browsers: they send a whole part before they look at the answer, and a connection closed on
//! unread bytes is reset, so that they would never see the 403 that tells them to fetch a fresh URL.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use s3s::StdError;
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep, sleep, timeout};

/// What became of a request's body, for the handler that sees only a failed stream.
#[derive(Debug, Default)]
pub(super) struct Fate {
    idle: AtomicBool,
    wanted: AtomicBool,
}

impl Fate {
    /// Whether the client stopped sending.
    pub(super) fn was_idle(&self) -> bool {
        self.idle.load(Ordering::Relaxed)
    }

    /// Whether somebody began to read it: only then is a client that expects it told to `100 Continue`.
    pub(super) fn was_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }
}

/// How unwanted bodies are drained.
#[derive(Clone, Debug)]
pub(super) struct Drain(Arc<Semaphore>);

impl Drain {
    /// More than that many bytes are not worth a connection.
    const BYTES: u64 = 64 << 20;
    /// Nor is that much time.
    const TIME: Duration = Duration::from_secs(10);

    /// At most `tasks` bodies are drained at once.
    pub(super) fn new(tasks: usize) -> Self {
        Self(Arc::new(Semaphore::new(tasks)))
    }

    fn start<B: Body<Data = Bytes> + Send + 'static>(&self, mut body: Pin<Box<B>>) {
        let (Ok(runtime), Ok(permit)) =
            (tokio::runtime::Handle::try_current(), Arc::clone(&self.0).try_acquire_owned())
        else {
            return;
        };
        runtime.spawn(async move {
            let mut left = Self::BYTES;
            let drain = async {
                while let Some(Ok(frame)) = body.frame().await {
                    left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
                    if left == 0 {
                        break;
                    }
                }
            };
            let _ = timeout(Self::TIME, drain).await;
            drop(permit);
        });
    }
}

/// A body that ends in an error after [`Settings::body_idle`](super::Settings::body_idle) without a byte.
pub(super) struct Watched<B: Body<Data = Bytes> + Send + 'static> {
    /// `None` once it has ended, well or not.
    body: Option<Pin<Box<B>>>,
    idle: Duration,
    timer: Pin<Box<Sleep>>,
    /// Whether the timer runs: only while we wait for the client, not while the disk is slow.
    waiting: bool,
    fate: Arc<Fate>,
    /// `None` when the client was promised a `100 Continue` first: it has sent nothing that could be drained.
    drain: Option<Drain>,
}

impl<B: Body<Data = Bytes> + Send + 'static> Watched<B> {
    /// Watches `body`; what is left of it when dropped goes to `drain`.
    pub(super) fn new(body: B, idle: Duration, fate: Arc<Fate>, drain: Option<Drain>) -> Self {
        let body = (!body.is_end_stream()).then(|| Box::pin(body));
        Self { body, idle, timer: Box::pin(sleep(idle)), waiting: false, fate, drain }
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.waiting {
            self.waiting = true;
            self.timer.as_mut().reset(Instant::now() + self.idle);
        }
        self.timer.as_mut().poll(cx)
    }
}

impl<B> Body for Watched<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<StdError>,
{
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let this = &mut *self;
        let Some(body) = this.body.as_mut() else { return Poll::Ready(None) };
        this.fate.wanted.store(true, Ordering::Relaxed);
        match body.as_mut().poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.waiting = false;
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(end) => {
                self.body = None;
                Poll::Ready(end.map(|result| result.map_err(Into::into)))
            }
            Poll::Pending if self.poll_idle(cx).is_ready() => {
                self.body = None;
                self.fate.idle.store(true, Ordering::Relaxed);
                Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::TimedOut).into())))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: Body<Data = Bytes> + Send + 'static> Drop for Watched<B> {
    fn drop(&mut self) {
        if let (Some(body), Some(drain)) = (self.body.take(), &self.drain)
            && !body.is_end_stream()
        {
            drain.start(body);
        }
    }
}
