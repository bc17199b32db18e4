//! Glue of links, collections and galleries: parse, call the engine, render.

use axum::Json as Rendered;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use super::super::Site;
use super::super::body::{Json, JsonList, idempotency};
use super::super::context::{Authenticated, Named};
use super::super::problem::Problem;
use super::link_wire::{self, Gallery, LinkOrNot, LinkView, NewCollection, Revocation};
use super::wire::{NewLink, NewLinks};
use crate::domain::ids::{AssetId, GrantId};
use crate::engine::{Error, LinkList, RevokeLinks};

type Answer<T = Rendered<Value>> = Result<T, Problem>;

pub(super) async fn make_link(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    headers: HeaderMap,
    Named(asset): Named<AssetId>,
    body: Json<NewLink>,
) -> Answer<Response> {
    let wish = body.value.command(Some(asset))?;
    let repeat = idempotency(&headers, body.fingerprint)?;
    let made = site.engine.make_links(&actor, vec![wish], repeat).await?;
    let made = made.into_iter().next().unwrap_or(Err(Error::Hidden))?;
    Ok((StatusCode::CREATED, Rendered(link_wire::made(&made, &site.content_url))).into_response())
}

#[derive(Serialize)]
struct Links<'a> {
    links: Vec<LinkOrNot<'a>>,
}

pub(super) async fn make_links(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    headers: HeaderMap,
    body: JsonList<NewLinks>,
) -> Answer<Response> {
    let repeat = idempotency(&headers, body.fingerprint)?;
    let parsed: Vec<_> = body.value.links.into_iter().map(|link| link.command(None)).collect();
    let wishes = parsed.iter().flatten().cloned().collect();
    let made = site.engine.make_links(&actor, wishes, repeat).await?;
    let mut made = made.iter();
    let not = |error: &Error| LinkOrNot::Not { error: Problem::from(error.clone()).value() };
    let links = parsed.iter().map(|wish| match wish {
        Err(error) => not(error),
        Ok(_) => match made.next() {
            Some(Ok(made)) => LinkOrNot::Made(Box::new(link_wire::made(made, &site.content_url))),
            Some(Err(error)) => not(error),
            None => not(&Error::Hidden),
        },
    });
    Ok(Rendered(Links { links: links.collect() }).into_response())
}

fn page(list: &LinkList) -> Rendered<Value> {
    let links: Vec<LinkView<'_>> = list.links.iter().map(link_wire::shown).collect();
    Rendered(json!({ "links": links, "next": list.next }))
}

pub(super) async fn list_links(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    RawQuery(raw): RawQuery,
) -> Answer {
    Ok(page(&site.engine.list_links(&actor, link_wire::list(raw.as_deref(), None)?).await?))
}

pub(super) async fn links_of_asset(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(asset): Named<AssetId>,
    RawQuery(raw): RawQuery,
) -> Answer {
    Ok(page(&site.engine.list_links(&actor, link_wire::list(raw.as_deref(), Some(asset))?).await?))
}

pub(super) async fn revoke_link(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(link): Named<GrantId>,
) -> Answer<StatusCode> {
    site.engine.revoke_link(&actor, link).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn revoke_links(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    body: Json<Revocation>,
) -> Answer {
    let revoked = site.engine.revoke_links(&actor, body.value.command()?).await?;
    Ok(Rendered(json!({ "revoked": revoked })))
}

pub(super) async fn revoke_links_of_asset(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(asset): Named<AssetId>,
) -> Answer {
    let which = RevokeLinks { asset: Some(asset), maker: None };
    Ok(Rendered(json!({ "revoked": site.engine.revoke_links(&actor, which).await? })))
}

pub(super) async fn make_collection(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    headers: HeaderMap,
    body: JsonList<NewCollection>,
) -> Answer<Response> {
    let repeat = idempotency(&headers, body.fingerprint)?;
    let made = site.engine.make_collection(&actor, body.value.command()?, repeat).await?;
    Ok((StatusCode::CREATED, Rendered(link_wire::collection(&made, &site.content_url))).into_response())
}

pub(super) async fn gallery(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    body: JsonList<Gallery>,
) -> Answer {
    let form = body.value.form()?;
    let texts = body.value.ids;
    let ids: Vec<Option<AssetId>> = texts.iter().map(|text| text.parse().ok()).collect();
    let known: Vec<AssetId> = ids.iter().flatten().copied().collect();
    let mut made = site.engine.gallery(&actor, &known, &form).await?.into_iter();
    let mut result = |(text, id): (&String, &Option<AssetId>)| {
        let thumbnail = id.and_then(|_| made.next()).unwrap_or(Err(Error::Hidden));
        match thumbnail {
            Ok(thumbnail) => link_wire::thumbnail(&thumbnail, &site.content_url),
            Err(error) => json!({ "id": text, "error": Problem::from(error).value() }),
        }
    };
    let results: Vec<Value> = texts.iter().zip(&ids).map(&mut result).collect();
    Ok(Rendered(json!({ "results": results })))
}
