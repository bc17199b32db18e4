//! Adapter for S3 stores through `aws-sdk-s3`: Amazon S3, the embedded store, Garage, SeaweedFS, Ceph, R2.
//!
//! Requests of this service go to the internal endpoint; URLs for clients are signed for the public endpoint. The SDK's
//! `.presigned()` is not used: it takes 70 times as long as [`super::presign`], which tests compare with it byte by
//! byte.
//!
//! Must not pass the store's texts upward except for logs.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, IdentityCache, ProvideCredentials, Region, SharedCredentialsProvider};
use aws_sdk_s3::presigning::PresigningConfig;

use credentials::ReloadableCredentials;
use in_process::InProcessClient;

use super::presign::{BucketEndpoint, DayKey, SigningCredentials};
use super::{BlobError, LocalReader, Result, StoreCapabilities};
use crate::domain::clock::{Clock, Timestamp, after};
use crate::domain::reason::FailureCause;

mod adapter;
mod credentials;
mod errors;
mod in_process;
mod measure;
mod outgoing;
mod probe;

pub use in_process::{InProcessBody, InProcessServer};
pub use probe::{ProbeResult, probe};

/// Address and credentials of a bucket.
#[derive(Clone, Debug)]
pub struct S3Settings {
    /// Bucket name.
    pub bucket: String,
    /// Region to sign for; `None`: from the standard chain of aws-config.
    pub region: Option<String>,
    /// Endpoint for requests of this service; `None`: Amazon S3.
    pub endpoint: Option<String>,
    /// Endpoint for clients; `None`: the same as `endpoint`.
    pub public_endpoint: Option<String>,
    /// `https://host/bucket/key` instead of `https://bucket.host/key`.
    pub path_style: bool,
    /// Fixed credentials; `None`: the standard chain of aws-config.
    pub credentials: Option<(String, String)>,
}

/// A bucket on an S3 server.
pub struct S3Blobs {
    client: Client,
    bucket: String,
    public: BucketEndpoint,
    provider: SharedCredentialsProvider,
    /// Credentials of the AWS chain; `None`: fixed credentials.
    chain: Option<ReloadableCredentials>,
    /// Signing key of the day, and the time at which its credentials were read.
    key: RwLock<Option<(Arc<DayKey>, Timestamp)>>,
    clock: Arc<dyn Clock>,
    capabilities: StoreCapabilities,
    /// Reader without HTTP requests, if the store runs in this process.
    near: Option<Arc<dyn LocalReader>>,
}

/// Longest age of credentials that are signed with, so that rotation is noticed.
const CREDENTIALS_MAX_AGE: Duration = Duration::from_secs(60);

impl S3Blobs {
    /// Prepares clients and resolves the public endpoint. Sends no request; [`probe`] does.
    pub async fn connect(settings: S3Settings, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::connect_to(settings, clock, None).await
    }

    /// As [`Self::connect`], but requests of this service go to a server in this process, if that is given.
    pub async fn connect_to(
        settings: S3Settings,
        clock: Arc<dyn Clock>,
        server: Option<Arc<dyn InProcessServer>>,
    ) -> Result<Self> {
        let chain = aws_config::defaults(BehaviorVersion::latest());
        let chain = match server {
            Some(server) => chain.http_client(InProcessClient(server)),
            None => chain,
        };
        let chain = match &settings.credentials {
            Some((key, secret)) => chain.credentials_provider(aws_sdk_s3::config::Credentials::new(
                key,
                secret,
                None,
                None,
                "gantry settings",
            )),
            None => chain,
        };
        let chain = match settings.region.clone() {
            Some(region) => chain.region(Region::new(region)),
            None => chain,
        };
        let mut shared = chain.load().await;
        let region = shared.region().map(ToString::to_string);
        let region = region.ok_or_else(|| BlobError::Denied("no region: set GANTRY_S3_REGION".into()))?;
        let provider = shared.credentials_provider();
        let mut provider = provider.ok_or_else(|| BlobError::Denied("no AWS credentials were found".into()))?;
        let mut chain = None;
        if settings.credentials.is_none() {
            let reloadable = ReloadableCredentials::new(provider, Arc::clone(&clock));
            provider = SharedCredentialsProvider::new(reloadable.clone());
            let builder = shared.into_builder().credentials_provider(provider.clone());
            // The SDK would keep replaced credentials for a quarter of an hour.
            shared = builder.identity_cache(IdentityCache::no_cache()).build();
            chain = Some(reloadable);
        }
        let client = sdk_client(&shared, &settings, settings.endpoint.as_deref());
        let public = settings.public_endpoint.as_deref().or(settings.endpoint.as_deref());
        let public = place(&sdk_client(&shared, &settings, public), &settings.bucket, &region).await?;
        let capabilities = StoreCapabilities::unknown();
        let (key, near) = (RwLock::default(), None);
        Ok(Self { client, bucket: settings.bucket, public, provider, chain, key, clock, capabilities, near })
    }

