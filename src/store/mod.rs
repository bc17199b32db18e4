//! The persistence port: the [`Store`] trait with two adapters, [`sqlite`] and [`postgres`].
//!
//! * Rows that change together travel as a [`Tx`] value and are written in a single transaction or not at all.
//! * Writes run in the adapter's own tasks. A caller that is cancelled, for example because its client disconnected,
//!   never leaves a transaction half open and never reverts a commit (sqlx 0.9.0, #4393 and #4409).
//! * Compare-and-set: a row is written only if it still has the revision that the caller read.
//! * "Not found" is `Ok(None)`; only the engine decides whether absence is an error.
//!
//! Both adapters run the same conformance suite, `tests/it/store.rs`.
//! This module must not use the blob port, the engine or anything that speaks HTTP.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::append::RelayedPart;
use crate::domain::asset::Asset;
use crate::domain::asset_order::{AssetPosition, AssetSort, SortDirection};
use crate::domain::audit::AuditEntry;
use crate::domain::clock::Timestamp;
use crate::domain::collection::Collection;
use crate::domain::drop_box::DropBoxLimit;
use crate::domain::event::{Event, EventCount, FeedEnds, FeedEvent};
use crate::domain::findings::StoredDamage;
use crate::domain::grant::Link;
use crate::domain::ids::{AssetId, CollectionId, GrantId, JobId, KeyId, TenantId, UploadId};
use crate::domain::job::{Job, JobCount, JobEntry, JobKind, JobState, JobSubject, NewJob, QueueConcurrency};
use crate::domain::key::ApiKey;
use crate::domain::quota::QuotaLimit;
use crate::domain::reason::FailureCause;
use crate::domain::tenant::Tenant;
use crate::domain::upload::Upload;

mod clock;
mod generation;
mod notify;
mod open;
mod operations;
pub mod postgres;
mod reserve;
mod rows;
mod schema;
pub mod sqlite;
mod tenancy;
mod tx;
mod webhooks;
mod write;

pub use clock::StoreClock;
use generation::CacheGenerations;
use notify::Notifier;
pub use open::OpenError;
pub use operations::{
    AssetTotal, BacklogGauges, FailureGroup, FailureSource, OperationStore, PassProgress, UploadCount, UploadEntry,
    UploadPage, UploadQuery,
};
use reserve::DiskReserve;
pub use schema::{SchemaStatus, SchemaStep, StepState};
pub use tenancy::{AuditQuery, RequestLease, TenancyStore, TenancyWrite};
pub use tx::Tx;
pub use webhooks::{DeliveryBacklog, DeliveryQuery, WebhookStore, WebhookTroubles, WebhookWrite};
pub use write::{IdempotencyRecord, KeyRotation, NewRow, QuotaCharge, RowChange, UploadNote, Write};

/// Time after which a statement is logged as slow, where the settings do not say.
const SLOW_QUERY: Duration = Duration::from_secs(1);

