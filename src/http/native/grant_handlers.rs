//! Glue of grants for many files, and of the plain PUT of a grant's holder: parse, call the engine, render.

use axum::Json as Rendered;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

use super::asset_view::{AssetView, asset_view};
use super::grant_view;
use super::grant_wire::{self, CreateGrantBody};
use super::whole_file;
use crate::domain::ids::GrantId;
use crate::domain::name::FileName;
use crate::engine::Error;
use crate::http::AppState;
use crate::http::context::{AuthenticatedActor, AuthenticatedHolder, PathId};
use crate::http::json_body::{JsonBody, parse_idempotency_key};
use crate::http::problem::ProblemDetails;

type GrantsResult<T = Response> = Result<T, ProblemDetails>;

pub(super) async fn create_grant(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    headers: HeaderMap,
    body: JsonBody<CreateGrantBody>,
) -> GrantsResult {
    let repeat = parse_idempotency_key(&headers, body.fingerprint)?;
    let made = site.engine.tenants().make_drop_box(&actor, body.value.into_command()?, repeat).await?;
    let view = Rendered(grant_view::made_grant_view(&made, &site.public_url));
    // An answer with a secret: no cache may store it.
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], view).into_response())
}

pub(super) async fn list_grants(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    RawQuery(query): RawQuery,
) -> GrantsResult {
    let list = grant_wire::parse_grants_query(query.as_deref())?;
    let (grants, next) = site.engine.tenants().list_drop_boxes(&actor, list).await?;
    Ok(Rendered(grant_view::grant_page_view(&grants, next)).into_response())
}

pub(super) async fn get_grant(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(id): PathId<GrantId>,
) -> GrantsResult {
    let found = site.engine.tenants().drop_box(&actor, id).await?;
    Ok(Rendered(grant_view::grant_view(&found)).into_response())
}

pub(super) async fn revoke_grant(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(id): PathId<GrantId>,
) -> GrantsResult<StatusCode> {
    site.engine.tenants().revoke_drop_box(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The whole file as the body, from the holder of a grant for one file or for many: `curl -T film.mp4 <put URL>`.
pub(super) async fn put_granted_file(
    AuthenticatedHolder(actor): AuthenticatedHolder,
    State(site): State<AppState>,
    Path((_, name)): Path<(String, String)>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Body,
) -> GrantsResult<Rendered<AssetView>> {
    let file = whole_file::parse_whole_file(&headers, query.as_deref(), body)?;
    let about = file.describe(FileName::salvage(&name).map_err(|error| Error::invalid("filename", error))?);
    let asset = site.engine.append().take_granted_file(&actor, about, file.announced, file.bytes).await?;
    Ok(Rendered(asset_view(&asset)))
}
