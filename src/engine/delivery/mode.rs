//! Delivery modes: how bytes reach an authorised client, and which modes a request may choose.
//!
//! Permission is checked first and is the same in every mode. URLs that bypass this service are bound to a single
//! object and entity tag, and expire.

use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{DeliveryEngine, DeliverySource, OpenedDownload};
use crate::blob::cdn::{CdnSigner, CdnValidity};
use crate::blob::{BlobError, LocalFile, ResponseHeaders, SignedUrl};
use crate::domain::clock::after;
use crate::domain::reason::FailureCause;
use crate::engine::{Error, Result};

/// Mode of delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryMode {
    /// 302 to a URL at the store that is signed for a short time.
    #[default]
    Redirect,
    /// Through this service.
    Stream,
    /// nginx authenticates itself, and gets the address of the bytes (`X-Accel-Redirect`).
    Accel,
    /// Apache or lighttpd authenticates itself, and gets the path of the file (`X-Sendfile`).
    Sendfile,
    /// 302 to a content delivery network, with a URL signed for it.
    Cdn,
}

impl DeliveryMode {
    /// All modes.
    pub const ALL: [Self; 5] = [Self::Redirect, Self::Stream, Self::Accel, Self::Sendfile, Self::Cdn];

    /// Names of all modes.
    pub const NAMES: [&'static str; 5] = ["redirect", "stream", "accel", "sendfile", "cdn"];

    /// Name of the mode in settings and queries.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Redirect => "redirect",
            Self::Stream => "stream",
            Self::Accel => "accel",
            Self::Sendfile => "sendfile",
            Self::Cdn => "cdn",
        }
    }

    /// True if a trusted proxy sends the bytes.
    #[must_use]
    pub fn needs_proxy(self) -> bool {
        matches!(self, Self::Accel | Self::Sendfile)
    }
}

impl FromStr for DeliveryMode {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        Self::ALL.into_iter().find(|mode| mode.name() == text).ok_or(())
    }
}

/// The nginx location that serves content which is not a local file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyCacheMode {
    /// Location that passes bytes on.
    #[default]
    Off,
    /// Location that caches slices.
    Slices,
}

/// Secret with which a proxy authenticates itself. It can be replaced while the service runs; clones share it.
#[derive(Clone)]
pub struct ProxySecret(Arc<RwLock<[u8; 32]>>);

impl ProxySecret {
    /// Keeps the digest of a secret.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self(Arc::new(RwLock::new(Sha256::digest(secret.as_bytes()).into())))
    }

    /// Takes the secret of another, for requests from now on.
    pub fn replace(&self, other: &Self) {
        let digest = other.digest();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = digest;
    }

    fn digest(&self) -> [u8; 32] {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the same time for every wrong secret.
    fn is_proven_by(&self, proof: &[u8]) -> bool {
        self.digest().ct_eq(&Sha256::digest(proof)).into()
    }
}

/// A reverse proxy that may be told where bytes are.
#[derive(Clone)]
pub struct TrustedProxy {
    /// Secret with which the proxy authenticates itself.
    pub secret: ProxySecret,
    /// Bytes per second for each download; `None`: as configured in the proxy.
    pub limit_rate: Option<u64>,
    /// True if the proxy may buffer; `None`: as configured in the proxy.
    pub buffering: Option<bool>,
    /// Caching of slices that the proxy reads from the store.
    pub cache: ProxyCacheMode,
}

impl std::fmt::Debug for TrustedProxy {
    /// Omits the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrustedProxy").field("limit_rate", &self.limit_rate).finish_non_exhaustive()
    }
}

/// Settings of deliveries.
#[derive(Clone, Debug)]
pub struct DeliverySettings {
    /// Modes that a request may ask for, besides the default mode.
    pub also: Vec<DeliveryMode>,
    /// The proxy in front of this service. Without a proxy, locations of bytes are never disclosed.
    pub proxy: Option<TrustedProxy>,
    /// Life of the URL that a proxy gets: longer than any download, because slices are read in sequence.
    pub proxy_ttl: Duration,
    /// Signer of URLs for the content delivery network.
    pub cdn: Option<CdnSigner>,
    /// Hook that is called when content must no longer be served by the network.
    pub purge: Option<PurgeHook>,
}

/// Endpoint that purges content from a content delivery network.
#[derive(Clone, PartialEq, Eq)]
pub struct PurgeHook {
    /// URL for a POST.
    pub url: String,
    /// Bearer token (`Authorization: Bearer`).
    pub token: Option<String>,
}

impl std::fmt::Debug for PurgeHook {
    /// Omits the token and the URL, which may contain the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PurgeHook").finish_non_exhaustive()
    }
}

