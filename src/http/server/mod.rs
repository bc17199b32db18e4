//! The accept loop: connections with deadlines, a bound on their number, and a graceful end.
//!
//! Serves the API and the embedded store alike. Decides what hyper leaves to its users: a deadline for the first byte
//! of a connection and for every head, a deadline for unread answers, `TCP_NODELAY`, and the handling of a request that
//! was answered before its body was read.
//!
//! * `h2`, `flow_control` – HTTP/2
//! * `request_body`, `body_pace` – bodies, and clients that are too slow
//! * `lingering_close` – the end of a connection on which the client still sends
//! * `socket` – what is listened on
//! * `interim`, `rewind` – 1xx on HTTP/1.1, and bytes that were peeked at

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, Response, Version, header};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpListener;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::flow_control::WindowBudget;
use self::interim::{InterimQueue, InterimSender, InterimStream};
use self::lingering_close::{LingerState, LingeringStream};
pub use self::request_body::RequestBody;
use self::rewind::RewindStream;
use self::socket::PeerStream;
pub use self::socket::{ServerSocket, UnixSocket};
use super::connection_limit::ConnectionLimit;
use super::context::PeerAddress;
use super::tls::{AcceptedStream, ReloadableCertificate};
use crate::domain::clock::{Clock as _, SystemClock};
use crate::domain::reason::chain;
use crate::engine::BodyPaceLimits;
use crate::metrics;
use crate::metrics::RateLimitScope;
use crate::sendfile::{SpanConnection, SpanOutlet};

mod body_pace;
mod flow_control;
mod h2;
pub(super) mod interim;
mod lingering_close;
mod request_body;
mod rewind;
mod socket;

/// Time for which an HTTP/2 client may be silent before a ping is sent, and for which it may take to answer.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// Maximum concurrent requests on an HTTP/2 connection.
const MAX_CONCURRENT_STREAMS: u32 = 256;

/// Limits of connections.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// Maximum number of connections; further connections wait in the kernel's queue.
    pub max_connections: usize,
    /// Maximum number of connections from an address (an IPv6 /64); further connections are closed at once. 0: no
    /// limit.
    pub max_per_address: usize,
    /// Reverse proxies, to which `max_per_address` does not apply.
    pub proxies: Arc<[IpNet]>,
    /// Deadline for a request's head, from the first moment of the connection; also how long an idle connection is
    /// kept.
    pub head_timeout: Duration,
    /// Minimum pace of request bodies.
    pub pace: BodyPaceLimits,
    /// Memory budget for the growth of HTTP/2 windows; clones share it.
    pub window_budget: WindowBudget,
    /// Time for which a client may leave an answer unread before its connection is closed.
    pub write_timeout: Duration,
    /// Time for which requests in flight may take once the shutdown was announced.
    pub shutdown_grace: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            max_connections: 8192,
            max_per_address: 0,
            proxies: Arc::default(),
            head_timeout: Duration::from_secs(60),
            pace: BodyPaceLimits { idle: Duration::from_secs(60), min_rate: 1 << 10, window: Duration::from_secs(60) },
            window_budget: WindowBudget::new(256 << 20),
            write_timeout: Duration::from_secs(120),
            shutdown_grace: Duration::from_secs(30),
        }
    }
}

/// Connections on which interim answers other than 100 may be sent (104 of the IETF's resumable uploads). nginx in
/// front of a service fails on them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InterimPolicy {
    /// None.
    #[default]
    Never,
    /// Connections with TLS that ends here, without signs of a proxy between the client and this service.
    DirectTls,
    /// All connections, for every client that asks: there is no proxy, or a proxy that forwards interim answers.
    Always,
}

impl ServerLimits {
    /// Adds addresses to which [`Self::max_per_address`] does not apply.
    #[must_use]
    pub fn with_proxies(self, more: &[IpNet]) -> Self {
        Self { proxies: self.proxies.iter().chain(more).copied().collect(), ..self }
    }
}

/// A listening socket with its protocol settings.
pub struct Listener {
    socket: ServerSocket,
    tls: Option<Arc<ReloadableCertificate>>,
    interim_policy: InterimPolicy,
}

impl Listener {
    /// A listener; plain HTTP without a certificate, and on a Unix socket.
    #[must_use]
    pub fn new(socket: ServerSocket, tls: Option<Arc<ReloadableCertificate>>) -> Self {
        Self { socket, tls, interim_policy: InterimPolicy::Never }
    }

    /// Sets on which connections interim answers may be sent.
    #[must_use]
    pub fn with_interim_policy(self, early: InterimPolicy) -> Self {
        Self { interim_policy: early, ..self }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::new(ServerSocket::Tcp(listener), None)
    }
}

