//! Layer around every request: request id, log line, authentication, and a catch for panics of its handler.
//!
//! Log lines carry the route's template, never the path or the query, which may hold secrets.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, OptionalFromRequestParts, Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;

use super::AppState;
use super::access_line::AccessLine;
use super::content_origin::serves_bytes;
use super::forwarded::TrustedForwarding;
use super::problem::{self, ProblemDetails};
use crate::domain::access::Actor;
use crate::domain::client_program::program_of;
use crate::domain::clock::{OsEntropy, random_hex};
use crate::engine::{Engine, Error, PresentedCredential, RateLimitStatus, RequestContext, RequestLogIds};
use crate::metrics;
use crate::metrics::timing::RequestTiming;

const REQUEST_ID_HEADER: &str = "x-request-id";

/// Client address of a request: the peer of the connection, set by the accept loop, or the client that a trusted proxy
/// names.
#[derive(Clone, Copy, Debug)]
pub(super) struct PeerAddress(pub(super) SocketAddr);

/// Client address of a request.
pub(super) fn peer_ip(extensions: &http::Extensions) -> Option<IpAddr> {
    extensions.get::<PeerAddress>().map(|peer| peer.0.ip())
}

/// Adds request id, log line and panic handling to every route.
pub(super) fn with_request_layer(routes: Router, around: RequestLayerState) -> Router {
    let net = CatchPanicLayer::custom(|_| problem::internal_error());
    routes.layer(net).layer(from_fn_with_state(around, run_request))
}

/// State of the layer around every route.
#[derive(Clone)]
pub(super) struct RequestLayerState {
    pub(super) forwarding: TrustedForwarding,
}

impl RequestLayerState {
    /// Replaces the proxy's address by that of the client that a trusted proxy names.
    fn apply_forwarded_address(&self, request: &mut Request) {
        let Some(PeerAddress(peer)) = request.extensions().get::<PeerAddress>().copied() else { return };
        let client = self.forwarding.client_address(peer.ip(), request.headers());
        if client != peer.ip() {
            request.extensions_mut().insert(PeerAddress(SocketAddr::new(client, 0)));
        }
    }
}

async fn run_request(State(around): State<RequestLayerState>, mut request: Request, next: Next) -> Response {
    around.apply_forwarded_address(&mut request);
    let id = client_request_id(request.headers()).unwrap_or_else(|| random_hex(&OsEntropy, 8));
    let line = AccessLine::begin(&request, &id);
    let credential = request.headers().contains_key(header::AUTHORIZATION);
    let here = build_request_context(&request, &id, Arc::clone(&line.ids));
    let allowance = Arc::clone(&here.rate_limit);
    let (timing, in_flight) = (RequestTiming::default(), metrics::http().enter_request());
    let shown = shows_timing(&request);
    let work = next.run(line.count_body(request)).instrument(line.span.clone());
    let mut response = timing.clone().run_within(here.run_within(work)).await;
    drop(in_flight);
    if let Some(allowance) = allowance.get() {
        set_rate_limit_headers(response.headers_mut(), allowance);
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID_HEADER, value);
    }
    if credential && response.status() == StatusCode::UNAUTHORIZED {
        // RFC 6750 §3.1: a credential was sent, but another is needed.
        let invalid = HeaderValue::from_static(r#"Bearer error="invalid_token""#);
        response.headers_mut().insert(header::WWW_AUTHENTICATE, invalid);
    }
    // Browsers must not guess the type of any answer, least of all of users' files.
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(nosniff);
    let (status, took) = (response.status().as_u16(), line.started.elapsed());
    // The times of a refusal tell which look-ups it caused, and so whether another tenant has an id.
    if shown && response.status().is_success() && line.ids.credential.get().is_some() {
        set_server_timing(response.headers_mut(), &timing.header_value(took));
    }
    metrics::http().record_request(line.method.as_str(), line.route.as_deref(), status, took);
    line.write(&response);
    response
}

/// True for requests to the API; false for content.
fn shows_timing(request: &Request) -> bool {
    !serves_bytes(request.uri().path())
}

/// `Server-Timing` (<https://www.w3.org/TR/server-timing/>), in milliseconds.
fn set_server_timing(headers: &mut HeaderMap, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert("server-timing", value);
    }
}

fn build_request_context(request: &Request, id: &str, log_ids: Arc<RequestLogIds>) -> RequestContext {
    let origin = request.headers().get(header::ORIGIN).and_then(|value| value.to_str().ok());
    RequestContext {
        peer_ip: peer_ip(request.extensions()),
        request_id: id.to_owned(),
        credential_kind: presented_credential(request),
        origin: origin.map(ToOwned::to_owned),
        client: request.headers().get(header::USER_AGENT).and_then(|value| program_of(value.to_str().ok()?)),
        log_ids,
        ..RequestContext::default()
    }
}

/// The kind of credential of a request: a grant in the path counts before any header.
fn presented_credential(request: &Request) -> PresentedCredential {
    if request.uri().path().starts_with("/u/") {
        return PresentedCredential::Grant;
    }
    let Some(value) = request.headers().get(header::AUTHORIZATION) else { return PresentedCredential::Nothing };
    match value.to_str().ok().and_then(|text| text.split_once(' ')) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => match token.trim() {
            key if key.starts_with("gk_") => PresentedCredential::Key,
            grant if grant.starts_with("gu_") => PresentedCredential::Grant,
            _ => PresentedCredential::Token,
        },
        _ => PresentedCredential::Unreadable,
    }
}

