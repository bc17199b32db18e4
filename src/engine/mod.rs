//! The verbs: create ▶ sign ▶ complete ▶ process ▶ deliver, and abort and sweep beside them.
//!
//! Commands come in, domain values go out. Every verb authorises first, through [`crate::domain::access`]. Writes that
//! must happen together are a single [`Tx`](crate::store::Tx); work that a disconnecting client must not cancel runs in
//! its own task.
//!
//! Each room is a folder and a type with the ports that it needs. A room uses only the rooms above it in this list:
//!
//! * `audit`: the audit trail · `rows`: rows behind a permission, commits, and changes by compare-and-set
//! * `idempotency`: results of repeatable requests · `content_reader`: bytes of stored content
//! * `tenants`: credentials, tenants, policies · `events`: the feed · `webhooks`: endpoints and deliveries
//! * `uploads`: from creation to completion or abort
//! * `assets`: stored files · `delivery`: downloads and links
//! * `append`: bytes that pass through this service
//! * `processing`: jobs of workers
//! * `operations`: sweep, chores, alarms
//!
//! Must not know of headers, SQL, AWS, settings files or any other interface to the outside.

use std::sync::Arc;

use tokio_util::task::TaskTracker;

use crate::blob::BlobStore;
use crate::domain::clock::{Entropy, Timestamp};
use crate::store::Store;

mod append;
mod asset_notify;
mod assets;
mod audit;
mod content_reader;
mod delivery;
mod disk;
mod error;
mod events;
mod idempotency;
mod limits;
mod minute_counts;
mod note_queue;
mod operations;
mod processing;
mod request_context;
mod rows;
mod settings;
mod small_object_cache;
mod tenants;
mod tokens;
mod ttl_cache;
mod uploads;
mod webhooks;

pub use append::{
    AppendBody, AppendBytes, AppendChecksum, AppendDigestAlgorithm, AppendEngine, BodyFrame, BodyPaceLimits,
    ConcatenateUploads, EndOfBody, ExpectedDigest, OpenAppend, TruncatedBody,
};
pub use asset_notify::AssetNotify;
pub use assets::{AssetEngine, AssetList, ListAssets, PatchAsset, PurgeCall};
pub use delivery::{
    CollectionWish, DeliveryEngine, DeliveryMode, DeliverySettings, LinkList, LinkUseKind, LinkWish, ListLinks,
    MadeCollection, MadeLink, OpenedDownload, ProxyCacheMode, ProxySecret, PurgeHook, RevokeLinks, SignedThumbnail,
    StoreRequest, ThumbnailLocation, TrustedProxy, content_disposition,
};
pub use disk::{DiskLevel, DiskProbe, DiskState};
pub use error::{Error, Result};
pub use events::{EventEngine, FeedFollower, FeedOf, FeedPage, FeedPosition, FeedSettings};
pub use idempotency::IdempotencyKey;
pub use limits::UploadLimits;
pub use minute_counts::MinuteCount;
pub use operations::{
    AssetImport, CacheLookups, DependencyHealth, Difference, EXPORT_FORMAT, ErasureStep, ExportFilter, ExportLine,
    ExportedAsset, ExportedContent, ExportedPolicy, ExportedTenant, FailureSummary, ImportProblem, ImportReport,
    InconsistencyKind, InstanceOverview, JobDiscard, JobHistory, JobQueues, ListJobs, NODE_NOTE_INTERVAL,
    OperationEngine, OperatorAlarm, OrphanKind, OrphanReport, OrphanedBlob, RetentionReport, SweepReport,
    TenantErasure, UploadDetail, VerifyInconsistency, VerifyObserver, VerifyReport, VerifyScope, check_derivative,
    check_events, check_ledger, check_object, check_object_key, check_usage,
};
pub use processing::{
    JobProgress, PipelineOutcome, ProcessingEngine, ProcessingOutcome, ProcessingReport, ProcessingTask,
    ReportedDerivative, ReprocessScope, ReprocessSummary,
};
pub use request_context::{PresentedCredential, RateLimitStatus, RequestContext, RequestLogIds};
pub use settings::EngineSettings;
pub use tenants::{
    CallerIdentity, DropBoxWish, KeySetFetcher, KeySetSettings, KeyWish, ListDropBoxes, MadeDropBox, MadeKey,
    PatchTenant, TenantEngine, TenantRegistry, TenantStanding, TrustedIssuers,
};
pub use tokens::{MIN_SECRET_BYTES, TokenSigner};
pub use uploads::{
    ClaimedPart, CompleteUpload, CreateUpload, GrantDescription, ListUploads, OpenUnsizedUpload, OpenedUpload,
    SignParts, SignedParts, TransferMethod, UploadEngine, UploadSize,
};
pub use webhooks::{
    DeliveryOutcome, ListDeliveries, ReplayRange, ReplayedDeliveries, WebhookCall, WebhookEngine, WebhookSettings,
    WebhookWish,
};

/// Types of the ports in the signatures of verbs.
pub use crate::blob::cdn::{BadCdn, CdnSigner, EdgeTokenForm, EdgeTokenScope};
pub use crate::blob::{ByteStream, LocalFile, SignedUrl, StoreCapabilities, StoredPart};
pub use crate::store::{AuditQuery, FailureGroup, FailureSource, UploadEntry, UploadPage};

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
    /// The disk of the data directory; `None` if neither the database nor the store is embedded.
    pub disk: Option<Arc<dyn DiskProbe>>,
    /// Id of this instance; orphans are searched only in a bucket with this id.
    pub instance_id: String,
}

/// The engine: its rooms. Clones share the same state.
#[derive(Clone)]
pub struct Engine(Arc<EngineRooms>);

