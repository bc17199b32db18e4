//! A fresh bucket per test, on a real S3 server or on an embedded store of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use gantry::blob::StoreCapabilities;
use gantry::blob::embedded::{EmbeddedSettings as StoreSettings, EmbeddedStore};
use gantry::blob::s3::{InProcessBody, InProcessServer, S3Blobs, S3Settings, probe};
use gantry::domain::clock::{Clock, OsEntropy, SystemClock};
use gantry::http::server;
use http_body_util::BodyExt;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::OnceCell;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::directory::directory;

/// The page that browsers would upload from.
pub const ORIGIN: &str = "http://gantry.test";

/// A bucket of the test's own.
pub struct Bucket {
    pub blobs: S3Blobs,
    pub capabilities: StoreCapabilities,
    /// Where an embedded store lives.
    pub home: Option<EmbeddedHome>,
}

/// Stops the store and removes its data when dropped.
pub struct EmbeddedHome {
    _stop: DropGuard,
    dir: TempDir,
}

fn required(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name}: start tests/servers.sh"))
}

impl EmbeddedHome {
    /// The data file that holds exactly these bytes.
    pub fn data_file(&self, bytes: &[u8]) -> PathBuf {
        data_file(&self.dir.path().join("store/files"), bytes)
    }
}

/// The file below a store's directory of data files that holds exactly these bytes.
pub fn data_file(files: &Path, bytes: &[u8]) -> PathBuf {
    let shards = std::fs::read_dir(files).unwrap().map(|shard| shard.unwrap().path());
    let mut all = shards.flat_map(|shard| std::fs::read_dir(shard).unwrap().map(|file| file.unwrap().path()));
    all.find(|file| std::fs::read(file).is_ok_and(|there| there == bytes)).expect("a file with these bytes")
}

/// Changes one bit of a file, or changes it back.
pub fn flip_bit(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    // In place: readers may have it open.
    std::fs::write(file, bytes).unwrap();
}

impl Bucket {
    /// On the S3 server that `tests/servers.sh` started.
    pub async fn seaweedfs() -> Self {
        static CAPABILITIES: OnceCell<StoreCapabilities> = OnceCell::const_new();
        Self::open(on_seaweedfs(), &CAPABILITIES).await
    }

    /// On an embedded store that nobody else has.
    pub async fn embedded() -> Self {
        let (dir, stop) = (directory(), CancellationToken::new());
        let settings = embedded_store(dir.path(), &stop).await;
        let home = EmbeddedHome { _stop: stop.drop_guard(), dir };
        static CAPABILITIES: OnceCell<StoreCapabilities> = OnceCell::const_new();
        Self { home: Some(home), ..Self::open(settings, &CAPABILITIES).await }
    }

    /// The settings of a process whose store is a fresh bucket on that server.
    pub async fn for_processes() -> Vec<(&'static str, String)> {
        let S3Settings { bucket, endpoint, credentials, .. } = Self::made(on_seaweedfs()).await;
        let (access_key, secret_key) = credentials.unwrap();
        vec![
            ("GANTRY_STORE", "s3".to_owned()),
            ("GANTRY_S3_BUCKET", bucket),
            ("GANTRY_S3_ENDPOINT", endpoint.unwrap()),
            ("GANTRY_S3_REGION", "us-east-1".to_owned()),
            ("GANTRY_S3_PATH_STYLE", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", access_key),
            ("AWS_SECRET_ACCESS_KEY", secret_key),
        ]
    }

    async fn made(settings: S3Settings) -> S3Settings {
        sdk(&settings).create_bucket().bucket(&settings.bucket).send().await.unwrap();
        settings
    }

    /// Makes the bucket and opens it as `app` does. Every bucket of one kind of store answers the probe alike, and the
    /// probe writes 10 MiB: the first bucket of the process is asked, and `blob::the_probe_finds_a_capable_store` asks
    /// again.
    async fn open(settings: S3Settings, known: &OnceCell<StoreCapabilities>) -> Self {
        let blobs = S3Blobs::connect(Self::made(settings).await, Arc::new(SystemClock)).await.unwrap();
        let capabilities = known.get_or_init(|| probe_capabilities(&blobs)).await.clone();
        let blobs = blobs.with_capabilities(capabilities.clone());
        Self { blobs, capabilities, home: None }
    }
}

/// Asks the bucket what it can do.
pub async fn probe_capabilities(blobs: &S3Blobs) -> StoreCapabilities {
    probe(blobs, ORIGIN, Uuid::new_v4()).await.unwrap().capabilities
}

fn on_seaweedfs() -> S3Settings {
    S3Settings {
        bucket: format!("t{}", Uuid::new_v4().simple()),
        region: Some("us-east-1".to_owned()),
        endpoint: Some(required("GANTRY_TEST_S3_ENDPOINT")),
        public_endpoint: None,
        path_style: true,
        credentials: Some((required("GANTRY_TEST_S3_ACCESS_KEY"), required("GANTRY_TEST_S3_SECRET_KEY"))),
    }
}

/// The embedded store, asked without a socket.
struct StoreInProcess(EmbeddedStore);

impl InProcessServer for StoreInProcess {
    fn handle(&self, request: http::Request<InProcessBody>) -> BoxFuture<'static, http::Response<InProcessBody>> {
        let store = self.0.clone();
        Box::pin(async move { store.handle(request).await.map(BodyExt::boxed) })
    }
}

/// A client of a store in this process that has no listener.
pub async fn connect_in_process(
    store: &EmbeddedStore,
    bucket: &str,
    credentials: (&str, &str),
    clock: Arc<dyn Clock>,
) -> S3Blobs {
    let settings = S3Settings {
        bucket: bucket.to_owned(),
        region: Some("us-east-1".to_owned()),
        endpoint: Some("http://store.invalid".to_owned()),
        public_endpoint: None,
        path_style: true,
        credentials: Some((credentials.0.to_owned(), credentials.1.to_owned())),
    };
    S3Blobs::connect_to(settings, clock, Some(Arc::new(StoreInProcess(store.clone())))).await.unwrap()
}

async fn embedded_store(dir: &Path, stop: &CancellationToken) -> S3Settings {
    let (access_key, secret_key) = ("GKTEST".to_owned(), "secret-of-the-test".to_owned());
    let settings = StoreSettings {
        dir: dir.join("store"),
        access_key: access_key.clone(),
        secret_key: secret_key.clone(),
        cors_origins: vec!["*".to_owned()],
        ..StoreSettings::default()
    };
    let store = EmbeddedStore::open(settings, Arc::new(SystemClock), Arc::new(OsEntropy)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let keeper = (store.clone(), stop.clone());
    tokio::spawn(async move { keeper.0.maintain(keeper.1).await });
    let answer = move |request| {
        let store = store.clone();
        async move { store.handle(request).await }
    };
    tokio::spawn(server::serve(listener, answer, server::ServerLimits::default(), stop.clone()));
    S3Settings {
        bucket: "gantry".to_owned(),
        region: Some("us-east-1".to_owned()),
        endpoint: Some(endpoint),
        public_endpoint: None,
        path_style: true,
        credentials: Some((access_key, secret_key)),
    }
}

/// A plain client, for what the port does not do.
pub fn sdk(settings: &S3Settings) -> aws_sdk_s3::Client {
    use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
    let (key, secret) = settings.credentials.clone().unwrap();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(settings.region.clone().unwrap()))
        .endpoint_url(settings.endpoint.clone().unwrap())
        .force_path_style(settings.path_style)
        .credentials_provider(Credentials::new(key, secret, None, None, "test"));
    aws_sdk_s3::Client::from_conf(config.build())
}
