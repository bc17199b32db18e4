//! Glue of downloads: permission from the engine, conditions from the request, then a redirect or a stream.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::super::Site;
use super::super::context::{Named, actor, peer};
use super::super::problem::Problem;
use super::conditions::{Facts, Verdict, decide, range_applies};
use super::stream;
use crate::domain::grant::Disposition;
use crate::domain::ids::AssetId;
use crate::engine::{DeliveryMode, Download, Error, Form};

/// What the query narrows.
#[derive(Default)]
struct Ask {
    disposition: Disposition,
    delivery: Option<DeliveryMode>,
    form: Option<Form>,
}

fn ask(query: Option<&str>) -> Result<Ask, Error> {
    let mut ask = Ask::default();
    let mut format = None;
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match (&*name, &*value) {
            ("disposition", text) => {
                ask.disposition = text.parse().map_err(|()| Error::invalid("disposition", "attachment or inline"))?;
            }
            ("delivery", "redirect") => ask.delivery = Some(DeliveryMode::Redirect),
            ("delivery", "stream") => ask.delivery = Some(DeliveryMode::Stream),
            ("delivery", _) => return Err(Error::invalid("delivery", "redirect or stream")),
            ("variant", name) => ask.form = Some(Form { variant: name.to_owned(), format: None }),
            ("format", name) => format = Some(name.to_owned()),
            (other, _) => return Err(Error::invalid("query", format!("{other:?} is no parameter of this address"))),
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
    State(site): State<Site>,
    method: Method,
    headers: HeaderMap,
    Named(asset): Named<AssetId>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let actor = actor(&site.engine, &headers).await?;
    let ask = ask(query.as_deref())?;
    let download = site.engine.download(&actor, asset, ask.disposition, ask.form.as_ref()).await?;
    deliver(&site, &method, &headers, download, ask.delivery).await
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
    let opens = method != Method::HEAD;
    let download = site.engine.download_by_link(&grant, peer(&extensions), opens, ask.form.as_ref()).await?;
    deliver(&site, &method, &headers, download, ask.delivery).await
}

async fn deliver(
    site: &Site,
    method: &Method,
    headers: &HeaderMap,
    download: Download,
    delivery: Option<DeliveryMode>,
) -> Result<Response, Problem> {
    let facts = Facts { etag: &download.etag, modified: download.modified, size: download.size };
    let verdict = decide(method, headers, &facts);
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
    // A store would serve the range although If-Range speaks against it; a URL for GET is no good for HEAD.
    let here = method == Method::HEAD || !range_applies(headers, &facts);
    match delivery.unwrap_or(site.engine.delivery()) {
        DeliveryMode::Redirect if !here => redirect(site, &download).await,
        DeliveryMode::Redirect | DeliveryMode::Stream => stream::answer(site, method, download, verdict).await,
    }
}

async fn redirect(site: &Site, download: &Download) -> Result<Response, Problem> {
    let signed = site.engine.redirect(download).await?;
    let location = HeaderValue::from_str(&signed.url).map_err(|error| Error::Internal(error.to_string()))?;
    let mut response = StatusCode::FOUND.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    // The URL is a secret for a short while: no cache and no Referer may carry it on.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}
