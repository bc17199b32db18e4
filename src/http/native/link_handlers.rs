//! Glue of links, collections and galleries: parse, call the engine, render.

use axum::Json as Rendered;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};

use super::link_view::{self, LinkResultView, LinkResultsView, RevokedLinksView, ThumbnailResultsView};
use super::link_wire::{self, CreateCollectionBody, CreateThumbnailUrlsBody, RevokeLinksBody};
use super::wire::{CreateLinkBody, CreateLinksBody};
use crate::domain::ids::{AssetId, GrantId};
use crate::engine::{Error, LinkList, RevokeLinks};
use crate::http::AppState;
use crate::http::context::{AuthenticatedActor, PathId};
use crate::http::json_body::{JsonBody, JsonListBody, parse_idempotency_key};
use crate::http::problem::ProblemDetails;

type LinksResult<T = Response> = Result<T, ProblemDetails>;

pub(super) async fn create_link(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    headers: HeaderMap,
    PathId(asset): PathId<AssetId>,
    body: JsonBody<CreateLinkBody>,
) -> LinksResult {
    let wish = body.value.into_command(Some(asset))?;
    let repeat = parse_idempotency_key(&headers, body.fingerprint)?;
    let made = site.engine.delivery().make_links(&actor, vec![wish], repeat).await?;
    let made = made.into_iter().next().unwrap_or(Err(Error::NotFound))?;
    Ok((StatusCode::CREATED, Rendered(link_view::made_link_view(&made, &site.content_url))).into_response())
}

pub(super) async fn create_links(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    headers: HeaderMap,
    body: JsonListBody<CreateLinksBody>,
) -> LinksResult {
    let repeat = parse_idempotency_key(&headers, body.fingerprint)?;
    let parsed: Vec<_> = body.value.links.into_iter().map(|link| link.into_command(None)).collect();
    let wishes = parsed.iter().flatten().cloned().collect();
    let made = site.engine.delivery().make_links(&actor, wishes, repeat).await?;
    let mut made = made.iter();
    let not = |error: &Error| LinkResultView { made: None, error: Some(ProblemDetails::from(error.clone()).view()) };
    let links = parsed.iter().map(|wish| match wish {
        Err(error) => not(error),
        Ok(_) => match made.next() {
            Some(Ok(made)) => {
                LinkResultView { made: Some(link_view::made_link_view(made, &site.content_url)), error: None }
            }
            Some(Err(error)) => not(error),
            None => not(&Error::NotFound),
        },
    });
    Ok(Rendered(LinkResultsView { links: links.collect() }).into_response())
}

pub(super) async fn list_links(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    RawQuery(raw): RawQuery,
) -> LinksResult {
    let list = site.engine.delivery().list_links(&actor, link_wire::parse_links_query(raw.as_deref(), None)?).await?;
    Ok(links_response(&list))
}

pub(super) async fn list_asset_links(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(asset): PathId<AssetId>,
    RawQuery(raw): RawQuery,
) -> LinksResult {
    let list =
        site.engine.delivery().list_links(&actor, link_wire::parse_links_query(raw.as_deref(), Some(asset))?).await?;
    Ok(links_response(&list))
}

fn links_response(list: &LinkList) -> Response {
    Rendered(link_view::link_page_view(list)).into_response()
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
) -> LinksResult<Rendered<RevokedLinksView>> {
    let revoked = site.engine.delivery().revoke_links(&actor, body.value.to_command()?).await?;
    Ok(Rendered(RevokedLinksView { revoked }))
}

pub(super) async fn revoke_asset_links(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(asset): PathId<AssetId>,
) -> LinksResult<Rendered<RevokedLinksView>> {
    let which = RevokeLinks { asset: Some(asset), maker: None };
    Ok(Rendered(RevokedLinksView { revoked: site.engine.delivery().revoke_links(&actor, which).await? }))
}

pub(super) async fn create_collection(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    headers: HeaderMap,
    body: JsonListBody<CreateCollectionBody>,
) -> LinksResult {
    let repeat = parse_idempotency_key(&headers, body.fingerprint)?;
    let made = site.engine.delivery().make_collection(&actor, body.value.into_command()?, repeat).await?;
    Ok((StatusCode::CREATED, Rendered(link_view::collection_view(&made, &site.content_url))).into_response())
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
    let results = texts.iter().zip(&ids).map(|(text, id)| {
        let thumbnail = id.and_then(|_| made.next()).unwrap_or(Err(Error::NotFound));
        thumbnail.map_or_else(
            |error| link_view::missing_thumbnail_view(text, ProblemDetails::from(error).view()),
            |thumbnail| link_view::thumbnail_view(thumbnail, &site.content_url),
        )
    });
    let results = results.collect();
    Ok(Rendered(ThumbnailResultsView { results }).into_response())
}
