//! Glue of keys: parse, call the engine, render.

use axum::Json as Rendered;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

use super::view;
use super::wire::{self, CreateApiKeyBody, RotateApiKeyBody};
use crate::domain::ids::KeyId;
use crate::engine::MadeKey;
use crate::http::AppState;
use crate::http::context::{AuthenticatedActor, PathId};
use crate::http::json_body::{JsonBody, parse_idempotency_key};
use crate::http::problem::ProblemDetails;
use crate::http::query::{next_cursor, parse_tenant};

type ApiKeysResult<T = Response> = Result<T, ProblemDetails>;

/// An answer with a secret: no cache may store it.
fn key_secret_response(status: StatusCode, made: &MadeKey) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Rendered(view::key_with_secret_view(made))).into_response()
}

pub(super) async fn create_key(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: JsonBody<CreateApiKeyBody>,
) -> ApiKeysResult {
    let repeat = parse_idempotency_key(&headers, body.fingerprint)?;
    let (tenant, wish) = body.value.into_command(parse_tenant(query.as_deref())?)?;
    let made = site.engine.tenants().create_key(&actor, tenant.as_deref(), wish, repeat).await?;
    Ok(key_secret_response(StatusCode::CREATED, &made))
}

pub(super) async fn list_keys(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    RawQuery(query): RawQuery,
) -> ApiKeysResult {
    let list = wire::parse_keys_query(query.as_deref())?;
    let keys = site.engine.tenants().list_keys(&actor, list.tenant.as_deref(), list.after, list.limit).await?;
    let next = next_cursor(&keys, list.limit, |last| last.id);
    Ok(Rendered(view::key_page_view(&keys, next)).into_response())
}

pub(super) async fn get_caller(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
) -> ApiKeysResult {
    let caller = site.engine.tenants().describe_caller(&actor).await?;
    Ok(Rendered(view::caller_view(&caller)).into_response())
}

pub(super) async fn get_key(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(id): PathId<KeyId>,
    RawQuery(query): RawQuery,
) -> ApiKeysResult {
    let tenant = parse_tenant(query.as_deref())?;
    let key = site.engine.tenants().key(&actor, tenant.as_deref(), id).await?;
    Ok(Rendered(view::key_view(&key)).into_response())
}

pub(super) async fn revoke_key(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(id): PathId<KeyId>,
    RawQuery(query): RawQuery,
) -> ApiKeysResult<StatusCode> {
    let tenant = parse_tenant(query.as_deref())?;
    site.engine.tenants().revoke_key(&actor, tenant.as_deref(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn rotate_key(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    headers: HeaderMap,
    PathId(id): PathId<KeyId>,
    RawQuery(query): RawQuery,
    body: JsonBody<RotateApiKeyBody>,
) -> ApiKeysResult {
    let repeat = parse_idempotency_key(&headers, body.fingerprint)?;
    let (tenant, overlap) = (parse_tenant(query.as_deref())?, body.value.parse_overlap()?);
    let made = site.engine.tenants().rotate_key(&actor, tenant.as_deref(), id, overlap, repeat).await?;
    Ok(key_secret_response(StatusCode::OK, &made))
}
