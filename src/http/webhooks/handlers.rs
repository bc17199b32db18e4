//! Glue of webhooks: parse, call the engine, render.

use axum::Json as Rendered;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::super::Site;
use super::super::body::Json;
use super::super::context::{Authenticated, Named};
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

pub(super) async fn create(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    body: Json<NewWebhook>,
) -> Answer<Response> {
    let webhook = site.engine.create_webhook(&actor, body.value.wish()).await?;
    Ok(once(StatusCode::CREATED, wire::with_secret(&webhook)))
}

pub(super) async fn list(Authenticated(actor): Authenticated, State(site): State<Site>) -> Answer {
    let webhooks = site.engine.list_webhooks(&actor).await?;
    Ok(Rendered(json!({ "webhooks": webhooks.iter().map(wire::webhook).collect::<Vec<_>>() })))
}

pub(super) async fn show(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(id): Named<WebhookId>,
) -> Answer {
    Ok(Rendered(wire::webhook(&site.engine.webhook(&actor, id).await?)))
}

pub(super) async fn change(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(id): Named<WebhookId>,
    body: Json<ChangeWebhook>,
) -> Answer {
    Ok(Rendered(wire::webhook(&site.engine.change_webhook(&actor, id, &body.value.wish()).await?)))
}

pub(super) async fn delete(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(id): Named<WebhookId>,
) -> Answer<StatusCode> {
    site.engine.delete_webhook(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn rotate(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(id): Named<WebhookId>,
    body: Json<Rotate>,
) -> Answer<Response> {
    let webhook = site.engine.rotate_webhook(&actor, id, body.value.overlap()?).await?;
    Ok(once(StatusCode::OK, wire::with_secret(&webhook)))
}

pub(super) async fn test(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(id): Named<WebhookId>,
) -> Answer {
    Ok(Rendered(wire::delivery(&site.engine.test_webhook(&actor, id).await?)))
}

pub(super) async fn deliveries(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(id): Named<WebhookId>,
    RawQuery(query): RawQuery,
) -> Answer {
    let list = wire::list(query.as_deref())?;
    let page = site.engine.list_deliveries(&actor, id, list).await?;
    let next = next_after(&page, list.limit, |last| last.id);
    Ok(Rendered(json!({ "deliveries": page.iter().map(wire::delivery).collect::<Vec<_>>(), "next_after": next })))
}

pub(super) async fn replay(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Path((id, delivery)): Path<(String, String)>,
) -> Answer<(StatusCode, Rendered<Value>)> {
    let (Ok(id), Ok(delivery)) = (id.parse(), delivery.parse()) else { return Err(Error::Hidden.into()) };
    let again = site.engine.replay_delivery(&actor, id, delivery).await?;
    Ok((StatusCode::ACCEPTED, Rendered(wire::delivery(&again))))
}

pub(super) async fn replay_range(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(id): Named<WebhookId>,
    body: Json<Range>,
) -> Answer<(StatusCode, Rendered<Value>)> {
    let range = body.value.range(site.engine.now())?;
    let replayed = site.engine.replay_range(&actor, id, &range).await?;
    let next = replayed.next.map(|next| next.to_string());
    Ok((StatusCode::ACCEPTED, Rendered(json!({ "replayed": replayed.count, "next_after": next }))))
}
