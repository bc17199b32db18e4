//! `/metrics`, in the text format of OpenMetrics: requests by route, jobs by kind, the process itself.
//!
//! Totals over all tenants, with a fixed and small set of labels: no tenant, no file, no path. The database is queried
//! at most every five seconds, whatever the number of scrapers.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{Method, header};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::domain::reason::chain;
use crate::engine::{Engine, Error};
use crate::http::AppState;

const DATABASE_GAUGES_TTL: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct HttpRequestLabels {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct JobQueueLabels {
    kind: String,
    state: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DamagedAssetLabels {
    problem: &'static str,
}

/// Metrics of this node and their registry.
pub(in super::super) struct NodeMetrics {
    registry: Registry,
    request_counter: Family<HttpRequestLabels, Counter>,
    request_durations: Family<RouteLabels, Histogram>,
    job_gauges: Family<JobQueueLabels, Gauge>,
    alarm_gauge: Gauge,
    damaged_assets: Family<DamagedAssetLabels, Gauge>,
    resident_memory: Gauge,
    open_files: Gauge,
    refreshed: moka::future::Cache<(), ()>,
}

/// Buckets from half a millisecond to half a minute.
fn duration_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 3.0, 11))
}

impl Default for NodeMetrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("gantry");
        let (requests, jobs) = (Family::default(), Family::default());
        let seconds = Family::new_with_constructor(duration_histogram as fn() -> Histogram);
        let (alarms, memory, files) = (Gauge::default(), Gauge::default(), Gauge::default());
        registry.register("http_requests", "Answers, by route", Family::clone(&requests));
        registry.register_with_unit(
            "http_request_duration",
            "Until the answer's head was there",
            Unit::Seconds,
            Family::clone(&seconds),
        );
        registry.register("jobs", "Jobs of all tenants, by kind and state", Family::clone(&jobs));
        registry.register("alarms", "What an operator should look at: /v1/admin/alarms", Gauge::clone(&alarms));
        let damaged = Family::default();
        registry.register("damaged_assets", "Assets whose stored bytes are damaged", Family::clone(&damaged));
        registry.register_with_unit("resident_memory", "Of this process", Unit::Bytes, Gauge::clone(&memory));
        registry.register("open_files", "Of this process", Gauge::clone(&files));
        let looked = moka::future::Cache::builder().max_capacity(1).time_to_live(DATABASE_GAUGES_TTL).build();
        Self {
            registry,
            request_counter: requests,
            request_durations: seconds,
            job_gauges: jobs,
            alarm_gauge: alarms,
            damaged_assets: damaged,
            resident_memory: memory,
            open_files: files,
            refreshed: looked,
        }
    }
}

impl NodeMetrics {
    /// Counts an answer.
    pub(in super::super) fn record_request(&self, method: &Method, route: Option<&str>, status: u16, took: Duration) {
        // Unmatched routes share a label, and so do unknown methods: the number of labels must stay small.
        let route = route.unwrap_or("other").to_owned();
        let known = matches!(
            *method,
            Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE | Method::OPTIONS
        );
        let method = if known { method.to_string() } else { "other".to_owned() };
        self.request_durations.get_or_create(&RouteLabels { route: route.clone() }).observe(took.as_secs_f64());
        self.request_counter.get_or_create(&HttpRequestLabels { method, route, status }).inc();
    }

    async fn refresh_gauges(&self, engine: &Engine) -> Result<(), Error> {
        let alarms = engine.operations().collect_alarms().await?;
        // First: a damaged database may answer nothing else.
        self.alarm_gauge.set(i64::try_from(alarms.len()).unwrap_or(i64::MAX));
        let counts = engine.operations().count_all_jobs().await?;
        self.job_gauges.clear();
        for counted in counts {
            let (kind, state) = (counted.kind.name().to_owned(), counted.state.name().to_owned());
            self.job_gauges
                .get_or_create(&JobQueueLabels { kind, state })
                .set(i64::try_from(counted.count).unwrap_or(i64::MAX));
        }
        for (damage, count) in engine.operations().count_damaged_assets().await? {
            let gauge = self.damaged_assets.get_or_create(&DamagedAssetLabels { problem: damage.code() });
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        Ok(())
    }

    fn measure_process(&self) {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse::<i64>().ok()).unwrap_or(0);
        self.resident_memory.set(pages.saturating_mul(i64::try_from(rustix::param::page_size()).unwrap_or(4096)));
        let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        self.open_files.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    fn encode_text(&self) -> String {
        let mut text = String::new();
        let _ = encode(&mut text, &self.registry);
        text
    }
}

pub(super) async fn get_metrics(State(site): State<AppState>) -> Response {
    let metrics = Arc::clone(&site.metrics);
    metrics.measure_process();
    // While the database is unavailable, its gauges keep their last values; all other metrics are current.
    let looked = metrics.refreshed.try_get_with((), metrics.refresh_gauges(&site.engine)).await;
    if let Err(error) = looked {
        tracing::warn!(error = %chain(&error), "jobs are not counted for metrics");
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], metrics.encode_text()).into_response()
}
