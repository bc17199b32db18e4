//! The verbs: create ▶ sign ▶ complete ▶ process ▶ deliver, and abort and sweep beside them.
//!
//! Commands come in, domain values go out. Every verb authorises first, through [`crate::domain::access`]. What must
//! happen together is one [`Tx`]; what must not be cut off by a client that goes away runs in a task of its own.
//!
//! Must not know of headers, SQL, AWS, settings files or anything else that speaks to the outside.

use std::sync::Arc;
use std::time::Duration;

use crate::blob::Blobs;
use crate::domain::access::{Action, Actor, Target, may, may_ask};
use crate::domain::asset::Asset;
use crate::domain::clock::{Entropy, Timestamp};
use crate::domain::ids::{self, AssetId, TenantId, UploadId};
use crate::domain::upload::{Patience, Upload};
use crate::store::{Store, Tx};

mod abort;
mod append;
mod assets;
mod attempt;
mod audit;
mod begin;
mod byte_limits;
mod changes;
mod collections;
mod complete;
mod create;
mod cut;
mod deliver;
mod edge;
mod error;
mod feed;
mod fresh;
mod gallery;
mod granted;
mod health;
mod identity;
mod jobs;
mod keys;
mod limits;
mod links;
mod orphans;
mod patterns;
mod present;
mod process;
mod recent;
mod refusals;
mod registry;
mod sign;
mod stats;
mod surroundings;
mod sweep;
mod tenancy;
mod tenants;
mod tokens;
mod uses;
mod webhooks;

pub use append::{
    AppendBytes, AppendDigest, Arrival, BrokenOff, Checksum, Concatenate, Ends, Expected, Incoming, OpenAppend, Pace,
};
pub use assets::{AssetList, ListAssets, PatchAsset};
pub use changes::Changes;
pub use collections::{CollectionWish, MadeCollection};
pub use complete::{ClaimedPart, CompleteUpload};
pub use create::{CreateUpload, Idempotency, MethodWish, Opened, Size};
pub use cut::OpenUnsized;
pub use deliver::{Cache, Deliveries, DeliveryMode, Download, Opening, PurgeHook, StoreRequest, TrustedProxy};
pub use edge::PurgeCall;
pub use error::{Error, Result};
pub use feed::{FeedOf, FeedPage, FeedSettings, Follower, Since};
pub use gallery::{Place, Thumbnail};
pub use granted::Description;
pub use health::Health;
pub use identity::{Issuers, KeySetSettings, KeySets};
pub use jobs::{ListJobs, Queues};
pub use keys::{KeyWish, MadeKey};
pub use limits::Limits;
pub use links::{LinkList, LinkWish, ListLinks, MadeLink, RevokeLinks};
pub use orphans::{Orphan, OrphanKind, OrphanReport};
pub use present::content_disposition;
pub use process::{
    Again, Enqueued, Outcome, ProcessingOutcome, ProcessingReport, ProcessingTask, Progress, ReportedDerivative,
};
pub use registry::Registry;
pub use sign::{SignParts, SignedParts};
pub use stats::Alarm;
pub use surroundings::{Allowance, PresentedCredential, Surroundings};
pub use sweep::{RetentionReport, SweepReport};
pub use tenants::{PatchTenant, TenantStanding};
pub use tokens::{LEAST_SECRET, Tokens};
pub use webhooks::{Call, ListDeliveries, ReplayRange, Replayed, Settled, WebhookSettings, WebhookWish};

/// Values of the ports that verbs take and answer with.
pub use crate::blob::cdn::{BadCdn, Cdn};
pub use crate::blob::{ByteStream, LocalFile, SignedUrl, StoredPart};
pub use crate::store::AuditQuery;

/// What the composition decides for the engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long things may take before the sweeper steps in.
    pub patience: Patience,
    /// Largest file in bytes; the store's own limit may be lower.
    pub max_size: u64,
    /// Files up to this many bytes travel as one PUT unless the client wants otherwise.
    pub put_up_to: u64,
    /// How downloads are delivered unless a request narrows it.
    pub delivery: DeliveryMode,
    /// What else is offered, and to whom.
    pub deliveries: Deliveries,
    /// Life of the URL that a download is redirected to.
    pub redirect_ttl: Duration,
    /// Longest life of a link.
    pub link_ttl: Duration,
    /// How long the bytes of a rejected asset are kept.
    pub quarantine: Duration,
    /// Files up to this many bytes get a SHA-256 even if none was declared.
    pub digest_up_to: u64,
    /// How long an external processor has to report before it is asked again.
    pub report_within: Duration,
    /// How often an external processor is asked about one asset.
    pub offers: u32,
    /// How long the answer to an `Idempotency-Key` is remembered.
    pub replay_ttl: Duration,
    /// How events are kept and handed out.
    pub feed: FeedSettings,
    /// How webhooks are told of them.
    pub webhooks: WebhookSettings,
    /// How slow the body of an append may be.
    pub pace: Pace,
    /// Bytes of all appends together that may be in memory.
    pub append_memory: u64,
    /// Most bytes of one request's body that proxies in front of this service let through, which clients are told;
    /// `None`: as many as the file has.
    pub max_request_body: Option<u64>,
    /// How long an object or multipart upload must have been there before it can be called an orphan.
    pub orphan_grace: Duration,
}