/// `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10).
fn set_rate_limit_headers(headers: &mut HeaderMap, allowance: &RateLimitStatus) {
    let RateLimitStatus { burst, window, remaining, reset } = allowance;
    let seconds = |time: &std::time::Duration| time.as_secs_f64().ceil();
    let policy = format!("\"tenant\";q={burst};w={}", seconds(window).max(1.0));
    let state = format!("\"tenant\";r={remaining};t={}", seconds(reset));
    for (name, text) in [("ratelimit-policy", policy), ("ratelimit", state)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}

/// The caller's own request id, if it can be logged.
fn client_request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID_HEADER)?.to_str().ok()?;
    let sane = (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    sane.then(|| id.to_owned())
}

/// An id from the path. A text that does not parse is 404.
pub(super) struct PathId<T>(pub(super) T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for PathId<T> {
    type Rejection = ProblemDetails;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ProblemDetails> {
        let text = <Path<String> as FromRequestParts<S>>::from_request_parts(parts, state).await.ok();
        let name = text.and_then(|Path(text)| text.parse().ok());
        name.map(Self).ok_or_else(|| Error::NotFound.into())
    }
}

/// Authenticates the grant in the path and counts the request. API keys are not accepted there: paths end up in browser
/// histories and in logs of other servers.
pub(super) async fn admit_grant(engine: &Engine, grant: &str) -> Result<Actor, Error> {
    let actor = authenticate_grant(engine, grant).await?;
    engine.tenants().admit(&actor).await?;
    Ok(actor)
}

/// Authenticates the grant in the path without counting the request.
pub(super) async fn authenticate_grant(engine: &Engine, grant: &str) -> Result<Actor, Error> {
    match engine.tenants().authenticate(grant).await? {
        holder @ (Actor::Uploader { .. } | Actor::Sender { .. }) => Ok(holder),
        _ => Err(Error::Unauthenticated),
    }
}

/// Method of the request after `X-HTTP-Method-Override`: clients behind old proxies and old JVMs cannot send every
/// method.
pub(super) fn effective_method(method: &Method, headers: &HeaderMap) -> Method {
    let other = headers.get("x-http-method-override").and_then(|value| Method::from_bytes(value.as_bytes()).ok());
    let known = |method: &Method| [Method::PATCH, Method::DELETE, Method::HEAD].contains(method);
    other.filter(|other| known(other) && method != Method::OPTIONS).unwrap_or_else(|| method.clone())
}

/// The caller, authenticated by the request's head alone: 401 without a valid credential, 429 beyond the tenant's rate.
///
/// Must be the first argument of a handler. The extractors after it, above all the body, then run only for callers that
/// were admitted, and a client that waits with `Expect: 100-continue` is answered before it sends a byte.
/// `Option<AuthenticatedActor>` is for routes that may be public: `None` without an `Authorization` header, refused
/// with an invalid header.
pub(super) struct AuthenticatedActor(pub(super) Actor);

impl FromRequestParts<AppState> for AuthenticatedActor {
    type Rejection = ProblemDetails;

    async fn from_request_parts(parts: &mut Parts, site: &AppState) -> Result<Self, ProblemDetails> {
        Ok(Self(admit_bearer(&site.engine, &parts.headers).await?))
    }
}

impl OptionalFromRequestParts<AppState> for AuthenticatedActor {
    type Rejection = ProblemDetails;

    async fn from_request_parts(parts: &mut Parts, site: &AppState) -> Result<Option<Self>, ProblemDetails> {
        if !parts.headers.contains_key(header::AUTHORIZATION) {
            return Ok(None);
        }
        Ok(Some(Self(admit_bearer(&site.engine, &parts.headers).await?)))
    }
}

/// The holder of the grant in the path, admitted as [`AuthenticatedActor`] is; the first argument of a handler likewise.
pub(super) struct AuthenticatedHolder(pub(super) Actor);

impl FromRequestParts<AppState> for AuthenticatedHolder {
    type Rejection = ProblemDetails;

    async fn from_request_parts(parts: &mut Parts, site: &AppState) -> Result<Self, ProblemDetails> {
        let path = <Path<HashMap<String, String>> as FromRequestParts<AppState>>::from_request_parts(parts, site).await;
        let grant = path.ok().and_then(|Path(mut path)| path.remove("grant")).ok_or(Error::NotFound)?;
        Ok(Self(admit_grant(&site.engine, &grant).await?))
    }
}

/// Authenticates the credential in `Authorization` and counts a request of its tenant.
pub(super) async fn admit_bearer(engine: &Engine, headers: &HeaderMap) -> Result<Actor, Error> {
    let actor = authenticate_bearer(engine, headers).await?;
    engine.tenants().admit(&actor).await?;
    Ok(actor)
}

/// Authenticates the credential in `Authorization` without counting the request.
pub(super) async fn authenticate_bearer(engine: &Engine, headers: &HeaderMap) -> Result<Actor, Error> {
    let value = headers.get(header::AUTHORIZATION).ok_or(Error::Unauthenticated)?;
    let token = value.to_str().ok().and_then(|text| text.split_once(' '));
    match token {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            engine.tenants().authenticate(token.trim()).await
        }
        _ => Err(Error::Unauthenticated),
    }
}
