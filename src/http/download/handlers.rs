//! Glue of downloads: permission from the engine, conditions from the request, then one of the deliveries.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::super::Site;
use super::super::context::{Authenticated, Named, peer};
use super::super::problem::Problem;
use super::super::query::{pairs, parsed, unknown};
use super::conditions::{Facts, Verdict, decide, range_applies};
use super::stream::Asked;
use super::{handed, stream};
use crate::domain::access::Actor;
use crate::domain::file_type::is_code;
use crate::domain::grant::{Disposition, Variant};
use crate::domain::ids::AssetId;
use crate::domain::name::MediaType;
use crate::engine::{DeliveryMode, Download, Error, Opening, SignedUrl};

/// What the query narrows.
#[derive(Default)]
struct Ask {
    disposition: Disposition,
    delivery: Option<DeliveryMode>,
    form: Option<Variant>,
}

fn ask(query: Option<&str>) -> Result<Ask, Error> {
    let mut ask = Ask::default();
    let mut format = None;
    for (name, value) in pairs(query) {
        match (name.as_str(), value.as_str()) {
            ("disposition", text) => ask.disposition = parsed("disposition", text, "attachment or inline")?,
            ("delivery", mode) => ask.delivery = Some(parsed("delivery", mode, "no such delivery")?),
            ("variant", name) => ask.form = Some(Variant { name: name.to_owned(), format: None }),
            ("format", name) => format = Some(name.to_owned()),
            (other, _) => return Err(unknown(other)),
        }
    }
    match (&mut ask.form, format) {
        (Some(form), format) => form.format = format,
        (None, Some(_)) => return Err(Error::invalid("format", "only together with variant")),
        (None, None) => {}
    }
    Ok(ask)
}

pub(super) async fn content(
    caller: Option<Authenticated>,
    State(site): State<Site>,
    method: Method,
    extensions: http::Extensions,
    headers: HeaderMap,
    Named(asset): Named<AssetId>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    // A policy may let anybody read.
    let actor = caller.map_or(Actor::Nobody, |Authenticated(actor)| actor);
    let ask = ask(query.as_deref())?;
    let download = site.engine.download(&actor, asset, ask.disposition, ask.form.as_ref()).await?;
    let mode = site.engine.way_of(&download, ask.delivery)?;
    let asked = Asked { method: &method, headers: &headers, extensions: &extensions };
    deliver(&site, &asked, download, mode).await
}

pub(super) async fn link(
    State(site): State<Site>,
    method: Method,
    extensions: http::Extensions,
    headers: HeaderMap,
    Named(grant): Named<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let ask = ask(query.as_deref())?;
    let opening = |download: &Download| opening(&method, &decide(&method, &headers, &facts(download)));
    let download = site.engine.download_by_link(&grant, peer(&extensions), opening, ask.form.as_ref()).await?;
    let mode = site.engine.way_of(&download, ask.delivery)?;
    let asked = Asked { method: &method, headers: &headers, extensions: &extensions };
    deliver(&site, &asked, download, mode).await
}

/// An answer from the middle of the file goes on with what was begun: players and downloaders in parallel ask for many of
/// them. One with the first byte is a use, in whatever form its range was written; one without bytes is none.
fn opening(method: &Method, verdict: &Verdict) -> Opening {
    match verdict {
        _ if method == Method::HEAD => Opening::Look,
        Verdict::NotModified => Opening::Look,
        Verdict::Failed | Verdict::Unsatisfiable => Opening::GoOn,
        Verdict::Ranges(ranges) if ranges.iter().all(|range| range.start > 0) => Opening::GoOn,
        Verdict::Ranges(_) | Verdict::Whole => Opening::Begin,
    }
}

/// The download as a browser may have it that asks on behalf of a page (`Sec-Fetch-Dest`, W3C Fetch Metadata §2.2): what
/// it would run or apply as part of that page is plain text to it, which `nosniff` keeps from running. Files of users are
/// never code of pages.
fn without_code(headers: &HeaderMap, mut download: Download) -> Download {
    const CODE: [&str; 10] = [
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
    if CODE.contains(&destination) && is_code(&download.media_type) {
        download.media_type = MediaType::plain_text();
    }
    download
}

async fn deliver(site: &Site, asked: &Asked<'_>, download: Download, mode: DeliveryMode) -> Result<Response, Problem> {
    let download = without_code(asked.headers, download);
    let verdict = decide(asked.method, asked.headers, &facts(&download));
    match &verdict {
        Verdict::NotModified => return Ok(stream::not_modified(&download)),
        Verdict::Failed => {
            return Err(Problem::new(
                StatusCode::PRECONDITION_FAILED,
                "precondition_failed",
                "The file is another one.",
            ));
        }
        Verdict::Unsatisfiable => return Ok(stream::unsatisfiable(&download)),
        Verdict::Whole | Verdict::Ranges(_) => {}
    }
    let elsewhere = elsewhere(site, asked, &download, &verdict, mode).await?;
    match elsewhere {
        Some(response) => Ok(response),
        None => stream::answer(site, asked, download, verdict).await,
    }
}

/// The answer that has somebody else send the bytes; `None`: we do.
async fn elsewhere(
    site: &Site,
    &Asked { method, headers, .. }: &Asked<'_>,
    download: &Download,
    verdict: &Verdict,
    mode: DeliveryMode,
) -> Result<Option<Response>, Problem> {
    // A URL for GET is no good for HEAD, and the answer to HEAD is all here.
    if method == Method::HEAD {
        return Ok(None);
    }
    // A store would serve the range although If-Range speaks against it.
    let as_asked = range_applies(headers, &facts(download));
    match mode {
        DeliveryMode::Stream => Ok(None),
        DeliveryMode::Redirect if as_asked => site.engine.redirect(download).await?.as_ref().map(redirect).transpose(),
        DeliveryMode::Cdn if as_asked => site.engine.at_the_edge(download).as_ref().map(redirect).transpose(),
        DeliveryMode::Redirect | DeliveryMode::Cdn => Ok(None),
        DeliveryMode::Accel => match handed::proxy(site, headers) {
            Some(proxy) => handed::accel(site, proxy, headers, download, verdict).await,
            None => Ok(None),
        },
        DeliveryMode::Sendfile => match handed::proxy(site, headers) {
            Some(_) => handed::sendfile(site, headers, download, verdict).await,
            None => Ok(None),
        },
    }
}

fn facts(download: &Download) -> Facts<'_> {
    Facts { etag: &download.etag, modified: download.modified, size: download.size }
}

fn redirect(signed: &SignedUrl) -> Result<Response, Problem> {
    let location = HeaderValue::from_str(&signed.url).map_err(|error| Error::Internal(error.to_string()))?;
    let mut response = StatusCode::FOUND.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    // The URL is a secret for a short while: no cache and no Referer may carry it on.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}
