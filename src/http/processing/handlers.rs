//! Glue for external processors: parse, call the engine, render.

use axum::Json as Rendered;
use axum::extract::{RawQuery, State};
use http::HeaderMap;
use serde_json::{Value, json};

use super::super::Site;
use super::super::body::Json;
use super::super::context::{Authenticated, Named};
use super::super::problem::Problem;
use super::super::query::pairs;
use super::wire::{self, NewDerivative, Report};
use crate::domain::ids::AssetId;
use crate::engine::Error;

type Answer = Result<Rendered<Value>, Problem>;

/// `?token=…`, or the header `Gantry-Processing-Token`.
fn token(headers: &HeaderMap, query: Option<&str>) -> Result<String, Error> {
    let header = headers.get("gantry-processing-token").and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
    let asked = || pairs(query).find(|(name, _)| name == "token").map(|(_, value)| value);
    header.or_else(asked).ok_or_else(|| Error::invalid("token", "the one that came with the offer"))
}

pub(super) async fn task(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    headers: HeaderMap,
    Named(asset): Named<AssetId>,
    RawQuery(query): RawQuery,
) -> Answer {
    let token = token(&headers, query.as_deref())?;
    Ok(Rendered(wire::task(&site.engine.processing_task(&actor, asset, &token).await?)))
}

pub(super) async fn report(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(asset): Named<AssetId>,
    body: Json<Report>,
) -> Answer {
    let asset = site.engine.report_processing(&actor, asset, body.value.command()?).await?;
    Ok(Rendered(json!({ "asset_id": asset.id, "state": asset.state.name() })))
}

pub(super) async fn derivative(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(asset): Named<AssetId>,
    body: Json<NewDerivative>,
) -> Answer {
    let NewDerivative { token, id, size } = body.value;
    let signed = site.engine.sign_derivative(&actor, asset, &token, id, size).await?;
    Ok(Rendered(wire::signed(&signed, "PUT")))
}
