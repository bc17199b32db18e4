//! Glue of webhooks: parse, call the engine, render.

use axum::Json as Rendered;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use super::view;
use super::wire::{self, CreateWebhookBody, ReplayRangeBody, RotateWebhookSecretBody, UpdateWebhookBody};
use crate::domain::ids::WebhookId;
use crate::domain::webhook::Webhook;
use crate::engine::Error;
use crate::http::AppState;
use crate::http::context::{AuthenticatedActor, PathId};
use crate::http::json_body::JsonBody;
use crate::http::problem::ProblemDetails;
use crate::http::query::next_cursor;

type WebhooksResult<T = Response> = Result<T, ProblemDetails>;

/// An answer with a secret: no cache may store it.
fn webhook_secret_response(status: StatusCode, webhook: &Webhook) -> Response {
    let view = view::webhook_with_secret_view(webhook);
    (status, [(header::CACHE_CONTROL, "no-store")], Rendered(view)).into_response()
}

pub(super) async fn create_webhook(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    body: JsonBody<CreateWebhookBody>,
) -> WebhooksResult {
    let webhook = site.engine.webhooks().create_webhook(&actor, body.value.into_command()).await?;
    Ok(webhook_secret_response(StatusCode::CREATED, &webhook))
}

pub(super) async fn list_webhooks(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
) -> WebhooksResult {
    let webhooks = site.engine.webhooks().list_webhooks(&actor).await?;
    Ok(Rendered(view::webhook_list_view(&webhooks)).into_response())
}

pub(super) async fn get_webhook(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(id): PathId<WebhookId>,
) -> WebhooksResult {
    let webhook = site.engine.webhooks().webhook(&actor, id).await?;
    Ok(Rendered(view::webhook_view(&webhook)).into_response())
}

pub(super) async fn update_webhook(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(id): PathId<WebhookId>,
    body: JsonBody<UpdateWebhookBody>,
) -> WebhooksResult {
    let webhook = site.engine.webhooks().change_webhook(&actor, id, &body.value.into_command()).await?;
    Ok(Rendered(view::webhook_view(&webhook)).into_response())
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
) -> WebhooksResult {
    let webhook = site.engine.webhooks().rotate_webhook(&actor, id, body.value.parse_overlap()?).await?;
    Ok(webhook_secret_response(StatusCode::OK, &webhook))
}

pub(super) async fn test_webhook(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(id): PathId<WebhookId>,
) -> WebhooksResult {
    let delivery = site.engine.webhooks().test_webhook(&actor, id).await?;
    Ok(Rendered(view::delivery_view(&delivery)).into_response())
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
    Ok(Rendered(view::delivery_page_view(&page, next)).into_response())
}

pub(super) async fn replay_delivery(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    Path((id, delivery)): Path<(String, String)>,
) -> WebhooksResult {
    let (Ok(id), Ok(delivery)) = (id.parse(), delivery.parse()) else { return Err(Error::NotFound.into()) };
    let again = site.engine.webhooks().replay_delivery(&actor, id, delivery).await?;
    Ok((StatusCode::ACCEPTED, Rendered(view::delivery_view(&again))).into_response())
}

pub(super) async fn replay_deliveries(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(id): PathId<WebhookId>,
    body: JsonBody<ReplayRangeBody>,
) -> WebhooksResult {
    let range = body.value.into_command(site.engine.now())?;
    let replayed = site.engine.webhooks().replay_range(&actor, id, &range).await?;
    Ok((StatusCode::ACCEPTED, Rendered(view::replayed_view(&replayed))).into_response())
}
