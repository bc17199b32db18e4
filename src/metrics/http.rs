//! Requests and connections.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::buckets::request_histogram;
use super::call_times;
use super::labels::{GaugeGuard, LabelledCounter, gauge};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct HttpRequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

/// Route under which the metrics themselves are read; exists from the start.
const METRICS_ROUTE: &str = "/metrics";
/// Label of requests that match no route.
const OTHER_ROUTE: &str = "other";
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Reason why a request was not authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthFailure {
    /// No credential.
    Missing,
    /// An `Authorization` header that is no bearer token.
    Unreadable,
    /// An API key that is unknown, revoked or expired.
    Key,
    /// An upload grant that is forged, revoked or expired.
    Grant,
    /// A token of an issuer that is not trusted, or that does not verify.
    Token,
    /// A download link that does not exist.
    Link,
}

impl AuthFailure {
    const ALL: [Self; 6] = [Self::Missing, Self::Unreadable, Self::Key, Self::Grant, Self::Token, Self::Link];

    fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unreadable => "unreadable",
            Self::Key => "key",
            Self::Grant => "grant",
            Self::Token => "token",
            Self::Link => "link",
        }
    }
}

/// Limit that refused a request or a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimitScope {
    /// Requests of a tenant.
    Tenant,
    /// Failures from an address.
    Address,
    /// Connections from an address.
    Connections,
}

impl RateLimitScope {
    const ALL: [Self; 3] = [Self::Tenant, Self::Address, Self::Connections];

    fn name(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Address => "address",
            Self::Connections => "connections",
        }
    }
}

/// Metrics of requests and connections.
pub struct HttpMetrics {
    requests: Family<HttpRequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    connections: Gauge,
    sse_clients: Gauge,
    auth_failures: LabelledCounter,
    rate_limited: LabelledCounter,
}

impl HttpMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let requests = Family::<HttpRequestLabels, Counter>::default();
        let route = METRICS_ROUTE.to_owned();
        drop(requests.get_or_create(&HttpRequestLabels { method: "GET", route, status: 200 }));
        let about = "Requests that were answered, by route (its template, \"other\" for none), method and status";
        registry.register("http_requests", about, requests.clone());
        let seconds = Family::<RouteLabels, Histogram, fn() -> Histogram>::new_with_constructor(request_histogram);
        drop(seconds.get_or_create(&RouteLabels { route: METRICS_ROUTE.to_owned() }));
        let about = "Time from the head of a request until the head of its answer was ready, by route";
        registry.register_with_unit("http_request", about, Unit::Seconds, seconds.clone());
        let about = "Deprecated: the former name of gantry_http_request_seconds";
        registry.register_with_unit("http_request_duration", about, Unit::Seconds, seconds.clone());
        Self {
            requests,
            seconds,
            in_flight: gauge(registry, "http_in_flight", "Requests whose answer's head is not ready yet"),
            connections: gauge(
                registry,
                "connections_open",
                "Connections of clients that are open, to the API and to the embedded object store",
            ),
            sse_clients: gauge(registry, "sse_clients", "Clients that follow events by Server-Sent Events"),
            auth_failures: LabelledCounter::register(
                registry,
                "auth_failures",
                "Requests without a valid credential, by the kind of credential that was presented",
                "reason",
                AuthFailure::ALL.map(AuthFailure::name),
            ),
            rate_limited: LabelledCounter::register(
                registry,
                "rate_limited",
                "Requests and connections that were refused by a limit: requests of a tenant, failures from an address, \
                 connections from an address",
                "scope",
                RateLimitScope::ALL.map(RateLimitScope::name),
            ),
        }
    }

    /// Counts an answer. `route`: the route's template; `None` if no route matched.
    pub fn record_request(&self, method: &str, route: Option<&str>, status: u16, took: Duration) {
        // Unmatched routes share a label, and so do unknown methods: the number of labels must stay small.
        let route = route.unwrap_or(OTHER_ROUTE).to_owned();
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or("other");
        call_times::record_route(method, &route, took);
        self.seconds.get_or_create(&RouteLabels { route: route.clone() }).observe(took.as_secs_f64());
        self.requests.get_or_create(&HttpRequestLabels { method, route, status }).inc();
    }

    /// Counts a request as in flight until the guard is dropped.
    #[must_use]
    pub fn enter_request(&self) -> GaugeGuard {
        GaugeGuard::enter(&self.in_flight)
    }

    /// Counts a connection as open until the guard is dropped.
    #[must_use]
    pub fn enter_connection(&self) -> GaugeGuard {
        GaugeGuard::enter(&self.connections)
    }

    /// Counts a client of Server-Sent Events until the guard is dropped.
    #[must_use]
    pub fn enter_sse_client(&self) -> GaugeGuard {
        GaugeGuard::enter(&self.sse_clients)
    }

    /// Counts a request that was not authenticated.
    pub fn record_auth_failure(&self, reason: AuthFailure) {
        self.auth_failures.increment(reason.name());
    }

    /// Counts a request or a connection that a limit refused.
    pub fn record_rate_limited(&self, scope: RateLimitScope) {
        self.rate_limited.increment(scope.name());
    }
}
