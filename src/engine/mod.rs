//! The verbs: create ▶ sign ▶ complete ▶ process ▶ deliver, and abort and sweep beside them.
//!
//! Commands come in, domain values go out. Every verb authorises first, through [`crate::domain::access`]. What must
//! happen together is one [`Tx`]; what must not be cut off by a client that goes away runs in a task of its own.
//!
//! Must not know of headers, SQL, AWS, settings files or anything else that speaks to the outside.

use std::sync::Arc;
use std::time::Duration;

use crate::blob::BlobStore;
use crate::domain::access::{AccessTarget, Action, Actor, may, may_ask};
use crate::domain::asset::Asset;
use crate::domain::clock::{Entropy, Timestamp};
use crate::domain::ids::{self, AssetId, TenantId, UploadId};
use crate::domain::upload::{Upload, UploadTimeouts};
use crate::store::{Store, Tx};

mod abort;
mod alarms;
mod append;
mod asset_notify;
mod assets;
mod audit;
mod byte_limits;
mod cdn_purge;
mod collections;
mod complete;
mod completion_error;
mod content_disposition;
mod create;
mod deliver;
mod describe;
mod error;
mod feed;
mod health;
mod identity;
mod jobs;
mod keys;
mod limits;
mod links;
mod multipart;
mod orphans;
mod part_check;
mod process;
mod refusals;
mod regex_cache;
mod registry;
mod request_context;
mod sign;
mod small_object_cache;
mod sweep;
mod tenancy;
mod tenants;
mod thumbnails;
mod tokens;
mod ttl_cache;
mod unplanned;
mod usage_counter;
mod webhooks;

pub use alarms::OperatorAlarm;
pub use append::{
    AppendBody, AppendBytes, AppendChecksum, AppendDigestAlgorithm, BodyFrame, BodyPaceLimits, ConcatenateUploads,
    EndOfBody, ExpectedDigest, OpenAppend, TruncatedBody,
};
pub use asset_notify::AssetNotify;
pub use assets::{AssetList, ListAssets, PatchAsset};
pub use cdn_purge::PurgeCall;
pub use collections::{CollectionWish, MadeCollection};
pub use complete::{ClaimedPart, CompleteUpload};
pub use content_disposition::content_disposition;
pub use create::{CreateUpload, IdempotencyKey, OpenedUpload, TransferMethod, UploadSize};
pub use deliver::{
    DeliveryMode, DeliverySettings, LinkUseKind, OpenedDownload, ProxyCacheMode, PurgeHook, StoreRequest, TrustedProxy,
};
pub use describe::GrantDescription;
pub use error::{Error, Result};
pub use feed::{FeedFollower, FeedOf, FeedPage, FeedPosition, FeedSettings};
pub use health::DependencyHealth;
pub use identity::{KeySetFetcher, KeySetSettings, TrustedIssuers};
pub use jobs::{JobQueues, ListJobs};
pub use keys::{KeyWish, MadeKey};
pub use limits::UploadLimits;
pub use links::{LinkList, LinkWish, ListLinks, MadeLink, RevokeLinks};
pub use orphans::{OrphanKind, OrphanReport, OrphanedBlob};
pub use process::{
    JobProgress, PipelineOutcome, ProcessingOutcome, ProcessingReport, ProcessingTask, ReportedDerivative,
    ReprocessScope, ReprocessSummary,
};
pub use registry::TenantRegistry;
pub use request_context::{PresentedCredential, RateLimitStatus, RequestContext, RequestLogIds};
pub use sign::{SignParts, SignedParts};
pub use sweep::{RetentionReport, SweepReport};
pub use tenants::{PatchTenant, TenantStanding};
pub use thumbnails::{SignedThumbnail, ThumbnailLocation};
pub use tokens::{MIN_SECRET_BYTES, TokenSigner};
pub use unplanned::OpenUnsizedUpload;
pub use webhooks::{
    DeliveryOutcome, ListDeliveries, ReplayRange, ReplayedDeliveries, WebhookCall, WebhookSettings, WebhookWish,
};

/// Values of the ports that verbs take and answer with.
pub use crate::blob::cdn::{BadCdn, CdnSigner};
pub use crate::blob::{ByteStream, LocalFile, SignedUrl, StoredPart};
pub use crate::store::AuditQuery;

