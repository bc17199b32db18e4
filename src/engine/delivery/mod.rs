//! deliver: permission, readiness, and the way the bytes take.
//!
//! Bytes are delivered in the state `ready` and in no other, by every route. Reads are pinned to the entity tag
//! recorded at completion, so an object that was replaced since is never served.

use std::net::IpAddr;
use std::sync::Arc;

use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::blob::BlobStore;
use crate::domain::access::{Action, Actor, may_ask};
use crate::domain::asset::{Asset, AssetContent, AssetState};
use crate::domain::checksum::Sha256Digest;
use crate::domain::clock::{Timestamp, after};
use crate::domain::file_type::with_charset;
use crate::domain::grant::{AssetVariant, ClientNetwork, Disposition, Link, LinkTarget};
use crate::domain::ids::AssetId;
use crate::domain::media_alias::browser_name;
use crate::domain::name::{FileName, MediaType};
use crate::domain::policy::{CacheRule, Visibility};
use crate::engine::assets::AssetEngine;
use crate::engine::audit::{self, AuditTrail, AuditedAct};
use crate::engine::content_reader::ContentReader;
use crate::engine::idempotency::IdempotencyRecords;
use crate::engine::rows::RowAccess;
use crate::engine::settings::EngineSettings;
use crate::engine::tenants::TenantEngine;
use crate::engine::tokens::TokenSigner;
use crate::engine::{EnginePorts, Error, Result};
use crate::metrics;
use crate::metrics::AuthFailure;
use crate::store::Store;

mod archive;
mod asset_cache;
mod collections;
mod content_disposition;
mod links;
mod mode;
mod read;
mod thumbnails;
mod usage_counter;

pub(in crate::engine) use asset_cache::AssetCache;
pub use mode::{DeliveryMode, DeliverySettings, ProxyCacheMode, ProxySecret, PurgeHook, StoreRequest, TrustedProxy};

pub use collections::{CollectionWish, MadeCollection};
pub use content_disposition::content_disposition;
pub use links::{LinkList, LinkWish, ListLinks, MadeLink, RevokeLinks};
pub use thumbnails::{SignedThumbnail, ThumbnailLocation};

/// Effect of a request by link on the link's uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkUseKind {
    /// HEAD: not a use.
    Look,
    /// A download from the first byte: a use.
    Begin,
    /// A download from a later byte. Belongs to the previous use, if that was recent.
    GoOn,
}

/// Source of the bytes.
#[derive(Clone, Debug)]
enum DeliverySource {
    /// Object with this key.
    Object(String),
    /// Archive made of many objects.
    Archive(Arc<archive::ArchiveDownload>),
}

/// An authorised download of an asset or a collection, with the values of the response headers.
#[derive(Clone, Debug)]
pub struct OpenedDownload {
    /// Id of the asset or collection.
    pub id: Uuid,
    /// Exact size in bytes.
    pub size: u64,
    /// Strong entity tag without quotes; the store's own, so that every delivery mode sends the same.
    pub etag: String,
    /// Time at which the bytes were stored.
    pub modified: Timestamp,
    /// Detected media type.
    pub media_type: MediaType,
    /// `Content-Disposition`.
    pub disposition: String,
    /// SHA-256 of the whole content, if it was computed.
    pub sha256: Option<Sha256Digest>,
    /// Delivery mode of the policy, used unless the request asks for another.
    pub usual: Option<DeliveryMode>,
    /// What caches may keep, if the policy makes the content public; `None`: it is private.
    pub public: Option<CacheRule>,
    /// The only network that may download by this link.
    network: Option<ClientNetwork>,
    source: DeliverySource,
}

/// The room of downloads and links.
#[derive(Clone)]
pub struct DeliveryEngine {
    pub(super) store: Arc<dyn Store>,
    pub(super) blobs: Arc<dyn BlobStore>,
    pub(super) tokens: Arc<TokenSigner>,
    pub(super) settings: Arc<EngineSettings>,
    pub(super) rows: Arc<RowAccess>,
    pub(super) audit: Arc<AuditTrail>,
    pub(super) idempotency: IdempotencyRecords,
    pub(super) tenants: Arc<TenantEngine>,
    pub(super) assets: Arc<AssetEngine>,
    pub(super) content: Arc<ContentReader>,
    pub(super) tasks: TaskTracker,
    pub(super) asset_cache: Arc<AssetCache>,
    pub(super) link_uses: Arc<usage_counter::UsageCounter>,
    pub(super) archive_lock: Arc<tokio::sync::Mutex<()>>,
}

