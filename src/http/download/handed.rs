//! Answers that tell a proxy of ours where the bytes are: `X-Accel-Redirect` (nginx) and `X-Sendfile` (Apache).
//!
//! Only after the proxy has proven itself, and only for what it will do exactly as we would: whatever the proxy might judge
//! otherwise (several ranges, ranges that do not apply, preconditions on a file that has tags of its own) takes another
//! way. Paths are made by us; nothing of a request becomes part of one. A client's own `X-Accel-…` headers mean nothing.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::super::Site;
use super::super::problem::Problem;
use super::conditions::Verdict;
use super::stream;
use crate::engine::{Cache, Download, Error, StoreRequest, TrustedProxy};

/// What a proxy proves itself with. nginx and Apache overwrite whatever a client sends under this name.
const PROOF: &str = "x-gantry-proxy-secret";

const ACCEL: HeaderName = HeaderName::from_static("x-accel-redirect");
const LIMIT_RATE: HeaderName = HeaderName::from_static("x-accel-limit-rate");
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const SENDFILE: HeaderName = HeaderName::from_static("x-sendfile");
const TARGET: HeaderName = HeaderName::from_static("x-gantry-store-target");
const HOST: HeaderName = HeaderName::from_static("x-gantry-store-host");
const RANGE: HeaderName = HeaderName::from_static("x-gantry-store-range");
const OBJECT: HeaderName = HeaderName::from_static("x-gantry-object");

/// The locations of `infra/nginx/gantry.conf`, all of them `internal`.
const FILES: &str = "/_gantry/files/";
const STORE: &str = "/_gantry/store";
const CACHED: &str = "/_gantry/cached";

/// The proxy that this request came through, if it has proven itself.
pub(super) fn proxy<'a>(site: &'a Site, headers: &HeaderMap) -> Option<&'a TrustedProxy> {
    site.engine.trusted_proxy(headers.get(PROOF).map(HeaderValue::as_bytes))
}

fn text(value: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(value).map_err(|error| Error::Internal(error.to_string()))
}

fn empty(download: &Download) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::OK;
    *response.headers_mut() = stream::head(download);
    response
}

/// Whether the proxy reads the request's range as we did.
fn same_range(headers: &HeaderMap, verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Whole => !headers.contains_key(header::RANGE),
        Verdict::Ranges(ranges) => ranges.len() == 1,
        Verdict::NotModified | Verdict::Failed | Verdict::Unsatisfiable => false,
    }
}

/// Whether nginx would judge preconditions again, by tags and dates of its own.
fn conditional(headers: &HeaderMap) -> bool {
    headers.contains_key(header::IF_MATCH) || headers.contains_key(header::IF_UNMODIFIED_SINCE)
}

/// For nginx. `None`: it is to pass on what we send.
pub(super) async fn accel(
    site: &Site,
    proxy: &TrustedProxy,
    headers: &HeaderMap,
    download: &Download,
    verdict: &Verdict,
) -> Result<Option<Response>, Problem> {
    let alike = same_range(headers, verdict) && !conditional(headers);
    let file = if alike { site.engine.local_file(download).await? } else { None };
    let mut response = match file {
        Some(file) => {
            let mut response = empty(download);
            response.headers_mut().insert(ACCEL, text(&format!("{FILES}{}", file.name))?);
            response
        }
        None if matches!(verdict, Verdict::Ranges(ranges) if ranges.len() > 1) || download.size == 0 => {
            return Ok(None);
        }
        None => {
            let place = if proxy.cache == Cache::Slices && alike { CACHED } else { STORE };
            match site.engine.store_request(download).await? {
                Some(request) => from_store(&request, download, verdict, place)?,
                None => return Ok(None),
            }
        }
    };
    pace(proxy, response.headers_mut());
    // nginx keeps this one and says it once more.
    response.headers_mut().remove(header::ACCEPT_RANGES);
    Ok(Some(response))
}

fn from_store(
    request: &StoreRequest,
    download: &Download,
    verdict: &Verdict,
    place: &'static str,
) -> Result<Response, Problem> {
    let url = url::Url::parse(&request.url.url).map_err(|error| Error::Internal(error.to_string()))?;
    // As it was signed, byte for byte: the parser is for the host only.
    let target = request.url.url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| rest[at..].to_owned()));
    let host = url.host_str().unwrap_or_default();
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let mut response = empty(download);
    let headers = response.headers_mut();
    headers.insert(ACCEL, HeaderValue::from_static(place));
    headers.insert(TARGET, text(&target.unwrap_or_default())?);
    headers.insert(HOST, text(&host)?);
    headers.insert(OBJECT, text(&request.object)?);
    if let Verdict::Ranges(ranges) = verdict
        && let [range] = ranges.as_slice()
    {
        headers.insert(RANGE, text(&format!("bytes={}-{}", range.start, range.end - 1))?);
    }
    Ok(response)
}

fn pace(proxy: &TrustedProxy, headers: &mut HeaderMap) {
    if let Some(rate) = proxy.limit_rate {
        headers.insert(LIMIT_RATE, HeaderValue::from(rate));
    }
    if let Some(buffering) = proxy.buffering {
        headers.insert(BUFFERING, HeaderValue::from_static(if buffering { "yes" } else { "no" }));
    }
}

/// For Apache. `None`: there is no file for it to send, or it would read the request otherwise.
pub(super) async fn sendfile(
    site: &Site,
    headers: &HeaderMap,
    download: &Download,
    verdict: &Verdict,
) -> Result<Option<Response>, Problem> {
    // Apache does not trust the date of a file that is younger than a minute.
    let by_date = headers.get(header::IF_RANGE).is_some_and(|value| !value.as_bytes().starts_with(b"\""));
    if !same_range(headers, verdict) || by_date {
        return Ok(None);
    }
    let Some(file) = site.engine.local_file(download).await? else { return Ok(None) };
    let Some(path) = file.path.to_str() else { return Ok(None) };
    let mut response = empty(download);
    response.headers_mut().insert(SENDFILE, text(path)?);
    Ok(Some(response))
}
