//! The embedded store: started in this process, and the addresses at which clients reach it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use http::{HeaderValue, header};
use http_body_util::BodyExt;
use ipnet::IpNet;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::data_dir::prepare_data_dir;
use super::local_reader::EmbeddedLocalReader;
use super::resources::{DatabaseHandle, ProcessRole};
use super::secrets;
use crate::blob::embedded::{EmbeddedOpenError, EmbeddedSettings as StoreSettings, EmbeddedStore, STORE_REGION};
use crate::blob::s3::{InProcessBody, InProcessServer, S3Settings};
use crate::blob::{LocalReader, StoreCapabilities};
use crate::config::ServiceConfig;
use crate::domain::clock::OsEntropy;
use crate::http::server;
use crate::http::tls::ReloadableCertificate;

/// Name of the bucket in the embedded store.
pub(super) const fn bucket_name() -> &'static str {
    "gantry"
}

/// Capabilities of the embedded store. They are constants, because the store is part of this binary and a probe would
/// write 10 MiB with fsync at each start; a test runs the probe and compares.
#[must_use]
pub const fn capabilities() -> StoreCapabilities {
    StoreCapabilities {
        conditional_put: true,
        part_checksums: true,
        undeclared_checksums: true,
        unequal_parts: true,
        repeated_complete: true,
        metadata: true,
        enforces_limits: true,
        cors: Some(true),
    }
}

/// The embedded store's access key and secret, created on first use.
fn ensure_credentials(config: &ServiceConfig) -> anyhow::Result<(String, String)> {
    prepare_data_dir(config)?;
    secrets::ensure_store_key(&config.data_dir, &OsEntropy)
}

