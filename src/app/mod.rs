//! The composition root: the only place that knows concrete types. Opens what the settings name, puts the engine on it,
//! and runs servers, workers and the sweeper until the end is announced.
//!
//! The end comes in order: not ready → no new connections → requests under way → workers → the embedded store, which
//! the others still need while they finish.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::config::Config;
use crate::engine::{Engine, Registry};
use crate::http::tls::Tls;
use crate::http::{Site, router, server};
use crate::worker::{Sender, Worker};

mod bytes;
mod data_dir;
mod embedded;
mod foundations;
mod near;
mod secrets;
mod welcome;
mod workshop;

pub use embedded::{capabilities as embedded_capabilities, tool_environment};
pub use foundations::{Role, Rows};

use foundations::Foundations;

/// `gantry serve`: the API, the web page, the embedded store, workers and the sweeper, until `end`.
pub async fn serve(config: &Config, end: CancellationToken) -> anyhow::Result<()> {
    let api = TcpListener::bind(config.listen).await.with_context(|| format!("cannot listen on {}", config.listen))?;
    let public_url = config.public_url.clone().unwrap_or(config.origin(api.local_addr()?));
    let foundations = Foundations::lay(config, Role::Serve, &public_url).await?;
    let engine = foundations.engine.clone();
    welcome::first_start(config, &foundations.rows, &public_url).await?;

    let site = Site::new(engine.clone(), &public_url, &foundations.store_origin, end.clone());
    let site = site.with_cors(&config.cors_origins).with_json_memory(config.json_memory);
    let site = site.with_forwarding(config.forwarding.clone());
    let site = site.with_failure_limit(config.failures_per_address);
    let site = match &config.content_url {
        Some(url) => site.with_content_at(url),
        None => site,
    };
    let routes = router(site);
    let answer = move |request| {
        let routes = routes.clone();
        async move { routes.oneshot(request).await.unwrap_or_else(|never| match never {}) }
    };
    let background = Background::start(&foundations, config, &public_url).await?;
    tracing::info!(address = %api.local_addr()?, public_url, "serving");
    let appends = tokio::spawn(let_go(engine, end.clone()));
    server::serve(door(config, api, &end)?.with_early(config.early), answer, config.server.clone(), end).await;
    let _ = tokio::time::timeout(config.server.grace, appends).await;
    tracing::info!("no more requests; finishing what has begun");
    background.finish(config.server.grace).await;
    foundations.close().await;
    Ok(())
}

/// A listener with the certificate that the settings name.
fn door(config: &Config, listener: TcpListener, stop: &CancellationToken) -> anyhow::Result<server::Door> {
    let Some(files) = &config.tls else { return Ok(listener.into()) };
    let tls = Arc::new(Tls::load(files.clone()).context("the certificate cannot be used")?);
    let (renewed, stop) = (Arc::clone(&tls), stop.clone());
    tokio::spawn(async move { renewed.renew(stop).await });
    Ok(server::Door::new(listener, Some(tls)))
}

/// Once the end is announced, bodies under way are interrupted where their bytes are safe: their clients go on elsewhere.
async fn let_go(engine: Engine, end: CancellationToken) {
    end.cancelled().await;
    engine.close_appends().await;
}

/// `gantry work`: workers and the sweeper alone, on as many machines as wanted, until `end`.
pub async fn work(config: &Config, end: CancellationToken) -> anyhow::Result<()> {
    let public_url = config.public_url.clone().unwrap_or(config.origin(config.listen));
    let foundations = Foundations::lay(config, Role::Attach, &public_url).await?;
    let background = Background::start(&foundations, config, &public_url).await?;
    tracing::info!("working");
    end.cancelled().await;
    background.finish(config.server.grace).await;
    foundations.close().await;
    Ok(())
}

/// Runs something that needs the engine, beside a running service or without one.
pub async fn with_engine<T>(config: &Config, job: impl AsyncFnOnce(Engine) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let public_url = config.public_url.clone().unwrap_or(config.origin(config.listen));
    let foundations = Foundations::lay(config, Role::Attach, &public_url).await?;
    let outcome = job(foundations.engine.clone()).await;
    foundations.close().await;
    outcome
}

/// The book of tenants and keys: needs the database only.
pub async fn registry(config: &Config) -> anyhow::Result<Registry> {
    Ok(Rows::open(config).await?.registry().by_hand())
}

/// Workers; chores are jobs like others.
struct Background {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Background {
    async fn start(foundations: &Foundations, config: &Config, public_url: &str) -> anyhow::Result<Self> {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let rows = &foundations.rows;
        let (store, entropy) = (Arc::clone(&rows.store), Arc::clone(&rows.entropy));
        let engine = foundations.engine.clone();
        let pipeline = workshop::pipeline(config, public_url).await?;
        let worker = Worker::new(engine, store, entropy, pipeline, config.worker.clone());
        let worker = match Sender::new(&config.engine.webhooks.egress) {
            Ok(sender) => worker.with_sender(sender),
            Err(error) => {
                // As on a machine without any certificates; whoever has no webhooks need not care.
                tracing::error!(%error, "webhooks cannot be sent by this process");
                worker
            }
        };
        let worker_stop = stop.clone();
        tasks.spawn(async move { worker.run(worker_stop).await });
        tasks.close();
        Ok(Self { stop, tasks })
    }

    async fn finish(self, grace: Duration) {
        self.stop.cancel();
        let _ = tokio::time::timeout(grace, self.tasks.wait()).await;
    }
}
