//! Stores that fail on purpose: before the work is done, or after it was done and before anybody hears of it.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use gantry::blob::presign::PartUrls;
use gantry::blob::{
    BlobError, BlobStore, ByteStream, ListPage, ListedMultipart, ListedObject, MultipartMarker, ObjectFacts,
    PutPayload, ResponseHeaders, Result, SignedUrl, StoreCapabilities, StoredPart,
};
use gantry::domain::append::RelayedPart;
use gantry::domain::asset::Asset;
use gantry::domain::audit::AuditEntry;
use gantry::domain::checksum::{ChecksumAlgorithm, PartChecksum};
use gantry::domain::clock::Timestamp;
use gantry::domain::collection::Collection;
use gantry::domain::drop_box::DropBox;
use gantry::domain::event::{Event, EventCount, FeedEnds, FeedEvent};
use gantry::domain::findings::StoredDamage;
use gantry::domain::grant::Link;
use gantry::domain::ids::{AssetId, CollectionId, DeliveryId, GrantId, KeyId, TenantId, UploadId, WebhookId};
use gantry::domain::job::{Job, JobCount, JobEntry, JobKind, JobSubject, NewJob, QueueConcurrency};
use gantry::domain::key::ApiKey;
use gantry::domain::maintenance::MaintenanceMode;
use gantry::domain::plan::{PartNumber, StoreProfile};
use gantry::domain::policy::Policy;
use gantry::domain::quota::{QuotaUsage, TenantQuota};
use gantry::domain::tenant::{RateLimit, Tenant};
use gantry::domain::tenant_deletion::{TenantContents, TenantDeletion};
use gantry::domain::upload::Upload;
use gantry::domain::webhook::{Delivery, Webhook};
use gantry::store::{
    AssetPage, AssetQuery, AuditQuery, DeliveryBacklog, DeliveryQuery, IdempotencyRecord, JobQuery, LinkQuery, LinksOf,
    RequestLease, Store, StoreError, TenancyStore, ToldOf, Tx, WebhookStore, WebhookTroubles,
};
use tokio::sync::Notify;

/// What happens to the next call of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not carried out, and fails.
    Refused,
    /// It is carried out, and the answer is lost.
    AnswerLost,
    /// It waits for [`Faults::release`], and is carried out then.
    Held,
    /// It is carried out, and the caller is never heard of again.
    Died,
}

/// Faults that are due, by operation, in the order of the calls. `None` lets a call through.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Vec<Plan>>>, Arc<Notify>, Arc<Mutex<Vec<Plan>>>, Option<Arc<dyn Gate>>);

/// Orders the calls of several services: decides when a call begins and how it ends.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Waits until the call of `operation` with `words` may begin.
    async fn enter(&self, operation: &'static str, words: String) -> Passage;
}

/// A call that has begun. It has ended when this is dropped.
#[derive(Default)]
pub struct Passage {
    /// How the call ends; `None`: well.
    pub fault: Option<Fault>,
    /// Dropped at the end of the call.
    pub turn: Option<Box<dyn Send + Sync>>,
}