/// What the composition decides for the engine.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// How long things may take before the sweeper steps in.
    pub upload_timeouts: UploadTimeouts,
    /// Largest file in bytes; the store's own limit may be lower.
    pub max_size: u64,
    /// Files up to this many bytes travel as one PUT unless the client wants otherwise.
    pub max_single_put_bytes: u64,
    /// How downloads are delivered unless a request narrows it.
    pub delivery: DeliveryMode,
    /// What else is offered, and to whom.
    pub deliveries: DeliverySettings,
    /// Life of the URL that a download is redirected to.
    pub redirect_ttl: Duration,
    /// Longest life of a link.
    pub link_ttl: Duration,
    /// How long the bytes of a rejected asset are kept.
    pub quarantine_ttl: Duration,
    /// Files up to this many bytes get a SHA-256 even if none was declared.
    pub max_digest_bytes: u64,
    /// How long an external processor has to report before it is asked again.
    pub report_timeout: Duration,
    /// How often an external processor is asked about one asset.
    pub max_offers: u32,
    /// How long the answer to an `Idempotency-Key` is remembered.
    pub replay_ttl: Duration,
    /// How events are kept and handed out.
    pub feed: FeedSettings,
    /// How webhooks are told of them.
    pub webhooks: WebhookSettings,
    /// How slow the body of an append may be.
    pub body_pace: BodyPaceLimits,
    /// Bytes of all appends together that may be in memory.
    pub append_memory: u64,
    /// Most bytes of one request's body that proxies in front of this service let through, which clients are told;
    /// `None`: as many as the file has.
    pub max_request_body: Option<u64>,
    /// How long an object or multipart upload must have been there before it can be called an orphan.
    pub orphan_grace: Duration,
}

/// Everything the engine stands on.
pub struct EngineDeps {
    /// Rows.
    pub store: Arc<dyn Store>,
    /// Bytes.
    pub blobs: Arc<dyn BlobStore>,
    /// Unguessable bytes.
    pub entropy: Arc<dyn Entropy>,
    /// Signs grants and cursors.
    pub tokens: TokenSigner,
    /// Whose JSON Web Tokens count beside our own keys.
    pub issuers: TrustedIssuers,
    /// What the composition decides.
    pub settings: EngineSettings,
    /// Which instance this is: orphans are looked for in this instance's bucket only.
    pub instance_id: String,
}

/// The engine. Cloning shares it.
#[derive(Clone)]
pub struct Engine(Arc<EngineInner>);

struct EngineInner {
    store: Arc<dyn Store>,
    blobs: Arc<dyn BlobStore>,
    entropy: Arc<dyn Entropy>,
    tokens: TokenSigner,
    settings: EngineSettings,
    instance_id: String,
    asset_notify: AssetNotify,
    feed_hub: feed::FeedHub,
    appends: append::ActiveAppends,
    api_keys: identity::ApiKeyCache,
    issuers: TrustedIssuers,
    upload_cache: moka::future::Cache<UploadId, Arc<Upload>>,
    small_objects: small_object_cache::SmallObjectCache,
    tenancy: tenancy::TenancyCache,
    /// Fetches that were told of just now; see [`audit`].
    recent_fetches: moka::future::Cache<(uuid::Uuid, uuid::Uuid), ()>,
    asset_cache: deliver::AssetCache,
    link_uses: usage_counter::UsageCounter,
    refusal_counts: refusals::RefusalCounts,
    /// Whoever reads a member of an archive for its CRC alone has this turn.
    archive_lock: tokio::sync::Mutex<()>,
}

/// An upload read this recently is good enough to sign for: the worst that staleness does is a URL that the store
/// refuses.
const UPLOAD_CACHE_TTL: Duration = Duration::from_secs(1);

