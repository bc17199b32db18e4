//! Any S3, through `aws-sdk-s3`: Amazon's, the embedded store's, Garage's, SeaweedFS's, Ceph's, R2's.
//!
//! Requests of our own go to the internal endpoint; URLs for clients are signed for the public one. The SDK's
//! `.presigned()` is not used: it takes 70 times as long as [`super::presign`], which the tests hold to it byte by byte.
//!
//! Must not leak the store's texts upward as anything but log material.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, ProvideCredentials, Region, SharedCredentialsProvider};
use aws_sdk_s3::presigning::PresigningConfig;

use super::presign::{BucketEndpoint, DayKey, SigningCredentials};
use super::{BlobError, LocalReader, Result, StoreCapabilities};
use crate::domain::clock::{Clock, Timestamp, after};

mod adapter;
mod errors;
mod outgoing;
mod probe;

pub use probe::{ProbeResult, probe};

/// Where a bucket is and how to get in.
#[derive(Clone, Debug)]
pub struct S3Settings {
    /// The bucket.
    pub bucket: String,
    /// The region that is signed for; `None`: from the standard chain.
    pub region: Option<String>,
    /// Where this service reaches the store; `None`: Amazon.
    pub endpoint: Option<String>,
    /// Where clients reach it; `None`: at the same place.
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
    /// The last credentials and the key derived from them.
    key: RwLock<Option<(Arc<DayKey>, Timestamp)>>,
    clock: Arc<dyn Clock>,
    capabilities: StoreCapabilities,
    /// A way to read without a request.
    near: Option<Arc<dyn LocalReader>>,
}

/// Signatures use credentials that were looked at this recently, so that rotation is noticed.
const CREDENTIALS_REFRESH_MARGIN: Duration = Duration::from_secs(60);

impl S3Blobs {
    /// Prepares clients and the place that URLs point to. Sends nothing; [`probe`] does.
    pub async fn connect(settings: S3Settings, clock: Arc<dyn Clock>) -> Result<Self> {
        let chain = aws_config::defaults(BehaviorVersion::latest());
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
        let shared = chain.load().await;
        let region = shared.region().map(ToString::to_string);
        let region = region.ok_or_else(|| BlobError::Denied("no region: set GANTRY_S3_REGION".to_owned()))?;
        let provider = shared.credentials_provider();
        let provider = provider.ok_or_else(|| BlobError::Denied("no AWS credentials in the chain".to_owned()))?;
        let client = sdk_client(&shared, &settings, settings.endpoint.as_deref());
        let public = settings.public_endpoint.as_deref().or(settings.endpoint.as_deref());
        let public = place(&sdk_client(&shared, &settings, public), &settings.bucket, &region).await?;
        let capabilities = StoreCapabilities::unknown();
        let (key, near) = (RwLock::default(), None);
        Ok(Self { client, bucket: settings.bucket, public, provider, key, clock, capabilities, near })
    }

    /// Takes over what [`probe`] found out, now or on an earlier start.
    #[must_use]
    pub fn with_capabilities(self, capabilities: StoreCapabilities) -> Self {
        Self { capabilities, ..self }
    }

    /// Reads on a shorter way, where there is one.
    #[must_use]
    pub fn with_near(self, near: Option<Arc<dyn LocalReader>>) -> Self {
        Self { near, ..self }
    }

    /// What identifies this store among all: endpoint host and bucket.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}{}", self.public.host, self.public.base_path)
    }

    /// The origin that clients send bytes to, for `Content-Security-Policy` and CORS.
    #[must_use]
    pub fn public_origin(&self) -> String {
        format!("{}://{}", self.public.scheme, self.public.host)
    }

    /// The key of the day for the current credentials.
    async fn day_key(&self) -> Result<Arc<DayKey>> {
        let now = self.clock.now();
        let held = self.key.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((key, looked)) = held
            && now < after(looked, CREDENTIALS_REFRESH_MARGIN)
            && key.serves(now)
        {
            return Ok(key);
        }
        let credentials = self.provider.provide_credentials().await;
        let credentials = from_sdk(&credentials.map_err(|e| BlobError::Denied(e.to_string()))?);
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

/// The client for our own requests: deadlines for connecting and for silence, checksums only where we ask for them
/// (the SDK's default trailers break several stores).
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
        // A slow reader of ours is no stalled store.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    config.set_endpoint_url(endpoint.map(ToOwned::to_owned));
    Client::from_conf(config.build())
}

/// Where the SDK's endpoint rules put the bucket: it signs one URL, which is taken apart. So access points, dual
/// stack, FIPS and custom endpoints all follow.
async fn place(client: &Client, bucket: &str, region: &str) -> Result<BucketEndpoint> {
    let wrong = |e: &dyn std::fmt::Display| BlobError::Denied(format!("the endpoint makes no URL: {e}"));
    let soon = PresigningConfig::expires_in(Duration::from_secs(60)).map_err(|e| wrong(&e))?;
    let signed =
        client.get_object().bucket(bucket).key("k").presigned(soon).await.map_err(|e| wrong(&errors::words(&e)))?;
    let uri: http::Uri = signed.uri().parse().map_err(|e: http::uri::InvalidUri| wrong(&e))?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(wrong(&"no scheme or host"));
    };
    let base_path = uri.path().strip_suffix("/k").ok_or_else(|| wrong(&"an unexpected path"))?;
    // The Host header leaves out the scheme's own port.
    let host = match (scheme, authority.port_u16()) {
        ("https", Some(443)) | ("http", Some(80)) => authority.host().to_owned(),
        _ => authority.as_str().to_owned(),
    };
    Ok(BucketEndpoint { scheme: scheme.to_owned(), host, base_path: base_path.to_owned(), region: region.to_owned() })
}