/// Answers requests at `door` until `shutdown` is cancelled. Then accepts no more connections, lets requests under way
/// finish within the grace period, and returns.
pub async fn serve<F, Fut, B>(door: impl Into<Listener>, answer: F, limits: ServerLimits, shutdown: CancellationToken)
where
    F: Fn(Request<RequestBody>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let Listener { socket, tls, interim_policy: early } = door.into();
    let places = ConnectionLimit::new(limits.max_connections, limits.max_per_address, &limits.proxies);
    let connections = TaskTracker::new();
    loop {
        let Some(free) = places.wait_for_permit().await else { break };
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        let Some((stream, peer)) = accept_or_pause(accepted).await else { continue };
        let Some(place) = places.try_acquire_slot(free, peer.ip()) else {
            metrics::http().record_rate_limited(RateLimitScope::Connections);
            continue;
        };
        let place = (place, metrics::http().enter_connection());
        let (answer, tls, limits) = (answer.clone(), tls.clone(), limits.clone());
        let stop = shutdown.clone();
        connections.spawn(async move {
            let opened = match (stream, tls) {
                (PeerStream::Unix(stream), _) => AcceptedStream::Unix(stream),
                (PeerStream::Tcp(stream), None) => AcceptedStream::Plain(stream),
                (PeerStream::Tcp(stream), Some(tls)) => tokio::select! {
                    opened = tokio::time::timeout(limits.head_timeout, tls.accept_stream(stream, peer)) => match opened {
                        Ok(Ok(opened)) => opened,
                        // Failed handshakes of scanners and old clients are not worth logging.
                        Ok(Err(_)) | Err(_) => return,
                    },
                    // No request was sent yet: some clients open connections in advance.
                    () = stop.cancelled() => return,
                },
            };
            let early = early.for_connection(&opened, peer, &limits);
            match opened {
                AcceptedStream::Plain(stream) => {
                    let outlet = SpanOutlet::default();
                    let answer = with_outlet(answer, outlet.clone());
                    serve_connection(SpanConnection::new(stream, outlet), peer, answer, &limits, early, stop).await;
                }
                AcceptedStream::Tls(stream) => serve_connection(stream, peer, answer, &limits, early, stop).await,
                AcceptedStream::Unix(stream) => serve_connection(stream, peer, answer, &limits, early, stop).await,
            }
            drop(place);
        });
    }
    drop(socket);
    connections.close();
    let _ = tokio::time::timeout(limits.shutdown_grace, connections.wait()).await;
}

impl InterimPolicy {
    /// The policy for a connection. [`Self::DirectTls`] becomes [`Self::Never`] without TLS or for a trusted proxy;
    /// otherwise the headers of each request decide.
    fn for_connection(self, opened: &AcceptedStream, peer: SocketAddr, limits: &ServerLimits) -> Self {
        let proxy = limits.proxies.iter().any(|net| net.contains(&peer.ip().to_canonical()));
        match (self, opened) {
            (Self::DirectTls, AcceptedStream::Plain(_) | AcceptedStream::Unix(_)) => Self::Never,
            (Self::DirectTls, AcceptedStream::Tls(_)) if proxy => Self::Never,
            (early, _) => early,
        }
    }

    /// True if a request may get interim answers.
    fn allows_request(self, headers: &HeaderMap) -> bool {
        let marks = ["via", "forwarded", "x-forwarded-for", "x-real-ip"];
        match self {
            Self::Never => false,
            Self::DirectTls => !marks.iter().any(|mark| headers.contains_key(*mark)),
            Self::Always => true,
        }
    }
}

/// First bytes of an HTTP/2 connection (RFC 9113 §3.4).
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads as many bytes as tell if the connection is HTTP/2.
async fn read_preface<I: AsyncRead + Unpin>(stream: &mut I) -> std::io::Result<(bool, Vec<u8>)> {
    let mut begun = Vec::with_capacity(H2_PREFACE.len());
    while begun.len() < H2_PREFACE.len() {
        let mut limited = (&mut *stream).take((H2_PREFACE.len() - begun.len()) as u64);
        if limited.read_buf(&mut begun).await? == 0 || !H2_PREFACE.starts_with(&begun) {
            return Ok((false, begun));
        }
    }
    Ok((true, begun))
}

