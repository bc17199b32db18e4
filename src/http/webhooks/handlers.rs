//! Glue of webhooks: parse, call the engine, render.

use axum::Json as Rendered;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::super::Site;
use super::super::body::Json;
use super::super::context::{Named, actor};
use super::super::problem::Problem;
use super::super::query::next_after;
use super::wire::{self, ChangeWebhook, NewWebhook, Range, Rotate};
use crate::domain::ids::WebhookId;
use crate::engine::Error;

type Answer<T = Rendered<Value>> = Result<T, Problem>;

/// What shows a secret is nobody's to keep.
fn once(status: StatusCode, body: Value) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Rendered(body)).into_response()
}

pub(super) async fn create(State(site): State<Site>, headers: HeaderMap, body: Json<NewWebhook>) -> Answer<Response> {
    let actor = actor(&site.engine, &headers).await?;
    let webhook = site.engine.create_webhook(&actor, body.value.wish()).await?;
    Ok(once(StatusCode::CREATED, wire::with_secret(&webhook)))
}

pub(super) async fn list(State(site): State<Site>, headers: HeaderMap) -> Answer {
    let actor = actor(&site.engine, &headers).await?;
    let webhooks = site.engine.list_webhooks(&actor).await?;
    Ok(Rendered(json!({ "webhooks": webhooks.iter().map(wire::webhook).collect::<Vec<_>>() })))
}

pub(super) async fn show(State(site): State<Site>, headers: HeaderMap, Named(id): Named<WebhookId>) -> Answer {
    let actor = actor(&site.engine, &headers).await?;
    Ok(Rendered(wire::webhook(&site.engine.webhook(&actor, id).await?)))
}

pub(super) async fn change(
    State(site): State<Site>,
    headers: HeaderMap,
    Named(id): Named<WebhookId>,
    body: Json<ChangeWebhook>,
) -> Answer {
    let actor = actor(&site.engine, &headers).await?;
    Ok(Rendered(wire::webhook(&site.engine.change_webhook(&actor, id, &body.value.wish()).await?)))
}

pub(super) async fn delete(
    State(site): State<Site>,
    headers: HeaderMap,
    Named(id): Named<WebhookId>,
) -> Answer<StatusCode> {
    let actor = actor(&site.engine, &headers).await?;
    site.engine.delete_webhook(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn rotate(
    State(site): State<Site>,
    headers: HeaderMap,
    Named(id): Named<WebhookId>,
    body: Json<Rotate>,
) -> Answer<Response> {
    let actor = actor(&site.engine, &headers).await?;
    let webhook = site.engine.rotate_webhook(&actor, id, body.value.overlap()?).await?;
    Ok(once(StatusCode::OK, wire::with_secret(&webhook)))
}

pub(super) async fn test(State(site): State<Site>, headers: HeaderMap, Named(id): Named<WebhookId>) -> Answer {
    let actor = actor(&site.engine, &headers).await?;
    Ok(Rendered(wire::delivery(&site.engine.test_webhook(&actor, id).await?)))
}

pub(super) async fn deliveries(
    State(site): State<Site>,
    headers: HeaderMap,
    Named(id): Named<WebhookId>,
    RawQuery(query): RawQuery,
) -> Answer {
    let actor = actor(&site.engine, &headers).await?;
    let list = wire::list(query.as_deref())?;
    let page = site.engine.list_deliveries(&actor, id, list).await?;
    let next = next_after(&page, list.limit, |last| last.id);
    Ok(Rendered(json!({ "deliveries": page.iter().map(wire::delivery).collect::<Vec<_>>(), "next_after": next })))
}

pub(super) async fn replay(
    State(site): State<Site>,
    headers: HeaderMap,
    Path((id, delivery)): Path<(String, String)>,
) -> Answer<(StatusCode, Rendered<Value>)> {
    let actor = actor(&site.engine, &headers).await?;
    let (Ok(id), Ok(delivery)) = (id.parse(), delivery.parse()) else { return Err(Error::Hidden.into()) };
    let again = site.engine.replay_delivery(&actor, id, delivery).await?;
    Ok((StatusCode::ACCEPTED, Rendered(wire::delivery(&again))))
}

pub(super) async fn replay_range(
    State(site): State<Site>,
    headers: HeaderMap,
    Named(id): Named<WebhookId>,
    body: Json<Range>,
) -> Answer<(StatusCode, Rendered<Value>)> {
    let actor = actor(&site.engine, &headers).await?;
    let range = body.value.range(site.engine.now())?;
    let replayed = site.engine.replay_range(&actor, id, &range).await?;
    let next = replayed.next.map(|next| next.to_string());
    Ok((StatusCode::ACCEPTED, Rendered(json!({ "replayed": replayed.count, "next_after": next }))))
}
