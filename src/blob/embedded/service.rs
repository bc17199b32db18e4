//! HTTP service of the store: health, CORS, early refusals and observation of the body; `s3s` does the rest.
//!
//! Must not know operations: these are below [`super::s3`].

use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3Error, StdError, s3_error};

use super::auth::{self, AccessKeyPair};
use super::body::{BodyOutcome, WatchedBody};
use super::chunked::{ChunkSigning, SplitChunks};
use super::core::StoreCore;
use super::error::{Error, STORE_REGION};
use super::error_document::RequestHead;
use super::protection;
use super::s3::S3Api;
use super::unsupported;
use crate::domain::clock::{Clock as _, SystemClock, random_hex};

/// Path of the liveness probe. `-` cannot be a bucket name.
const HEALTH_PATH: &str = "/-/health";

/// Service between a parsed HTTP request and its response.
pub(super) struct S3HttpService {
    core: Arc<StoreCore>,
    s3: S3Service,
}

/// Facts of a request that are needed for its response.
struct RequestSummary {
    method: Method,
    expects: bool,
    /// True for GetObjectAttributes, whose entity tag S3 writes without quotes.
    bare_etag: bool,
    /// Signed in its query: the client may be a browser.
    presigned: bool,
    fate: Arc<BodyOutcome>,
    cors: Option<http::HeaderMap>,
    /// Request head for error documents.
    head: RequestHead,
}

impl S3HttpService {
    /// Serves `core` to clients that sign with `key`.
    pub(super) fn new(core: Arc<StoreCore>, key: AccessKeyPair) -> Self {
        let mut builder = S3ServiceBuilder::new(S3Api::new(Arc::clone(&core)));
        builder.set_auth(key);
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config()))));
        Self { core, s3: builder.build() }
    }

    /// Answers a request; never fails.
    pub(super) async fn handle<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError>,
    {
        let (mut parts, body) = request.into_parts();
        let asked = RequestSummary {
            method: parts.method.clone(),
            expects: parts.headers.contains_key(header::EXPECT) && parts.version < Version::HTTP_2,
            bare_etag: auth::has_parameter(&parts, "attributes"),
            presigned: auth::is_presigned(&parts),
            fate: Arc::default(),
            head: RequestHead::of(&parts),
            cors: self.core.cors.answer(&parts),
        };
        let body = WatchedBody::new(body, Arc::clone(&asked.fate));
        let response = match self.own(&parts) {
            Some(response) => response,
            None => {
                let said_in_query = auth::query_headers(&parts);
                parts.headers.extend(said_in_query);
                auth::forgive_range(&mut parts);
                parts.extensions.insert(Arc::clone(&asked.fate));
                self.call(parts, body).await
            }
        };
        self.finish(response, asked)
    }

    /// Response without S3: health, preflights, refusals. `None`: the request goes to `s3s`.
    fn own(&self, parts: &Parts) -> Option<Response<Body>> {
        if parts.uri.path() == HEALTH_PATH {
            return Some(self.health());
        }
        let preflight = parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if parts.method == Method::OPTIONS && preflight {
            return Some(match self.core.cors.preflight(parts) {
                Some(headers) => {
                    let mut response = Response::new(Body::empty());
                    *response.headers_mut() = headers;
                    response
                }
                None => render(s3_error!(AccessDenied, "CORSResponse: this CORS request is not allowed")),
            });
        }
        // Signatures use the wall clock of the signer, as in `s3s`.
        let refused = auth::check(parts, SystemClock.now()).and_then(|()| {
            unsupported::check_method(parts)?;
            unsupported::check(&parts.headers)?;
            unsupported::check(&auth::query_headers(parts))
        });
        refused.err().map(refuse)
    }

    fn health(&self) -> Response<Body> {
        let (status, text) = match self.core.health.reason() {
            None => (StatusCode::OK, "ok\n".to_owned()),
            Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("read-only: {reason}\n")),
        };
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    }

    async fn call<B>(&self, parts: Parts, body: WatchedBody<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError>,
    {
        let sha256 = parts.headers.get("x-amz-content-sha256").and_then(|value| value.to_str().ok());
        let body = match sha256.and_then(ChunkSigning::from_header) {
            Some(chunks) => Body::http_body_unsync(SplitChunks::new(body, chunks)),
            None => Body::http_body_unsync(body),
        };
        match self.s3.call(Request::from_parts(parts, body)).await {
            Ok(response) => response,
            Err(error) => {
                tracing::error!(?error, "an S3 answer could not be rendered");
                render(s3_error!(InternalError))
            }
        }
    }

    fn finish(&self, mut response: Response<Body>, asked: RequestSummary) -> Response<Body> {
        let status = response.status();
        // A 304 has no body (RFC 9110 §15.4.5); the HTTP layer drops the body of a HEAD response.
        if status == StatusCode::NOT_MODIFIED {
            *response.body_mut() = Body::empty();
            response.headers_mut().remove(header::CONTENT_TYPE);
        }
        // `s3s` answers a HEAD of a range or a part with 200.
        if asked.method == Method::HEAD && response.headers().contains_key(header::CONTENT_RANGE) && status.is_success()
        {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        let headers = response.headers_mut();
        // After a refusal the client may or may not send the body that it announced: the start of its next request is
        // unknown. In addition, botocore misreads the next response on a connection after a response without `100
        // Continue`, as for an empty body.
        if asked.expects && !(status.is_success() && asked.fate.was_wanted()) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if asked.method != Method::OPTIONS {
            headers.extend(asked.cors.unwrap_or_default());
        }
        if asked.bare_etag && status.is_success() {
            unquote_etag(&mut response);
        }
        let headers = response.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if asked.presigned && matches!(asked.method, Method::GET | Method::HEAD) {
            protection::protect(headers);
        }
        let id = random_hex(self.core.entropy.as_ref(), 8).to_uppercase();
        if let Ok(id) = id.parse() {
            headers.insert("x-amz-request-id", id);
        }
        if status.is_client_error() || status.is_server_error() {
            tell_more(&mut response, &asked.head, &id);
        }
        response
    }
}

/// Configuration of `s3s`. The age of a signature is left to [`auth`], which distinguishes URLs from headers.
fn config() -> S3Config {
    let mut config = S3Config::default();
    config.presigned_url_max_skew_time_secs = u32::MAX;
    config
}

/// Removes the quotes of entity tags, which `s3s` always writes.
fn unquote_etag(response: &mut Response<Body>) {
    let Some(xml) = response.body().bytes() else { return };
    let Ok(xml) = std::str::from_utf8(&xml) else { return };
    let bare = xml.replace("<ETag>\"", "<ETag>").replace("\"</ETag>", "</ETag>");
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(bare);
}

/// Completes an error document, whose body is in memory.
fn tell_more(response: &mut Response<Body>, head: &RequestHead, id: &str) {
    let Some(xml) = response.body().bytes() else { return };
    let Some(told) = std::str::from_utf8(&xml).ok().and_then(|xml| head.complete(xml, id)) else { return };
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(told);
}

/// Error response before `s3s` has seen the request. Clients read the right region from the answer to a wrong region.
fn refuse(error: Error) -> Response<Body> {
    let wrong_region = matches!(error, Error::WrongRegion);
    let error = S3Error::from(error);
    if !wrong_region {
        return render(error);
    }
    let (code, message) = (error.code().as_str(), error.message().unwrap_or_default());
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message>\
         <Region>{STORE_REGION}</Region></Error>"
    );
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

fn render(error: S3Error) -> Response<Body> {
    let status = error.status_code().unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    error.to_http_response().unwrap_or_else(|_| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        response
    })
}