/// Answers the requests of a connection until it ends; once `stop` is cancelled, only those under way.
async fn serve_connection<I, F, Fut, B>(
    stream: I,
    peer: SocketAddr,
    answer: F,
    limits: &ServerLimits,
    early: InterimPolicy,
    stop: CancellationToken,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<RequestBody>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.write_timeout));
    let farewell = LingerState::default();
    let mut stream = LingeringStream::new(Box::pin(stream), farewell.clone());
    // hyper's deadline starts with the first byte of a head, and h2 has none for its preface.
    let begun = tokio::select! {
        begun = tokio::time::timeout(limits.head_timeout, read_preface(&mut stream)) => begun,
        () = stop.cancelled() => return,
    };
    let Ok(Ok((is_h2, begun))) = begun else { return };
    let stream = RewindStream { prefix: begun.into(), inner: stream };
    if is_h2 {
        let answer = move |mut request: Request<RequestBody>| {
            if !early.allows_request(request.headers()) {
                request.extensions_mut().remove::<InterimSender>();
            }
            respond_to_request(answer.clone(), request, peer)
        };
        return h2::serve_h2_connection(stream, answer, limits, stop).await;
    }
    let (line, pace) = (InterimQueue::default(), limits.pace);
    let stream = InterimStream::new(stream, line.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let expects = request.headers().contains_key(header::EXPECT);
        let mut request = request.map(|body| RequestBody::from_http1(body, expects, pace, farewell.clone()));
        let clear = line.begin_request();
        if clear && request.version() == Version::HTTP_11 && early.allows_request(request.headers()) {
            request.extensions_mut().insert(InterimSender::Http1(line.clone()));
        }
        let respond = respond_to_request(answer.clone(), request, peer);
        async move { Ok::<_, Infallible>(respond.await) }
    });
    let mut http1 = Builder::new();
    http1.timer(TokioTimer::new()).header_read_timeout(limits.head_timeout);
    let connection = http1.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // A client that disconnects is not worth logging.
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Gives handlers a way to send files directly to the socket, where the connection carries a single answer at a time.
fn with_outlet<F, Fut>(
    answer: F,
    outlet: SpanOutlet,
) -> impl Fn(Request<RequestBody>) -> Fut + Clone + Send + Sync + 'static
where
    F: Fn(Request<RequestBody>) -> Fut + Clone + Send + Sync + 'static,
{
    move |mut request| {
        if request.version() <= Version::HTTP_11 {
            request.extensions_mut().insert(outlet.clone());
        }
        answer(request)
    }
}

/// Pauses after an accept error: a lack of file descriptors is temporary, and retrying at once would only spin.
async fn accept_or_pause(accepted: std::io::Result<(PeerStream, SocketAddr)>) -> Option<(PeerStream, SocketAddr)> {
    match accepted {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            tracing::warn!(error = %chain(&error), "no connection could be accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// `Date` (RFC 9110 §6.6.1), by the current wall clock.
fn date_header() -> HeaderValue {
    let now = std::time::SystemTime::from(SystemClock.now());
    HeaderValue::from_str(&httpdate::fmt_http_date(now)).unwrap_or(HeaderValue::from_static(""))
}

async fn respond_to_request<F, Fut, B>(answer: F, mut request: Request<RequestBody>, peer: SocketAddr) -> Response<B>
where
    F: Fn(Request<RequestBody>) -> Fut,
    Fut: Future<Output = Response<B>>,
{
    request.extensions_mut().insert(PeerAddress(peer));
    let expects = request.headers().contains_key(header::EXPECT);
    let mut response = answer(request).await;
    // hyper caches its own `Date` until the clock passes the next second: for an hour after the clock was set back by
    // an hour.
    response.headers_mut().insert(header::DATE, date_header());
    if expects && !response.status().is_success() {
        // The client may omit the body after its early answer, and hyper would then read the next request as that body.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_have_interim_answers() {
        let plain = HeaderMap::new();
        let marked = HeaderMap::from_iter([(header::VIA, HeaderValue::from_static("1.1 nginx"))]);
        for (early, direct, through) in [
            (InterimPolicy::Never, false, false),
            (InterimPolicy::DirectTls, true, false),
            (InterimPolicy::Always, true, true),
        ] {
            assert_eq!((early.allows_request(&plain), early.allows_request(&marked)), (direct, through), "{early:?}");
        }
    }

    #[tokio::test]
    async fn the_preface_tells_http_2() {
        for (bytes, two) in
            [(H2_PREFACE, true), (b"PRI * HTTP/1.1\r\n", false), (b"POST / HTTP/1.1\r\n", false), (b"PR", false)]
        {
            let (is_two, begun) = read_preface(&mut &bytes[..]).await.unwrap();
            assert_eq!(is_two, two);
            assert!(bytes.starts_with(&begun));
        }
    }
}
