//! Glue of the native API: parse, call the engine, render.

use axum::Json as Rendered;
use axum::body::{Body, HttpBody as _};
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json, value::RawValue};

use super::super::Site;
use super::super::body::{Json, JsonList, idempotency};
use super::super::context::{Authenticated, Named};
use super::super::pieces;
use super::super::problem::Problem;
use super::view::AssetView;
use super::wire::{AssetBatch, AssetPatch, Completion, Form, NewUpload, WantedParts};
use super::{parts, query, view};
use crate::domain::asset::{Asset, Metadata};
use crate::domain::ids::{AssetId, UploadId};
use crate::domain::name::FileName;
use crate::engine::{Arrival, BrokenOff, Description, Error, Opened};

type Answer<T = Response> = Result<T, Problem>;

/// What is accepted from the holder of this credential; one that is none is passed over.
pub(super) async fn limits(asker: Result<Authenticated, Problem>, State(site): State<Site>) -> Rendered<Value> {
    let limits = match asker {
        Ok(Authenticated(actor)) => site.engine.limits_for(&actor).await.ok(),
        Err(_) => None,
    };
    Rendered(view::limits(&limits.unwrap_or_else(|| site.engine.limits())))
}

pub(super) async fn create_upload(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    headers: HeaderMap,
    body: Json<NewUpload>,
) -> Answer {
    let command = body.value.command(idempotency(&headers, body.fingerprint)?)?;
    opened(&site.engine.create(&actor, command).await?, &site.public_url)
}

fn opened(opened: &Opened, public_url: &str) -> Answer {
    let multipart = match &opened.parts {
        Some(signed) => {
            let urls = RawValue::from_string(parts::array(signed));
            let urls = urls.map_err(|error| Error::Internal(error.to_string()))?;
            let plan = signed.plan();
            Some(view::PartsView { part_size: plan.part_size(), part_count: plan.count(), urls })
        }
        None => None,
    };
    let status = if opened.fresh { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Rendered(view::opened(opened, multipart, public_url))).into_response())
}

pub(super) async fn check_upload(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    body: Json<NewUpload>,
) -> Answer<Rendered<Value>> {
    site.engine.check(&actor, body.value.command(None)?).await?;
    let limits = site.engine.limits_for(&actor).await?;
    Ok(Rendered(json!({ "accepted": true, "limits": view::limits(&limits) })))
}

pub(super) async fn look_at_upload(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(upload): Named<UploadId>,
) -> Answer<Rendered<view::UploadView>> {
    let (upload, received) = site.engine.look(&actor, upload).await?;
    Ok(Rendered(view::upload(&upload, &received)))
}

pub(super) async fn sign_parts(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(upload): Named<UploadId>,
    body: JsonList<WantedParts>,
) -> Answer {
    let form = body.value.form;
    let signed = site.engine.sign(&actor, upload, body.value.command()?).await?;
    Ok(match form {
        Form::Urls => parts::urls(signed),
        Form::Compact => parts::compact(&signed),
    })
}

/// The whole file as the body: for clients that know nothing of signed URLs.
pub(super) async fn put_content(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    headers: HeaderMap,
    Named(upload): Named<UploadId>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer<Rendered<AssetView>> {
    let announced = body.size_hint().exact();
    pieces::check_content(&headers, query.as_deref(), announced)?;
    pieces::check_resumption(&headers)?;
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()?.parse().ok());
    let about = Description { name: FileName::nameless(), media_type, metadata: Metadata::new() };
    let pieces = body.into_data_stream().map(|piece| piece.map(Arrival::Bytes).map_err(|_| BrokenOff));
    let asset = site.engine.take_file(&actor, upload, about, announced, pieces.boxed()).await?;
    Ok(Rendered(view::asset(&asset)))
}

pub(super) async fn complete_upload(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(upload): Named<UploadId>,
    body: JsonList<Completion>,
) -> Answer<Rendered<AssetView>> {
    let asset = site.engine.complete(&actor, upload, body.into_value().command()?).await?;
    Ok(Rendered(view::asset(&asset)))
}

pub(super) async fn abort_upload(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(upload): Named<UploadId>,
) -> Answer<StatusCode> {
    site.engine.abort(&actor, upload).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn list_assets(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    RawQuery(raw): RawQuery,
) -> Answer<Rendered<Value>> {
    let list = site.engine.list_assets(&actor, query::list(raw.as_deref())?).await?;
    let assets: Vec<AssetView> = list.assets.iter().map(view::asset).collect();
    Ok(Rendered(json!({ "assets": assets, "next": list.next })))
}

pub(super) async fn batch_assets(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    body: JsonList<AssetBatch>,
) -> Answer<Rendered<Value>> {
    let texts = body.value.ids;
    let ids: Vec<Option<AssetId>> = texts.iter().map(|text| text.parse().ok()).collect();
    let known: Vec<AssetId> = ids.iter().flatten().copied().collect();
    let assets = site.engine.assets_by_id(&actor, &known).await?;
    let result = |(text, id): (&String, &Option<AssetId>)| match assets.iter().find(|asset| Some(asset.id) == *id) {
        Some(asset) => json!({ "id": text, "asset": view::asset(asset) }),
        None => json!({ "id": text, "error": Problem::from(Error::Hidden).value() }),
    };
    let results: Vec<Value> = texts.iter().zip(&ids).map(result).collect();
    Ok(Rendered(json!({ "results": results })))
}

pub(super) async fn get_asset(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(asset): Named<AssetId>,
    RawQuery(raw): RawQuery,
) -> Answer<Rendered<AssetView>> {
    let wait = query::wait(raw.as_deref())?;
    let done = |asset: &Asset| wait.until.as_deref().is_some_and(|state| asset.state.name() == state);
    let asset = site.engine.await_asset(&actor, asset, wait.patience, done).await?;
    Ok(Rendered(view::asset(&asset)))
}

pub(super) async fn patch_asset(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(asset): Named<AssetId>,
    body: Json<AssetPatch>,
) -> Answer<Rendered<AssetView>> {
    let asset = site.engine.patch_asset(&actor, asset, body.value.command()?).await?;
    Ok(Rendered(view::asset(&asset)))
}

pub(super) async fn delete_asset(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(asset): Named<AssetId>,
) -> Answer<StatusCode> {
    site.engine.delete_asset(&actor, asset).await?;
    Ok(StatusCode::NO_CONTENT)
}
