//! Everything that speaks HTTP: one folder per protocol, all shaped alike.
//!
//! * `mod` – the routes
//! * `wire` – shapes on the wire, and their way to and from commands and domain values
//! * `handlers` – glue: parse, call the engine, render; no use case lives here
//! * `error` – one exhaustive renderer of the engine's errors
//!
//! Beside them what all protocols share: [`server`] (the accept loop, with [`tls`]), `context` (request ids, credentials, peers),
//! `problem` (RFC 9457), `query` (parameters and pages), `openapi` (routes and the contract that describes them, from one declaration), `caching`. Protocols do not know each other, and none of them knows rows or bytes.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;

mod admin;
mod body;
mod caching;
mod companion;
mod context;
mod cors;
mod download;
mod events;
mod failures;
pub mod forwarded;
mod ietf;
mod json_reason;
mod keys;
mod metadata;
mod native;
mod openapi;
mod ops;
mod origin;
mod pieces;
mod places;
mod problem;
mod processing;
mod query;
mod relayed;
pub mod server;
mod tenants;
pub mod tls;
mod tus;
mod web;
mod webhooks;

/// What every handler can reach. Every layer around a handler has it once more: it is cheap to clone.
#[derive(Clone)]
pub struct Site(Arc<Parts>);

/// What a site is made of.
#[derive(Clone)]
pub struct Parts {
    engine: Engine,
    /// The only origin ever put into answers; never the Host header. Without a trailing slash.
    public_url: Arc<str>,
    /// Where links lead; an origin of its own, or the same. Without a trailing slash.
    content_url: Arc<str>,
    /// Where browsers send bytes: the store's origin, for `Content-Security-Policy`.
    store_origin: Arc<str>,
    /// Origins whose pages may call the API.
    cors_origins: cors::Origins,
    /// Whom to believe about where a request comes from.
    forwarding: forwarded::TrustedForwarding,
    readiness: Arc<ops::Readiness>,
    metrics: Arc<ops::Metrics>,
    failures: Arc<failures::FailureLimit>,
    /// Memory for the JSON bodies of all requests together.
    json_budget: body::JsonBudget,
    /// Cancelled when the end is announced: what goes on for ever must end.
    draining: CancellationToken,
}

impl std::ops::Deref for Site {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Site {
    /// A site at `public_url`, whose clients send bytes to `store_origin`; not ready any more once `draining` is
    /// cancelled.
    #[must_use]
    pub fn new(engine: Engine, public_url: &str, store_origin: &str, draining: CancellationToken) -> Self {
        Self(Arc::new(Parts {
            readiness: Arc::new(ops::Readiness::new(engine.clone(), draining.clone())),
            draining,
            engine,
            public_url: public_url.trim_end_matches('/').into(),
            content_url: public_url.trim_end_matches('/').into(),
            store_origin: store_origin.into(),
            cors_origins: Arc::new([]),
            forwarding: forwarded::TrustedForwarding::default(),
            metrics: Arc::default(),
            failures: Arc::new(failures::FailureLimit::new(0)),
            json_budget: body::JsonBudget::new(body::DEFAULT_BUDGET_BYTES),
        }))
    }

    /// Links lead to another origin, where nothing else is served.
    #[must_use]
    pub fn with_content_at(self, url: &str) -> Self {
        let content_url = url.trim_end_matches('/').into();
        Self(Arc::new(Parts { content_url, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The JSON bodies of all requests together take at most so many bytes, or as many as the longest one if that is more.
    #[must_use]
    pub fn with_json_memory(self, bytes: u64) -> Self {
        let json_budget = body::JsonBudget::new(usize::try_from(bytes).unwrap_or(usize::MAX));
        Self(Arc::new(Parts { json_budget, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// At most so many failures a minute are answered to one address; 0: any number.
    #[must_use]
    pub fn with_failure_limit(self, per_minute: u32) -> Self {
        let failures = Arc::new(failures::FailureLimit::new(per_minute));
        Self(Arc::new(Parts { failures, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Pages of these origins may call it from browsers, besides its own.
    #[must_use]
    pub fn with_cors(self, origins: &[String]) -> Self {
        Self(Arc::new(Parts { cors_origins: origins.into(), ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Addresses that trusted proxies name count as where requests come from.
    #[must_use]
    pub fn with_forwarding(self, forwarding: forwarded::TrustedForwarding) -> Self {
        Self(Arc::new(Parts { forwarding, ..Arc::unwrap_or_clone(self.0) }))
    }
}

/// Every route of every protocol.
pub fn router(site: Site) -> Router {
    let routes = native::routes().and(companion::routes()).and(tus::routes()).and(ietf::routes());
    let routes = routes.and(download::routes()).and(events::routes()).and(ops::routes()).and(web::routes());
    let routes = routes.and(admin::routes()).and(processing::routes()).and(webhooks::routes()).and(keys::routes());
    let routes = openapi::routed(routes.and(tenants::routes()), &site);
    let routes = routes.fallback(problem::no_route).method_not_allowed_fallback(problem::no_method);
    let routes = routes.layer(caching::compressed()).layer(from_fn_with_state(site.clone(), surround));
    let around = context::Around { metrics: Arc::clone(&site.metrics), forwarding: site.forwarding.clone() };
    context::wrap(routes.with_state(site), around)
}

/// What holds for every route. One layer, because each of them costs every request.
async fn surround(State(site): State<Site>, request: Request, next: Next) -> Response {
    if let Err(problem) = origin::refuse_ambiguous_host(&request) {
        return problem.into_response();
    }
    if origin::is_elsewhere(&site, &request) {
        return problem::no_route().await.into_response();
    }
    let attempt = failures::Attempt::of(&request);
    let response = cors::surround(&site, request, next).await;
    let mut response = site.failures.judge(&attempt, response);
    caching::say_if_silent(response.headers_mut());
    response
}