impl Engine {
    /// Puts the engine on its foundation.
    #[must_use]
    pub fn new(foundation: EngineDeps) -> Self {
        let EngineDeps { store, blobs, entropy, tokens, issuers, settings, instance_id: instance } = foundation;
        Self(Arc::new(EngineInner {
            api_keys: identity::ApiKeyCache::new(Arc::clone(&store)),
            upload_cache: moka::future::Cache::builder().max_capacity(10_000).time_to_live(UPLOAD_CACHE_TTL).build(),
            small_objects: small_object_cache::SmallObjectCache::default(),
            tenancy: tenancy::TenancyCache::new(Arc::clone(&store)),
            recent_fetches: moka::future::Cache::builder()
                .max_capacity(100_000)
                .time_to_live(audit::FETCH_AUDIT_INTERVAL)
                .build(),
            asset_cache: deliver::AssetCache::default(),
            link_uses: usage_counter::UsageCounter::default(),
            refusal_counts: refusals::RefusalCounts::default(),
            archive_lock: tokio::sync::Mutex::default(),
            asset_notify: AssetNotify::default(),
            feed_hub: feed::FeedHub::new(settings.feed.followers),
            appends: append::ActiveAppends::new(settings.append_memory),
            store,
            blobs,
            entropy,
            tokens,
            issuers,
            settings,
            instance_id: instance,
        }))
    }

    /// Wakes when assets change on this node.
    #[must_use]
    pub fn asset_notify(&self) -> &AssetNotify {
        &self.0.asset_notify
    }

    /// The database's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.store.now()
    }

    /// A fresh id, stamped with the database's time.
    fn new_id(&self) -> uuid::Uuid {
        ids::mint(self.0.store.now(), &*self.0.entropy)
    }

    fn upload_timeouts(&self) -> &UploadTimeouts {
        &self.0.settings.upload_timeouts
    }

    /// Commits and tells whoever waits on this node.
    async fn commit_and_notify(&self, tx: Tx, asset: AssetId) -> std::result::Result<(), crate::store::StoreError> {
        self.0.store.commit(tx).await?;
        self.0.asset_notify.notify(asset);
        Ok(())
    }

    /// Looks an upload up for an actor who wants to do `action` with it.
    async fn load_upload_for(&self, actor: &Actor, action: Action, id: UploadId) -> Result<Upload> {
        let looked = async {
            may_ask(actor, action)?;
            let upload = self.0.store.find_upload(id).await?.ok_or(Error::NotFound)?;
            may(actor, action, upload_target(&upload))?;
            note_upload_ids(&upload);
            Ok::<_, Error>(upload)
        };
        looked.await.inspect_err(|error| self.tell_of_denial(actor, || format!("upload:{id}"), error))
    }

    /// Looks an asset up for an actor who wants to do `action` with it.
    async fn load_asset_for(&self, actor: &Actor, action: Action, id: AssetId) -> Result<Asset> {
        let looked = async {
            may_ask(actor, action)?;
            let asset = self.0.store.find_asset(id).await?.ok_or(Error::NotFound)?;
            self.check_permission(actor, action, &asset).await?;
            let ids = RequestContext::log_ids();
            ids.note_asset(asset.id);
            ids.note_tenant(asset.tenant);
            Ok::<_, Error>(asset)
        };
        looked.await.inspect_err(|error| self.tell_of_denial(actor, || format!("asset:{id}"), error))
    }

    /// Whether an actor may do `action` with an asset.
    async fn check_permission(&self, actor: &Actor, action: Action, asset: &Asset) -> Result<()> {
        let id = asset.id;
        let upload = match actor {
            Actor::Uploader { .. } => self.0.store.find_upload_of(id).await?.map(|upload| upload.id),
            Actor::Key { .. } | Actor::Nobody => None,
        };
        may(actor, action, AccessTarget { tenant: asset.tenant, owner: asset.owner, upload, asset: id })?;
        Ok(())
    }
}

/// Lets the log lines of the request at work name the upload, its asset and its tenant.
fn note_upload_ids(upload: &Upload) {
    let ids = RequestContext::log_ids();
    ids.note_upload(upload.id);
    ids.note_asset(upload.asset);
    ids.note_tenant(upload.tenant);
}

fn upload_target(upload: &Upload) -> AccessTarget {
    AccessTarget { tenant: upload.tenant, owner: upload.owner, upload: Some(upload.id), asset: upload.asset }
}

/// The tenant that an actor acts in; upload grants act in none of their own.
fn tenant_of(actor: &Actor) -> Result<TenantId> {
    match actor {
        Actor::Key { tenant, .. } => Ok(*tenant),
        Actor::Uploader { .. } => Err(Error::Forbidden),
        Actor::Nobody => Err(Error::Unauthenticated),
    }
}
