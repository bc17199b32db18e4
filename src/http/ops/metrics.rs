//! `/metrics`: OpenMetrics or the classic text of Prometheus, as the client asks for.
//!
//! The families are process-wide ([`crate::metrics`]). Those about the instance are read from the database at most every
//! five seconds, whatever the number of scrapers, and keep their last values while the database is unavailable.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::domain::reason::chain;
use crate::engine::Engine;
use crate::http::AppState;
use crate::metrics::{self, InstanceSnapshot, TextFormat};

const SNAPSHOT_TTL: Duration = Duration::from_secs(5);
/// Longest wait of a scrape for the database. A scraper gives up after ten seconds.
const MAX_SNAPSHOT_WAIT: Duration = Duration::from_secs(5);

/// The last snapshot of the instance.
#[derive(Default)]
pub(in super::super) struct MetricsSource(Mutex<DatedSnapshot>);

#[derive(Default)]
struct DatedSnapshot {
    snapshot: InstanceSnapshot,
    refreshed_at: Option<Instant>,
}

impl MetricsSource {
    /// All metrics as text. A database that does not answer delays the scrape, but does not fail it.
    async fn render(&self, engine: &Engine, format: TextFormat) -> String {
        let mut dated = self.0.lock().await;
        if dated.refreshed_at.is_none_or(|at| at.elapsed() >= SNAPSHOT_TTL) {
            let refresh = engine.operations().refresh_snapshot(&mut dated.snapshot);
            match timeout(MAX_SNAPSHOT_WAIT, refresh).await {
                Ok(Ok(())) => dated.refreshed_at = Some(Instant::now()),
                Ok(Err(error)) => tracing::warn!(error = %chain(&error), "metrics show the last known numbers of rows"),
                Err(_) => tracing::warn!("metrics show the last known numbers of rows: no answer in time"),
            }
        }
        metrics::render(&dated.snapshot, format)
    }
}

pub(super) async fn get_metrics(State(site): State<AppState>, headers: HeaderMap) -> Response {
    let format = accepted_format(&headers);
    let text = site.metrics_source.render(&site.engine, format).await;
    let headers =
        [(header::CONTENT_TYPE, format.content_type()), (header::CACHE_CONTROL, "no-store"), (header::VARY, "Accept")];
    (headers, text).into_response()
}

/// OpenMetrics if the client names it with no less weight than plain text; otherwise the classic text.
fn accepted_format(headers: &HeaderMap) -> TextFormat {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value: &HeaderValue| value.to_str().ok());
    let ranges: Vec<(String, f32)> = accepted.flat_map(|value| value.split(',')).map(weighted_range).collect();
    let weight =
        |name: &str| ranges.iter().filter(|(range, _)| range == name).map(|(_, weight)| *weight).fold(0.0, f32::max);
    let open_metrics = weight("application/openmetrics-text");
    if open_metrics > 0.0 && open_metrics >= weight("text/plain") {
        TextFormat::OpenMetrics
    } else {
        TextFormat::Prometheus
    }
}

/// A media range of `Accept` and its weight (RFC 9110 §12.5.1).
fn weighted_range(range: &str) -> (String, f32) {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let weight = parts.find_map(|parameter| parameter.strip_prefix("q=")).and_then(|weight| weight.parse().ok());
    (name, weight.unwrap_or(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_chooses_the_format() {
        let format = |accept: &'static str| {
            accepted_format(&HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]))
        };
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;\
                          q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert_eq!(format(prometheus), TextFormat::OpenMetrics);
        assert_eq!(format("application/openmetrics-text; version=1.0.0; charset=utf-8"), TextFormat::OpenMetrics);
        assert_eq!(accepted_format(&HeaderMap::new()), TextFormat::Prometheus);
        for classic in ["*/*", "text/html", "text/plain, application/openmetrics-text;q=0.5"] {
            assert_eq!(format(classic), TextFormat::Prometheus, "{classic}");
        }
        assert_eq!(format("application/openmetrics-text;q=0"), TextFormat::Prometheus);
    }
}
