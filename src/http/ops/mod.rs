//! Operations: is the process alive, can it serve, and what does it do?
//!
//! `/livez` never asks anything else: a database that is away must not get the process restarted. `/readyz` asks what the
//! engine stands on, at most every two seconds whatever the number of askers.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::Site;
use super::openapi::{Routes, op};
use crate::engine::{Engine, Health};

mod metrics;

pub(super) use metrics::Metrics;

const FRESH: Duration = Duration::from_secs(2);

/// Whether this node should get requests.
pub(super) struct Readiness {
    engine: Engine,
    draining: CancellationToken,
    health: moka::future::Cache<(), Arc<Health>>,
}

impl Readiness {
    pub(super) fn new(engine: Engine, draining: CancellationToken) -> Self {
        let health = moka::future::Cache::builder().max_capacity(1).time_to_live(FRESH).build();
        Self { engine, draining, health }
    }

    async fn health(&self) -> Arc<Health> {
        self.health.get_with((), async { Arc::new(self.engine.health().await) }).await
    }
}

/// `/livez`, `/readyz` and `/metrics`.
pub(super) fn routes() -> Routes {
    let shape = json!({ "ready": "bool", "draining": "bool = false", "database": "bool", "store": "bool",
        "capabilities": "@Capabilities" });
    let ready =
        op("Can it serve?").named("getReadiness").query("verbose", "text*", "As JSON, with what the storage can do.");
    let ready = ready.sends(200, "text/plain", "It can.").gives(200, shape.clone());
    let ready = ready.sends(503, "text/plain", "It cannot, or is about to end.").gives(503, shape);
    let metrics = op("What it does, in numbers").named("getMetrics").sends(
        200,
        "application/openmetrics-text",
        "As Prometheus reads it.",
    );
    let capabilities = json!({ "conditional_put": "bool", "part_checksums": "bool", "undeclared_checksums": "bool",
        "unequal_parts": "bool", "repeated_complete": "bool", "metadata": "bool", "cors": "bool?",
        "enforces_limits": "bool" });
    Routes::of("Operations")
        .names("Capabilities", capabilities)
        .get("/livez", alive, op("Is the process alive?").named("getLiveness").sends(200, "text/plain", "It is."))
        .get("/readyz", self::ready, ready)
        .get("/metrics", metrics::metrics, metrics)
}

async fn alive() -> Response {
    plain(StatusCode::OK, "ok\n")
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = (status, text).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn ready(State(site): State<Site>, RawQuery(query): RawQuery) -> Response {
    let health = site.readiness.health().await;
    let draining = site.readiness.draining.is_cancelled();
    let ready = health.is_ready() && !draining;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if query.is_none_or(|query| !query.split('&').any(|name| name == "verbose")) {
        return plain(status, if ready { "ready\n" } else { "not ready\n" });
    }
    // Why something is down is for the log: the answer may be public.
    for (what, answer) in [("database", &health.database), ("store", &health.store)] {
        if let Err(why) = answer {
            tracing::warn!(what, why, "not ready");
        }
    }
    let body = json!({
        "ready": ready,
        "draining": draining,
        "database": health.database.is_ok(),
        "store": health.store.is_ok(),
        "capabilities": site.engine.capabilities(),
    });
    let mut response = (status, axum::Json(body)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
