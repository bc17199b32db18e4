//! Glue of keys: parse, call the engine, render.

use axum::Json as Rendered;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::super::Site;
use super::super::body::{Json, idempotency};
use super::super::context::{Authenticated, Named};
use super::super::problem::Problem;
use super::super::query::{next_after, tenant};
use super::wire::{self, NewKey, Rotate};
use crate::domain::ids::KeyId;
use crate::engine::MadeKey;

type Answer<T = Rendered<Value>> = Result<T, Problem>;

/// What shows a secret is nobody's to keep.
fn once(status: StatusCode, made: &MadeKey) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Rendered(wire::with_secret(made))).into_response()
}

pub(super) async fn create(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Json<NewKey>,
) -> Answer<Response> {
    let repeat = idempotency(&headers, body.fingerprint)?;
    let (tenant, wish) = body.value.wish(tenant(query.as_deref())?)?;
    let made = site.engine.create_key(&actor, tenant.as_deref(), wish, repeat).await?;
    Ok(once(StatusCode::CREATED, &made))
}

pub(super) async fn list(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    RawQuery(query): RawQuery,
) -> Answer {
    let list = wire::list(query.as_deref())?;
    let keys = site.engine.list_keys(&actor, list.tenant.as_deref(), list.after, list.limit).await?;
    let next = next_after(&keys, list.limit, |last| last.id);
    Ok(Rendered(json!({ "keys": keys.iter().map(wire::key).collect::<Vec<_>>(), "next_after": next })))
}

pub(super) async fn show(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(id): Named<KeyId>,
    RawQuery(query): RawQuery,
) -> Answer {
    let tenant = tenant(query.as_deref())?;
    Ok(Rendered(wire::key(&site.engine.key(&actor, tenant.as_deref(), id).await?)))
}

pub(super) async fn revoke(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(id): Named<KeyId>,
    RawQuery(query): RawQuery,
) -> Answer<StatusCode> {
    let tenant = tenant(query.as_deref())?;
    site.engine.revoke_key(&actor, tenant.as_deref(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn rotate(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    headers: HeaderMap,
    Named(id): Named<KeyId>,
    RawQuery(query): RawQuery,
    body: Json<Rotate>,
) -> Answer<Response> {
    let repeat = idempotency(&headers, body.fingerprint)?;
    let (tenant, overlap) = (tenant(query.as_deref())?, body.value.overlap()?);
    let made = site.engine.rotate_key(&actor, tenant.as_deref(), id, overlap, repeat).await?;
    Ok(once(StatusCode::OK, &made))
}