impl Default for DeliverySettings {
    fn default() -> Self {
        let also = vec![DeliveryMode::Redirect, DeliveryMode::Stream];
        Self { also, proxy: None, proxy_ttl: Duration::from_secs(6 * 3600), cdn: None, purge: None }
    }
}

/// The request that a proxy sends to the store.
#[derive(Clone, Debug)]
pub struct StoreRequest {
    /// The URL. A secret: never logged.
    pub url: SignedUrl,
    /// Unique identifier of the object and its version, for caches.
    pub object: String,
}

impl DeliveryEngine {
    /// Mode of a download: of its policy, the default, or an offered mode that the request wishes for.
    pub fn way_of(&self, download: &OpenedDownload, wish: Option<DeliveryMode>) -> Result<DeliveryMode> {
        match (download.usual, wish) {
            (Some(usual), None) => Ok(usual),
            (Some(usual), Some(wish)) if usual == wish => Ok(usual),
            _ => self.delivery(wish),
        }
    }

    /// Mode of content without a policy, for a request with this `wish`.
    pub(in crate::engine) fn delivery(&self, wish: Option<DeliveryMode>) -> Result<DeliveryMode> {
        match wish {
            None => Ok(self.settings.delivery),
            Some(wish) if self.settings.offers_delivery(wish) => Ok(wish),
            Some(_) => Err(Error::invalid(
                "delivery",
                format!("must be one of {}", self.settings.deliveries_offered().join(", ")),
            )),
        }
    }

    /// The proxy, if `proof` is its secret. Takes the same time for every wrong secret.
    #[must_use]
    pub fn trusted_proxy(&self, proof: Option<&[u8]>) -> Option<&TrustedProxy> {
        let proxy = self.settings.deliveries.proxy.as_ref()?;
        proxy.secret.is_proven_by(proof?).then_some(proxy)
    }

    /// URL at the store for a GET, valid for a short time. `None` if the URL would work outside the link's network, or
    /// the bytes are made here.
    #[tracing::instrument(skip_all)]
    pub async fn redirect(&self, download: &OpenedDownload) -> Result<Option<SignedUrl>> {
        let (DeliverySource::Object(key), None) = (&download.source, download.network) else { return Ok(None) };
        let ttl = self.settings.redirect_ttl;
        Ok(Some(self.blobs.sign_get(key, &presentation(download), ttl).await?))
    }

    /// URL at the content delivery network for a GET, valid for a short time. `None` if there is no network, or it
    /// cannot bind the URL to the link's network.
    #[must_use]
    pub fn at_the_edge(&self, download: &OpenedDownload) -> Option<SignedUrl> {
        let cdn = self.settings.deliveries.cdn.as_ref()?;
        let DeliverySource::Object(key) = &download.source else { return None };
        let from = self.store.now();
        let validity = CdnValidity { from, until: after(from, self.settings.redirect_ttl) };
        cdn.sign(key, &presentation(download), validity, download.network.as_ref())
    }

    /// The local file that is exactly the content of the download; `None` if there is no such file.
    #[tracing::instrument(skip_all)]
    pub async fn local_file(&self, download: &OpenedDownload) -> Result<Option<LocalFile>> {
        let DeliverySource::Object(key) = &download.source else { return Ok(None) };
        match self.blobs.local_file(key, &download.etag).await {
            Ok(file) => Ok(file),
            Err(error @ (BlobError::NotFound | BlobError::Precondition | BlobError::Damaged(_))) => {
                let missing = Error::BytesMissing(FailureCause::of(error));
                self.look_after(download, &missing);
                Err(missing)
            }
            Err(other) => Err(other.into()),
        }
    }

    /// The request of a trusted proxy to the store. The proxy must send our response headers, not the store's. `None`
    /// if the store has no such object, because the bytes are made here.
    #[tracing::instrument(skip_all)]
    pub async fn store_request(&self, download: &OpenedDownload) -> Result<Option<StoreRequest>> {
        let DeliverySource::Object(key) = &download.source else { return Ok(None) };
        let ttl = self.settings.deliveries.proxy_ttl;
        let url = self.blobs.sign_get(key, &ResponseHeaders::default(), ttl).await?;
        Ok(Some(StoreRequest { url, object: format!("{key}:{}", download.etag) }))
    }
}

fn presentation(download: &OpenedDownload) -> ResponseHeaders {
    ResponseHeaders {
        content_type: Some(download.media_type.to_string()),
        disposition: Some(download.disposition.clone()),
        // Private content is kept by the browser that asked for it alone, as long as its URL is valid.
        cache_control: Some(match download.public {
            Some(rule) if rule.max_age.or(rule.s_maxage).is_some() => rule.cache_control(),
            _ => "private, no-transform".to_owned(),
        }),
    }
}
