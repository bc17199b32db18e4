//! The HTTP interface: a folder per protocol, all with the same structure.
//!
//! * `mod` – the routes
//! * `wire` – shapes on the wire, and their conversion to and from commands and domain values
//! * `handlers` – glue: parse, call the engine, render; no use case is implemented here
//! * `error` – an exhaustive renderer of the engine's errors
//!
//! Shared by all protocols: [`server`] (the accept loop, with [`tls`]), `context` (request ids, credentials, client
//! addresses), `problem` (RFC 9457), `html_page` and `error_page` (answers for people), `query` (parameters and pages),
//! `openapi` (routes and the contract that describes them, from the same declaration), `caching`. Protocols do not use
//! each other, and none of them accesses the database or the object store.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;

mod access_line;
mod admin;
mod caching;
mod chunk_detection;
mod companion;
mod connection_limit;
mod content_origin;
mod context;
mod cors;
mod download;
mod error_page;
mod events;
mod failure_limit;
pub mod forwarded;
mod html_page;
mod ietf;
mod json_body;
mod json_reason;
mod keys;
mod native;
mod openapi;
mod ops;
mod problem;
mod processing;
mod query;
pub mod server;
mod tenants;
mod time_text;
pub mod tls;
mod tus;
mod upload_metadata;
mod upload_request;
mod web;
mod webhooks;

/// Application state of every handler. Each layer around a handler holds a copy: cloning is cheap.
#[derive(Clone)]
pub struct AppState(Arc<AppStateInner>);

/// Contents of [`AppState`].
#[derive(Clone)]
pub struct AppStateInner {
    engine: Engine,
    /// The only origin of URLs in answers; never the Host header. Without a trailing slash.
    public_url: Arc<str>,
    /// The origin of links: a separate origin or the same. Without a trailing slash.
    content_url: Arc<str>,
    /// The origin to which browsers send bytes: the store's, for `Content-Security-Policy`.
    store_origin: Arc<str>,
    /// Origins whose pages may call the API.
    cors_origins: cors::CorsOrigins,
    /// Reverse proxies that are trusted to name the client's address.
    forwarding: forwarded::TrustedForwarding,
    readiness: Arc<ops::ReadinessProbe>,
    metrics_source: Arc<ops::MetricsSource>,
    failure_limit: Arc<failure_limit::FailureLimit>,
    /// Settings by name, without secrets.
    settings: Arc<BTreeMap<String, String>>,
    /// Memory budget for the JSON bodies of all requests.
    json_budget: json_body::JsonBudget,
    /// Held by the verification that an operator has asked this node for.
    verifying: Arc<Semaphore>,
    /// Cancelled when the shutdown is announced: endless streams must end.
    draining: CancellationToken,
}

impl std::ops::Deref for AppState {
    type Target = AppStateInner;

    fn deref(&self) -> &AppStateInner {
        &self.0
    }
}

impl AppState {
    /// State of a service at `public_url` whose clients send bytes to `store_origin`; not ready any more once
    /// `draining` is cancelled.
    #[must_use]
    pub fn new(engine: Engine, public_url: &str, store_origin: &str, draining: CancellationToken) -> Self {
        Self(Arc::new(AppStateInner {
            readiness: Arc::new(ops::ReadinessProbe::new(engine.clone(), draining.clone())),
            draining,
            engine,
            public_url: public_url.trim_end_matches('/').into(),
            content_url: public_url.trim_end_matches('/').into(),
            store_origin: store_origin.into(),
            cors_origins: Arc::new([]),
            forwarding: forwarded::TrustedForwarding::default(),
            metrics_source: Arc::default(),
            settings: Arc::default(),
            failure_limit: Arc::new(failure_limit::FailureLimit::new(0)),
            json_budget: json_body::JsonBudget::new(json_body::DEFAULT_BUDGET_BYTES),
            verifying: Arc::new(Semaphore::new(1)),
        }))
    }

    /// Sets a separate origin for links, where nothing else is served.
    #[must_use]
    pub fn with_content_url(self, url: &str) -> Self {
        let content_url = url.trim_end_matches('/').into();
        Self(Arc::new(AppStateInner { content_url, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Shows these settings, from which secrets were removed, to operators.
    #[must_use]
    pub fn with_settings(self, settings: BTreeMap<String, String>) -> Self {
        Self(Arc::new(AppStateInner { settings: Arc::new(settings), ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Limits the memory for all JSON bodies together to `bytes`, or to the longest body if that is more.
    #[must_use]
    pub fn with_json_budget(self, bytes: u64) -> Self {
        let json_budget = json_body::JsonBudget::new(usize::try_from(bytes).unwrap_or(usize::MAX));
        Self(Arc::new(AppStateInner { json_budget, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Limits the failures per minute that an address may cause; 0: no limit.
    #[must_use]
    pub fn with_failure_limit(self, per_minute: u32) -> Self {
        let failures = Arc::new(failure_limit::FailureLimit::new(per_minute));
        Self(Arc::new(AppStateInner { failure_limit: failures, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Allows pages of these origins, besides the service's own, to call the API from browsers.
    #[must_use]
    pub fn with_cors(self, origins: &[String]) -> Self {
        Self(Arc::new(AppStateInner { cors_origins: origins.into(), ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Takes client addresses from the headers of trusted proxies.
    #[must_use]
    pub fn with_forwarding(self, forwarding: forwarded::TrustedForwarding) -> Self {
        Self(Arc::new(AppStateInner { forwarding, ..Arc::unwrap_or_clone(self.0) }))
    }
}

/// Every route of every protocol.
pub fn router(site: AppState) -> Router {
    let routes = native::routes().merge(companion::routes()).merge(tus::routes()).merge(ietf::routes());
    let routes = routes.merge(download::routes()).merge(events::routes()).merge(ops::routes()).merge(web::routes());
    let routes =
        routes.merge(admin::routes()).merge(processing::routes()).merge(webhooks::routes()).merge(keys::routes());
    let routes = openapi::build_router(routes.merge(tenants::routes()), &site);
    let routes = routes.fallback(problem::route_not_found).method_not_allowed_fallback(problem::method_not_allowed);
    let routes =
        routes.layer(caching::compression_layer()).layer(from_fn_with_state(site.clone(), apply_request_policies));
    let around = context::RequestLayerState { forwarding: site.forwarding.clone() };
    context::with_request_layer(routes.with_state(site), around)
}

/// Policies for every route, in a single layer, because each layer costs every request.
async fn apply_request_policies(State(site): State<AppState>, request: Request, next: Next) -> Response {
    if let Err(problem) = content_origin::refuse_ambiguous_host(&request) {
        return problem.into_response();
    }
    if content_origin::is_wrong_origin(&site, &request) {
        return problem::route_not_found().await.into_response();
    }
    let attempt = failure_limit::AccessAttempt::from_request(&request);
    let reader = error_page::ErrorPageReader::from_request(&request);
    let response = cors::apply_cors(&site, request, next).await;
    let mut response = error_page::for_reader(&site, reader, site.failure_limit.limit_failure(&attempt, response));
    caching::set_default_no_store(response.headers_mut());
    response
}
