//! The ways on which bytes get to whoever may have them, and which of them a request may choose.
//!
//! Permission comes first and is the same on every way. What leads past this service is bound to one object and one
//! entity tag, and expires.

use std::str::FromStr;
use std::time::Duration;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{DeliverySource, OpenedDownload};
use crate::blob::cdn::CdnSigner;
use crate::blob::{BlobError, LocalFile, ResponseHeaders, SignedUrl};
use crate::domain::clock::after;
use crate::engine::{Engine, Error, Result};

/// How bytes are delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryMode {
    /// 302 to a URL signed for a short while.
    #[default]
    Redirect,
    /// Through this service.
    Stream,
    /// By nginx, which proves itself and is told where the bytes are (`X-Accel-Redirect`).
    Accel,
    /// By Apache or lighttpd, which prove themselves and are told the file's path (`X-Sendfile`).
    Sendfile,
    /// 302 to a content delivery network, with a URL signed for it.
    Cdn,
}

impl DeliveryMode {
    /// Every way.
    pub const ALL: [Self; 5] = [Self::Redirect, Self::Stream, Self::Accel, Self::Sendfile, Self::Cdn];

    /// The names of all of them.
    pub const NAMES: [&'static str; 5] = ["redirect", "stream", "accel", "sendfile", "cdn"];

    /// The name, as in settings and queries.
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

    /// Whether a proxy of ours sends the bytes.
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

/// Which nginx location serves what is not a local file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyCacheMode {
    /// The one that passes bytes on.
    #[default]
    Off,
    /// The one that keeps slices.
    Slices,
}

/// The reverse proxy that may be told where bytes are.
#[derive(Clone, PartialEq, Eq)]
pub struct TrustedProxy {
    /// What it proves itself with.
    pub secret: String,
    /// Bytes per second for each download; `None`: as it is configured there.
    pub limit_rate: Option<u64>,
    /// Whether it may buffer; `None`: as it is configured there.
    pub buffering: Option<bool>,
    /// Whether it keeps slices of what it fetches from the store.
    pub cache: ProxyCacheMode,
}

impl std::fmt::Debug for TrustedProxy {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrustedProxy").field("limit_rate", &self.limit_rate).finish_non_exhaustive()
    }
}

/// What the composition decides about deliveries.
#[derive(Clone, Debug)]
pub struct DeliverySettings {
    /// What a request may ask for, beside the usual way.
    pub also: Vec<DeliveryMode>,
    /// The proxy in front of this service. Without it nobody is told where bytes are.
    pub proxy: Option<TrustedProxy>,
    /// Life of the URL that a proxy is given: longer than any download, because slices are fetched one by one.
    pub proxy_ttl: Duration,
    /// The content delivery network.
    pub cdn: Option<CdnSigner>,
    /// Who tells it what is gone.
    pub purge: Option<PurgeHook>,
}

/// Where a content delivery network is told what it must no longer serve.
#[derive(Clone, PartialEq, Eq)]
pub struct PurgeHook {
    /// Is sent a POST.
    pub url: String,
    /// With `Authorization: Bearer`.
    pub token: Option<String>,
}

impl std::fmt::Debug for PurgeHook {
    /// Without the token, which may also be in the URL.
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

/// What a proxy asks the store for.
#[derive(Clone, Debug)]
pub struct StoreRequest {
    /// The URL. A secret: never logged.
    pub url: SignedUrl,
    /// What identifies the object and its version among all, for caches.
    pub object: String,
}

impl Engine {
    /// How a download is delivered: as its policy wants it, as usual, or in another way that the request wishes for and that
    /// is offered here.
    pub fn way_of(&self, download: &OpenedDownload, wish: Option<DeliveryMode>) -> Result<DeliveryMode> {
        match (download.usual, wish) {
            (Some(usual), None) => Ok(usual),
            (Some(usual), Some(wish)) if usual == wish => Ok(usual),
            _ => self.delivery(wish),
        }
    }