struct EngineRooms {
    store: Arc<dyn Store>,
    rows: Arc<rows::RowAccess>,
    tenants: Arc<TenantEngine>,
    events: Arc<EventEngine>,
    webhooks: Arc<WebhookEngine>,
    uploads: Arc<UploadEngine>,
    assets: Arc<AssetEngine>,
    delivery: Arc<DeliveryEngine>,
    append: Arc<AppendEngine>,
    processing: Arc<ProcessingEngine>,
    operations: OperationEngine,
}

impl Engine {
    /// Creates the engine from its dependencies, room by room: each gets the rooms that it uses.
    #[must_use]
    pub fn new(deps: EngineDeps) -> Self {
        let EngineDeps { store, blobs, entropy, tokens, issuers, settings, disk, instance_id } = deps;
        let disk = disk::DiskWatch::new(disk, settings.disk_reserve);
        let ports = EnginePorts::new(store, blobs, entropy, tokens, settings, disk);
        let tenants = Arc::new(TenantEngine::new(&ports, issuers));
        let events = Arc::new(EventEngine::new(&ports));
        let webhooks = Arc::new(WebhookEngine::new(&ports, events.clone()));
        let uploads = Arc::new(UploadEngine::new(&ports, tenants.clone()));
        let assets = Arc::new(AssetEngine::new(&ports, tenants.clone(), uploads.clone()));
        let delivery = Arc::new(DeliveryEngine::new(&ports, tenants.clone(), assets.clone()));
        let append = AppendEngine::new(&ports, uploads.clone(), assets.clone());
        let processing = Arc::new(ProcessingEngine::new(&ports, tenants.clone(), assets.clone()));
        let operations = OperationEngine {
            store: ports.store.clone(),
            blobs: ports.blobs.clone(),
            settings: ports.settings.clone(),
            rows: ports.rows.clone(),
            audit: ports.audit.clone(),
            tokens: ports.tokens.clone(),
            tenants: tenants.clone(),
            events: events.clone(),
            webhooks: webhooks.clone(),
            uploads: uploads.clone(),
            assets: assets.clone(),
            append: append.clone(),
            disk: ports.disk.clone(),
            content: ports.content.clone(),
            instance_id: instance_id.into(),
            idle_cursor: Arc::default(),
        };
        let (store, rows) = (ports.store, ports.rows);
        let rooms = EngineRooms {
            store,
            rows,
            tenants,
            events,
            webhooks,
            uploads,
            assets,
            delivery,
            append,
            processing,
            operations,
        };
        Self(Arc::new(rooms))
    }

    /// Credentials, tenants, keys and policies.
    #[must_use]
    pub fn tenants(&self) -> &TenantEngine {
        &self.0.tenants
    }

    /// The feed of events.
    #[must_use]
    pub fn events(&self) -> &EventEngine {
        &self.0.events
    }

    /// Webhook endpoints and their deliveries.
    #[must_use]
    pub fn webhooks(&self) -> &WebhookEngine {
        &self.0.webhooks
    }

    /// Uploads from creation to completion or abort.
    #[must_use]
    pub fn uploads(&self) -> &UploadEngine {
        &self.0.uploads
    }

    /// Stored files.
    #[must_use]
    pub fn assets(&self) -> &AssetEngine {
        &self.0.assets
    }

    /// Downloads and links.
    #[must_use]
    pub fn delivery(&self) -> &DeliveryEngine {
        &self.0.delivery
    }

    /// Bytes that pass through this service.
    #[must_use]
    pub fn append(&self) -> &AppendEngine {
        &self.0.append
    }

    /// Jobs of workers.
    #[must_use]
    pub fn processing(&self) -> &ProcessingEngine {
        &self.0.processing
    }

    /// Sweep, chores and alarms.
    #[must_use]
    pub fn operations(&self) -> &OperationEngine {
        &self.0.operations
    }

    /// Notifications of changes of assets on this node.
    #[must_use]
    pub fn asset_notify(&self) -> &AssetNotify {
        &self.0.rows.asset_notify
    }

    /// Time of the database.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.store.now()
    }
}

/// What the rooms are built from.
struct EnginePorts {
    store: Arc<dyn Store>,
    blobs: Arc<dyn BlobStore>,
    entropy: Arc<dyn Entropy>,
    tokens: Arc<TokenSigner>,
    settings: Arc<EngineSettings>,
    audit: Arc<audit::AuditTrail>,
    rows: Arc<rows::RowAccess>,
    idempotency: idempotency::IdempotencyRecords,
    content: Arc<content_reader::ContentReader>,
    disk: Arc<disk::DiskWatch>,
    /// Tasks that the end of the process waits for.
    tasks: TaskTracker,
}

impl EnginePorts {
    fn new(
        store: Arc<dyn Store>,
        blobs: Arc<dyn BlobStore>,
        entropy: Arc<dyn Entropy>,
        tokens: TokenSigner,
        settings: EngineSettings,
        disk: disk::DiskWatch,
    ) -> Self {
        let (settings, tasks) = (Arc::new(settings), TaskTracker::new());
        let audit = Arc::new(audit::AuditTrail::new(store.clone(), entropy.clone(), tasks.clone()));
        let rows = rows::RowAccess::new(store.clone(), entropy.clone(), settings.clone(), audit.clone());
        let idempotency = idempotency::IdempotencyRecords::new(store.clone(), settings.replay_ttl);
        let content = Arc::new(content_reader::ContentReader::new(blobs.clone(), entropy.clone()));
        Self {
            store,
            blobs,
            entropy,
            tokens: Arc::new(tokens),
            settings,
            audit,
            rows: Arc::new(rows),
            idempotency,
            content,
            disk: Arc::new(disk),
            tasks,
        }
    }
}
