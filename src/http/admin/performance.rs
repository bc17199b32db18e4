//! How fast this node answers, and its caches. Routes, shapes and glue.

use axum::Json as Rendered;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::CacheLookups;
use crate::http::AppState;
use crate::http::context::AuthenticatedActor;
use crate::http::openapi::access::OPERATOR_ACCESS;
use crate::http::openapi::{ApiRoutes, op};
use crate::http::problem::ProblemDetails;
use crate::metrics::call_times::{CallKind, CallTimes};

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CallTimesList")]
struct CallTimesListView {
    /// By kind, those with the most time first; names without calls are absent.
    calls: Vec<CallTimesView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CallTimes")]
struct CallTimesView {
    /// `route`: requests. `engine`: verbs and jobs. `database` and `store`: calls of the database and of the S3 store;
    /// reads within an embedded store are none.
    #[schemars(extend("enum" = CallKind::ALL.map(CallKind::name)))]
    kind: &'static str,
    /// Method and template of a route, or a function's name.
    #[schemars(example = &"POST /v1/uploads")]
    name: String,
    /// Number of calls.
    #[schemars(example = 120_000)]
    count: u64,
    /// Milliseconds within which half of the calls were done.
    #[schemars(example = 1.2)]
    p50_ms: f64,
    /// Milliseconds within which 90 % were done.
    #[schemars(example = 2.9)]
    p90_ms: f64,
    /// Milliseconds within which 99 % were done.
    #[schemars(example = 8.1)]
    p99_ms: f64,
    /// Milliseconds of the longest call.
    #[schemars(example = 41.7)]
    max_ms: f64,
    /// Milliseconds of all calls together.
    #[schemars(example = 180_000.5)]
    total_ms: f64,
}

impl From<CallTimes> for CallTimesView {
    fn from(times: CallTimes) -> Self {
        let millis = |time: std::time::Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        Self {
            kind: times.kind.name(),
            count: times.count,
            p50_ms: millis(times.p50),
            p90_ms: millis(times.p90),
            p99_ms: millis(times.p99),
            max_ms: millis(times.longest),
            total_ms: millis(times.total),
            name: times.name,
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CacheList")]
struct CacheListView {
    /// By name.
    caches: Vec<CacheView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Cache")]
struct CacheView {
    /// What the cache has.
    #[schemars(example = &"api_keys")]
    cache: &'static str,
    /// Look-ups since the start that were answered from memory.
    #[schemars(example = 118_204)]
    hits: u64,
    /// Look-ups since the start that were not.
    #[schemars(example = 1796)]
    misses: u64,
}

impl From<CacheLookups> for CacheView {
    fn from(lookups: CacheLookups) -> Self {
        let CacheLookups { cache, hits, misses } = lookups;
        Self { cache, hits, misses }
    }
}

pub(super) fn routes() -> ApiRoutes {
    let times = op("How long requests, verbs and calls took")
        .operation_id("listCallTimes")
        .access(OPERATOR_ACCESS)
        .description(
            "On the node that answers, since its start or the last reset. Percentiles are right within a tenth; \
             Prometheus has the same over time and over all nodes.",
        );
    let reset = op("Begin these figures anew").operation_id("resetCallTimes").access(OPERATOR_ACCESS);
    let caches = op("Caches of this node").operation_id("listCaches").access(OPERATOR_ACCESS);
    let clear = op("Forget cached rows").operation_id("clearCaches").access(OPERATOR_ACCESS).description(
        "The node that answers reads keys, tenants, policies, uploads and assets anew when they are next asked for. \
         Bytes of objects stay in memory: they never change.",
    );
    ApiRoutes::for_tag("Administration")
        .get("/v1/admin/performance", list_call_times, times.json_response::<CallTimesListView>(200))
        .delete(
            "/v1/admin/performance",
            reset_call_times,
            reset.empty_response(204, "What was called before counts no longer."),
        )
        .get("/v1/admin/caches", list_caches, caches.json_response::<CacheListView>(200))
        .delete("/v1/admin/caches", clear_caches, clear.empty_response(204, "Rows are read anew."))
}

async fn list_call_times(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
) -> Result<Rendered<CallTimesListView>, ProblemDetails> {
    let calls = site.engine.operations().list_call_times(&actor).await?;
    Ok(Rendered(CallTimesListView { calls: calls.into_iter().map(CallTimesView::from).collect() }))
}

async fn reset_call_times(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
) -> Result<StatusCode, ProblemDetails> {
    site.engine.operations().reset_call_times(&actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list_caches(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
) -> Result<Rendered<CacheListView>, ProblemDetails> {
    let caches = site.engine.operations().list_caches(&actor).await?;
    Ok(Rendered(CacheListView { caches: caches.into_iter().map(CacheView::from).collect() }))
}

async fn clear_caches(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
) -> Result<StatusCode, ProblemDetails> {
    site.engine.operations().clear_caches(&actor).await?;
    Ok(StatusCode::NO_CONTENT)
}
