//! Glue of links, collections and galleries: parse, call the engine, render.

use axum::Json as Rendered;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use super::link_wire::{
    self, CreateCollectionBody, CreateThumbnailUrlsBody, LinkResultView, LinkView, RevokeLinksBody,
};
use super::wire::{CreateLinkBody, CreateLinksBody};
use crate::domain::ids::{AssetId, GrantId};
use crate::engine::{Error, LinkList, RevokeLinks};
use crate::http::AppState;
use crate::http::context::{AuthenticatedActor, PathId};
use crate::http::json_body::{JsonBody, JsonListBody, parse_idempotency_key};
use crate::http::problem::ProblemDetails;

type LinksResult<T = Rendered<Value>> = Result<T, ProblemDetails>;

pub(super) async fn create_link(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    headers: HeaderMap,
    PathId(asset): PathId<AssetId>,
    body: JsonBody<CreateLinkBody>,
) -> LinksResult<Response> {
    let wish = body.value.into_command(Some(asset))?;
    let repeat = parse_idempotency_key(&headers, body.fingerprint)?;
    let made = site.engine.delivery().make_links(&actor, vec![wish], repeat).await?;
    let made = made.into_iter().next().unwrap_or(Err(Error::NotFound))?;
    Ok((StatusCode::CREATED, Rendered(link_wire::made_link_view(&made, &site.content_url))).into_response())
}

#[derive(Serialize)]
struct LinksView<'a> {
    links: Vec<LinkResultView<'a>>,
}

pub(super) async fn create_links(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    headers: HeaderMap,
    body: JsonListBody<CreateLinksBody>,
) -> LinksResult<Response> {
    let repeat = parse_idempotency_key(&headers, body.fingerprint)?;
    let parsed: Vec<_> = body.value.links.into_iter().map(|link| link.into_command(None)).collect();
    let wishes = parsed.iter().flatten().cloned().collect();
    let made = site.engine.delivery().make_links(&actor, wishes, repeat).await?;
    let mut made = made.iter();
    let not = |error: &Error| LinkResultView::Not { error: ProblemDetails::from(error.clone()).to_json() };
    let links = parsed.iter().map(|wish| match wish {
        Err(error) => not(error),
        Ok(_) => match made.next() {
            Some(Ok(made)) => LinkResultView::Made(Box::new(link_wire::made_link_view(made, &site.content_url))),
            Some(Err(error)) => not(error),
            None => not(&Error::NotFound),
        },
    });
    Ok(Rendered(LinksView { links: links.collect() }).into_response())
}

fn links_page(list: &LinkList) -> Rendered<Value> {
    let links: Vec<LinkView<'_>> = list.links.iter().map(link_wire::link_view).collect();
    Rendered(json!({ "links": links, "next": list.next }))
}

pub(super) async fn list_links(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    RawQuery(raw): RawQuery,
) -> LinksResult {
    Ok(links_page(
        &site.engine.delivery().list_links(&actor, link_wire::parse_links_query(raw.as_deref(), None)?).await?,
    ))
}

pub(super) async fn list_asset_links(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(asset): PathId<AssetId>,
    RawQuery(raw): RawQuery,
) -> LinksResult {
    Ok(links_page(
        &site.engine.delivery().list_links(&actor, link_wire::parse_links_query(raw.as_deref(), Some(asset))?).await?,
    ))
}

pub(super) async fn revoke_link(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(link): PathId<GrantId>,
) -> LinksResult<StatusCode> {
    site.engine.delivery().revoke_link(&actor, link).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn revoke_links(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    body: JsonBody<RevokeLinksBody>,
) -> LinksResult {
    let revoked = site.engine.delivery().revoke_links(&actor, body.value.to_command()?).await?;
    Ok(Rendered(json!({ "revoked": revoked })))
}

pub(super) async fn revoke_asset_links(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(asset): PathId<AssetId>,
) -> LinksResult {
    let which = RevokeLinks { asset: Some(asset), maker: None };
    Ok(Rendered(json!({ "revoked": site.engine.delivery().revoke_links(&actor, which).await? })))
}

pub(super) async fn create_collection(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    headers: HeaderMap,
    body: JsonListBody<CreateCollectionBody>,
) -> LinksResult<Response> {
    let repeat = parse_idempotency_key(&headers, body.fingerprint)?;
    let made = site.engine.delivery().make_collection(&actor, body.value.into_command()?, repeat).await?;
    Ok((StatusCode::CREATED, Rendered(link_wire::collection_view(&made, &site.content_url))).into_response())
}

pub(super) async fn create_thumbnail_urls(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    body: JsonListBody<CreateThumbnailUrlsBody>,
) -> LinksResult {
    let form = body.value.to_variant()?;
    let texts = body.value.ids;
    let ids: Vec<Option<AssetId>> = texts.iter().map(|text| text.parse().ok()).collect();
    let known: Vec<AssetId> = ids.iter().flatten().copied().collect();
    let mut made = site.engine.delivery().gallery(&actor, &known, &form).await?.into_iter();
    let mut result = |(text, id): (&String, &Option<AssetId>)| {
        let thumbnail = id.and_then(|_| made.next()).unwrap_or(Err(Error::NotFound));
        match thumbnail {
            Ok(thumbnail) => link_wire::thumbnail_view(&thumbnail, &site.content_url),
            Err(error) => json!({ "id": text, "error": ProblemDetails::from(error).to_json() }),
        }
    };
    let results: Vec<Value> = texts.iter().zip(&ids).map(&mut result).collect();
    Ok(Rendered(json!({ "results": results })))
}
