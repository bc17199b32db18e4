//! `/metrics`, in the text format of OpenMetrics: requests by route, jobs by kind, the process itself.
//!
//! Sums of everybody's, by names that are few and ours: no tenant, no file, no path. What has to be asked of the database is
//! asked at most every five seconds, whatever the number of askers.

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

use super::super::Site;
use crate::engine::{Engine, Error};

const FRESH: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Queue {
    kind: String,
    state: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Damaged {
    problem: &'static str,
}

/// What is counted on this node, and where it is written down.
pub(in super::super) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Family<Route, Histogram>,
    jobs: Family<Queue, Gauge>,
    alarms: Gauge,
    damaged: Family<Damaged, Gauge>,
    memory: Gauge,
    files: Gauge,
    looked: moka::future::Cache<(), ()>,
}

/// From half a millisecond to half a minute.
fn buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 3.0, 11))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("gantry");
        let (requests, jobs) = (Family::default(), Family::default());
        let seconds = Family::new_with_constructor(buckets as fn() -> Histogram);
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
        let looked = moka::future::Cache::builder().max_capacity(1).time_to_live(FRESH).build();
        Self { registry, requests, seconds, jobs, alarms, damaged, memory, files, looked }
    }
}

impl Metrics {
    /// Counts an answer.
    pub(in super::super) fn count(&self, method: &Method, route: Option<&str>, status: u16, took: Duration) {
        // What no route answers to, and methods that nobody knows, are one each: names must stay few.
        let route = route.unwrap_or("other").to_owned();
        let known = matches!(
            *method,
            Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE | Method::OPTIONS
        );
        let method = if known { method.to_string() } else { "other".to_owned() };
        self.seconds.get_or_create(&Route { route: route.clone() }).observe(took.as_secs_f64());
        self.requests.get_or_create(&Answered { method, route, status }).inc();
    }

    async fn look(&self, engine: &Engine) -> Result<(), Error> {
        let alarms = engine.alarms().await?;
        // First: a damaged database may have nothing else to say.
        self.alarms.set(i64::try_from(alarms.len()).unwrap_or(i64::MAX));
        let counts = engine.all_jobs().await?;
        self.jobs.clear();
        for counted in counts {
            let (kind, state) = (counted.kind.name().to_owned(), counted.state.name().to_owned());
            self.jobs.get_or_create(&Queue { kind, state }).set(i64::try_from(counted.count).unwrap_or(i64::MAX));
        }
        for (damage, count) in engine.damage().await? {
            let gauge = self.damaged.get_or_create(&Damaged { problem: damage.code() });
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        Ok(())
    }

    fn measure_process(&self) {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse::<i64>().ok()).unwrap_or(0);
        self.memory.set(pages.saturating_mul(i64::try_from(rustix::param::page_size()).unwrap_or(4096)));
        let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        self.files.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let _ = encode(&mut text, &self.registry);
        text
    }
}

pub(super) async fn metrics(State(site): State<Site>) -> Response {
    let metrics = Arc::clone(&site.metrics);
    metrics.measure_process();
    // A database that is away leaves the last numbers, and everything else as it is.
    let looked = metrics.looked.try_get_with((), metrics.look(&site.engine)).await;
    if let Err(error) = looked {
        tracing::warn!(%error, "jobs are not counted for metrics");
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], metrics.text()).into_response()
}
