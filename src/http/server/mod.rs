//! The accept loop: connections with deadlines, a bound on their number, and a graceful end.
//!
//! Serves the API and the embedded store alike. What hyper leaves to its users is decided here: a deadline for the first byte
//! of a connection and for every head, answers that nobody reads, `TCP_NODELAY`, and the fate of a request that was answered
//! before its body was read.
//!
//! * `two`, `windows` – HTTP/2 · `content`, `slow` – bodies, and clients that are too slow · `lingering` – the end of a
//!   connection on which the client still sends · `interim`, `rewound` – 1xx on HTTP/1.1, and bytes that were looked at

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
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::content::Content;
use self::interim::{Interim, Line, Lined};
use self::lingering::{Farewell, Lingering};
use self::rewound::Rewound;
pub use self::windows::WindowBudget;
use super::context::Peer;
use super::places::Places;
use super::tls::{Opened, Tls};
use crate::domain::clock::{Clock as _, SystemClock};
use crate::engine::Pace;
use crate::sendfile::{Outlet, Sending};

mod content;
pub(super) mod interim;
mod lingering;
mod rewound;
mod slow;
mod two;
mod windows;

/// How long an HTTP/2 client may be silent before it is asked whether it is there, and how long it may take to answer.
const ALIVE: Duration = Duration::from_secs(20);
/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 256;

/// Bounds on connections.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Connections at once from one address (an IPv6 /64); further ones are closed at once. 0: no such bound.
    pub per_address: usize,
    /// Reverse proxies, to which that does not apply.
    pub proxies: Arc<[IpNet]>,
    /// A request's head must be complete within this, from the connection's first moment on; also how long an idle connection
    /// is kept.
    pub head: Duration,
    /// How slow the body of a request may be.
    pub pace: Pace,
    /// Memory for what the windows of HTTP/2 connections grow by; clones share it.
    pub windows: WindowBudget,
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
            pace: Pace { idle: Duration::from_secs(60), min_rate: 1 << 10, window: Duration::from_secs(60) },
            windows: WindowBudget::new(256 << 20),
            unread: Duration::from_secs(120),
            grace: Duration::from_secs(30),
        }
    }
}

/// To whom interim answers other than 100 may be sent (104 of the IETF's resumable uploads). nginx before a service breaks
/// on them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Early {
    /// To nobody.
    #[default]
    Never,
    /// Where TLS ends here and nothing shows a proxy between the client and us.
    Direct,
    /// To everybody who asks: there is no proxy, or one that passes them on.
    Always,
}

impl Limits {
    /// With more addresses to which [`Self::per_address`] does not apply.
    #[must_use]
    pub fn with_proxies(self, more: &[IpNet]) -> Self {
        Self { proxies: self.proxies.iter().chain(more).copied().collect(), ..self }
    }
}

/// Where connections come in, and how they are spoken to.
pub struct Door {
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    early: Early,
}

impl Door {
    /// Without a certificate: plain HTTP.
    #[must_use]
    pub fn new(listener: TcpListener, tls: Option<Arc<Tls>>) -> Self {
        Self { listener, tls, early: Early::Never }
    }

