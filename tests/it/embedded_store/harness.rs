//! A store in a temporary directory behind a socket, and clients for it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation, retry::RetryConfig,
    timeout::TimeoutConfig,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::{Client, Config};
use gantry::blob::embedded::{EmbeddedSettings, EmbeddedStore};
use gantry::domain::clock::{OsEntropy, SystemClock};
use gantry::http::server;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::support::directory::directory;
use crate::support::patience::eventually_ok;
use crate::support::seed;

pub const BUCKET: &str = "photos";
pub const ACCESS: &str = "test-access";
pub const SECRET: &str = "test-secret-0123456789";

/// A running store; its directory goes away with it.
pub struct Server {
    pub store: EmbeddedStore,
    pub address: SocketAddr,
    dir: Option<TempDir>,
    path: PathBuf,
    stop: CancellationToken,
}

/// Settings for tests: no floor, no grace, keys known.
pub fn settings(dir: &Path) -> EmbeddedSettings {
    EmbeddedSettings {
        dir: dir.to_owned(),
        access_key: ACCESS.to_owned(),
        secret_key: SECRET.to_owned(),
        min_free: 0,
        trash_grace: Duration::ZERO,
        ..EmbeddedSettings::default()
    }
}

impl Server {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A server whose settings are changed first.
    pub async fn with(change: impl FnOnce(&mut EmbeddedSettings)) -> Self {
        let dir = directory();
        let mut settings = settings(dir.path());
        change(&mut settings);
        let mut server = Self::on(settings).await;
        server.dir = Some(dir);
        server
    }

    /// A server whose clients are served within other limits.
    pub async fn within(limits: server::ServerLimits) -> Self {
        let dir = directory();
        let mut server = Self::of(settings(dir.path()), limits).await;
        server.dir = Some(dir);
        server
    }

    /// A server on a directory of the caller's.
    pub async fn on(settings: EmbeddedSettings) -> Self {
        Self::of(settings, server::ServerLimits::default()).await
    }

    async fn of(settings: EmbeddedSettings, limits: server::ServerLimits) -> Self {
        let path = settings.dir.clone();
        let store = EmbeddedStore::open(settings, Arc::new(SystemClock), Arc::new(OsEntropy)).unwrap();
        store.ensure_bucket(BUCKET).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(serve(store.clone(), listener, limits, stop.clone()));
        Self { store, address, dir: None, path, stop }
    }

    pub fn client(&self) -> Client {
        client(self.address)
    }

    /// Every data file's name.
    pub fn files(&self) -> Vec<String> {
        let mut names = Vec::new();
        for shard in std::fs::read_dir(self.path.join("files")).unwrap() {
            for file in std::fs::read_dir(shard.unwrap().path()).unwrap() {
                names.push(file.unwrap().file_name().into_string().unwrap());
            }
        }
        names
    }

    /// Waits until that many data files are left: removal happens beside the answer.
    pub async fn await_files(&self, count: usize) {
        eventually_ok(format!("{count} data files"), async || match self.files().len() {
            files if files == count => Ok(()),
            other => Err(other),
        })
        .await;
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Serves the store as the application does.
pub async fn serve(store: EmbeddedStore, listener: TcpListener, limits: server::ServerLimits, stop: CancellationToken) {
    let answer = move |request| {
        let store = store.clone();
        async move { store.handle(request).await }
    };
    server::serve(listener, answer, limits, stop).await;
}

/// A client with the SDK's defaults for checksums, without retries.
pub fn client(address: SocketAddr) -> Client {
    Client::from_conf(config(address).build())
}

/// A client that sends and checks no checksum unless told to.
pub fn plain_client(address: SocketAddr) -> Client {
    let config = config(address)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    Client::from_conf(config.build())
}

pub fn config(address: SocketAddr) -> aws_sdk_s3::config::Builder {
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(format!("http://{address}"))
        .force_path_style(true)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(ACCESS, SECRET, None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
}

/// The S3 code of a failed call.
pub fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(
    result: Result<T, SdkError<E, aws_sdk_s3::config::http::HttpResponse>>,
) -> String {
    let error = result.expect_err("the call should be refused");
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    match error.code() {
        Some(code) => code.to_owned(),
        None => status.to_string(),
    }
}

/// Bytes that look random and are the same for the same seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    seed::noise(length, seed)
}

/// PutObject.
pub async fn put(client: &Client, key: &str, bytes: &[u8]) {
    client.put_object().bucket(BUCKET).key(key).body(ByteStream::from(bytes.to_vec())).send().await.unwrap();
}

/// GetObject, whole.
pub async fn get(client: &Client, key: &str) -> Vec<u8> {
    let object = client.get_object().bucket(BUCKET).key(key).send().await.unwrap();
    object.body.collect().await.unwrap().to_vec()
}

/// Uploads `parts` and completes; returns the upload's id and the object's ETag.
pub async fn multipart(client: &Client, key: &str, parts: &[Vec<u8>]) -> (String, String) {
    let id = create(client, key).await;
    let mut completed = Vec::new();
    for (number, part) in (1..).zip(parts) {
        completed.push(part_of(client, key, &id, number, part.clone()).await);
    }
    let etag = complete(client, key, &id, completed).await.unwrap();
    (id, etag)
}

/// CreateMultipartUpload.
pub async fn create(client: &Client, key: &str) -> String {
    let created = client.create_multipart_upload().bucket(BUCKET).key(key).send().await.unwrap();
    created.upload_id.unwrap()
}

/// UploadPart.
pub async fn part_of(
    client: &Client,
    key: &str,
    id: &str,
    number: i32,
    bytes: Vec<u8>,
) -> aws_sdk_s3::types::CompletedPart {
    let put = client.upload_part().bucket(BUCKET).key(key).upload_id(id).part_number(number);
    let part = put.body(ByteStream::from(bytes)).send().await.unwrap();
    completed(number, part.e_tag.unwrap())
}

pub fn completed(number: i32, etag: String) -> aws_sdk_s3::types::CompletedPart {
    aws_sdk_s3::types::CompletedPart::builder().part_number(number).e_tag(etag).build()
}

/// CompleteMultipartUpload; the ETag or the S3 code.
pub async fn complete(
    client: &Client,
    key: &str,
    id: &str,
    parts: Vec<aws_sdk_s3::types::CompletedPart>,
) -> Result<String, String> {
    let listed = aws_sdk_s3::types::CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let call = client.complete_multipart_upload().bucket(BUCKET).key(key).upload_id(id).multipart_upload(listed);
    match call.send().await {
        Ok(done) => Ok(done.e_tag.unwrap()),
        Err(error) => Err(error.code().unwrap_or("?").to_owned()),
    }
}
