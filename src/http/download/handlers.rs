//! Glue of downloads: permission from the engine, conditions from the request, then delivery in a mode.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::conditions::{PreconditionOutcome, RepresentationInfo, evaluate_preconditions, range_applies};
use super::stream::DownloadRequestHead;
use super::{accel, stream};
use crate::domain::access::Actor;
use crate::domain::file_type::is_code;
use crate::domain::grant::{AssetVariant, Disposition};
use crate::domain::ids::AssetId;
use crate::domain::name::MediaType;
use crate::engine::{DeliveryMode, Error, LinkUseKind, OpenedDownload, SignedUrl};
use crate::http::AppState;
use crate::http::context::{AuthenticatedActor, PathId, peer_ip};
use crate::http::problem::ProblemDetails;
use crate::http::query::{parse_parameter, query_pairs, unknown_parameter};
use crate::metrics;

/// Parameters of the query.
#[derive(Default)]
struct DownloadQuery {
    disposition: Disposition,
    delivery: Option<DeliveryMode>,
    variant: Option<AssetVariant>,
}

fn parse_query(query: Option<&str>) -> Result<DownloadQuery, Error> {
    let mut ask = DownloadQuery::default();
    let mut format = None;
    for (name, value) in query_pairs(query) {
        match (name.as_str(), value.as_str()) {
            ("disposition", text) => {
                ask.disposition = parse_parameter("disposition", text, "must be attachment or inline")?;
            }
            ("delivery", mode) => {
                ask.delivery =
                    Some(parse_parameter("delivery", mode, "must be redirect, stream, accel, sendfile or cdn")?);
            }
            ("variant", name) => ask.variant = Some(AssetVariant { name: name.to_owned(), format: None }),
            ("format", name) => format = Some(name.to_owned()),
            (other, _) => return Err(unknown_parameter(other)),
        }
    }
    match (&mut ask.variant, format) {
        (Some(form), format) => form.format = format,
        (None, Some(_)) => return Err(Error::invalid("format", "requires variant")),
        (None, None) => {}
    }
    Ok(ask)
}

pub(super) async fn get_content(
    caller: Option<AuthenticatedActor>,
    State(site): State<AppState>,
    method: Method,
    extensions: http::Extensions,
    headers: HeaderMap,
    PathId(asset): PathId<AssetId>,
    RawQuery(query): RawQuery,
) -> Result<Response, ProblemDetails> {
    // A policy may make assets public.
    let actor = caller.map_or(Actor::Nobody, |AuthenticatedActor(actor)| actor);
    let ask = parse_query(query.as_deref())?;
    let download = site.engine.delivery().download(&actor, asset, ask.disposition, ask.variant.as_ref()).await?;
    let mode = site.engine.delivery().way_of(&download, ask.delivery)?;
    let asked = DownloadRequestHead { method: &method, headers: &headers, extensions: &extensions };
    deliver_download(&site, &asked, download, mode).await
}

