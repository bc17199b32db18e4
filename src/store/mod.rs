//! The port to rows: what the service remembers, as one trait with two adapters, [`sqlite`] and [`postgres`].
//!
//! * Everything that changes together travels as one [`Tx`] value and is written in one transaction or not at all.
//! * Writes run in tasks of the adapter's own. A caller that goes away, because its client did, never leaves a
//!   transaction half open behind it, and never un-decides one (sqlx 0.9.0, #4393 and #4409).
//! * Compare-and-set: a row is written only if it still has the revision that the caller saw.
//! * "Not found" is `Ok(None)`; only the engine decides whether absence is an error.
//!
//! One conformance suite, `tests/it/store.rs`, runs against both adapters.
//! Must not use the blob port, the engine or anything that speaks HTTP.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::append::RelayedPart;
use crate::domain::asset::Asset;
use crate::domain::audit::AuditEntry;
use crate::domain::clock::Timestamp;
use crate::domain::collection::Collection;
use crate::domain::event::{Event, EventCount, FeedEnds, FeedEvent};
use crate::domain::findings::StoredDamage;
use crate::domain::grant::Link;
use crate::domain::ids::{AssetId, CollectionId, GrantId, JobId, KeyId, TenantId, UploadId};
use crate::domain::job::{Job, JobCount, JobEntry, JobKind, JobState, JobSubject, NewJob};
use crate::domain::key::ApiKey;
use crate::domain::quota::QuotaLimit;
use crate::domain::tenant::Tenant;
use crate::domain::upload::Upload;

mod clock;
mod generation;
mod notify;
mod open;
pub mod postgres;
mod reserve;
mod rows;
pub mod sqlite;
mod tenancy;
mod tx;
mod webhooks;

pub use clock::StoreClock;
use generation::CacheGenerations;
use notify::Notifier;
pub use open::OpenError;
use reserve::DiskReserve;
pub use tenancy::{AuditQuery, TenancyStore, TenancyWrite};
pub use tx::{IdempotencyRecord, KeyRotation, Tx, Write};
pub use webhooks::{DeliveryBacklog, DeliveryQuery, WebhookStore, WebhookTroubles, WebhookWrite};

/// Why rows could not be read or written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// A row was not as the writer had seen it, or a unique value was taken. Nothing was written.
    #[error("the row has changed since it was read, or already exists")]
    Conflict,
    /// The tenant has too little of this left. Nothing was written.
    #[error("the tenant's quota of {} is used up", .0.name())]
    OverQuota(QuotaLimit),
    /// A row that no version of this program can have written.
    #[error("table {table}, row {row}: {problem}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row's key in text.
        row: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The disk under the database is full, or new things would take what is kept free for deletes. Nothing was written.
    #[error("the disk under the database is full")]
    Full,
    /// The database's own structure is damaged. Nothing was written.
    #[error("the database is damaged: {0}")]
    Malformed(String),
    /// More writes are waiting than the queue holds. Nothing was written.
    #[error("too many writes are waiting")]
    Busy,
    /// The database did not answer, or broke off. A write may or may not have happened.
    #[error("the database is not available: {0}")]
    Unavailable(String),
}

/// What the audit trail is told of so many changed rows.
pub type ToldOf = Box<dyn FnOnce(u64) -> AuditEntry + Send>;

/// What [`Store`] methods answer.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Which of a tenant's assets to list. Newest first.
#[derive(Clone, Debug, Default)]
pub struct AssetQuery {
    /// In this state only.
    pub state: Option<String>,
    /// With this identity of the caller's only.
    pub external_id: Option<String>,
    /// Created at this time or later.
    pub created_after: Option<Timestamp>,
    /// With this detected type, or declared while none is detected.
    pub content_type: Option<String>,
    /// With these texts in their metadata.
    pub metadata: Vec<(String, String)>,
    /// Older than this one: the last asset of the page before.
    pub after: Option<AssetId>,
    /// At most this many.
    pub limit: u32,
}

/// Which of a tenant's jobs to list. Oldest first.
#[derive(Clone, Copy, Debug)]
pub struct JobQuery {
    /// Whose.
    pub tenant: TenantId,
    /// In this state only.
    pub state: Option<JobState>,
    /// Of this kind only.
    pub kind: Option<JobKind>,
    /// Newer than this one: the last job of the page before.
    pub after: Option<JobId>,
    /// At most this many.
    pub limit: u32,
}

/// Which of a tenant's links are meant.
#[derive(Clone, Copy, Debug)]
pub struct LinksOf {
    /// Whose.
    pub tenant: TenantId,
    /// To this asset only.
    pub asset: Option<AssetId>,
    /// Made by this key only.
    pub maker: Option<KeyId>,
}

