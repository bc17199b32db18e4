//! The verbs: create ▶ sign ▶ complete ▶ process ▶ deliver, and abort and sweep beside them.
//!
//! Commands come in, domain values go out. Every verb authorises first, through [`crate::domain::access`]. Writes that
//! must happen together are a single [`Tx`]; work that a disconnecting client must not cancel runs in its own task.
//!
//! Must not know of headers, SQL, AWS, settings files or any other interface to the outside.

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

/// Types of the ports in the signatures of verbs.
pub use crate::blob::cdn::{BadCdn, CdnSigner};
pub use crate::blob::{ByteStream, LocalFile, SignedUrl, StoreCapabilities, StoredPart};
pub use crate::store::AuditQuery;

/// Settings of the engine.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Timeouts after which the sweeper acts.
    pub upload_timeouts: UploadTimeouts,
    /// Largest file in bytes; the store's own limit may be lower.
    pub max_size: u64,
    /// Largest file in bytes that is sent as a single PUT unless the client asks otherwise.
    pub max_single_put_bytes: u64,
    /// Default delivery mode.
    pub delivery: DeliveryMode,
    /// Further delivery modes, with the trusted proxy and the content delivery network.
    pub deliveries: DeliverySettings,
    /// Life of the URL to which a download is redirected.
    pub redirect_ttl: Duration,
    /// Longest life of a link.
    pub link_ttl: Duration,
    /// How long the bytes of a rejected asset are kept.
    pub quarantine_ttl: Duration,
    /// Largest file in bytes that gets a SHA-256 even if none was declared.
    pub max_digest_bytes: u64,
    /// Time that an external processor has to report before the job is offered again.
    pub report_timeout: Duration,
    /// Most offers of a job to an external processor.
    pub max_offers: u32,
    /// Life of idempotency records.
    pub replay_ttl: Duration,
    /// Settings of the feed.
    pub feed: FeedSettings,
    /// Settings of webhooks.
    pub webhooks: WebhookSettings,
    /// Limits on the pace of an append's body.
    pub body_pace: BodyPaceLimits,
    /// Bytes of all appends together that may be in memory.
    pub append_memory: u64,
    /// Largest request body in bytes that proxies in front of this service accept; published to clients. `None`:
    /// without limit.
    pub max_request_body: Option<u64>,
    /// Shortest age of an object or multipart upload that can count as an orphan.
    pub orphan_grace: Duration,
}

/// Dependencies of the engine.
pub struct EngineDeps {
    /// Rows.
    pub store: Arc<dyn Store>,
    /// Bytes.
    pub blobs: Arc<dyn BlobStore>,
    /// Source of random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// Signer of grants, links and cursors.
    pub tokens: TokenSigner,
    /// Issuers whose JSON Web Tokens are accepted besides API keys.
    pub issuers: TrustedIssuers,
    /// Settings.
    pub settings: EngineSettings,
    /// Id of this instance; orphans are searched only in a bucket with this id.
    pub instance_id: String,
}

/// The engine. Clones share the same state.
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
    /// Downloads with a recent audit entry; see [`audit`].
    recent_fetches: moka::future::Cache<(uuid::Uuid, uuid::Uuid), ()>,
    asset_cache: deliver::AssetCache,
    link_uses: usage_counter::UsageCounter,
    refusal_counts: refusals::RefusalCounts,
    /// Held while a member of an archive is read only to compute its CRC.
    archive_lock: tokio::sync::Mutex<()>,
}

/// Longest age of a cached upload for which URLs are signed. The worst effect of a stale row is a URL that the store
/// refuses.
const UPLOAD_CACHE_TTL: Duration = Duration::from_secs(1);

impl Engine {
    /// Creates the engine from its dependencies.
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

    /// Notifications of changes of assets on this node.
    #[must_use]
    pub fn asset_notify(&self) -> &AssetNotify {
        &self.0.asset_notify
    }

    /// Time of the database.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.store.now()
    }

    /// New id that contains the database's time.
    fn new_id(&self) -> uuid::Uuid {
        ids::mint(self.0.store.now(), &*self.0.entropy)
    }

    fn upload_timeouts(&self) -> &UploadTimeouts {
        &self.0.settings.upload_timeouts
    }

    /// Commits, and wakes the tasks on this node that wait for the asset.
    async fn commit_and_notify(&self, tx: Tx, asset: AssetId) -> std::result::Result<(), crate::store::StoreError> {
        self.0.store.commit(tx).await?;
        self.0.asset_notify.notify(asset);
        Ok(())
    }

    /// Reads an upload for an actor that wants to do `action` with it; an error if not permitted.
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

    /// Reads an asset for an actor that wants to do `action` with it; an error if not permitted.
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

    /// Checks that an actor may do `action` with an asset.
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

/// The tenant in which an actor acts; an error for upload grants, which act in none.
fn tenant_of(actor: &Actor) -> Result<TenantId> {
    match actor {
        Actor::Key { tenant, .. } => Ok(*tenant),
        Actor::Uploader { .. } => Err(Error::Forbidden),
        Actor::Nobody => Err(Error::Unauthenticated),
    }
}