pub(super) async fn get_link_content(
    State(site): State<AppState>,
    method: Method,
    extensions: http::Extensions,
    headers: HeaderMap,
    PathId(grant): PathId<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ProblemDetails> {
    let ask = parse_query(query.as_deref())?;
    let opening = |download: &OpenedDownload| {
        opening_kind(&method, &evaluate_preconditions(&method, &headers, &representation_info(download)))
    };
    let download =
        site.engine.delivery().download_by_link(&grant, peer_ip(&extensions), opening, ask.variant.as_ref()).await?;
    let mode = site.engine.delivery().way_of(&download, ask.delivery)?;
    let asked = DownloadRequestHead { method: &method, headers: &headers, extensions: &extensions };
    deliver_download(&site, &asked, download, mode).await
}

/// Effect of the request on the uses of a link. Requests that start in the middle of the file continue an earlier
/// download: players and parallel downloaders send many. A request for the first byte is a use, however its range is
/// written; a request without bytes is none.
fn opening_kind(method: &Method, verdict: &PreconditionOutcome) -> LinkUseKind {
    match verdict {
        _ if method == Method::HEAD => LinkUseKind::Look,
        PreconditionOutcome::NotModified => LinkUseKind::Look,
        PreconditionOutcome::PreconditionFailed | PreconditionOutcome::RangeNotSatisfiable => LinkUseKind::GoOn,
        PreconditionOutcome::Ranges(ranges) if ranges.iter().all(|range| range.start > 0) => LinkUseKind::GoOn,
        PreconditionOutcome::Ranges(_) | PreconditionOutcome::Whole => LinkUseKind::Begin,
    }
}

/// The download with its type changed to plain text if a browser asks for it as code of a page (`Sec-Fetch-Dest`, W3C
/// Fetch Metadata §2.2); `nosniff` then keeps the browser from running it. Files of users are never code of pages.
fn without_code(headers: &HeaderMap, mut download: OpenedDownload) -> OpenedDownload {
    const CODE_DESTINATIONS: [&str; 10] = [
        "script",
        "style",
        "worker",
        "sharedworker",
        "serviceworker",
        "audioworklet",
        "paintworklet",
        "xslt",
        "json",
        "manifest",
    ];
    let destination = headers.get("sec-fetch-dest").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if CODE_DESTINATIONS.contains(&destination) && is_code(&download.media_type) {
        download.media_type = MediaType::plain_text();
    }
    download
}

async fn deliver_download(
    site: &AppState,
    asked: &DownloadRequestHead<'_>,
    download: OpenedDownload,
    mode: DeliveryMode,
) -> Result<Response, ProblemDetails> {
    let download = without_code(asked.headers, download);
    let verdict = evaluate_preconditions(asked.method, asked.headers, &representation_info(&download));
    let is_counted = asked.method == Method::GET;
    if is_counted && matches!(verdict, PreconditionOutcome::Ranges(_)) {
        metrics::downloads().record_range();
    }
    let (mode, answer) = answer_download(site, asked, download, verdict, mode).await;
    if is_counted {
        let status = answer.as_ref().map_or_else(|problem| problem.status, Response::status);
        metrics::downloads().record_answer(mode.name(), status.as_u16());
    }
    answer
}

/// The answer, and the mode in which it delivers.
async fn answer_download(
    site: &AppState,
    asked: &DownloadRequestHead<'_>,
    download: OpenedDownload,
    verdict: PreconditionOutcome,
    mode: DeliveryMode,
) -> (DeliveryMode, Result<Response, ProblemDetails>) {
    let refused = match &verdict {
        PreconditionOutcome::NotModified => Some(Ok(stream::not_modified(&download))),
        PreconditionOutcome::PreconditionFailed => Some(Err(ProblemDetails::new(
            StatusCode::PRECONDITION_FAILED,
            "precondition_failed",
            "The file does not match the condition of the request.",
        ))),
        PreconditionOutcome::RangeNotSatisfiable => Some(Ok(stream::unsatisfiable(&download))),
        PreconditionOutcome::Whole | PreconditionOutcome::Ranges(_) => None,
    };
    if let Some(refused) = refused {
        return (DeliveryMode::Stream, refused);
    }
    match delegate_delivery(site, asked, &download, &verdict, mode).await {
        Ok(Some(response)) => (mode, Ok(response)),
        Ok(None) => (DeliveryMode::Stream, stream::build_content_response(site, asked, download, verdict).await),
        Err(problem) => (mode, Err(problem)),
    }
}

/// The answer by which another server sends the bytes; `None`: this service sends them.
async fn delegate_delivery(
    site: &AppState,
    &DownloadRequestHead { method, headers, .. }: &DownloadRequestHead<'_>,
    download: &OpenedDownload,
    verdict: &PreconditionOutcome,
    mode: DeliveryMode,
) -> Result<Option<Response>, ProblemDetails> {
    // A URL signed for GET does not work for HEAD, and the answer to HEAD needs no bytes.
    if method == Method::HEAD {
        return Ok(None);
    }
    // A store would serve the range even where If-Range excludes it.
    let as_asked = range_applies(headers, &representation_info(download));
    match mode {
        DeliveryMode::Stream => Ok(None),
        DeliveryMode::Redirect if as_asked => {
            site.engine.delivery().redirect(download).await?.as_ref().map(redirect_response).transpose()
        }
        DeliveryMode::Cdn if as_asked => {
            site.engine.delivery().at_the_edge(download).as_ref().map(redirect_response).transpose()
        }
        DeliveryMode::Redirect | DeliveryMode::Cdn => Ok(None),
        DeliveryMode::Accel => match accel::find_trusted_proxy(site, headers) {
            Some(proxy) => accel::build_accel_response(site, proxy, headers, download, verdict).await,
            None => Ok(None),
        },
        DeliveryMode::Sendfile => match accel::find_trusted_proxy(site, headers) {
            Some(_) => accel::build_sendfile_response(site, headers, download, verdict).await,
            None => Ok(None),
        },
    }
}

fn representation_info(download: &OpenedDownload) -> RepresentationInfo<'_> {
    RepresentationInfo { etag: &download.etag, last_modified: download.modified, size: download.size }
}

fn redirect_response(signed: &SignedUrl) -> Result<Response, ProblemDetails> {
    let location = HeaderValue::from_str(&signed.url).map_err(Error::internal)?;
    let mut response = StatusCode::FOUND.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    // The URL is a secret while it is valid: no cache and no Referer may carry it on.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}
