//! Glue for external processors: parse, call the engine, render.

use axum::Json as Rendered;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;

use super::view::{self, ReportedAssetView};
use super::wire::{CreateDerivativeUrlBody, ReportProcessingBody};
use crate::domain::ids::AssetId;
use crate::engine::Error;
use crate::http::AppState;
use crate::http::context::{AuthenticatedActor, PathId};
use crate::http::json_body::JsonBody;
use crate::http::problem::ProblemDetails;
use crate::http::query::query_pairs;

type ProcessingResult<T = Response> = Result<T, ProblemDetails>;

/// `?token=…`, or the header `Gantry-Processing-Token`.
fn processing_token(headers: &HeaderMap, query: Option<&str>) -> Result<String, Error> {
    let header = headers.get("gantry-processing-token").and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
    let asked = || query_pairs(query).find(|(name, _)| name == "token").map(|(_, value)| value);
    header.or_else(asked).ok_or_else(|| Error::invalid("token", "required: the token of the offer"))
}

pub(super) async fn get_processing_task(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    headers: HeaderMap,
    PathId(asset): PathId<AssetId>,
    RawQuery(query): RawQuery,
) -> ProcessingResult {
    let token = processing_token(&headers, query.as_deref())?;
    let task = site.engine.processing().processing_task(&actor, asset, &token).await?;
    Ok(Rendered(view::task_view(&task)).into_response())
}

pub(super) async fn report_processing(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(asset): PathId<AssetId>,
    body: JsonBody<ReportProcessingBody>,
) -> ProcessingResult<Rendered<ReportedAssetView>> {
    let asset = site.engine.processing().report_processing(&actor, asset, body.value.into_command()?).await?;
    Ok(Rendered(view::reported_view(&asset)))
}

pub(super) async fn create_derivative_url(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(asset): PathId<AssetId>,
    body: JsonBody<CreateDerivativeUrlBody>,
) -> ProcessingResult {
    let CreateDerivativeUrlBody { token, id, size } = body.value;
    let signed = site.engine.processing().sign_derivative(&actor, asset, &token, id, size).await?;
    Ok(Rendered(view::signed_url_view(&signed, "PUT")).into_response())
}
