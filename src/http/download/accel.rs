//! Offload of downloads to a reverse proxy: `X-Accel-Redirect` (nginx) and `X-Sendfile` (Apache) tell it where the
//! bytes are.
//!
//! Used only after the proxy has authenticated itself, and only where the proxy does exactly what this service would
//! do. Requests that the proxy might judge differently (several ranges, ranges that do not apply, preconditions on a
//! file for which the proxy has its own tags) are delivered in another mode. Paths are built by this service; no part
//! of a request enters them. `X-Accel-…` headers of a client are ignored.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::conditions::PreconditionOutcome;
use super::stream;
use crate::engine::{Error, OpenedDownload, ProxyCacheMode, StoreRequest, TrustedProxy};
use crate::http::AppState;
use crate::http::problem::ProblemDetails;

/// Header with the proxy's secret. nginx and Apache overwrite the value of a client.
const PROXY_SECRET_HEADER: &str = "x-gantry-proxy-secret";

const ACCEL_REDIRECT_HEADER: HeaderName = HeaderName::from_static("x-accel-redirect");
const ACCEL_LIMIT_RATE_HEADER: HeaderName = HeaderName::from_static("x-accel-limit-rate");
const ACCEL_BUFFERING_HEADER: HeaderName = HeaderName::from_static("x-accel-buffering");
const SENDFILE_HEADER: HeaderName = HeaderName::from_static("x-sendfile");
const STORE_TARGET_HEADER: HeaderName = HeaderName::from_static("x-gantry-store-target");
const STORE_HOST_HEADER: HeaderName = HeaderName::from_static("x-gantry-store-host");
const STORE_RANGE_HEADER: HeaderName = HeaderName::from_static("x-gantry-store-range");
const STORE_OBJECT_HEADER: HeaderName = HeaderName::from_static("x-gantry-object");

/// Locations in `infra/nginx/gantry.conf`, all of them `internal`.
const FILES_LOCATION: &str = "/_gantry/files/";
const STORE_LOCATION: &str = "/_gantry/store";
const CACHED_STORE_LOCATION: &str = "/_gantry/cached";

/// The proxy that this request came through, if it sent its secret.
pub(super) fn find_trusted_proxy<'a>(site: &'a AppState, headers: &HeaderMap) -> Option<&'a TrustedProxy> {
    site.engine.delivery().trusted_proxy(headers.get(PROXY_SECRET_HEADER).map(HeaderValue::as_bytes))
}

fn header_value_or_error(value: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(value).map_err(Error::internal)
}

fn empty_response(download: &OpenedDownload) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::OK;
    *response.headers_mut() = stream::content_headers(download);
    response
}

/// True if the proxy interprets the request's range as this service does.
fn is_same_range(headers: &HeaderMap, verdict: &PreconditionOutcome) -> bool {
    match verdict {
        PreconditionOutcome::Whole => !headers.contains_key(header::RANGE),
        PreconditionOutcome::Ranges(ranges) => ranges.len() == 1,
        PreconditionOutcome::NotModified
        | PreconditionOutcome::PreconditionFailed
        | PreconditionOutcome::RangeNotSatisfiable => false,
    }
}

/// True if nginx would evaluate preconditions again, with its own tags and dates.
fn has_preconditions(headers: &HeaderMap) -> bool {
    headers.contains_key(header::IF_MATCH) || headers.contains_key(header::IF_UNMODIFIED_SINCE)
}

/// The answer for nginx. `None`: nginx is to pass on the bytes that this service sends.
pub(super) async fn build_accel_response(
    site: &AppState,
    proxy: &TrustedProxy,
    headers: &HeaderMap,
    download: &OpenedDownload,
    verdict: &PreconditionOutcome,
) -> Result<Option<Response>, ProblemDetails> {
    let alike = is_same_range(headers, verdict) && !has_preconditions(headers);
    let file = if alike { site.engine.delivery().local_file(download).await? } else { None };
    let mut response = match file {
        Some(file) => {
            let mut response = empty_response(download);
            response
                .headers_mut()
                .insert(ACCEL_REDIRECT_HEADER, header_value_or_error(&format!("{FILES_LOCATION}{}", file.name))?);
            response
        }
        None if matches!(verdict, PreconditionOutcome::Ranges(ranges) if ranges.len() > 1) || download.size == 0 => {
            return Ok(None);
        }
        None => {
            let place =
                if proxy.cache == ProxyCacheMode::Slices && alike { CACHED_STORE_LOCATION } else { STORE_LOCATION };
            match site.engine.delivery().store_request(download).await? {
                Some(request) => store_accel_response(&request, download, verdict, place)?,
                None => return Ok(None),
            }
        }
    };
    apply_pacing(proxy, response.headers_mut());
    // nginx keeps this header and adds its own.
    response.headers_mut().remove(header::ACCEPT_RANGES);
    Ok(Some(response))
}

fn store_accel_response(
    request: &StoreRequest,
    download: &OpenedDownload,
    verdict: &PreconditionOutcome,
    place: &'static str,
) -> Result<Response, ProblemDetails> {
    let url = url::Url::parse(&request.url.url).map_err(Error::internal)?;
    // Byte for byte as signed: the parser is used for the host only.
    let target = request.url.url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| rest[at..].to_owned()));
    let host = url.host_str().unwrap_or_default();
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let mut response = empty_response(download);
    let headers = response.headers_mut();
    headers.insert(ACCEL_REDIRECT_HEADER, HeaderValue::from_static(place));
    headers.insert(STORE_TARGET_HEADER, header_value_or_error(&target.unwrap_or_default())?);
    headers.insert(STORE_HOST_HEADER, header_value_or_error(&host)?);
    headers.insert(STORE_OBJECT_HEADER, header_value_or_error(&request.object)?);
    if let PreconditionOutcome::Ranges(ranges) = verdict
        && let [range] = ranges.as_slice()
    {
        headers.insert(STORE_RANGE_HEADER, header_value_or_error(&format!("bytes={}-{}", range.start, range.end - 1))?);
    }
    Ok(response)
}

fn apply_pacing(proxy: &TrustedProxy, headers: &mut HeaderMap) {
    if let Some(rate) = proxy.limit_rate {
        headers.insert(ACCEL_LIMIT_RATE_HEADER, HeaderValue::from(rate));
    }
    if let Some(buffering) = proxy.buffering {
        headers.insert(ACCEL_BUFFERING_HEADER, HeaderValue::from_static(if buffering { "yes" } else { "no" }));
    }
}

/// The answer for Apache. `None`: there is no local file, or Apache would interpret the request differently.
pub(super) async fn build_sendfile_response(
    site: &AppState,
    headers: &HeaderMap,
    download: &OpenedDownload,
    verdict: &PreconditionOutcome,
) -> Result<Option<Response>, ProblemDetails> {
    // Apache does not trust the date of a file that is younger than a minute.
    let by_date = headers.get(header::IF_RANGE).is_some_and(|value| !value.as_bytes().starts_with(b"\""));
    if !is_same_range(headers, verdict) || by_date {
        return Ok(None);
    }
    let Some(file) = site.engine.delivery().local_file(download).await? else { return Ok(None) };
    let Some(path) = file.path.to_str() else { return Ok(None) };
    let mut response = empty_response(download);
    response.headers_mut().insert(SENDFILE_HEADER, header_value_or_error(path)?);
    Ok(Some(response))
}