/// Which of a tenant's links to list. Oldest first.
#[derive(Clone, Copy, Debug)]
pub struct LinkQuery {
    /// Which.
    pub of: LinksOf,
    /// Newer than this one: the last link of the page before.
    pub after: Option<GrantId>,
    /// At most this many.
    pub limit: u32,
}

/// One page of assets.
#[derive(Clone, Debug)]
pub struct AssetPage {
    /// Newest first. May be short of the limit, or empty, although more follow.
    pub assets: Vec<Asset>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<AssetId>,
}

/// Rows. Methods that write say so; each is one transaction.
#[async_trait]
pub trait Store: WebhookStore + TenancyStore {
    /// The database's time, carried forward by this node's monotonic clock. Leases and expiry go by this.
    fn now(&self) -> Timestamp;

    /// Writes everything in `tx` or nothing. Not cancelled by dropping the future.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when a revision or a unique value is not as `tx` expects;
    /// [`StoreError::Unavailable`] when the outcome is unknown: read the rows again before deciding.
    async fn commit(&self, tx: Tx) -> Result<()>;

    /// Whether the database answers. Once a statement has met a malformed page, the whole structure is checked first.
    ///
    /// # Errors
    /// [`StoreError::Malformed`] when the structure is damaged.
    async fn ping(&self) -> Result<()>;
    /// Checks the structure of every page, where the database offers that; the time goes with the size of the file. A
    /// caller that does not wait for the answer finds it in [`Self::ping`].
    async fn verify(&self) -> Result<()>;

    /// A tenant by its name.
    async fn find_tenant_by_name(&self, name: &str) -> Result<Option<Tenant>>;
    /// A tenant by its id.
    async fn find_tenant(&self, id: TenantId) -> Result<Option<Tenant>>;
    /// Every tenant, by name, at most `limit` after `after`.
    async fn list_tenants(&self, after: &str, limit: u32) -> Result<Vec<Tenant>>;
    /// An API key, revoked and expired ones included.
    async fn find_key(&self, id: KeyId) -> Result<Option<ApiKey>>;
    /// A tenant's API keys, oldest first, at most `limit` after `after`.
    async fn list_keys(&self, tenant: TenantId, after: Option<KeyId>, limit: u32) -> Result<Vec<ApiKey>>;
    /// How many of a tenant's keys open anything at `now`.
    async fn count_live_keys(&self, tenant: TenantId, now: Timestamp) -> Result<u64>;

    /// An upload.
    async fn find_upload(&self, id: UploadId) -> Result<Option<Upload>>;
    /// The upload that brings this asset its bytes; the newest, should there be several.
    async fn find_upload_of(&self, asset: AssetId) -> Result<Option<Upload>>;
    /// The one open or completing upload with this identity of the caller's.
    async fn find_live_upload(&self, tenant: TenantId, external_id: &str) -> Result<Option<Upload>>;
    /// The parts of a relayed upload that its ledger knows, by number.
    async fn list_relayed_parts(&self, upload: UploadId) -> Result<Vec<RelayedPart>>;
    /// Uploads whose `look_at` has come, most overdue first.
    async fn list_uploads_to_check(&self, now: Timestamp, limit: u32) -> Result<Vec<Upload>>;

    /// An asset.
    async fn find_asset(&self, id: AssetId) -> Result<Option<Asset>>;
    /// A number that is another one after every change of this asset, where this process makes them all, but for what an
    /// operator does beside it. `None`: other nodes change it too. An asset that was read after the number was is as the
    /// number says.
    fn asset_generation(&self, id: AssetId) -> Option<u64>;
    /// Many assets at once, in no particular order; unknown ids are left out.
    async fn find_assets(&self, ids: &[AssetId]) -> Result<Vec<Asset>>;
    /// A page of a tenant's assets. Takes the same time at ten rows and at ten million.
    async fn list_assets(&self, tenant: TenantId, query: &AssetQuery) -> Result<AssetPage>;
    /// Assets whose object is owed removal, most overdue first.
    async fn list_assets_to_purge(&self, now: Timestamp, limit: u32) -> Result<Vec<Asset>>;

    /// Assets whose stored bytes were found to be damaged, oldest first, at most `limit`.
    async fn list_damaged_assets(&self, limit: u32) -> Result<Vec<(AssetId, StoredDamage)>>;

    /// What happened to an asset after `seq`, in order.
    async fn list_events(&self, asset: AssetId, seq: i64, limit: u32) -> Result<Vec<Event>>;