    /// Sets the capabilities that [`probe`] found, now or on an earlier start.
    #[must_use]
    pub fn with_capabilities(self, capabilities: StoreCapabilities) -> Self {
        Self { capabilities, ..self }
    }

    /// Sets the reader without HTTP requests; `None`: all reads are requests.
    #[must_use]
    pub fn with_near(self, near: Option<Arc<dyn LocalReader>>) -> Self {
        Self { near, ..self }
    }

    /// Endpoint host and bucket, which together identify this store.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}{}", self.public.host, self.public.base_path)
    }

    /// Origin that clients send bytes to, for `Content-Security-Policy` and CORS.
    #[must_use]
    pub fn public_origin(&self) -> String {
        format!("{}://{}", self.public.scheme, self.public.host)
    }

    /// Reads the credentials of the AWS chain again, for requests and URLs from now on. `false`: they are the same, or
    /// fixed.
    ///
    /// # Errors
    /// [`BlobError::Denied`]: the chain has no credentials; those in use stay.
    pub async fn reload_credentials(&self) -> Result<bool> {
        let Some(chain) = &self.chain else { return Ok(false) };
        let loaded = aws_config::defaults(BehaviorVersion::latest()).load().await;
        let fresh = loaded.credentials_provider();
        let fresh = fresh.ok_or_else(|| BlobError::Denied("no AWS credentials were found".into()))?;
        let changed = chain.replace(fresh).await.map_err(|error| BlobError::Denied(FailureCause::of(error)))?;
        if changed {
            *self.key.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
        Ok(changed)
    }

    /// Signing key of the day for the current credentials.
    async fn day_key(&self) -> Result<Arc<DayKey>> {
        let now = self.clock.now();
        let held = self.key.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((key, looked)) = held
            && now < after(looked, CREDENTIALS_MAX_AGE)
            && key.serves(now)
        {
            return Ok(key);
        }
        let credentials = self.provider.provide_credentials().await;
        let credentials = from_sdk(&credentials.map_err(|error| BlobError::Denied(FailureCause::of(error)))?);
        let key = Arc::new(DayKey::derive(credentials, &self.public.region, now));
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = Some((Arc::clone(&key), now));
        Ok(key)
    }
}

fn from_sdk(credentials: &aws_sdk_s3::config::Credentials) -> SigningCredentials {
    SigningCredentials {
        access_key: credentials.access_key_id().to_owned(),
        secret_key: credentials.secret_access_key().to_owned(),
        session_token: credentials.session_token().map(ToOwned::to_owned),
        expires_at: credentials.expiry().and_then(|end| Timestamp::try_from(end).ok()),
    }
}

/// Client for requests of this service, with deadlines for connecting and for silence. Checksums are sent only if we
/// ask for them: the SDK's default trailers break several stores.
fn sdk_client(shared: &aws_config::SdkConfig, settings: &S3Settings, endpoint: Option<&str>) -> Client {
    use aws_sdk_s3::config::timeout::TimeoutConfig;
    use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation, StalledStreamProtectionConfig};

    let timeouts =
        TimeoutConfig::builder().connect_timeout(Duration::from_secs(3)).read_timeout(Duration::from_secs(60)).build();
    let mut config = aws_sdk_s3::config::Builder::from(shared)
        .force_path_style(settings.path_style)
        .timeout_config(timeouts)
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::standard().with_max_attempts(4))
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        // A slow reader on our side is not a stalled store.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .interceptor(measure::RequestMeter);
    config.set_endpoint_url(endpoint.map(ToOwned::to_owned));
    Client::from_conf(config.build())
}

/// Address of the bucket by the SDK's endpoint rules, taken from a URL that the SDK signs. This covers access points,
/// dual stack, FIPS and custom endpoints.
async fn place(client: &Client, bucket: &str, region: &str) -> Result<BucketEndpoint> {
    let wrong = |e: &dyn std::fmt::Display| BlobError::Denied(format!("the endpoint is not a valid URL: {e}").into());
    let soon = PresigningConfig::expires_in(Duration::from_secs(60)).map_err(|e| wrong(&e))?;
    let signed =
        client.get_object().bucket(bucket).key("k").presigned(soon).await.map_err(|e| wrong(&errors::words(&e)))?;
    let uri: http::Uri = signed.uri().parse().map_err(|e: http::uri::InvalidUri| wrong(&e))?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(wrong(&"no scheme or host"));
    };
    let base_path = uri.path().strip_suffix("/k").ok_or_else(|| wrong(&"an unexpected path"))?;
    // The Host header omits the scheme's default port.
    let host = match (scheme, authority.port_u16()) {
        ("https", Some(443)) | ("http", Some(80)) => authority.host().to_owned(),
        _ => authority.as_str().to_owned(),
    };
    Ok(BucketEndpoint { scheme: scheme.to_owned(), host, base_path: base_path.to_owned(), region: region.to_owned() })
}