/// An operation, and what its next calls meet.
type Plan = (&'static str, VecDeque<Option<Fault>>);

impl Faults {
    /// No faults but those of a gate, through which every call passes.
    pub fn behind(gate: Arc<dyn Gate>) -> Self {
        Self(Arc::default(), Arc::default(), Arc::default(), Some(gate))
    }

    /// Begins a call that meets only what its gate decides.
    pub(super) async fn pass(&self, operation: &'static str, words: impl FnOnce() -> String) -> Passage {
        match &self.3 {
            Some(gate) => {
                let words = words();
                gate.enter(operation, words).await
            }
            None => Passage::default(),
        }
    }

    /// Begins a call that meets what its gate decides, or else what is planned.
    async fn enter(&self, operation: &'static str, words: impl FnOnce() -> String) -> Passage {
        let passage = self.pass(operation, words).await;
        Passage { fault: passage.fault.or_else(|| self.next(operation)), ..passage }
    }

    /// Carries out a call that has begun.
    pub(super) async fn carry<T, E>(
        &self,
        passage: Passage,
        unavailable: fn(&'static str) -> E,
        call: impl Future<Output = std::result::Result<T, E>>,
    ) -> std::result::Result<T, E> {
        match passage.fault {
            None => call.await,
            Some(Fault::Refused) => Err(unavailable("refused on purpose")),
            Some(Fault::AnswerLost) => {
                let _ = call.await;
                Err(unavailable("lost on purpose"))
            }
            Some(Fault::Held) => {
                self.1.notified().await;
                call.await
            }
            Some(Fault::Died) => {
                let _ = call.await;
                drop(passage);
                std::future::pending().await
            }
        }
    }

    /// The next calls of `operation` meet these.
    pub fn on(&self, operation: &'static str, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.0.lock().unwrap().push((operation, faults.into_iter().collect()));
    }

    /// The next commits that write `what`, the name of a write as in its `Debug` text, meet these: whatever else is
    /// committed meanwhile is let through.
    pub fn on_commit_of(&self, what: &'static str, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.2.lock().unwrap().push((what, faults.into_iter().collect()));
    }

    fn next_commit(&self, tx: &Tx) -> Option<Fault> {
        let text = format!("{tx:?}");
        let mut plans = self.2.lock().unwrap();
        if let Some(plan) = plans.iter_mut().find(|(what, plan)| !plan.is_empty() && text.contains(what)) {
            return plan.1.pop_front().flatten();
        }
        drop(plans);
        // What is noted beside requests comes at a time of its own: no test means it by "the next commit".
        let beside = ["NoteKeyUses", "CountUses"].iter().any(|noted| text.contains(noted));
        if beside { None } else { self.next("commit") }
    }

    fn next(&self, operation: &str) -> Option<Fault> {
        let mut plans = self.0.lock().unwrap();
        let plan = plans.iter_mut().find(|(name, plan)| *name == operation && !plan.is_empty())?;
        plan.1.pop_front().flatten()
    }

    /// Lets the call that is held go on.
    pub fn release(&self) {
        self.1.notify_one();
    }

    /// Nothing goes wrong any more.
    pub fn clear(&self) {
        self.0.lock().unwrap().clear();
        self.2.lock().unwrap().clear();
    }

    /// Whether every planned fault has happened.
    pub fn are_spent(&self) -> bool {
        [&self.0, &self.2].iter().all(|plans| plans.lock().unwrap().iter().all(|(_, plan)| plan.is_empty()))
    }
}

/// A blob store with faults.
pub struct FaultyBlobs<B> {
    pub inner: Arc<B>,
    pub faults: Faults,
}

fn no_store(why: &'static str) -> BlobError {
    BlobError::Unavailable(why.into())
}

pub(super) fn no_database(why: &'static str) -> StoreError {
    StoreError::Unavailable(why.into())
}

/// Lets the call through, refuses it, or loses its answer.
macro_rules! faulty {
    ($self:ident, $name:ident($key:ident), $call:expr) => {{
        let passage = $self.faults.enter(stringify!($name), || format!("{:?}", $key)).await;
        $self.faults.carry(passage, no_store, $call).await
    }};
}

#[async_trait]
impl<B: BlobStore> BlobStore for FaultyBlobs<B> {
    fn capabilities(&self) -> &StoreCapabilities {
        self.inner.capabilities()
    }

    fn profile(&self) -> StoreProfile {
        self.inner.profile()
    }

    async fn create_multipart(
        &self,
        key: &str,
        token: &str,
        sum: Option<ChecksumAlgorithm>,
        max_bytes: Option<u64>,
    ) -> Result<String> {
        faulty!(self, create_multipart(key), self.inner.create_multipart(key, token, sum, max_bytes))
    }

    async fn list_parts(
        &self,
        key: &str,
        id: &str,
        after: Option<PartNumber>,
    ) -> Result<ListPage<StoredPart, PartNumber>> {
        faulty!(self, list_parts(key), self.inner.list_parts(key, id, after))
    }

    async fn put_part(&self, key: &str, id: &str, number: PartNumber, payload: PutPayload) -> Result<String> {
        faulty!(self, put_part(key), self.inner.put_part(key, id, number, payload))
    }

    async fn put_object(
        &self,
        key: &str,
        token: Option<&str>,
        payload: PutPayload,
    ) -> Result<(String, Option<String>)> {
        faulty!(self, put_object(key), self.inner.put_object(key, token, payload))
    }

    async fn complete_multipart(&self, key: &str, id: &str, parts: &[StoredPart]) -> Result<(String, Option<String>)> {
        faulty!(self, complete_multipart(key), self.inner.complete_multipart(key, id, parts))
    }

    async fn abort_multipart(&self, key: &str, id: &str) -> Result<()> {
        faulty!(self, abort_multipart(key), self.inner.abort_multipart(key, id))
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectFacts>> {
        faulty!(self, head(key), self.inner.head(key))
    }

    async fn get(&self, key: &str, etag: &str, range: Range<u64>) -> Result<ByteStream> {
        use futures_util::StreamExt;
        let passage = self.faults.enter("get", || key.to_owned()).await;
        match passage.fault {
            // A gate counts the bytes as part of the call.
            None if passage.turn.is_some() => {
                let bytes: Vec<_> = self.inner.get(key, etag, range).await?.collect().await;
                Ok(futures_util::stream::iter(bytes).boxed())
            }
            None => self.inner.get(key, etag, range).await,
            Some(Fault::Died) => {
                drop(passage);
                std::future::pending().await
            }
            Some(Fault::Refused) => Err(BlobError::Unavailable("refused on purpose".into())),
            Some(Fault::AnswerLost) => {
                // The first bytes come, then the store breaks off.
                let half = range.start..range.start + (range.end - range.start) / 2;
                let bytes = self.inner.get(key, etag, half).await?;
                let end = futures_util::stream::once(async { Err(BlobError::Unavailable("broken off".into())) });
                Ok(bytes.chain(end).boxed())
            }
            Some(Fault::Held) => {
                self.faults.1.notified().await;
                self.inner.get(key, etag, range).await
            }
        }
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<()> {
        faulty!(self, put(key), self.inner.put(key, bytes))
    }

    async fn delete(&self, key: &str) -> Result<()> {
        faulty!(self, delete(key), self.inner.delete(key))
    }

    async fn close_key(&self, key: &str, life: Duration) -> Result<bool> {
        faulty!(self, close_key(key), self.inner.close_key(key, life))
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<ListPage<ListedObject, String>> {
        faulty!(self, list(prefix), self.inner.list(prefix, after))
    }

    async fn list_multiparts(
        &self,
        prefix: &str,
        after: Option<&MultipartMarker>,
    ) -> Result<ListPage<ListedMultipart, MultipartMarker>> {
        faulty!(self, list_multiparts(prefix), self.inner.list_multiparts(prefix, after))
    }

    async fn sign_put(&self, key: &str, len: u64, sum: Option<&PartChecksum>, ttl: Duration) -> Result<SignedUrl> {
        self.inner.sign_put(key, len, sum, ttl).await
    }

    async fn sign_parts(&self, key: &str, id: &str, ttl: Duration) -> Result<PartUrls> {
        self.inner.sign_parts(key, id, ttl).await
    }

    async fn sign_part(&self, key: &str, store_id: &str, part: PartNumber, ttl: Duration) -> Result<SignedUrl> {
        self.inner.sign_part(key, store_id, part, ttl).await
    }

    async fn sign_get(&self, key: &str, shown: &ResponseHeaders, ttl: Duration) -> Result<SignedUrl> {
        self.inner.sign_get(key, shown, ttl).await
    }
}

/// A row store whose commits (operation `commit`) and other calls (by their names) have faults.
pub struct FaultyStore {
    pub inner: Arc<dyn Store>,
    pub faults: Faults,
}

macro_rules! pass_on {
    ($(async fn $name:ident(&self $(, $arg:ident: $kind:ty)*) -> $answer:ty;)*) => {
        #[async_trait]
        impl Store for FaultyStore {
            fn now(&self) -> Timestamp {
                self.inner.now()
            }

            fn asset_generation(&self, id: AssetId) -> Option<u64> {
                self.inner.asset_generation(id)
            }

            async fn wait_for_events(&self) {
                self.inner.wait_for_events().await;
            }

            async fn wait_for_jobs(&self) {
                self.inner.wait_for_jobs().await;
            }

            async fn commit(&self, tx: Tx) -> std::result::Result<(), StoreError> {
                let mut passage = self.faults.pass("commit", || format!("{tx:?}")).await;
                passage.fault = passage.fault.or_else(|| self.faults.next_commit(&tx));
                self.faults.carry(passage, no_database, self.inner.commit(tx)).await
            }

            async fn revoke_links(
                &self,
                which: LinksOf,
                now: Timestamp,
                told: ToldOf,
            ) -> std::result::Result<u64, StoreError> {
                let passage = self.faults.enter("revoke_links", || format!("{which:?}")).await;
                self.faults.carry(passage, no_database, self.inner.revoke_links(which, now, told)).await
            }

            $(async fn $name(&self $(, $arg: $kind)*) -> std::result::Result<$answer, StoreError> {
                let passage = self.faults.enter(stringify!($name), || format!("{:?}", ($(&$arg,)*))).await;
                self.faults.carry(passage, no_database, self.inner.$name($($arg),*)).await
            })*
        }
    };
}

pass_on! {
    async fn ping(&self) -> ();
    async fn verify(&self) -> ();
    async fn find_tenant_by_name(&self, name: &str) -> Option<Tenant>;
    async fn find_tenant(&self, id: TenantId) -> Option<Tenant>;
    async fn list_tenants(&self, after: &str, limit: u32) -> Vec<Tenant>;
    async fn find_key(&self, id: KeyId) -> Option<ApiKey>;
    async fn list_keys(&self, tenant: TenantId, after: Option<KeyId>, limit: u32) -> Vec<ApiKey>;
    async fn count_live_keys(&self, tenant: TenantId, now: Timestamp) -> u64;
    async fn find_upload(&self, id: UploadId) -> Option<Upload>;
    async fn find_upload_of(&self, asset: AssetId) -> Option<Upload>;
    async fn find_live_upload(&self, tenant: TenantId, external_id: &str) -> Option<Upload>;
    async fn list_relayed_parts(&self, upload: UploadId) -> Vec<RelayedPart>;
    async fn list_uploads_to_check(&self, now: Timestamp, limit: u32) -> Vec<Upload>;
    async fn find_asset(&self, id: AssetId) -> Option<Asset>;
    async fn find_assets(&self, ids: &[AssetId]) -> Vec<Asset>;
    async fn list_assets(&self, query: &AssetQuery) -> AssetPage;
    async fn list_assets_to_purge(&self, now: Timestamp, limit: u32) -> Vec<Asset>;
    async fn list_damaged_assets(&self, limit: u32) -> Vec<(AssetId, StoredDamage)>;
    async fn list_events(&self, asset: AssetId, seq: i64, limit: u32) -> Vec<Event>;
    async fn number_events(&self) -> u64;
    async fn read_feed(&self, tenant: TenantId, asset: Option<AssetId>, after: i64, limit: u32) -> Vec<FeedEvent>;
    async fn read_feed_ends(&self, tenants: &[TenantId]) -> Vec<(TenantId, FeedEnds)>;
    async fn forget_events(&self, before: Timestamp, limit: u32) -> u64;
    async fn claim_jobs(&self, kind: JobKind, lease: Duration, limit: u32) -> Vec<Job>;
    async fn extend_job(&self, job: &Job, lease: Duration) -> bool;
    async fn count_events(&self) -> u64;
    async fn count_events_to_roll_up(&self) -> u64;
    async fn count_expired(&self, now: Timestamp, before: Timestamp) -> u64;
    async fn list_event_counts(&self, tenant: TenantId, from: Timestamp, to: Timestamp) -> Vec<EventCount>;
    async fn keep_progress(&self, job: &Job) -> bool;
    async fn list_due_kinds(&self, kinds: &[JobKind]) -> Vec<JobKind>;
    async fn seed_jobs(&self, jobs: &[NewJob]) -> ();
    async fn list_paused_kinds(&self) -> Vec<JobKind>;
    async fn list_queue_concurrency(&self) -> Vec<QueueConcurrency>;
    async fn list_jobs(&self, query: &JobQuery) -> Vec<JobEntry>;
    async fn find_job(&self, work: JobSubject) -> Option<JobEntry>;
    async fn list_job_counts(&self, tenant: Option<TenantId>) -> Vec<JobCount>;
    async fn count_jobs(&self) -> (u64, u64);
    async fn find_link(&self, id: GrantId) -> Option<Link>;
    async fn use_link(&self, id: GrantId, now: Timestamp) -> bool;
    async fn list_links(&self, query: &LinkQuery) -> Vec<Link>;
    async fn find_collection(&self, id: CollectionId) -> Option<Collection>;
    async fn list_collection_crcs(&self, id: CollectionId) -> Vec<(usize, u32)>;
    async fn keep_crc(&self, id: CollectionId, position: usize, crc: u32) -> ();
    async fn find_idempotency_record(&self, key: KeyId, route: &str, token: &str) -> Option<IdempotencyRecord>;
    async fn forget_expired(&self, now: Timestamp, limit: u32) -> u64;
    async fn read_setting(&self, name: &str) -> Option<String>;
    async fn set_setting(&self, name: &str, value: &str) -> ();
    async fn setting_or(&self, name: &str, value: &str) -> String;
}

macro_rules! pass_on_webhooks {
    ($(async fn $name:ident(&self $(, $arg:ident: $kind:ty)*) -> $answer:ty;)*) => {
        #[async_trait]
        impl WebhookStore for FaultyStore {
            async fn wait_for_dispatches(&self) {
                self.inner.wait_for_dispatches().await;
            }

            $(async fn $name(&self $(, $arg: $kind)*) -> std::result::Result<$answer, StoreError> {
                let passage = self.faults.pass(stringify!($name), || format!("{:?}", ($(&$arg,)*))).await;
                self.faults.carry(passage, no_database, self.inner.$name($($arg),*)).await
            })*
        }
    };
}

pass_on_webhooks! {
    async fn find_webhook(&self, id: WebhookId) -> Option<Webhook>;
    async fn list_webhooks(&self, tenant: TenantId, after: Option<WebhookId>, limit: u32) -> Vec<Webhook>;
    async fn has_webhooks(&self) -> bool;
    async fn list_webhooks_behind(&self, after: Option<WebhookId>, limit: u32) -> Vec<Webhook>;
    async fn count_backlog(&self, id: WebhookId, most: u32) -> DeliveryBacklog;
    async fn find_delivery(&self, id: DeliveryId) -> Option<Delivery>;
    async fn list_deliveries(&self, query: &DeliveryQuery) -> Vec<Delivery>;
    async fn drop_deliveries(&self, limit: u32) -> u64;
    async fn forget_deliveries(&self, before: Timestamp, limit: u32) -> u64;
    async fn find_webhook_troubles(&self, failing_before: Timestamp) -> WebhookTroubles;
}

macro_rules! pass_on_tenancy {
    ($(async fn $name:ident(&self $(, $arg:ident: $kind:ty)*) -> $answer:ty;)*) => {
        #[async_trait]
        impl TenancyStore for FaultyStore {
            $(async fn $name(&self $(, $arg: $kind)*) -> std::result::Result<$answer, StoreError> {
                let passage = self.faults.pass(stringify!($name), || format!("{:?}", ($(&$arg,)*))).await;
                self.faults.carry(passage, no_database, self.inner.$name($($arg),*)).await
            })*
        }
    };
}

pass_on_tenancy! {
    async fn find_quota(&self, tenant: TenantId) -> Option<(TenantQuota, QuotaUsage)>;
    async fn sum_usage(&self, tenant: TenantId) -> QuotaUsage;
    async fn find_policy(&self, tenant: TenantId, name: &str) -> Option<Policy>;
    async fn list_policies(&self, tenant: TenantId, after: &str, limit: u32) -> Vec<Policy>;
    async fn find_drop_box(&self, id: GrantId) -> Option<DropBox>;
    async fn list_drop_boxes(&self, tenant: TenantId, maker: Option<KeyId>, before: Option<GrantId>, limit: u32) -> Vec<DropBox>;
    async fn list_policy_origins(&self) -> Vec<String>;
    async fn list_maintenance_modes(&self) -> Vec<MaintenanceMode>;
    async fn list_audit_entries(&self, tenant: Option<TenantId>, query: &AuditQuery) -> Vec<AuditEntry>;
    async fn count_tenant_contents(&self, tenant: TenantId) -> TenantContents;
    async fn find_tenant_deletion(&self, tenant: TenantId) -> Option<TenantDeletion>;
    async fn erase_tenant_rows(&self, tenant: TenantId, limit: u32) -> u64;
    async fn lease_requests(&self, tenant: TenantId, rate: RateLimit, wanted: u32) -> Option<RequestLease>;
    async fn list_assets_to_delete(&self, now: Timestamp, limit: u32) -> Vec<Asset>;
}