/// Reason why rows could not be read or written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// A row has changed since the writer read it, or a unique value is taken. Nothing was written.
    #[error("the row has changed since it was read, or already exists")]
    Conflict,
    /// The tenant's quota of this kind is used up. Nothing was written.
    #[error("the tenant's quota of {} is used up", .0.name())]
    OverQuota(QuotaLimit),
    /// The limit of a grant for many files is reached, or the grant was revoked. Nothing was written.
    #[error("the grant for many files takes no more ({0:?})")]
    DropBoxFull(DropBoxLimit),
    /// A row whose content no version of this program can have written.
    #[error("table {table}, row {row}: {problem}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row's key in text.
        row: String,
        /// The column and its invalid value.
        problem: String,
    },
    /// The disk under the database is full, or the write adds rows while free space is below the reserve kept for
    /// deletes. Nothing was written.
    #[error("the disk under the database is full")]
    Full,
    /// The database's structure is damaged. Nothing was written.
    #[error("the database is damaged")]
    Malformed(#[source] FailureCause),
    /// The write queue is full. Nothing was written.
    #[error("too many writes are waiting")]
    Busy,
    /// The database did not answer, or the connection broke. A write may or may not have happened.
    #[error("the database is not available")]
    Unavailable(#[source] FailureCause),
}

/// Builds the audit entry of a bulk write from the number of changed rows.
pub type ToldOf = Box<dyn FnOnce(u64) -> AuditEntry + Send>;

/// Result of [`Store`] methods.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Filter, order and page of assets.
#[derive(Clone, Debug, Default)]
pub struct AssetQuery {
    /// Only assets of this tenant; `None`: of all tenants, in the order of creation only.
    pub tenant: Option<TenantId>,
    /// Only rows in this state.
    pub state: Option<String>,
    /// Only assets with this external id, which the caller chose.
    pub external_id: Option<String>,
    /// Only assets created at this time or later.
    pub created_after: Option<Timestamp>,
    /// Only assets created before this time.
    pub created_before: Option<Timestamp>,
    /// Only assets of at least so many bytes.
    pub size_from: Option<u64>,
    /// Only assets of at most so many bytes.
    pub size_to: Option<u64>,
    /// Only assets whose name contains this text, in any case.
    pub name: Option<String>,
    /// Only assets with this detected type, or with this declared type while none is detected; `image/*`: any image.
    pub content_type: Option<String>,
    /// Only assets whose metadata has all these names and values.
    pub metadata: Vec<(String, String)>,
    /// Property by which the list is ordered.
    pub sort: AssetSort,
    /// Direction of the order.
    pub direction: SortDirection,
    /// Cursor: the last asset of the previous page, in the same order.
    pub after: Option<AssetPosition>,
    /// Maximum number of rows.
    pub limit: u32,
}

/// Filter and page of a tenant's jobs. Oldest first.
#[derive(Clone, Copy, Debug)]
pub struct JobQuery {
    /// Only jobs of this tenant; `None`: of all tenants, without chores.
    pub tenant: Option<TenantId>,
    /// Only rows in this state.
    pub state: Option<JobState>,
    /// Only jobs of this kind.
    pub kind: Option<JobKind>,
    /// Cursor: the last job of the previous page. The page holds newer jobs.
    pub after: Option<JobId>,
    /// Maximum number of rows.
    pub limit: u32,
}

/// Filter for a tenant's links.
#[derive(Clone, Copy, Debug)]
pub struct LinksOf {
    /// The tenant.
    pub tenant: TenantId,
    /// Only links to this asset.
    pub asset: Option<AssetId>,
    /// Only links created by this API key.
    pub maker: Option<KeyId>,
}

/// Filter and page of a tenant's links. Oldest first.
#[derive(Clone, Copy, Debug)]
pub struct LinkQuery {
    /// The filter.
    pub of: LinksOf,
    /// Cursor: the last link of the previous page. The page holds newer links.
    pub after: Option<GrantId>,
    /// Maximum number of rows.
    pub limit: u32,
}

/// A page of assets.
#[derive(Clone, Debug)]
pub struct AssetPage {
    /// Assets in the order of the query. A page may be shorter than the limit, or empty, although more follow.
    pub assets: Vec<Asset>,
    /// Cursor of the next page; `None` at the end.
    pub next: Option<AssetPosition>,
}

/// Reads and writes rows. Methods that write say "Writes:"; each call is a transaction.
#[async_trait]
pub trait Store: WebhookStore + TenancyStore + OperationStore {
    /// The database's time, carried forward by this node's monotonic clock. Leases and expiry use this time.
    fn now(&self) -> Timestamp;

    /// Writes: everything in `tx`, or nothing. Dropping the future does not cancel the write.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when a revision or a unique value is not as `tx` expects;
    /// [`StoreError::Unavailable`] when the outcome is unknown: read the rows again before deciding.
    async fn commit(&self, tx: Tx) -> Result<()>;

    /// Checks that the database answers. After any statement has met a malformed page, checks the whole structure
    /// first.
    ///
    /// # Errors
    /// [`StoreError::Malformed`] when the structure is damaged.
    async fn ping(&self) -> Result<()>;
    /// Checks the structure of every page, if the database offers such a check. Takes time in proportion to the file
    /// size. A caller that does not wait for the result gets it from [`Self::ping`].
    async fn verify(&self) -> Result<()>;

    /// A tenant by its name.
    async fn find_tenant_by_name(&self, name: &str) -> Result<Option<Tenant>>;
    /// A tenant by its id.
    async fn find_tenant(&self, id: TenantId) -> Result<Option<Tenant>>;
    /// Lists tenants by name, at most `limit`, starting after the name `after`.
    async fn list_tenants(&self, after: &str, limit: u32) -> Result<Vec<Tenant>>;
    /// An API key by its id; revoked and expired keys are returned too.
    async fn find_key(&self, id: KeyId) -> Result<Option<ApiKey>>;
    /// A tenant's API keys, oldest first, at most `limit`, starting after `after`.
    async fn list_keys(&self, tenant: TenantId, after: Option<KeyId>, limit: u32) -> Result<Vec<ApiKey>>;
    /// Number of a tenant's API keys that are neither revoked nor expired at `now`.
    async fn count_live_keys(&self, tenant: TenantId, now: Timestamp) -> Result<u64>;

    /// An upload by its id.
    async fn find_upload(&self, id: UploadId) -> Result<Option<Upload>>;
    /// The newest upload of this asset.
    async fn find_upload_of(&self, asset: AssetId) -> Result<Option<Upload>>;
    /// The upload in state `open` or `completing` with this external id; the store allows a single such upload.
    async fn find_live_upload(&self, tenant: TenantId, external_id: &str) -> Result<Option<Upload>>;
    /// The parts of a relayed upload that its ledger has recorded, by number.
    async fn list_relayed_parts(&self, upload: UploadId) -> Result<Vec<RelayedPart>>;
    /// Uploads whose `next_check_at` has passed, most overdue first.
    async fn list_uploads_to_check(&self, now: Timestamp, limit: u32) -> Result<Vec<Upload>>;

    /// An asset by its id.
    async fn find_asset(&self, id: AssetId) -> Result<Option<Asset>>;
    /// Generation of the asset's cached copy. Changes with every write of this process. `None` when other processes
    /// write too: do not cache. Read the generation first, then the row. Changes that an operator makes directly in the
    /// database are not seen.
    fn asset_generation(&self, id: AssetId) -> Option<u64>;
    /// Assets by their ids, in no particular order; unknown ids are left out.
    async fn find_assets(&self, ids: &[AssetId]) -> Result<Vec<Asset>>;
    /// A page of assets. The time per page does not depend on the number of rows.
    async fn list_assets(&self, query: &AssetQuery) -> Result<AssetPage>;
    /// Assets whose object is due for removal from the object store, most overdue first.
    async fn list_assets_to_purge(&self, now: Timestamp, limit: u32) -> Result<Vec<Asset>>;

    /// Assets whose stored bytes were found to be damaged, oldest first, at most `limit`.
    async fn list_damaged_assets(&self, limit: u32) -> Result<Vec<(AssetId, StoredDamage)>>;

    /// An asset's events with a sequence number above `seq`, in order.
    async fn list_events(&self, asset: AssetId, seq: i64, limit: u32) -> Result<Vec<Event>>;

    /// Writes: gives committed events that have no position yet their positions in their tenants' feeds, at most 1000
    /// per call. Returns how many; below 1000 does not mean that none is left, 0 does. A position becomes visible only
    /// after all positions below it.
    async fn number_events(&self) -> Result<u64>;
    /// A tenant's feed after the position `after`, in order; only events of `asset` if that is given.
    async fn read_feed(
        &self,
        tenant: TenantId,
        asset: Option<AssetId>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<FeedEvent>>;
    /// First and last positions of these tenants' feeds; a tenant without events is left out.
    async fn read_feed_ends(&self, tenants: &[TenantId]) -> Result<Vec<(TenantId, FeedEnds)>>;
    /// Writes: deletes events older than `before` from the beginning of every feed, at most `limit` per feed. Returns
    /// how many. The newest event of each asset stays.
    async fn forget_events(&self, before: Timestamp, limit: u32) -> Result<u64>;
    /// Writes: adds a batch of uncounted events to the hourly counts. Returns how many.
    async fn count_events(&self) -> Result<u64>;
    /// Number of events that the hourly counts do not include yet.
    async fn count_events_to_roll_up(&self) -> Result<u64>;
    /// A tenant's event counts by hour and kind, for hours from `from` (inclusive) to `to` (exclusive).
    async fn list_event_counts(&self, tenant: TenantId, from: Timestamp, to: Timestamp) -> Result<Vec<EventCount>>;
    /// Completes when this node or another may have written new events since the last call. Wakes a single waiter and
    /// may be lost: callers also poll.
    async fn wait_for_events(&self);

    /// Writes: leases up to `limit` due jobs of a kind, each to a single caller, for the duration `lease`.
    async fn claim_jobs(&self, kind: JobKind, lease: Duration, limit: u32) -> Result<Vec<Job>>;
    /// Writes: extends a job's lease to `lease` from now. `false`: the lease was lost, and the worker must stop.
    async fn extend_job(&self, job: &Job, lease: Duration) -> Result<bool>;
    /// Writes: saves a job's progress. `false`: the lease was lost, and the worker must stop.
    async fn keep_progress(&self, job: &Job) -> Result<bool>;
    /// Returns the kinds, out of `kinds`, that have a due job and are not paused. The time does not depend on the
    /// number of jobs.
    async fn list_due_kinds(&self, kinds: &[JobKind]) -> Result<Vec<JobKind>>;
    /// Completes when this node or another may have added a due job since the last call; a hint like
    /// [`Self::wait_for_events`].
    async fn wait_for_jobs(&self);
    /// Writes: adds each job unless a job of its kind already exists for its subject and is not dead.
    async fn seed_jobs(&self, jobs: &[NewJob]) -> Result<()>;
    /// Job kinds that are paused.
    async fn list_paused_kinds(&self) -> Result<Vec<JobKind>>;
    /// Kinds whose number of jobs at once an operator has set.
    async fn list_queue_concurrency(&self) -> Result<Vec<QueueConcurrency>>;
    /// A tenant's jobs, oldest first.
    async fn list_jobs(&self, query: &JobQuery) -> Result<Vec<JobEntry>>;
    /// The job of this kind for this subject, unless it is dead.
    async fn find_job(&self, work: JobSubject) -> Result<Option<JobEntry>>;
    /// Number of jobs by kind and state, of a tenant or of all tenants; of those that wait, how many are not due.
    async fn list_job_counts(&self, tenant: Option<TenantId>) -> Result<Vec<JobCount>>;
    /// Number of jobs that wait or run, and number of dead jobs. Chores are not counted.
    async fn count_jobs(&self) -> Result<(u64, u64)>;

    /// A link by its id; revoked and expired links are returned too.
    async fn find_link(&self, id: GrantId) -> Result<Option<Link>>;
    /// Writes: counts a use of the link at `now`. `false`: its uses are exhausted.
    async fn use_link(&self, id: GrantId, now: Timestamp) -> Result<bool>;
    /// A tenant's links, oldest first.
    async fn list_links(&self, query: &LinkQuery) -> Result<Vec<Link>>;
    /// Writes: revokes the tenant's links that match `which` and writes the audit entry in the same transaction.
    /// Returns how many links were valid until now.
    async fn revoke_links(&self, which: LinksOf, now: Timestamp, told: ToldOf) -> Result<u64>;

    /// A collection by its id.
    async fn find_collection(&self, id: CollectionId) -> Result<Option<Collection>>;
    /// CRC-32 values of the collection's items that were computed after it was created, by position.
    async fn list_collection_crcs(&self, id: CollectionId) -> Result<Vec<(usize, u32)>>;
    /// Writes: saves the CRC-32 of the item at `position`.
    async fn keep_crc(&self, id: CollectionId, position: usize, crc: u32) -> Result<()>;

    /// The response remembered for an `Idempotency-Key`.
    async fn find_idempotency_record(&self, key: KeyId, route: &str, token: &str) -> Result<Option<IdempotencyRecord>>;

    /// Writes: deletes expired links, collections and idempotency records, at most `limit` of each. Returns how many.
    async fn forget_expired(&self, now: Timestamp, limit: u32) -> Result<u64>;

    /// Approximate number of rows that would be deleted now: expired links, expired idempotency records, and events
    /// older than `before`.
    async fn count_expired(&self, now: Timestamp, before: Timestamp) -> Result<u64>;

    /// A setting of this instance.
    async fn read_setting(&self, name: &str) -> Result<Option<String>>;
    /// Writes: sets a setting of this instance.
    async fn set_setting(&self, name: &str, value: &str) -> Result<()>;
    /// Writes: sets a setting unless it is set already. Returns the value that is set afterwards.
    async fn setting_or(&self, name: &str, value: &str) -> Result<String>;
}
