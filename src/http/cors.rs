//! Cross-origin requests (CORS): which pages may call the API from a browser, and which headers of answers they may
//! read.
//!
//! Only origins from the settings and from tenants' policies are allowed. No route uses cookies, so credentials are
//! never allowed. A preflight of tus or of the IETF drafts is answered by those protocols, whose OPTIONS describes the
//! server; this module adds the CORS headers.

use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::AppState;

/// Origins from the settings; `*` means every origin.
pub(super) type CorsOrigins = Arc<[String]>;

const ALLOWED_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const ALLOWED_HEADERS: &str = "Authorization, Origin, Content-Type, Content-Disposition, Range, If-Match, If-None-Match, \
    If-Range, If-Modified-Since, If-Unmodified-Since, Cache-Control, Idempotency-Key, X-Requested-With, X-Request-ID, \
    X-HTTP-Method-Override, X-CSRF-Token, traceparent, tracestate, baggage, sentry-trace, Tus-Resumable, Upload-Length, \
    Upload-Offset, Upload-Metadata, Upload-Defer-Length, Upload-Concat, Upload-Checksum, Upload-Incomplete, \
    Upload-Complete, Upload-Draft-Interop-Version, Content-Digest, Repr-Digest, Want-Repr-Digest, Uppy-Auth-Token, \
    Uppy-Credentials-Params, Last-Event-ID";
const EXPOSED_HEADERS: &str = "Location, ETag, Content-Range, Content-Disposition, Retry-After, X-Request-ID, Tus-Version, \
    Tus-Resumable, Tus-Max-Size, Tus-Extension, Tus-Checksum-Algorithm, Upload-Offset, Upload-Length, \
    Upload-Metadata, Upload-Defer-Length, Upload-Concat, Upload-Expires, Upload-Incomplete, Upload-Complete, \
    Upload-Draft-Interop-Version, Upload-Limit, Accept-Patch, Repr-Digest, RateLimit, RateLimit-Policy";
/// Seconds that a browser may cache a preflight; browsers cap the value.
const MAX_AGE_SECONDS: &str = "86400";

/// Adds the CORS headers for pages of allowed origins.
pub(super) async fn apply_cors(site: &AppState, request: Request, next: Next) -> Response {
    let Some(origin) = find_allowed_origin(site, request.headers()).await else {
        let mut response = next.run(request).await;
        vary_by_origin(&mut response);
        return response;
    };
    let asked = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let preflight = request.method() == Method::OPTIONS && asked;
    let mut response = if preflight && !has_options(request.uri().path()) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    vary_by_origin(&mut response);
    let headers = response.headers_mut();
    // The page may read the answer, and so its times (Resource Timing, W3C).
    headers.insert("timing-allow-origin", origin.clone());
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let mut say = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    say(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    if preflight {
        say(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
        say(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
        say(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS);
    }
    response
}

/// Adds `Vary: Origin`, also to answers for requests without an origin: a cache must not show an answer for an origin
/// to a page of another origin (Fetch standard, "CORS protocol and HTTP caches").
fn vary_by_origin(response: &mut Response) {
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
}

/// The request's origin, if the settings or a policy allow its pages.
async fn find_allowed_origin(site: &AppState, headers: &HeaderMap) -> Option<HeaderValue> {
    if let Some(origin) = configured_origin(&site.cors_origins, headers) {
        return Some(origin);
    }
    let origin = headers.get(header::ORIGIN)?;
    // An origin that cannot be looked up is not allowed.
    let known = site.engine.tenants().admits_origin(origin.to_str().ok()?).await.unwrap_or(false);
    known.then(|| origin.clone())
}

fn configured_origin(origins: &[String], headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    let known = |allowed: &String| allowed == "*" || allowed.as_bytes() == origin.as_bytes();
    origins.iter().any(known).then(|| origin.clone())
}

/// True if this address has an OPTIONS of its own.
fn has_options(path: &str) -> bool {
    let mut words = path.split('/').skip(1);
    match words.next() {
        Some("tus" | "files") => true,
        Some("u") => matches!(words.nth(1), Some("tus" | "files")),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_listed() {
        let from = |origin: &'static str| HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))]);
        let origins = ["https://app.example".to_owned()];
        assert!(configured_origin(&origins, &from("https://app.example")).is_some());
        for stranger in ["https://app.example.evil", "http://app.example", "null", "https://app.example:8443"] {
            assert!(configured_origin(&origins, &from(stranger)).is_none(), "{stranger}");
        }
        assert!(configured_origin(&["*".to_owned()], &from("null")).is_some());
        assert!(configured_origin(&origins, &HeaderMap::new()).is_none());
    }

    #[test]
    fn which_options_mean_something() {
        for path in ["/tus", "/tus/x", "/u/gu_x/tus", "/u/gu_x/tus/y", "/files", "/files/x", "/u/gu_x/files"] {
            assert!(has_options(path), "{path}");
        }
        assert!(!has_options("/v1/uploads") && !has_options("/u/tus") && !has_options("/"));
    }
}