impl DeliveryEngine {
    /// The room, from the engine's ports and the rooms that it uses.
    pub(super) fn new(ports: &EnginePorts, tenants: Arc<TenantEngine>, assets: Arc<AssetEngine>) -> Self {
        Self {
            store: ports.store.clone(),
            blobs: ports.blobs.clone(),
            tokens: ports.tokens.clone(),
            settings: ports.settings.clone(),
            rows: ports.rows.clone(),
            audit: ports.audit.clone(),
            idempotency: ports.idempotency.clone(),
            content: ports.content.clone(),
            tasks: ports.tasks.clone(),
            tenants,
            assets,
            asset_cache: Arc::default(),
            link_uses: Arc::default(),
            archive_lock: Arc::default(),
        }
    }

    /// Opens a download for an authenticated caller, or of a public asset.
    #[tracing::instrument(skip_all, fields(asset = %id))]
    pub async fn download(
        &self,
        actor: &Actor,
        id: AssetId,
        disposition: Disposition,
        form: Option<&AssetVariant>,
    ) -> Result<OpenedDownload> {
        let asset = match actor {
            Actor::Nobody => self.public_asset(id).await?,
            Actor::Key { .. } | Actor::Uploader { .. } | Actor::Sender { .. } => {
                let looked = async {
                    may_ask(actor, Action::FetchContent)?;
                    let asset = self.asset_to_fetch(id).await?;
                    self.rows.check_permission(actor, Action::FetchContent, &asset).await?;
                    Ok::<_, Error>(asset)
                };
                looked.await.inspect_err(|error| self.audit.tell_of_denial(actor, || format!("asset:{id}"), error))?
            }
        };
        let opened = self.by_its_policy(&asset, download(&asset, disposition, None, form)?).await?;
        let deed = || AuditedAct::new(asset.tenant, actor, "content.fetch", audit::subject(&asset));
        self.audit.tell_of_fetch(audit::id_of(actor), asset.id.0, deed).await;
        Ok(opened)
    }

    /// An asset that its policy makes public. All other assets get the same error as unknown ids.
    async fn public_asset(&self, id: AssetId) -> Result<Arc<Asset>> {
        let asset = match self.asset_to_fetch(id).await {
            Err(Error::NotFound) => return Err(Error::Unauthenticated),
            asset => asset?,
        };
        let public = self.tenants.rules_of(&asset).await?.visibility == Visibility::Public;
        if !public || !matches!(asset.state, AssetState::Ready(_)) {
            return Err(Error::Unauthenticated);
        }
        self.tenants.in_good_standing(asset.tenant).await?;
        Ok(asset)
    }

    /// Applies the delivery settings of the asset's policy.
    async fn by_its_policy(&self, asset: &Asset, opened: OpenedDownload) -> Result<OpenedDownload> {
        let rules = self.tenants.rules_of(asset).await?;
        let usual = rules.delivery.as_deref().and_then(|name| name.parse().ok());
        let public = (rules.visibility == Visibility::Public).then(|| rules.cache.unwrap_or_default());
        Ok(OpenedDownload { usual, public, ..opened })
    }

    /// Opens a download for the holder of a link. A link to a derivative opens no other form. `opening` classifies the
    /// request once the size is known, because the meaning of a range depends on the size.
    #[tracing::instrument(skip_all)]
    pub async fn download_by_link(
        &self,
        token: &str,
        peer: Option<IpAddr>,
        opening: impl FnOnce(&OpenedDownload) -> LinkUseKind + Send,
        form: Option<&AssetVariant>,
    ) -> Result<OpenedDownload> {
        let link = match self.tokens.open_link(token) {
            Some(id) => self.store.find_link(id).await?,
            None => None,
        };
        let Some(link) = link else {
            metrics::http().record_auth_failure(AuthFailure::Link);
            self.audit.tell_of_wrong_credential(None, "link.refused", "link".to_owned());
            return Err(Error::NotFound);
        };
        self.tenants.in_good_standing(link.tenant).await?;
        if !link.opens(self.store.now(), peer) {
            return Err(Error::Gone { what: "link", state: "expired or revoked" });
        }
        let opened = match link.target {
            LinkTarget::Asset(asset) => self.load_link_target(asset, &link, form).await?,
            LinkTarget::Collection(_) if form.is_some() => return Err(Error::NotFound),
            LinkTarget::Collection(collection) => self.archive(collection, &link).await?,
        };
        let opening = opening(&opened);
        if !self.count(&link, opening).await? {
            return Err(Error::Gone { what: "link", state: "used up" });
        }
        if opening == LinkUseKind::Begin {
            self.audit.tell_of_fetch(link.id.0, opened.id, || opened_by(&link)).await;
        }
        Ok(opened)
    }

