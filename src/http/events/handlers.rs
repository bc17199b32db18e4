//! Glue of events: authentication, query, and the form of the answer.

use std::time::Duration;

use axum::Json;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::query::EventsQuery;
use super::subscriber::{EventSubscriber, StreamCredential};
use super::{sse, websocket, wire};
use crate::domain::ids::AssetId;
use crate::engine::{Error, FeedOf};
use crate::http::AppState;
use crate::http::context::PathId;
use crate::http::problem::ProblemDetails;

type EventsResult = Result<Response, ProblemDetails>;

pub(super) async fn get_tenant_events(
    State(site): State<AppState>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> EventsResult {
    let question = EventsQuery::parse(query.as_deref(), &headers, true);
    respond_with_events(site, StreamCredential::Headers(headers), FeedOf::Tenant, question).await
}

pub(super) async fn get_asset_events(
    State(site): State<AppState>,
    headers: HeaderMap,
    PathId(asset): PathId<AssetId>,
    RawQuery(query): RawQuery,
) -> EventsResult {
    let question = EventsQuery::parse(query.as_deref(), &headers, true);
    respond_with_events(site, StreamCredential::Headers(headers), FeedOf::Asset(asset), question).await
}

pub(super) async fn get_grant_events(
    State(site): State<AppState>,
    headers: HeaderMap,
    Path(grant): Path<String>,
    RawQuery(query): RawQuery,
) -> EventsResult {
    let question = EventsQuery::parse(query.as_deref(), &headers, true);
    respond_with_events(site, StreamCredential::Path(grant), FeedOf::Granted, question).await
}

async fn respond_with_events(
    site: AppState,
    credential: StreamCredential,
    of: FeedOf,
    question: Result<EventsQuery, Error>,
) -> EventsResult {
    let caller = EventSubscriber::authenticate(site, credential).await?;
    let question = question.map_err(wire::problem_of)?;
    let engine = &caller.site.engine;
    if question.stream {
        let follower = engine.events().follow(&caller.actor, of, question.since()).await.map_err(wire::problem_of)?;
        return Ok(sse::sse_response(caller, follower));
    }
    // A drain does not wait for long polls.
    let wait = if caller.site.draining.is_cancelled() { Duration::ZERO } else { question.wait };
    let page = engine.events().read_events(&caller.actor, of, question.since(), question.limit, wait);
    let page = tokio::select! {
        page = page => page,
        () = caller.site.draining.cancelled(), if !wait.is_zero() => {
            engine.events().read_events(&caller.actor, of, question.since(), question.limit, Duration::ZERO).await
        }
    };
    let page = page.map_err(wire::problem_of)?;
    Ok(([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(wire::page_view(&page))).into_response())
}

pub(super) async fn open_event_socket(
    State(site): State<AppState>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> EventsResult {
    let question = EventsQuery::parse(query.as_deref(), &headers, false);
    let has_nonce = has_valid_nonce(&headers);
    let caller = EventSubscriber::authenticate(site, StreamCredential::Headers(headers)).await?;
    let question = EventsQuery { stream: true, ..question.map_err(wire::problem_of)? };
    let of = question.asset.map_or(FeedOf::Tenant, FeedOf::Asset);
    let follower =
        caller.site.engine.events().follow(&caller.actor, of, question.since()).await.map_err(wire::problem_of)?;
    let refused = |_| {
        ProblemDetails::new(
            StatusCode::UPGRADE_REQUIRED,
            "upgrade_required",
            "This address requires a WebSocket handshake.",
        )
    };
    let upgrade = upgrade.map_err(refused)?;
    if !has_nonce {
        let detail = "Sec-WebSocket-Key must be sixteen bytes in base64 (RFC 6455 section 4.1).";
        return Err(ProblemDetails::new(StatusCode::BAD_REQUEST, "invalid_websocket_key", detail));
    }
    Ok(websocket::open_socket(upgrade, caller, follower))
}

/// True if the request has a single `Sec-WebSocket-Key`, of sixteen bytes in base64 (RFC 6455 §4.1 and §4.2.1).
fn has_valid_nonce(headers: &HeaderMap) -> bool {
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    let (Some(key), None) = (keys.next(), keys.next()) else { return false };
    STANDARD.decode(key.as_bytes().trim_ascii()).is_ok_and(|nonce| nonce.len() == 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_has_sixteen_bytes() {
        let nonce = |keys: &[&'static str]| {
            let keys = keys.iter().map(|key| (header::SEC_WEBSOCKET_KEY, HeaderValue::from_static(key)));
            let mut headers = HeaderMap::new();
            keys.for_each(|(name, key)| _ = headers.append(name, key));
            has_valid_nonce(&headers)
        };
        assert!(nonce(&["dGhlIHNhbXBsZSBub25jZQ=="]));
        for wrong in ["", " ", "x", "dGhlIHNhbXBsZSBub25j", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZXM="] {
            assert!(!nonce(&[wrong]), "{wrong}");
        }
        assert!(!nonce(&[]) && !nonce(&["dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="]));
    }
}
