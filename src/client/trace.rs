//! Lines about requests for `-v`: method, place, status, time and the id by which an operator finds the request.
//!
//! Queries, signed URLs, links and headers are never shown: each of them may be a secret.

use std::sync::Arc;

use reqwest::{Request, Response};
use tokio::time::Instant;

use super::format;

/// Writer of the lines, with how much is shown.
#[derive(Clone)]
pub struct RequestTrace {
    /// 1: requests to the service; 2: also those to the store.
    level: u8,
    write: Arc<dyn Fn(&str) + Send + Sync>,
}

/// A request under way; empty if it is not shown.
pub(super) struct TraceLine(Option<(String, Instant)>);

impl RequestTrace {
    /// A trace that gives each line to `write`.
    #[must_use]
    pub fn new(level: u8, write: Arc<dyn Fn(&str) + Send + Sync>) -> Self {
        Self { level, write }
    }

    pub(super) fn begin(&self, request: &Request, place: Option<&str>) -> TraceLine {
        let shown = match place {
            Some(path) => path.to_owned(),
            None if self.level > 1 => format!("{} (signed)", request.url().host_str().unwrap_or("the store")),
            None => return TraceLine(None),
        };
        TraceLine(Some((format!("{} {}", request.method(), format::shown(&shown)), Instant::now())))
    }

    pub(super) fn end(&self, line: TraceLine, outcome: &Result<Response, reqwest::Error>) {
        let Some((what, since)) = line.0 else { return };
        let millis = since.elapsed().as_millis();
        let came_of_it = match outcome {
            Ok(response) => {
                let id = response.headers().get("x-request-id").and_then(|id| id.to_str().ok());
                let id = id.map(|id| format!(", request {}", format::shown(id))).unwrap_or_default();
                format!("{} in {millis} ms{id}", response.status().as_u16())
            }
            Err(_) => format!("no answer after {millis} ms"),
        };
        (self.write)(&format!("{what}: {came_of_it}"));
    }
}