    /// How what no policy is about is delivered that `wish`es so.
    pub(in crate::engine) fn delivery(&self, wish: Option<DeliveryMode>) -> Result<DeliveryMode> {
        let (usual, also) = (self.0.settings.delivery, &self.0.settings.deliveries.also);
        match wish {
            None => Ok(usual),
            Some(wish) if wish == usual || also.contains(&wish) => Ok(wish),
            Some(_) => Err(Error::invalid("delivery", format!("one of {}", self.deliveries_offered().join(", ")))),
        }
    }

    /// The names of the ways that are offered.
    #[must_use]
    pub fn deliveries_offered(&self) -> Vec<&'static str> {
        let (usual, also) = (self.0.settings.delivery, &self.0.settings.deliveries.also);
        let offered = DeliveryMode::ALL.into_iter().filter(|mode| *mode == usual || also.contains(mode));
        offered.map(DeliveryMode::name).collect()
    }

    /// The proxy, if `proof` is its secret. Takes the same time for every wrong proof.
    #[must_use]
    pub fn trusted_proxy(&self, proof: Option<&[u8]>) -> Option<&TrustedProxy> {
        let proxy = self.0.settings.deliveries.proxy.as_ref()?;
        let same: bool = Sha256::digest(proxy.secret.as_bytes()).ct_eq(&Sha256::digest(proof?)).into();
        same.then_some(proxy)
    }

    /// A URL at the store, for a GET and for a short while. `None`: it would open for others than the link does, or the
    /// bytes are made here.
    #[tracing::instrument(skip_all)]
    pub async fn redirect(&self, download: &OpenedDownload) -> Result<Option<SignedUrl>> {
        let (DeliverySource::Object(key), None) = (&download.source, download.network) else { return Ok(None) };
        let ttl = self.0.settings.redirect_ttl;
        Ok(Some(self.0.blobs.sign_get(key, &presentation(download), ttl).await?))
    }

    /// A URL at the content delivery network, for a GET and for a short while. `None`: there is none, or it cannot bind
    /// the URL to the link's network.
    #[must_use]
    pub fn at_the_edge(&self, download: &OpenedDownload) -> Option<SignedUrl> {
        let cdn = self.0.settings.deliveries.cdn.as_ref()?;
        let DeliverySource::Object(key) = &download.source else { return None };
        let until = after(self.0.store.now(), self.0.settings.redirect_ttl);
        cdn.sign(key, &presentation(download), until, download.network.as_ref())
    }

    /// The file on this machine that is exactly what is to be delivered; `None`: there is no such file.
    #[tracing::instrument(skip_all)]
    pub async fn local_file(&self, download: &OpenedDownload) -> Result<Option<LocalFile>> {
        let DeliverySource::Object(key) = &download.source else { return Ok(None) };
        match self.0.blobs.local_file(key, &download.etag).await {
            Ok(file) => Ok(file),
            Err(error @ (BlobError::NotFound | BlobError::Precondition | BlobError::Damaged(_))) => {
                let missing = Error::BytesMissing(error.to_string());
                self.look_after(download, &missing);
                Err(missing)
            }
            Err(other) => Err(other.into()),
        }
    }

    /// What a trusted proxy asks the store for. The store's own headers are not for clients: ours are. `None`: the store
    /// has no such object, it is made here.
    #[tracing::instrument(skip_all)]
    pub async fn store_request(&self, download: &OpenedDownload) -> Result<Option<StoreRequest>> {
        let DeliverySource::Object(key) = &download.source else { return Ok(None) };
        let ttl = self.0.settings.deliveries.proxy_ttl;
        let url = self.0.blobs.sign_get(key, &ResponseHeaders::default(), ttl).await?;
        Ok(Some(StoreRequest { url, object: format!("{key}:{}", download.etag) }))
    }
}

fn presentation(download: &OpenedDownload) -> ResponseHeaders {
    ResponseHeaders {
        content_type: Some(download.media_type.to_string()),
        disposition: Some(download.disposition.clone()),
        cache_control: Some("private, no-transform".to_owned()),
    }
}
