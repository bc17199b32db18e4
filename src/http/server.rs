//! The accept loop: connections with deadlines, a bound on their number, and a graceful end.
//!
//! Serves the API and the embedded store alike. What hyper leaves to its users is decided here: a header deadline, answers
//! that nobody reads, HTTP/2 keep-alive, `TCP_NODELAY`, and the fate of a request that was answered before its body was read.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request, Response, header};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use super::context::Peer;
use super::places::Places;
use super::tls::{Opened, Tls};

/// Bounds on connections.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Connections at once from one address (an IPv6 /64); further ones are closed at once. 0: no such bound.
    pub per_address: usize,
    /// Reverse proxies, to which that does not apply.
    pub proxies: Arc<[IpNet]>,
    /// A request's head must be complete within this; also how long an idle connection is kept.
    pub head: Duration,
    /// How long a client may leave an answer unread before its connection is closed.
    pub unread: Duration,
    /// How long requests under way may take once the end was announced.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8192,
            per_address: 0,
            proxies: Arc::default(),
            head: Duration::from_secs(60),
            unread: Duration::from_secs(120),
            grace: Duration::from_secs(30),
        }
    }
}

/// Where connections come in, and how they are spoken to.
pub struct Door {
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
}

impl Door {
    /// Without a certificate: plain HTTP.
    #[must_use]
    pub fn new(listener: TcpListener, tls: Option<Arc<Tls>>) -> Self {
        Self { listener, tls }
    }
}

impl From<TcpListener> for Door {
    fn from(listener: TcpListener) -> Self {
        Self::new(listener, None)
    }
}

/// Answers requests at `door` until `shutdown`; then accepts no more, lets requests under way finish within the
/// grace period, and returns.
pub async fn serve<F, Fut, B>(door: impl Into<Door>, answer: F, limits: Limits, shutdown: CancellationToken)
where
    F: Fn(Request<Incoming>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let Door { listener, tls } = door.into();
    let places = Places::new(limits.connections, limits.per_address, &limits.proxies);
    let graceful = GracefulShutdown::new();
    loop {
        let Some(free) = places.free().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        let Some((stream, peer)) = accepted_or_pause(accepted).await else { continue };
        let Some(place) = places.take(free, peer.ip()) else { continue };
        let (answer, tls, watcher, limits) = (answer.clone(), tls.clone(), graceful.watcher(), limits.clone());
        tokio::spawn(async move {
            let opened = match tls {
                None => Opened::Plain(stream),
                Some(tls) => match tokio::time::timeout(limits.head, tls.open(stream, peer)).await {
                    Ok(Ok(opened)) => opened,
                    // Scanners and old clients are no news.
                    Ok(Err(_)) | Err(_) => return,
                },
            };
            match opened {
                Opened::Plain(stream) => converse(stream, peer, answer, &limits, watcher).await,
                Opened::Tls(stream) => converse(stream, peer, answer, &limits, watcher).await,
            }
            drop(place);
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(limits.grace, graceful.shutdown()).await;
}

/// Answers the requests of one connection.
async fn converse<I, F, Fut, B>(stream: I, peer: SocketAddr, answer: F, limits: &Limits, watcher: Watcher)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Incoming>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let service = service_fn(move |request| respond(answer.clone(), request, peer));
    let builder = builder(limits.head);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.unread));
    let connection = builder.serve_connection(TokioIo::new(Box::pin(stream)), service).into_owned();
    // A client that went away is no news.
    let _ = watcher.watch(connection).await;
}

/// Running out of descriptors passes; spinning on it would not help.
async fn accepted_or_pause(accepted: std::io::Result<(TcpStream, SocketAddr)>) -> Option<(TcpStream, SocketAddr)> {
    match accepted {
        Ok((stream, peer)) => {
            let _ = stream.set_nodelay(true);
            Some((stream, peer))
        }
        Err(error) => {
            tracing::warn!(%error, "no connection could be accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

fn builder(head: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(Duration::from_secs(20)))
        .keep_alive_timeout(Duration::from_secs(20))
        .max_concurrent_streams(256);
    builder
}

async fn respond<F, Fut, B>(
    answer: F,
    mut request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<Response<B>, Infallible>
where
    F: Fn(Request<Incoming>) -> Fut,
    Fut: Future<Output = Response<B>>,
{
    request.extensions_mut().insert(Peer(peer));
    let expects = request.headers().contains_key(header::EXPECT);
    let mut response = answer(request).await;
    if expects && !response.status().is_success() {
        // The client may skip the body that it was not asked for, and hyper would read the next request as that body.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
