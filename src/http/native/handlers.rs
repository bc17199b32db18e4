//! Glue of the native API: parse, call the engine, render.

use axum::Json as Rendered;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};

use super::asset_view::{AssetPageView, AssetResultView, AssetResultsView, AssetView, asset_page_view, asset_view};
use super::limits_view::{LimitsView, limits_view};
use super::upload_list_view::{UploadPageView, upload_page_view};
use super::upload_view::{UploadCheckView, UploadView, opened_upload_view, upload_view};
use super::wire::{BatchAssetsBody, CompleteUploadBody, CreateUploadBody, PatchAssetBody, SignPartsBody, UrlFormInput};
use super::{part_urls, query, whole_file};
use crate::domain::asset::Asset;
use crate::domain::ids::{AssetId, UploadId};
use crate::domain::name::FileName;
use crate::engine::Error;
use crate::http::AppState;
use crate::http::context::{AuthenticatedActor, PathId};
use crate::http::json_body::{JsonBody, JsonListBody, parse_idempotency_key};
use crate::http::problem::ProblemDetails;

type NativeResult<T = Response> = Result<T, ProblemDetails>;

/// The upload limits for the holder of this credential. An invalid credential is ignored.
pub(super) async fn get_limits(
    asker: Result<AuthenticatedActor, ProblemDetails>,
    State(site): State<AppState>,
) -> Rendered<LimitsView> {
    let limits = match asker {
        Ok(AuthenticatedActor(actor)) => site.engine.uploads().load_limits_for(&actor).await.ok(),
        Err(_) => None,
    };
    Rendered(limits_view(&limits.unwrap_or_else(|| site.engine.uploads().limits())))
}

pub(super) async fn create_upload(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    headers: HeaderMap,
    body: JsonBody<CreateUploadBody>,
) -> NativeResult {
    let command = body.value.into_command(parse_idempotency_key(&headers, body.fingerprint)?)?;
    let opened = site.engine.uploads().create_upload(&actor, command).await?;
    let status = if opened.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Rendered(opened_upload_view(&opened, &site.public_url))).into_response())
}

pub(super) async fn check_upload(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    body: JsonBody<CreateUploadBody>,
) -> NativeResult<Rendered<UploadCheckView>> {
    site.engine.uploads().check_create(&actor, body.value.into_command(None)?).await?;
    let limits = site.engine.uploads().load_limits_for(&actor).await?;
    Ok(Rendered(UploadCheckView { accepted: true, limits: limits_view(&limits) }))
}

pub(super) async fn list_uploads(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    RawQuery(raw): RawQuery,
) -> NativeResult<Rendered<UploadPageView>> {
    let page = site.engine.uploads().list_uploads(&actor, query::parse_uploads_query(raw.as_deref())?).await?;
    Ok(Rendered(upload_page_view(&page)))
}

pub(super) async fn get_upload(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(upload): PathId<UploadId>,
) -> NativeResult<Rendered<UploadView>> {
    let (upload, received) = site.engine.uploads().load_upload_with_parts(&actor, upload).await?;
    Ok(Rendered(upload_view(&upload, &received)))
}

pub(super) async fn sign_parts(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(upload): PathId<UploadId>,
    body: JsonListBody<SignPartsBody>,
) -> NativeResult {
    let form = body.value.form;
    let signed = site.engine.uploads().sign_parts(&actor, upload, body.value.into_command()?).await?;
    Ok(match form {
        UrlFormInput::Urls => part_urls::urls_response(signed),
        UrlFormInput::Compact => part_urls::compact_response(&signed),
    })
}

/// The whole file as the body, for clients that do not use signed URLs.
pub(super) async fn put_content(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    headers: HeaderMap,
    PathId(upload): PathId<UploadId>,
    RawQuery(query): RawQuery,
    body: Body,
) -> NativeResult<Rendered<AssetView>> {
    let file = whole_file::parse_whole_file(&headers, query.as_deref(), body)?;
    let about = file.describe(FileName::nameless());
    let asset = site.engine.append().take_file(&actor, upload, about, file.announced, file.bytes).await?;
    Ok(Rendered(asset_view(&asset)))
}

pub(super) async fn complete_upload(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(upload): PathId<UploadId>,
    body: JsonListBody<CompleteUploadBody>,
) -> NativeResult<Rendered<AssetView>> {
    let asset = site.engine.uploads().complete_upload(&actor, upload, body.into_value().into_command()?).await?;
    Ok(Rendered(asset_view(&asset)))
}

pub(super) async fn abort_upload(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(upload): PathId<UploadId>,
) -> NativeResult<StatusCode> {
    site.engine.uploads().abort(&actor, upload).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn list_assets(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    RawQuery(raw): RawQuery,
) -> NativeResult<Rendered<AssetPageView>> {
    let list = site.engine.assets().list_assets(&actor, query::parse_assets_query(raw.as_deref())?).await?;
    Ok(Rendered(asset_page_view(list)))
}

pub(super) async fn batch_assets(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    body: JsonListBody<BatchAssetsBody>,
) -> NativeResult {
    let texts = body.value.ids;
    let ids: Vec<Option<AssetId>> = texts.iter().map(|text| text.parse().ok()).collect();
    let known: Vec<AssetId> = ids.iter().flatten().copied().collect();
    let assets = site.engine.assets().assets_by_id(&actor, &known).await?;
    let results = texts.iter().zip(&ids).map(|(id, parsed)| {
        let asset = assets.iter().find(|asset| Some(asset.id) == *parsed).map(asset_view);
        let error = asset.is_none().then(|| ProblemDetails::from(Error::NotFound).view());
        AssetResultView { id, asset, error }
    });
    let results = results.collect();
    Ok(Rendered(AssetResultsView { results }).into_response())
}

pub(super) async fn get_asset(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(asset): PathId<AssetId>,
    RawQuery(raw): RawQuery,
) -> NativeResult<Rendered<AssetView>> {
    let wait = query::parse_wait_query(raw.as_deref())?;
    let done = |asset: &Asset| wait.until.as_deref().is_some_and(|state| asset.state.name() == state);
    let asset = site.engine.assets().await_asset(&actor, asset, wait.timeout, done).await?;
    Ok(Rendered(asset_view(&asset)))
}

pub(super) async fn patch_asset(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(asset): PathId<AssetId>,
    body: JsonBody<PatchAssetBody>,
) -> NativeResult<Rendered<AssetView>> {
    let asset = site.engine.assets().patch_asset(&actor, asset, body.value.into_command()?).await?;
    Ok(Rendered(asset_view(&asset)))
}

pub(super) async fn delete_asset(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(asset): PathId<AssetId>,
) -> NativeResult<StatusCode> {
    site.engine.assets().delete_asset(&actor, asset).await?;
    Ok(StatusCode::NO_CONTENT)
}
