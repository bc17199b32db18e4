//! Answers that carry the bytes themselves: the whole file, a single range, several ranges.

use std::ops::Range;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::conditions::PreconditionOutcome;
use crate::domain::clock::Timestamp;
use crate::domain::name::MediaType;
use crate::domain::reason::chain;
use crate::engine::{Engine, Error, OpenedDownload, RequestContext};
use crate::http::AppState;
use crate::http::problem::ProblemDetails;
use crate::sendfile::SpanOutlet;

/// Parts of a request that determine its answer.
pub(super) struct DownloadRequestHead<'a> {
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
    pub(super) extensions: &'a http::Extensions,
}

fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

fn http_date(instant: Timestamp) -> String {
    let seconds = std::time::Duration::from_secs(instant.as_second().try_into().unwrap_or(0));
    httpdate::fmt_http_date(std::time::SystemTime::UNIX_EPOCH + seconds)
}

fn response_with(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// Headers that identify the bytes and control caches; the same in 200, 206 and 304.
fn validators(download: &OpenedDownload) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::ETAG, header_value(&format!("\"{}\"", download.etag)));
    headers.insert(header::LAST_MODIFIED, header_value(&http_date(download.modified)));
    // An asset can be deleted and its content replaced, so caches, also those of browsers, revalidate every time unless
    // the policy allows otherwise.
    let kept =
        download.public.map_or_else(|| "private, no-cache, no-transform".to_owned(), |rule| rule.cache_control());
    headers.insert(header::CACHE_CONTROL, header_value(&kept));
    if let Some(digest) = download.sha256 {
        headers.insert("repr-digest", header_value(&format!("sha-256=:{}:", digest.base64())));
    }
    headers
}

/// The headers of every answer with bytes. Whatever the bytes are, the browser must not guess their type and must not
/// run them.
pub(super) fn content_headers(download: &OpenedDownload) -> HeaderMap {
    let mut headers = validators(download);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_TYPE, header_value(download.media_type.as_str()));
    headers.insert(header::CONTENT_DISPOSITION, header_value(&download.disposition));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(content_policy(&download.media_type)));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-site"));
    headers
}

/// `Content-Security-Policy` for the bytes as a page of their own. A browser's own player is such a page: it loads the
/// film again, from the same origin. Scripts, forms and frames stay forbidden.
fn content_policy(media_type: &MediaType) -> &'static str {
    if ["video/", "audio/"].iter().any(|kind| media_type.as_str().starts_with(kind)) {
        "sandbox allow-same-origin; default-src 'none'; media-src 'self'"
    } else {
        "sandbox; default-src 'none'"
    }
}

/// 304, with the headers that a cache needs to keep its copy.
pub(super) fn not_modified(download: &OpenedDownload) -> Response {
    let mut response = response_with(StatusCode::NOT_MODIFIED, Body::empty());
    *response.headers_mut() = validators(download);
    response
}

/// 416, with the actual size.
pub(super) fn unsatisfiable(download: &OpenedDownload) -> Response {
    let mut response = response_with(StatusCode::RANGE_NOT_SATISFIABLE, Body::empty());
    *response.headers_mut() = validators(download);
    response.headers_mut().insert(header::CONTENT_RANGE, header_value(&format!("bytes */{}", download.size)));
    response
}

/// 200 or 206; for HEAD the headers of a 200.
pub(super) async fn build_content_response(
    site: &AppState,
    request: &DownloadRequestHead<'_>,
    download: OpenedDownload,
    verdict: PreconditionOutcome,
) -> Result<Response, ProblemDetails> {
    match verdict {
        PreconditionOutcome::Ranges(ranges) if ranges.len() > 1 => build_multipart_ranges(site, download, ranges).await,
        PreconditionOutcome::Ranges(ranges) => {
            let range = ranges.into_iter().next().unwrap_or(0..download.size);
            let content_range = content_range(&range, download.size);
            let mut response = build_single_range(site, request, &download, range, StatusCode::PARTIAL_CONTENT).await?;
            response.headers_mut().insert(header::CONTENT_RANGE, header_value(&content_range));
            Ok(response)
        }
        PreconditionOutcome::Whole
        | PreconditionOutcome::NotModified
        | PreconditionOutcome::PreconditionFailed
        | PreconditionOutcome::RangeNotSatisfiable => {
            let range = 0..download.size;
            build_single_range(site, request, &download, range, StatusCode::OK).await
        }
    }
}

fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end - 1)
}

async fn build_single_range(
    site: &AppState,
    request: &DownloadRequestHead<'_>,
    download: &OpenedDownload,
    range: Range<u64>,
    status: StatusCode,
) -> Result<Response, ProblemDetails> {
    let len = range.end - range.start;
    let body =
        if request.method == Method::HEAD { Body::empty() } else { open_body(site, request, download, range).await? };
    let mut response = response_with(status, body);
    *response.headers_mut() = content_headers(download);
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    Ok(response)
}

/// The body: sent from file to socket by the kernel if both are local and no layer has to read the bytes, otherwise
/// read through this process.
async fn open_body(
    site: &AppState,
    request: &DownloadRequestHead<'_>,
    download: &OpenedDownload,
    range: Range<u64>,
) -> Result<Body, ProblemDetails> {
    if let Some(outlet) = SpanOutlet::of(request.extensions, range.end - range.start)
        && let Some(spans) = site.engine.delivery().spans(download, range.clone()).await?
    {
        return Ok(Body::from_stream(outlet.body(spans).inspect_err(log_broken_download())));
    }
    Ok(Body::from_stream(site.engine.delivery().stream(download, range).await?.inspect_err(log_broken_download())))
}

/// Logs a body that fails. The failure closes the connection, so that the client notices the missing bytes.
fn log_broken_download<E: std::error::Error>() -> impl Fn(&E) {
    let id = RequestContext::request_id();
    move |error| tracing::warn!(request_id = id, error = %chain(error), "a download broke off")
}

/// `multipart/byteranges` (RFC 9110 §14.6); each part is fetched when the part before it has been sent.
async fn build_multipart_ranges(
    site: &AppState,
    download: OpenedDownload,
    ranges: Vec<Range<u64>>,
) -> Result<Response, ProblemDetails> {
    let boundary = multipart_boundary(&download);
    let heads: Vec<String> = ranges.iter().map(|range| part_head(&download, range, &boundary)).collect();
    let end = format!("\r\n--{boundary}--\r\n");
    let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    let length = bytes + heads.iter().map(|head| head.len() as u64).sum::<u64>() + end.len() as u64;
    let headers = content_headers(&download);
    let engine = site.engine.clone();
    let mut wanted = heads.into_iter().zip(ranges);
    // Opens the first part before the answer begins: an unreadable file is then an error with a status.
    let first = match wanted.next() {
        Some((head, range)) => open_range_part(engine.clone(), download.clone(), head, range).await?,
        None => stream::empty().boxed(),
    };
    let parts = stream::iter(wanted)
        .then(move |(head, range)| open_range_part(engine.clone(), download.clone(), head, range))
        .try_flatten();
    let body =
        first.chain(parts).chain(stream::once(async move { Ok(Bytes::from(end)) })).inspect_err(log_broken_download());
    let mut response = response_with(StatusCode::PARTIAL_CONTENT, Body::from_stream(body));
    *response.headers_mut() = headers;
    let content_type = header_value(&format!("multipart/byteranges; boundary={boundary}"));
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Ok(response)
}

fn part_head(download: &OpenedDownload, range: &Range<u64>, boundary: &str) -> String {
    let (kind, content_range) = (&download.media_type, content_range(range, download.size));
    format!("\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: {content_range}\r\n\r\n")
}

async fn open_range_part(
    engine: Engine,
    download: OpenedDownload,
    head: String,
    range: Range<u64>,
) -> Result<RangePartStream, Error> {
    let bytes = engine.delivery().stream(&download, range).await?.map_err(Error::from);
    Ok(stream::once(async move { Ok(Bytes::from(head)) }).chain(bytes).boxed())
}

type RangePartStream = stream::BoxStream<'static, Result<Bytes, Error>>;

/// A separator that is unlikely to occur in any file and that no client can predict.
fn multipart_boundary(download: &OpenedDownload) -> String {
    use sha2::{Digest, Sha256};
    let id = [download.id.as_bytes().as_slice(), RequestContext::request_id().as_bytes()].concat();
    format!("gantry-{}", &hex::encode(Sha256::digest(id))[..32])
}