    async fn load_link_target(
        &self,
        asset: AssetId,
        link: &Link,
        form: Option<&AssetVariant>,
    ) -> Result<OpenedDownload> {
        let form = match (&link.variant, form) {
            (Some(only), Some(asked)) if only.name != asked.name => return Err(Error::NotFound),
            (Some(only), Some(asked)) if only.format.is_some() && only.format != asked.format => {
                return Err(Error::NotFound);
            }
            (_, Some(asked)) => Some(asked),
            (only, None) => only.as_ref(),
        };
        let asset = self.asset_to_fetch(asset).await?;
        let download = download(&asset, link.disposition, link.filename.as_ref(), form)?;
        let download = self.by_its_policy(&asset, download).await?;
        Ok(OpenedDownload { network: link.network, public: None, ..download })
    }

    /// Counts the request if it is a use. `false` if no use is left.
    async fn count(&self, link: &Link, opening: LinkUseKind) -> Result<bool> {
        let now = self.store.now();
        let recent = link.last_used_at.is_some_and(|last| now < after(last, self.settings.redirect_ttl));
        match (link.max_uses, opening) {
            (Some(most), LinkUseKind::Look) => Ok(link.used < most),
            (Some(_), LinkUseKind::GoOn) if recent => Ok(true),
            (Some(_), LinkUseKind::Begin | LinkUseKind::GoOn) => Ok(self.store.use_link(link.id, now).await?),
            (None, LinkUseKind::Begin) => {
                self.count_link_use(link.id);
                Ok(true)
            }
            (None, LinkUseKind::Look | LinkUseKind::GoOn) => Ok(true),
        }
    }
}

/// Audit entry for the opening of a link; the link is all that is known of its holder.
fn opened_by(link: &Link) -> AuditedAct {
    let subject = match link.target {
        LinkTarget::Asset(asset) => format!("asset:{asset}"),
        LinkTarget::Collection(collection) => format!("collection:{collection}"),
    };
    AuditedAct { actor: format!("link:{}", link.id), ..AuditedAct::by_system(link.tenant, "link.open", subject) }
}

pub(in crate::engine) fn download(
    asset: &Asset,
    disposition: Disposition,
    name: Option<&FileName>,
    form: Option<&AssetVariant>,
) -> Result<OpenedDownload> {
    let content = match &asset.state {
        AssetState::Ready(content) => content,
        AssetState::Awaiting | AssetState::Stored(_) | AssetState::Processing(_) | AssetState::Failed { .. } => {
            return Err(Error::NotReady { state: asset.state.name() });
        }
        AssetState::Rejected { verdict, .. } => return Err(Error::Rejected { code: verdict.code.clone() }),
        AssetState::Abandoned | AssetState::Deleted { .. } => {
            return Err(Error::Gone { what: "asset", state: asset.state.name() });
        }
    };
    let name = name.unwrap_or(&asset.name);
    if let Some(form) = form {
        return derived(asset, content, disposition, name, form);
    }
    let media_type = as_browsers_know_it(content.detected.clone().unwrap_or_else(MediaType::octet_stream));
    let shown = if media_type.is_inert() { disposition } else { Disposition::Attachment };
    Ok(OpenedDownload {
        id: asset.id.0,
        size: asset.size,
        etag: content.etag.clone(),
        modified: content.stored_at,
        disposition: content_disposition(shown, name),
        media_type: with_charset(&media_type, content.findings.charset.as_deref()),
        sha256: content.sha256,
        usual: None,
        public: None,
        network: None,
        source: DeliverySource::Object(content.key.clone()),
    })
}

/// The media type under the name that browsers play or show it by.
fn as_browsers_know_it(media_type: MediaType) -> MediaType {
    let essence = media_type.essence();
    let known = browser_name(&essence);
    if known == essence { media_type } else { known.parse().unwrap_or(media_type) }
}

/// The download of a derivative of the asset.
fn derived(
    asset: &Asset,
    content: &AssetContent,
    disposition: Disposition,
    name: &FileName,
    form: &AssetVariant,
) -> Result<OpenedDownload> {
    let made = content.findings.derivative(&form.name, form.format.as_deref()).ok_or(Error::NotFound)?;
    let media_type = made.media_type.parse().unwrap_or_else(|_| MediaType::octet_stream());
    let shown = if media_type.is_inert() { disposition } else { Disposition::Attachment };
    let extended = format!("{}.{}.{}", name.as_str(), made.variant, made.format());
    Ok(OpenedDownload {
        id: asset.id.0,
        size: made.size,
        etag: made.etag.clone(),
        modified: content.stored_at,
        disposition: content_disposition(shown, extended.parse().as_ref().unwrap_or(name)),
        media_type,
        sha256: None,
        usual: None,
        public: None,
        network: None,
        source: DeliverySource::Object(made.key.clone()),
    })
}