    /// Writes: gives events that are committed and have none their places in their tenants' feeds, at most a thousand; how
    /// many. Until it says 0, there may be more. A place is visible only after all places below it.
    async fn number_events(&self) -> Result<u64>;
    /// A tenant's feed behind the place `after`, or what of it is about one asset, in order.
    async fn read_feed(
        &self,
        tenant: TenantId,
        asset: Option<AssetId>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<FeedEvent>>;
    /// Where these tenants' feeds begin and end; a tenant without events is left out.
    async fn read_feed_ends(&self, tenants: &[TenantId]) -> Result<Vec<(TenantId, FeedEnds)>>;
    /// Writes: forgets the events at the beginning of every feed that are older than `before`, at most `limit` of each;
    /// how many went. Each asset keeps its newest.
    async fn forget_events(&self, before: Timestamp, limit: u32) -> Result<u64>;
    /// Writes: adds a portion of events that are not counted yet to their hours; how many.
    async fn count_events(&self) -> Result<u64>;
    /// How many events are not counted yet.
    async fn list_uncounted_events(&self) -> Result<u64>;
    /// What happened in a tenant's hours from `from` on, until before `to`, by hour and kind.
    async fn list_event_counts(&self, tenant: TenantId, from: Timestamp, to: Timestamp) -> Result<Vec<EventCount>>;
    /// Completes when there may be new events since the last time, of this node or another. A hint for one waiter, which
    /// may never come: whoever waits also looks by himself.
    async fn wait_for_events(&self);

    /// Writes: leases up to `limit` due jobs of one kind, each to exactly one caller, until `lease` has passed.
    async fn claim_jobs(&self, kind: JobKind, lease: Duration, limit: u32) -> Result<Vec<Job>>;
    /// Writes: prolongs a lease by `lease` from now. `false`: it was lost, and the worker must stop.
    async fn extend_job(&self, job: &Job, lease: Duration) -> Result<bool>;
    /// Writes: keeps the progress of a job. `false`: its lease was lost, and the worker must stop.
    async fn keep_progress(&self, job: &Job) -> Result<bool>;
    /// Which of these kinds have a job due and are not paused. Takes the same time with ten jobs and with ten million.
    async fn list_due_kinds(&self, kinds: &[JobKind]) -> Result<Vec<JobKind>>;
    /// Completes when a job may have become owed since the last time, on this node or another; as [`Self::wait_for_events`].
    async fn wait_for_jobs(&self);
    /// Writes: adds those jobs of which none of their kind is owed for their subject.
    async fn seed_jobs(&self, jobs: &[NewJob]) -> Result<()>;
    /// The kinds that are paused.
    async fn list_paused_kinds(&self) -> Result<Vec<JobKind>>;
    /// A tenant's jobs, oldest first.
    async fn list_jobs(&self, query: &JobQuery) -> Result<Vec<JobEntry>>;
    /// The one job of this kind that is owed for this subject.
    async fn find_job(&self, work: JobSubject) -> Result<Option<JobEntry>>;
    /// Jobs by kind and state, of one tenant or of all.
    async fn list_job_counts(&self, tenant: Option<TenantId>) -> Result<Vec<JobCount>>;
    /// How many jobs wait or run, and how many are dead; chores are not counted.
    async fn count_jobs(&self) -> Result<(u64, u64)>;

    /// A link, revoked and expired ones included.
    async fn find_link(&self, id: GrantId) -> Result<Option<Link>>;
    /// Writes: counts one use at `now`. `false`: none was left.
    async fn use_link(&self, id: GrantId, now: Timestamp) -> Result<bool>;
    /// A tenant's links, oldest first.
    async fn list_links(&self, query: &LinkQuery) -> Result<Vec<Link>>;
    /// Writes: withdraws a tenant's links to an asset, of a maker, or both, and tells of it in the same transaction; how many
    /// were good until now.
    async fn revoke_links(&self, which: LinksOf, now: Timestamp, told: ToldOf) -> Result<u64>;

    /// A collection.
    async fn find_collection(&self, id: CollectionId) -> Result<Option<Collection>>;
    /// CRC-32 of its items that were found out since it was made, by position.
    async fn list_collection_crcs(&self, id: CollectionId) -> Result<Vec<(usize, u32)>>;
    /// Writes: keeps one of them.
    async fn keep_crc(&self, id: CollectionId, position: usize, crc: u32) -> Result<()>;

    /// The answer remembered for an `Idempotency-Key`.
    async fn find_idempotency_record(&self, key: KeyId, route: &str, token: &str) -> Result<Option<IdempotencyRecord>>;

    /// Writes: forgets expired links, collections and replays, at most `limit` of each; how many went.
    async fn forget_expired(&self, now: Timestamp, limit: u32) -> Result<u64>;

    /// How many links, remembered answers and events (those older than `before`) would be forgotten, about.
    async fn count_expired(&self, now: Timestamp, before: Timestamp) -> Result<u64>;

    /// A fact about this instance.
    async fn read_setting(&self, name: &str) -> Result<Option<String>>;
    /// Writes: records a fact about this instance.
    async fn set_setting(&self, name: &str, value: &str) -> Result<()>;
    /// Writes: records a fact unless it is there already; returns what is there then.
    async fn setting_or(&self, name: &str, value: &str) -> Result<String>;
}
