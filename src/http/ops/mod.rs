//! Operations: liveness, readiness and metrics of the process.
//!
//! `/livez` depends on nothing else: an unavailable database must not get the process restarted. `/readyz` checks the
//! database and the store, at most every two seconds, whatever the number of callers.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use tokio_util::sync::CancellationToken;

use super::AppState;
use super::openapi::{ApiRoutes, op, string_type};
use crate::engine::{DependencyHealth, Engine};

mod metrics;
mod view;

pub(super) use metrics::MetricsSource;
use view::ReadinessView;

const HEALTH_TTL: Duration = Duration::from_secs(2);

/// Readiness of this node to receive requests.
pub(super) struct ReadinessProbe {
    engine: Engine,
    draining: CancellationToken,
    health: moka::future::Cache<(), Arc<DependencyHealth>>,
}

impl ReadinessProbe {
    pub(super) fn new(engine: Engine, draining: CancellationToken) -> Self {
        let health = moka::future::Cache::builder().max_capacity(1).time_to_live(HEALTH_TTL).build();
        Self { engine, draining, health }
    }

    async fn check_health(&self) -> Arc<DependencyHealth> {
        self.health.get_with((), async { Arc::new(self.engine.operations().check_health().await) }).await
    }
}

/// `/livez`, `/readyz` and `/metrics`.
pub(super) fn routes() -> ApiRoutes {
    let ready = op("Can it serve?").operation_id("getReadiness").query(
        "verbose",
        string_type().optional(),
        "As JSON, with what the storage can do.",
    );
    let ready = ready.media_response(200, "text/plain", "It can.").json_response::<ReadinessView>(200);
    let ready =
        ready.media_response(503, "text/plain", "It cannot, or is about to end.").json_response::<ReadinessView>(503);
    let metrics = op("What it does, in numbers").operation_id("getMetrics");
    let metrics = metrics.media_response(200, "text/plain", "The classic text of Prometheus, version 0.0.4.");
    let metrics = metrics.media_response(200, "application/openmetrics-text", "OpenMetrics 1.0, by Accept.");
    ApiRoutes::for_tag("Operations")
        .get(
            "/livez",
            get_liveness,
            op("Is the process alive?").operation_id("getLiveness").media_response(200, "text/plain", "It is."),
        )
        .get("/readyz", get_readiness, ready)
        .get("/metrics", metrics::get_metrics, metrics)
}

async fn get_liveness() -> Response {
    plain_response(StatusCode::OK, "ok\n")
}

fn plain_response(status: StatusCode, text: &'static str) -> Response {
    let mut response = (status, text).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn get_readiness(State(site): State<AppState>, RawQuery(query): RawQuery) -> Response {
    let health = site.readiness.check_health().await;
    let draining = site.readiness.draining.is_cancelled();
    let ready = health.is_ready() && !draining;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if query.is_none_or(|query| !query.split('&').any(|name| name == "verbose")) {
        return plain_response(status, if ready { "ready\n" } else { "not ready\n" });
    }
    // The log has the reason of a failure: the answer may be public.
    for (what, answer) in [("database", &health.database), ("store", &health.store)] {
        if let Err(why) = answer {
            tracing::warn!(what, why, "not ready");
        }
    }
    let body = ReadinessView {
        ready,
        draining,
        database: health.database.is_ok(),
        store: health.store.is_ok(),
        disk: site.engine.operations().measure_disk().map(|disk| disk.level.name()),
        maintenance: site.engine.tenants().is_in_maintenance().await.ok(),
        capabilities: view::capabilities_view(site.engine.operations().capabilities()),
    };
    let mut response = (status, axum::Json(body)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