/// True if the data directory has an embedded store with any file.
pub(super) fn has_files(config: &ServiceConfig) -> std::io::Result<bool> {
    let files = config.data_dir.join("store/files");
    if !matches!(config.store, crate::config::StoreConfig::Embedded { .. }) || !files.exists() {
        return Ok(false);
    }
    for shard in std::fs::read_dir(files)? {
        let shard = shard?.path();
        if shard.is_dir() && std::fs::read_dir(shard)?.next().is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Settings by which this service's S3 client reaches the store.
pub(super) fn settings(
    config: &ServiceConfig,
    address: SocketAddr,
    public_url: Option<&str>,
    rows: &DatabaseHandle,
) -> anyhow::Result<S3Settings> {
    Ok(S3Settings {
        bucket: bucket_name().to_owned(),
        region: Some(STORE_REGION.to_owned()),
        public_endpoint: Some(public_url.map_or_else(|| config.origin(address), ToOwned::to_owned)),
        // Plain HTTP, with or without a certificate: the store is on this machine.
        endpoint: Some(format!("http://{}", reachable_address(address))),
        path_style: true,
        credentials: Some(secrets::ensure_store_key(&config.data_dir, &*rows.entropy)?),
    })
}

/// The address at which this machine reaches a listener at `address`, which may be the wildcard address.
fn reachable_address(address: SocketAddr) -> SocketAddr {
    let loopback = match address.ip().to_canonical() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(loopback, address.port())
}

/// Environment variables by which S3 tools reach the store: names and values.
///
/// # Errors
/// The store's key cannot be read or created.
pub fn tool_environment(
    config: &ServiceConfig,
    listen: SocketAddr,
    public_url: Option<&str>,
) -> anyhow::Result<[(&'static str, String); 6]> {
    let (key, secret) = ensure_credentials(config)?;
    Ok([
        ("AWS_ENDPOINT_URL", public_url.map_or_else(|| config.origin(listen), ToOwned::to_owned)),
        ("AWS_REGION", STORE_REGION.to_owned()),
        ("AWS_DEFAULT_REGION", STORE_REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", key),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("GANTRY_BUCKET", bucket_name().to_owned()),
    ])
}

/// The embedded store, served by this process.
pub(super) struct EmbeddedStoreServer {
    pub(super) address: SocketAddr,
    /// True if the store has no listener.
    silent: bool,
    store: EmbeddedStore,
    pub(super) certificate: Option<Arc<ReloadableCertificate>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl EmbeddedStoreServer {
    /// A reader of the store without HTTP requests.
    pub(super) fn local_reader(&self) -> Arc<dyn LocalReader> {
        Arc::new(EmbeddedLocalReader(self.store.clone()))
    }

    /// The store as a server of requests within this process, if it has no listener.
    pub(super) fn in_process(&self) -> Option<Arc<dyn InProcessServer>> {
        self.silent.then(|| Arc::new(SilentStore(self.store.clone())) as Arc<dyn InProcessServer>)
    }

    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

/// Opens and serves the store. `None`: another process already serves the store of this data directory.
pub(super) async fn start(
    config: &ServiceConfig,
    listen: SocketAddr,
    role: ProcessRole,
    rows: &DatabaseHandle,
    public_url: &str,
) -> anyhow::Result<Option<EmbeddedStoreServer>> {
    let (access_key, secret_key) = secrets::ensure_store_key(&config.data_dir, &*rows.entropy)?;
    let mut cors_origins = config.cors_origins.clone();
    cors_origins.push(public_url.to_owned());
    let dir = config.data_dir.join("store");
    let settings = StoreSettings {
        dir,
        access_key,
        secret_key,
        cors_origins,
        min_free: config.disk_reserve,
        ..StoreSettings::default()
    };
    let (clock, entropy) = (Arc::clone(&rows.clock), Arc::clone(&rows.entropy));
    let opened = tokio::task::spawn_blocking(move || EmbeddedStore::open(settings, clock, entropy)).await?;
    let store = match opened {
        Ok(store) => store,
        Err(EmbeddedOpenError::Locked(_)) if role != ProcessRole::Serve => return Ok(None),
        Err(error) => return Err(error).context("the embedded store cannot be opened"),
    };
    store.ensure_bucket(bucket_name()).await.map_err(anyhow::Error::msg)?;
    if role == ProcessRole::Tool {
        return Ok(Some(keep_silent(store, listen)));
    }
    // A worker beside a stopped service serves the store to itself only.
    let listen = if role == ProcessRole::Serve { listen } else { SocketAddr::from(([127, 0, 0, 1], 0)) };
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let (address, stop, tasks) = (listener.local_addr()?, CancellationToken::new(), TaskTracker::new());
    let keeper = store.clone();
    let keeper_stop = stop.clone();
    tasks.spawn(async move { keeper.maintain(keeper_stop).await });
    let served = store.clone();
    let answer = move |request| {
        let store = served.clone();
        async move {
            let mut response = store.handle(request).await;
            // Browsers must not guess the type of stored files.
            let nosniff = HeaderValue::from_static("nosniff");
            response.headers_mut().entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(nosniff);
            response
        }
    };
    // This process is a client of its own store.
    let ourselves = [address.ip(), Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].map(IpNet::from);
    let limits = config.server.clone().with_proxies(&ourselves);
    let certificate = super::load_certificate(config, &stop)?;
    let listener = server::Listener::new(server::ServerSocket::Tcp(listener), certificate.clone());
    tasks.spawn(server::serve(listener, answer, limits, stop.clone()));
    tasks.close();
    Ok(Some(EmbeddedStoreServer { address, silent: false, store, certificate, stop, tasks }))
}

/// The store for a tool beside a stopped service: no port is bound. `listen`: the address that its name has in signatures.
fn keep_silent(store: EmbeddedStore, listen: SocketAddr) -> EmbeddedStoreServer {
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let (keeper, keeper_stop) = (store.clone(), stop.clone());
    tasks.spawn(async move { keeper.maintain(keeper_stop).await });
    tasks.close();
    EmbeddedStoreServer { address: listen, silent: true, store, certificate: None, stop, tasks }
}

/// A store that answers requests of this process only.
struct SilentStore(EmbeddedStore);

impl InProcessServer for SilentStore {
    fn handle(&self, request: http::Request<InProcessBody>) -> BoxFuture<'static, http::Response<InProcessBody>> {
        let store = self.0.clone();
        Box::pin(async move { store.handle(request).await.map(BodyExt::boxed) })
    }
}
