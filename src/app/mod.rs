//! The composition root: the only module that knows concrete types. Opens the resources that the settings name, creates
//! the engine on them, and runs servers, workers and the sweeper until shutdown.
//!
//! Shutdown has an order: not ready → no new connections → requests under way → workers → the embedded store, which
//! requests and workers need until they have finished.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::config::{ConfigOverrides, ListenAddress, ServiceConfig};
use crate::domain::node::NodeRole;
use crate::domain::reason::chain;
use crate::engine::{Engine, TenantRegistry};
use crate::http::tls::ReloadableCertificate;
use crate::http::{AppState, router, server};
use crate::metrics;
use crate::worker::{JobWorker, WebhookSender};

mod backup;
mod bootstrap;
mod data_dir;
pub mod doctor;
mod embedded;
mod follow;
mod heartbeat;
mod local_reader;
mod object_store;
mod pipeline;
mod production;
mod reload;
mod resources;
mod restore;
mod secrets;

pub use crate::store::{SchemaStatus, SchemaStep, StepState};
pub use backup::{BackupReport, CopyProgress, ProgressSink, create_backup};
pub use embedded::{capabilities as embedded_capabilities, tool_environment};
pub use follow::{FollowPace, FollowStep, follow_instance};
pub use production::refuse_trial_settings;
pub use resources::{DatabaseHandle, ProcessRole};
pub use restore::{RestoreReport, check_backup, restore_backup};

use reload::{ReloadTargets, SettingsReload};
use resources::Resources;

/// `gantry serve`: the API, the web page, the embedded store, workers and the sweeper, until `end`. `overrides`: the
/// sources of the settings, which SIGHUP reads again.
pub async fn serve(config: &ServiceConfig, overrides: &ConfigOverrides, end: CancellationToken) -> anyhow::Result<()> {
    refuse_trial_settings(config)?;
    let reload = SettingsReload::listen(config, overrides)?;
    let api = bind(&config.listen).await.with_context(|| format!("cannot listen on {}", config.listen))?;
    let public_url = match (&config.public_url, api.tcp_address()?) {
        (None, Some(address)) => config.origin(address),
        (Some(_), _) | (None, None) => config.api_origin(),
    };
    let foundations = Resources::open(config, ProcessRole::Serve, &public_url).await?;
    let engine = foundations.engine.clone();
    bootstrap::ensure_default_tenant(config, &foundations.database, &public_url).await?;

    let site = AppState::new(engine.clone(), &public_url, &foundations.store_origin, end.clone());
    let site = site.with_cors(&config.cors_origins).with_json_budget(config.json_memory);
    let site = site.with_forwarding(config.forwarding.clone());
    let site = site.with_failure_limit(config.failures_per_address).with_settings(config.shown.clone());
    let site = match &config.content_url {
        Some(url) => site.with_content_url(url),
        None => site,
    };
    let routes = router(site);
    let answer = move |request| {
        let routes = routes.clone();
        async move { routes.oneshot(request).await.unwrap_or_else(|never| match never {}) }
    };
    let background = BackgroundWorkers::start(&foundations, config, &public_url).await?;
    heartbeat::spawn_heartbeat(&foundations, NodeRole::Serve, end.clone());
    metrics::process().watch_disk(config.data_dir.clone());
    let certificate = load_certificate(config, &end)?;
    reload.spawn(ReloadTargets::new(&foundations, certificate.clone()), end.clone());
    let address = api.tcp_address()?.map_or_else(|| config.listen.to_string(), |address| address.to_string());
    tracing::info!(address, public_url, "serving");
    let appends = tokio::spawn(close_appends_on_shutdown(engine, end.clone()));
    server::serve(
        server::Listener::new(api, certificate).with_interim_policy(config.early),
        answer,
        config.server.clone(),
        end,
    )
    .await;
    let _ = tokio::time::timeout(config.server.shutdown_grace, appends).await;
    tracing::info!("no more requests; finishing what has begun");
    background.finish(config.server.shutdown_grace).await;
    foundations.close().await;
    Ok(())
}