/// Everything the engine stands on.
pub struct Foundation {
    /// Rows.
    pub store: Arc<dyn Store>,
    /// Bytes.
    pub blobs: Arc<dyn Blobs>,
    /// Unguessable bytes.
    pub entropy: Arc<dyn Entropy>,
    /// Signs grants and cursors.
    pub tokens: Tokens,
    /// Whose JSON Web Tokens count beside our own keys.
    pub issuers: Issuers,
    /// What the composition decides.
    pub settings: Settings,
    /// Which instance this is: orphans are looked for in this instance's bucket only.
    pub instance: String,
}

/// The engine. Cloning shares it.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    blobs: Arc<dyn Blobs>,
    entropy: Arc<dyn Entropy>,
    tokens: Tokens,
    settings: Settings,
    instance: String,
    changes: Changes,
    hub: feed::Hub,
    appends: append::Appends,
    keys: identity::Keys,
    issuers: Issuers,
    uploads: moka::future::Cache<UploadId, Arc<Upload>>,
    fresh: fresh::Fresh,
    tenancy: tenancy::Tenancy,
    /// Fetches that were told of just now; see [`audit`].
    fetches: moka::future::Cache<(uuid::Uuid, uuid::Uuid), ()>,
    fetched: deliver::Fetched,
    uses: uses::Uses,
    refusals: refusals::RefusalCounts,
    /// Whoever reads a member of an archive for its CRC alone has this turn.
    archives: tokio::sync::Mutex<()>,
}

/// An upload read this recently is good enough to sign for: the worst that staleness does is a URL that the store
/// refuses.
const STALE: Duration = Duration::from_secs(1);

impl Engine {
    /// Puts the engine on its foundation.
    #[must_use]
    pub fn new(foundation: Foundation) -> Self {
        let Foundation { store, blobs, entropy, tokens, issuers, settings, instance } = foundation;
        Self(Arc::new(Inner {
            keys: identity::Keys::new(Arc::clone(&store)),
            uploads: moka::future::Cache::builder().max_capacity(10_000).time_to_live(STALE).build(),
            fresh: fresh::Fresh::default(),
            tenancy: tenancy::Tenancy::new(Arc::clone(&store)),
            fetches: moka::future::Cache::builder().max_capacity(100_000).time_to_live(audit::ONCE).build(),
            fetched: deliver::Fetched::default(),
            uses: uses::Uses::default(),
            refusals: refusals::RefusalCounts::default(),
            archives: tokio::sync::Mutex::default(),
            changes: Changes::default(),
            hub: feed::Hub::new(settings.feed.followers),
            appends: append::Appends::new(settings.append_memory),
            store,
            blobs,
            entropy,
            tokens,
            issuers,
            settings,
            instance,
        }))
    }

    /// Wakes when assets change on this node.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        &self.0.changes
    }

    /// The database's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.store.now()
    }

    /// A fresh id, stamped with the database's time.
    fn mint(&self) -> uuid::Uuid {
        ids::mint(self.0.store.now(), &*self.0.entropy)
    }

    fn patience(&self) -> &Patience {
        &self.0.settings.patience
    }

    /// Commits and tells whoever waits on this node.
    async fn commit(&self, tx: Tx, asset: AssetId) -> std::result::Result<(), crate::store::StoreError> {
        self.0.store.commit(tx).await?;
        self.0.changes.tell(asset);
        Ok(())
    }

    /// Looks an upload up for an actor who wants to do `action` with it.
    async fn upload_for(&self, actor: &Actor, action: Action, id: UploadId) -> Result<Upload> {
        let looked = async {
            may_ask(actor, action)?;
            let upload = self.0.store.upload(id).await?.ok_or(Error::Hidden)?;
            may(actor, action, upload_target(&upload))?;
            Ok::<_, Error>(upload)
        };
        looked.await.inspect_err(|error| self.tell_of_denial(actor, || format!("upload:{id}"), error))
    }

    /// Looks an asset up for an actor who wants to do `action` with it.
    async fn asset_for(&self, actor: &Actor, action: Action, id: AssetId) -> Result<Asset> {
        let looked = async {
            may_ask(actor, action)?;
            let asset = self.0.store.asset(id).await?.ok_or(Error::Hidden)?;
            self.permit(actor, action, &asset).await?;
            Ok::<_, Error>(asset)
        };
        looked.await.inspect_err(|error| self.tell_of_denial(actor, || format!("asset:{id}"), error))
    }

    /// Whether an actor may do `action` with an asset.
    async fn permit(&self, actor: &Actor, action: Action, asset: &Asset) -> Result<()> {
        let id = asset.id;
        let upload = match actor {
            Actor::Uploader { .. } => self.0.store.upload_of(id).await?.map(|upload| upload.id),
            Actor::Key { .. } | Actor::Nobody => None,
        };
        may(actor, action, Target { tenant: asset.tenant, owner: asset.owner, upload, asset: id })?;
        Ok(())
    }
}

fn upload_target(upload: &Upload) -> Target {
    Target { tenant: upload.tenant, owner: upload.owner, upload: Some(upload.id), asset: upload.asset }
}

/// The tenant that an actor acts in; upload grants act in none of their own.
fn tenant_of(actor: &Actor) -> Result<TenantId> {
    match actor {
        Actor::Key { tenant, .. } => Ok(*tenant),
        Actor::Uploader { .. } => Err(Error::Forbidden),
        Actor::Nobody => Err(Error::Unauthenticated),
    }
}
