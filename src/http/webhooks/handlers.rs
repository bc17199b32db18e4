//! Glue of webhooks: parse, call the engine, render.

use axum::Json as Rendered;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::wire::{self, CreateWebhookBody, ReplayRangeBody, RotateWebhookSecretBody, UpdateWebhookBody};
use crate::domain::ids::WebhookId;
use crate::engine::Error;
use crate::http::AppState;
use crate::http::context::{AuthenticatedActor, PathId};
use crate::http::json_body::JsonBody;
use crate::http::problem::ProblemDetails;
use crate::http::query::next_cursor;

type WebhooksResult<T = Rendered<Value>> = Result<T, ProblemDetails>;

/// An answer with a secret: no cache may store it.
fn webhook_secret_response(status: StatusCode, body: Value) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Rendered(body)).into_response()
}

pub(super) async fn create_webhook(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    body: JsonBody<CreateWebhookBody>,
) -> WebhooksResult<Response> {
    let webhook = site.engine.webhooks().create_webhook(&actor, body.value.into_command()).await?;
    Ok(webhook_secret_response(StatusCode::CREATED, wire::webhook_with_secret_view(&webhook)))
}

pub(super) async fn list_webhooks(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
) -> WebhooksResult {
    let webhooks = site.engine.webhooks().list_webhooks(&actor).await?;
    Ok(Rendered(json!({ "webhooks": webhooks.iter().map(wire::webhook_view).collect::<Vec<_>>() })))
}

pub(super) async fn get_webhook(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(id): PathId<WebhookId>,
) -> WebhooksResult {
    Ok(Rendered(wire::webhook_view(&site.engine.webhooks().webhook(&actor, id).await?)))
}

pub(super) async fn update_webhook(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(id): PathId<WebhookId>,
    body: JsonBody<UpdateWebhookBody>,
) -> WebhooksResult {
    Ok(Rendered(wire::webhook_view(
        &site.engine.webhooks().change_webhook(&actor, id, &body.value.into_command()).await?,
    )))
}

pub(super) async fn delete_webhook(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(id): PathId<WebhookId>,
) -> WebhooksResult<StatusCode> {
    site.engine.webhooks().delete_webhook(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn rotate_webhook_secret(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(id): PathId<WebhookId>,
    body: JsonBody<RotateWebhookSecretBody>,
) -> WebhooksResult<Response> {
    let webhook = site.engine.webhooks().rotate_webhook(&actor, id, body.value.parse_overlap()?).await?;
    Ok(webhook_secret_response(StatusCode::OK, wire::webhook_with_secret_view(&webhook)))
}

pub(super) async fn test_webhook(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(id): PathId<WebhookId>,
) -> WebhooksResult {
    Ok(Rendered(wire::delivery_view(&site.engine.webhooks().test_webhook(&actor, id).await?)))
}

pub(super) async fn list_deliveries(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(id): PathId<WebhookId>,
    RawQuery(query): RawQuery,
) -> WebhooksResult {
    let list = wire::parse_deliveries_query(query.as_deref())?;
    let page = site.engine.webhooks().list_deliveries(&actor, id, list).await?;
    let next = next_cursor(&page, list.limit, |last| last.id);
    Ok(Rendered(json!({ "deliveries": page.iter().map(wire::delivery_view).collect::<Vec<_>>(), "next_after": next })))
}

pub(super) async fn replay_delivery(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    Path((id, delivery)): Path<(String, String)>,
) -> WebhooksResult<(StatusCode, Rendered<Value>)> {
    let (Ok(id), Ok(delivery)) = (id.parse(), delivery.parse()) else { return Err(Error::NotFound.into()) };
    let again = site.engine.webhooks().replay_delivery(&actor, id, delivery).await?;
    Ok((StatusCode::ACCEPTED, Rendered(wire::delivery_view(&again))))
}

pub(super) async fn replay_deliveries(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(id): PathId<WebhookId>,
    body: JsonBody<ReplayRangeBody>,
) -> WebhooksResult<(StatusCode, Rendered<Value>)> {
    let range = body.value.into_command(site.engine.now())?;
    let replayed = site.engine.webhooks().replay_range(&actor, id, &range).await?;
    let next = replayed.next.map(|next| next.to_string());
    Ok((StatusCode::ACCEPTED, Rendered(json!({ "replayed": replayed.count, "next_after": next }))))
}