/// Binds the API's socket, or takes it over from the service manager.
async fn bind(listen: &ListenAddress) -> std::io::Result<server::ServerSocket> {
    match listen {
        ListenAddress::Tcp(address) => Ok(server::ServerSocket::Tcp(TcpListener::bind(address).await?)),
        ListenAddress::Unix { path, mode } => server::ServerSocket::bind_unix(path, *mode),
        ListenAddress::ServiceManager => server::ServerSocket::from_service_manager(),
    }
}

/// The certificate from the settings, which is reloaded when its files change.
fn load_certificate(
    config: &ServiceConfig,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Arc<ReloadableCertificate>>> {
    let Some(files) = &config.tls else { return Ok(None) };
    let tls = Arc::new(ReloadableCertificate::load(files.clone()).context("the certificate cannot be used")?);
    let (renewed, stop) = (Arc::clone(&tls), stop.clone());
    tokio::spawn(async move { renewed.reload_when_changed(stop).await });
    Ok(Some(tls))
}

/// Interrupts appends on shutdown as soon as their bytes are durable: clients continue on another node.
async fn close_appends_on_shutdown(engine: Engine, end: CancellationToken) {
    end.cancelled().await;
    engine.append().close_appends().await;
}

/// `gantry work`: workers and the sweeper alone, on as many machines as wanted, until `end`.
pub async fn work(config: &ServiceConfig, overrides: &ConfigOverrides, end: CancellationToken) -> anyhow::Result<()> {
    refuse_trial_settings(config)?;
    let reload = SettingsReload::listen(config, overrides)?;
    let public_url = config.api_origin();
    let foundations = Resources::open(config, ProcessRole::Attach, &public_url).await?;
    let background = BackgroundWorkers::start(&foundations, config, &public_url).await?;
    heartbeat::spawn_heartbeat(&foundations, NodeRole::Work, end.clone());
    reload.spawn(ReloadTargets::new(&foundations, None), end.clone());
    tracing::info!("working");
    end.cancelled().await;
    background.finish(config.server.shutdown_grace).await;
    foundations.close().await;
    Ok(())
}

/// Runs an operation that needs the engine, beside a running service or without it.
pub async fn with_engine<T>(
    config: &ServiceConfig,
    job: impl AsyncFnOnce(Engine) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let public_url = config.api_origin();
    let foundations = Resources::open(config, ProcessRole::Tool, &public_url).await?;
    let outcome = job(foundations.engine.clone()).await;
    foundations.close().await;
    outcome
}

/// As [`with_engine`], for the import of rows of this instance.
pub async fn with_import_engine<T>(
    config: &ServiceConfig,
    instance: &str,
    job: impl AsyncFnOnce(Engine) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let public_url = config.api_origin();
    let rows = DatabaseHandle::open_for_import(config, instance).await?;
    let foundations = Resources::open_on(rows, config, ProcessRole::Tool, &public_url).await?;
    let outcome = job(foundations.engine.clone()).await;
    foundations.close().await;
    outcome
}

/// Opens the registry of tenants and keys, which needs the database only.
pub async fn open_registry(config: &ServiceConfig) -> anyhow::Result<TenantRegistry> {
    Ok(DatabaseHandle::open(config).await?.registry().by_hand())
}

/// Workers, which also run chores as jobs.
struct BackgroundWorkers {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl BackgroundWorkers {
    async fn start(foundations: &Resources, config: &ServiceConfig, public_url: &str) -> anyhow::Result<Self> {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let rows = &foundations.database;
        let (store, entropy) = (Arc::clone(&rows.store), Arc::clone(&rows.entropy));
        let engine = foundations.engine.clone();
        let pipeline = pipeline::open_pipeline(config, public_url, &entropy).await?;
        let worker = JobWorker::new(engine, store, entropy, pipeline, config.worker.clone());
        let worker = match WebhookSender::new(&config.engine.webhooks.egress) {
            Ok(sender) => worker.with_sender(sender),
            Err(error) => {
                // As on a machine without any certificates; services without webhooks are not affected.
                tracing::error!(error = %chain(&error), "webhooks cannot be sent by this process");
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
