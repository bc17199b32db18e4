//! Glue of events: who asks, what for, and in which form it is answered.

use std::time::Duration;

use axum::Json;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::super::Site;
use super::super::context::Named;
use super::super::problem::Problem;
use super::caller::{Caller, Credential};
use super::query::Question;
use super::{socket, stream, wire};
use crate::domain::ids::AssetId;
use crate::engine::{Error, FeedOf};

type Answer = Result<Response, Problem>;

pub(super) async fn of_tenant(State(site): State<Site>, headers: HeaderMap, RawQuery(query): RawQuery) -> Answer {
    let question = Question::of(query.as_deref(), &headers, true);
    answer(site, Credential::Headers(headers), FeedOf::Tenant, question).await
}

pub(super) async fn of_asset(
    State(site): State<Site>,
    headers: HeaderMap,
    Named(asset): Named<AssetId>,
    RawQuery(query): RawQuery,
) -> Answer {
    let question = Question::of(query.as_deref(), &headers, true);
    answer(site, Credential::Headers(headers), FeedOf::Asset(asset), question).await
}

pub(super) async fn of_grant(
    State(site): State<Site>,
    headers: HeaderMap,
    Path(grant): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let question = Question::of(query.as_deref(), &headers, true);
    answer(site, Credential::Path(grant), FeedOf::Granted, question).await
}

async fn answer(site: Site, credential: Credential, of: FeedOf, question: Result<Question, Error>) -> Answer {
    let caller = Caller::new(site, credential).await?;
    let question = question.map_err(wire::refused)?;
    let engine = &caller.site.engine;
    if question.stream {
        let follower = engine.follow(&caller.actor, of, question.since()).await.map_err(wire::refused)?;
        return Ok(stream::answer(caller, follower));
    }
    // A drain waits for nobody who waits for events.
    let wait = if caller.site.draining.is_cancelled() { Duration::ZERO } else { question.wait };
    let page = engine.events(&caller.actor, of, question.since(), question.limit, wait);
    let page = tokio::select! {
        page = page => page,
        () = caller.site.draining.cancelled(), if !wait.is_zero() => {
            engine.events(&caller.actor, of, question.since(), question.limit, Duration::ZERO).await
        }
    };
    let page = page.map_err(wire::refused)?;
    Ok(([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(wire::page(&page))).into_response())
}

pub(super) async fn by_socket(
    State(site): State<Site>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answer {
    let question = Question::of(query.as_deref(), &headers, false);
    let caller = Caller::new(site, Credential::Headers(headers)).await?;
    let question = Question { stream: true, ..question.map_err(wire::refused)? };
    let of = question.asset.map_or(FeedOf::Tenant, FeedOf::Asset);
    let follower = caller.site.engine.follow(&caller.actor, of, question.since()).await.map_err(wire::refused)?;
    let refused = |_| Problem::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", "A WebSocket is opened here.");
    Ok(socket::answer(upgrade.map_err(refused)?, caller, follower))
}