    /// Interim answers may be sent.
    #[must_use]
    pub fn with_early(self, early: Early) -> Self {
        Self { early, ..self }
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
    F: Fn(Request<Content>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let Door { listener, tls, early } = door.into();
    let places = Places::new(limits.connections, limits.per_address, &limits.proxies);
    let connections = TaskTracker::new();
    loop {
        let Some(free) = places.free().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        let Some((stream, peer)) = accepted_or_pause(accepted).await else { continue };
        let Some(place) = places.take(free, peer.ip()) else { continue };
        let (answer, tls, limits) = (answer.clone(), tls.clone(), limits.clone());
        let stop = shutdown.clone();
        connections.spawn(async move {
            let opened = match tls {
                None => Opened::Plain(stream),
                Some(tls) => tokio::select! {
                    opened = tokio::time::timeout(limits.head, tls.open(stream, peer)) => match opened {
                        Ok(Ok(opened)) => opened,
                        // Scanners and old clients are no news.
                        Ok(Err(_)) | Err(_) => return,
                    },
                    // Nothing was asked yet. Some clients open connections to have them at hand.
                    () = stop.cancelled() => return,
                },
            };
            let early = early.on(&opened, peer, &limits);
            match opened {
                Opened::Plain(stream) => {
                    let outlet = Outlet::default();
                    let answer = with_outlet(answer, outlet.clone());
                    converse(Sending::new(stream, outlet), peer, answer, &limits, early, stop).await;
                }
                Opened::Tls(stream) => converse(stream, peer, answer, &limits, early, stop).await,
            }
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    let _ = tokio::time::timeout(limits.grace, connections.wait()).await;
}

impl Early {
    /// What is allowed on a connection: only [`Self::Never`] and [`Self::Always`] are left, and in between a request that
    /// carries a proxy's marks.
    fn on(self, opened: &Opened, peer: SocketAddr, limits: &Limits) -> Self {
        let proxy = limits.proxies.iter().any(|net| net.contains(&peer.ip().to_canonical()));
        match (self, opened) {
            (Self::Direct, Opened::Plain(_)) => Self::Never,
            (Self::Direct, Opened::Tls(_)) if proxy => Self::Never,
            (early, _) => early,
        }
    }

    /// Whether one request may have them.
    fn suits(self, headers: &HeaderMap) -> bool {
        let marks = ["via", "forwarded", "x-forwarded-for", "x-real-ip"];
        match self {
            Self::Never => false,
            Self::Direct => !marks.iter().any(|mark| headers.contains_key(*mark)),
            Self::Always => true,
        }
    }
}

/// How a connection begins that speaks HTTP/2 (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads as much of a connection's beginning as tells whether it is HTTP/2.
async fn begins_with_preface<I: AsyncRead + Unpin>(stream: &mut I) -> std::io::Result<(bool, Vec<u8>)> {
    let mut begun = Vec::with_capacity(PREFACE.len());
    while begun.len() < PREFACE.len() {
        let mut limited = (&mut *stream).take((PREFACE.len() - begun.len()) as u64);
        if limited.read_buf(&mut begun).await? == 0 || !PREFACE.starts_with(&begun) {
            return Ok((false, begun));
        }
    }
    Ok((true, begun))
}

/// Answers the requests of one connection until it ends, or those under way once `stop` is cancelled.
async fn converse<I, F, Fut, B>(
    stream: I,
    peer: SocketAddr,
    answer: F,
    limits: &Limits,
    early: Early,
    stop: CancellationToken,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Content>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.unread));
    let farewell = Farewell::default();
    let mut stream = Lingering::new(Box::pin(stream), farewell.clone());
    // hyper's deadline begins with the first byte of a head, and h2 has none for its preface.
    let begun = tokio::select! {
        begun = tokio::time::timeout(limits.head, begins_with_preface(&mut stream)) => begun,
        () = stop.cancelled() => return,
    };
    let Ok(Ok((is_h2, begun))) = begun else { return };
    let stream = Rewound { begun: begun.into(), inner: stream };
    if is_h2 {
        let answer = move |mut request: Request<Content>| {
            if !early.suits(request.headers()) {
                request.extensions_mut().remove::<Interim>();
            }
            respond(answer.clone(), request, peer)
        };
        return two::converse(stream, answer, limits, stop).await;
    }
    let (line, pace) = (Line::default(), limits.pace);
    let stream = Lined::new(stream, line.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let expects = request.headers().contains_key(header::EXPECT);
        let mut request = request.map(|body| Content::http1(body, expects, pace, farewell.clone()));
        let clear = line.begin();
        if clear && request.version() == Version::HTTP_11 && early.suits(request.headers()) {
            request.extensions_mut().insert(Interim::One(line.clone()));
        }
        let respond = respond(answer.clone(), request, peer);
        async move { Ok::<_, Infallible>(respond.await) }
    });
    let mut http1 = Builder::new();
    http1.timer(TokioTimer::new()).header_read_timeout(limits.head);
    let connection = http1.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // A client that went away is no news.
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Lets whoever answers send files on the connection, where it carries one answer after the other.
fn with_outlet<F, Fut>(answer: F, outlet: Outlet) -> impl Fn(Request<Content>) -> Fut + Clone + Send + Sync + 'static
where
    F: Fn(Request<Content>) -> Fut + Clone + Send + Sync + 'static,
{
    move |mut request| {
        if request.version() <= Version::HTTP_11 {
            request.extensions_mut().insert(outlet.clone());
        }
        answer(request)
    }
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

/// `Date` (RFC 9110 §6.6.1), by the wall clock as it is now.
fn date() -> HeaderValue {
    let now = std::time::SystemTime::from(SystemClock.now());
    HeaderValue::from_str(&httpdate::fmt_http_date(now)).unwrap_or(HeaderValue::from_static(""))
}

async fn respond<F, Fut, B>(answer: F, mut request: Request<Content>, peer: SocketAddr) -> Response<B>
where
    F: Fn(Request<Content>) -> Fut,
    Fut: Future<Output = Response<B>>,
{
    request.extensions_mut().insert(Peer(peer));
    let expects = request.headers().contains_key(header::EXPECT);
    let mut response = answer(request).await;
    // hyper keeps its own until the clock passes the next second: after the clock went back by an hour, for an hour.
    response.headers_mut().insert(header::DATE, date());
    if expects && !response.status().is_success() {
        // The client may skip the body that it was not asked for, and hyper would read the next request as that body.
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
        for (early, direct, through) in
            [(Early::Never, false, false), (Early::Direct, true, false), (Early::Always, true, true)]
        {
            assert_eq!((early.suits(&plain), early.suits(&marked)), (direct, through), "{early:?}");
        }
    }

    #[tokio::test]
    async fn the_preface_tells_http_2() {
        for (bytes, two) in
            [(PREFACE, true), (b"PRI * HTTP/1.1\r\n", false), (b"POST / HTTP/1.1\r\n", false), (b"PR", false)]
        {
            let (is_two, begun) = begins_with_preface(&mut &bytes[..]).await.unwrap();
            assert_eq!(is_two, two);
            assert!(bytes.starts_with(&begun));
        }
    }
}
