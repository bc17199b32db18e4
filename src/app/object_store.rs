//! Set-up of the bucket: the embedded store's, whose capabilities are constants, or another S3 server's, which is
//! probed once and the result stored.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use serde::{Deserialize, Serialize};

use super::embedded::{self, EmbeddedStoreServer};
use super::resources::{DatabaseHandle, ProcessRole};
use crate::blob::s3::{S3Blobs, S3Settings, probe};
use crate::blob::{BlobError, BlobStore, StoreCapabilities};
use crate::config::{ServiceConfig, StoreConfig};
use crate::domain::clock::{Timestamp, after};
use crate::domain::ids;
use crate::domain::reason::chain;
use crate::http::tls::ReloadableCertificate;

/// Interval of probes: servers are upgraded.
const PROBE_INTERVAL: Duration = Duration::from_secs(7 * 24 * 3600);
/// Version of the probe. Results of another version are discarded.
const PROBE_VERSION: u32 = 1;

/// The bucket, and the embedded store if this process runs it.
pub(super) struct ObjectStoreHandle {
    pub(super) blobs: Arc<dyn BlobStore>,
    /// Origin to which clients send bytes.
    pub(super) origin: String,
    s3: Arc<S3Blobs>,
    embedded_server: Option<EmbeddedStoreServer>,
}

#[derive(Serialize, Deserialize)]
struct ProbeRecord {
    version: u32,
    at: Timestamp,
    capabilities: StoreCapabilities,
}

impl ObjectStoreHandle {
    pub(super) async fn open(
        config: &ServiceConfig,
        role: ProcessRole,
        rows: &DatabaseHandle,
        public_url: &str,
    ) -> anyhow::Result<Self> {
        let (settings, running) = match &config.store {
            StoreConfig::Embedded { listen, public_url: store_url } => {
                let running = embedded::start(config, *listen, role, rows, public_url).await?;
                let here = running.as_ref().map_or(*listen, |running| running.address);
                (embedded::settings(config, here, store_url.as_deref(), rows)?, running)
            }
            StoreConfig::S3 { bucket, region, endpoint, public_endpoint, path_style } => {
                let settings = S3Settings {
                    bucket: bucket.clone(),
                    region: region.clone(),
                    endpoint: endpoint.clone(),
                    public_endpoint: public_endpoint.clone(),
                    path_style: *path_style,
                    credentials: None,
                };
                (settings, None)
            }
        };
        let unusable = |error: BlobError| unusable_bucket_error(&config.store, &error);
        let inner = running.as_ref().and_then(EmbeddedStoreServer::in_process);
        let blobs = S3Blobs::connect_to(settings, Arc::clone(&rows.clock), inner).await.map_err(unusable)?;
        let capabilities = match &config.store {
            StoreConfig::Embedded { .. } => embedded::capabilities(),
            StoreConfig::S3 { .. } => load_capabilities(&blobs, rows, public_url, &unusable).await?,
        };
        let inside = running.as_ref().map(EmbeddedStoreServer::local_reader);
        let s3 = Arc::new(blobs.with_capabilities(capabilities).with_near(inside));
        Ok(Self { origin: s3.public_origin(), blobs: Arc::clone(&s3) as _, s3, embedded_server: running })
    }

    /// The adapter whose credentials can be read again.
    pub(super) fn adapter(&self) -> Arc<S3Blobs> {
        Arc::clone(&self.s3)
    }

    /// The certificate of the embedded store, if this process serves it with TLS.
    pub(super) fn certificate(&self) -> Option<Arc<ReloadableCertificate>> {
        self.embedded_server.as_ref().and_then(|server| server.certificate.clone())
    }

    pub(super) async fn close(self) {
        if let Some(running) = self.embedded_server {
            running.stop().await;
        }
    }
}

/// Error for an unusable bucket, with its name, address, reason, and the setting to check.
fn unusable_bucket_error(store: &StoreConfig, error: &BlobError) -> anyhow::Error {
    let StoreConfig::S3 { bucket, endpoint, .. } = store else {
        return anyhow!("the embedded store cannot be used: {}", chain(error));
    };
    let at = endpoint.as_deref().unwrap_or("Amazon S3");
    match error {
        BlobError::Denied(why) if why.to_string().starts_with("NoSuchBucket") => {
            anyhow!("the bucket {bucket} does not exist at {at}: create it, or set s3_bucket to another bucket")
        }
        BlobError::Denied(why) => anyhow!(
            "the bucket {bucket} at {at} cannot be used: {}. Check the credentials of the AWS chain \
             (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), s3_region, and the bucket's policy",
            chain(why)
        ),
        BlobError::Unavailable(why) => anyhow!("the bucket {bucket} at {at} cannot be reached: {}", chain(why)),
        BlobError::NotFound
        | BlobError::Precondition
        | BlobError::BadParts(_)
        | BlobError::Damaged(_)
        | BlobError::Full => {
            anyhow!("the bucket {bucket} at {at} cannot be used: {}", chain(error))
        }
    }
}

/// Capabilities of the bucket: stored, or probed now.
async fn load_capabilities(
    blobs: &S3Blobs,
    rows: &DatabaseHandle,
    origin: &str,
    unusable: &(dyn Fn(BlobError) -> anyhow::Error + Sync),
) -> anyhow::Result<StoreCapabilities> {
    let (name, now) = (format!("capabilities:{}", blobs.place()), rows.store.now());
    let remembered = rows.store.read_setting(&name).await?;
    let remembered = remembered.and_then(|text| serde_json::from_str::<ProbeRecord>(&text).ok());
    if let Some(known) = remembered
        && known.version == PROBE_VERSION
        && now < after(known.at, PROBE_INTERVAL)
    {
        return Ok(known.capabilities);
    }
    let scratch = ids::mint(now, &*rows.entropy);
    let probed = probe(blobs, origin, scratch).await.map_err(unusable)?;
    for warning in &probed.warnings {
        tracing::warn!("{warning}");
    }
    tracing::info!(capabilities = %serde_json::json!(probed.capabilities), "the bucket was probed");
    let known = ProbeRecord { version: PROBE_VERSION, at: now, capabilities: probed.capabilities };
    rows.store.set_setting(&name, &serde_json::to_string(&known)?).await?;
    Ok(known.capabilities)
}
