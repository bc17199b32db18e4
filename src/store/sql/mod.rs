//! The port's one body of SQL, compiled once per driver: `sqlite.rs` and `postgres.rs` each include this folder and
//! say what `Db` is and where their dialects part ([`super::BEGIN`], [`super::CLAIM`], [`super::NOW`]).
//!
//! Statements are plain text that both databases read alike: `$1` placeholders, RETURNING, row values, `->>`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Database, Pool};
use tokio_util::task::AbortOnDropHandle;

use super::{BEGIN, CLAIM, Db, GROUP_EVERYTHING, INTEGRITY_CHECK, LOCK_QUOTA, MANY_PROCESSES, QUICK_CHECK, trouble_of};
use crate::domain::append::RelayedPart;
use crate::domain::asset::Asset;
use crate::domain::clock::Timestamp;
use crate::domain::collection::Collection;
use crate::domain::event::{Event, EventCount, FeedEnds, FeedEvent};
use crate::domain::findings::StoredDamage;
use crate::domain::grant::Link;
use crate::domain::ids::{AssetId, CollectionId, GrantId, KeyId, TenantId, UploadId};
use crate::domain::job::{Job, JobCount, JobEntry, JobKind, JobSubject, NewJob};
use crate::domain::key::ApiKey;
use crate::domain::tenant::Tenant;
use crate::domain::upload::Upload;
use crate::store::rows::{
    AssetRow, CollectionRow, CountRow, CountedRow, EntryRow, EventRow, FeedRow, JobRow, KeyRow, LinkRow, PartRow,
    ReplayRow, TenantRow, UploadRow, at,
};
use crate::store::{
    AssetPage, AssetQuery, CacheGenerations, DiskReserve, IdempotencyRecord, JobQuery, LinkQuery, LinksOf, Notifier,
    Result, Store, StoreClock, StoreError, ToldOf, Tx,
};

mod failure;
mod feed;
mod group_commit;
mod insert;
mod integrity;
mod jobs;
mod keys;
mod links;
mod list;
mod rollup;
mod settings;
mod tenancy;
mod webhooks;
mod write;

pub(in crate::store) use failure::DatabaseTrouble;
use failure::failed;
use group_commit::GroupCommit;
use integrity::IntegrityCheck;

/// A connection of this driver.
type SqlConnection = <Db as Database>::Connection;

/// The store on this driver.
pub(in crate::store) struct SqlStore {
    read: Pool<Db>,
    write: Pool<Db>,
    lanes: GroupCommit,
    clock: StoreClock,
    wires: SqlStoreDeps,
    turns: Arc<CacheGenerations>,
    integrity: Arc<IntegrityCheck>,
    reserve: Option<DiskReserve>,
}

/// How this node and others hear of events.
#[derive(Default)]
pub(in crate::store) struct SqlStoreDeps {
    /// Where the word goes round.
    pub(in crate::store) news: Arc<Notifier>,
    /// What carries it to other nodes and back; ends with the store.
    #[expect(dead_code, reason = "held until the store goes")]
    pub(in crate::store) tasks: Vec<AbortOnDropHandle<()>>,
}

impl SqlStore {
    /// `write` is a single connection on SQLite, whose writers take turns anyway; `lanes` of them commit at once. New things
    /// leave the `reserve` alone.
    pub(in crate::store) fn new(
        read: Pool<Db>,
        write: Pool<Db>,
        lanes: usize,
        clock: StoreClock,
        wires: SqlStoreDeps,
        reserve: Option<DiskReserve>,
    ) -> Self {
        let turns = Arc::<CacheGenerations>::default();
        let lanes = GroupCommit::start(&write, lanes, &turns);
        Self { read, write, lanes, clock, wires, turns, integrity: Arc::default(), reserve }
    }

    /// Runs one writing statement in a task of its own, so that a caller's disappearance cannot break it off.
    async fn run_detached<T, F, Fut>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Pool<Db>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T>> + Send + 'static,
    {
        self.integrity.refuse_if_damaged()?;
        let pool = self.write.clone();
        tokio::spawn(work(pool)).await.map_err(|e| StoreError::Unavailable(e.to_string()))?
    }
}

/// Rows to domain values, stopping at the first that makes no sense.
fn decode<Row, T: TryFrom<Row, Error = StoreError>>(rows: Vec<Row>) -> Result<Vec<T>> {
    rows.into_iter().map(T::try_from).collect()
}

#[async_trait]
impl Store for SqlStore {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn commit(&self, tx: Tx) -> Result<()> {
        self.integrity.refuse_if_damaged()?;
        if tx.adds_things() && self.reserve.as_ref().is_some_and(DiskReserve::is_touched) {
            return Err(StoreError::Full);
        }
        let tells = tx.is_news();
        let outcome = self.lanes.commit(tx).await;
        if tells {
            self.wires.news.tell();
        }
        outcome
    }

    async fn ping(&self) -> Result<()> {
        self.integrity.answer_reports(&self.read).await?;
        sqlx::query_scalar::<_, i64>(super::NOW).fetch_one(&self.read).await.map(|_| ()).map_err(failed)
    }

    async fn verify(&self) -> Result<()> {
        self.integrity.check_quickly(&self.read).await
    }

    async fn find_tenant_by_name(&self, name: &str) -> Result<Option<Tenant>> {
        let query = sqlx::query_as::<_, TenantRow>("SELECT * FROM tenant WHERE name = $1").bind(name);
        Ok(query.fetch_optional(&self.read).await.map_err(failed)?.map(Tenant::from))
    }

    async fn find_tenant(&self, id: TenantId) -> Result<Option<Tenant>> {
        let query = sqlx::query_as::<_, TenantRow>("SELECT * FROM tenant WHERE id = $1").bind(id.0);
        Ok(query.fetch_optional(&self.read).await.map_err(failed)?.map(Tenant::from))
    }

    async fn list_tenants(&self, after: &str, limit: u32) -> Result<Vec<Tenant>> {
        let query = sqlx::query_as::<_, TenantRow>("SELECT * FROM tenant WHERE name > $1 ORDER BY name LIMIT $2");
        let rows = query.bind(after).bind(i64::from(limit)).fetch_all(&self.read).await.map_err(failed)?;
        Ok(rows.into_iter().map(Tenant::from).collect())
    }

    async fn find_key(&self, id: KeyId) -> Result<Option<ApiKey>> {
        let query = sqlx::query_as::<_, KeyRow>("SELECT * FROM api_key WHERE id = $1").bind(id.0);
        query.fetch_optional(&self.read).await.map_err(failed)?.map(ApiKey::try_from).transpose()
    }

    async fn list_keys(&self, tenant: TenantId, after: Option<KeyId>, limit: u32) -> Result<Vec<ApiKey>> {
        let rows =
            sqlx::query_as::<_, KeyRow>("SELECT * FROM api_key WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3")
                .bind(tenant.0)
                .bind(after.map_or(uuid::Uuid::nil(), |id| id.0))
                .bind(i64::from(limit));
        decode(rows.fetch_all(&self.read).await.map_err(failed)?)
    }

    async fn count_live_keys(&self, tenant: TenantId, now: Timestamp) -> Result<u64> {
        keys::count_live(&self.read, tenant, now).await
    }

    async fn find_upload(&self, id: UploadId) -> Result<Option<Upload>> {
        let query = sqlx::query_as::<_, UploadRow>("SELECT * FROM upload WHERE id = $1").bind(id.0);
        query.fetch_optional(&self.read).await.map_err(failed)?.map(Upload::try_from).transpose()
    }

    async fn find_upload_of(&self, asset: AssetId) -> Result<Option<Upload>> {
        let query = sqlx::query_as::<_, UploadRow>("SELECT * FROM upload WHERE asset_id = $1 ORDER BY id DESC LIMIT 1");
        let row = query.bind(asset.0).fetch_optional(&self.read).await.map_err(failed)?;
        row.map(Upload::try_from).transpose()
    }

    async fn find_live_upload(&self, tenant: TenantId, external_id: &str) -> Result<Option<Upload>> {
        let query = sqlx::query_as::<_, UploadRow>(
            "SELECT * FROM upload WHERE tenant_id = $1 AND external_id = $2 AND state IN ('open', 'completing')",
        );
        let row = query.bind(tenant.0).bind(external_id).fetch_optional(&self.read).await.map_err(failed)?;
        row.map(Upload::try_from).transpose()
    }

    async fn list_relayed_parts(&self, upload: UploadId) -> Result<Vec<RelayedPart>> {
        let query = sqlx::query_as::<_, PartRow>("SELECT * FROM part WHERE upload_id = $1 ORDER BY number");
        decode(query.bind(upload.0).fetch_all(&self.read).await.map_err(failed)?)
    }

    async fn list_uploads_to_check(&self, now: Timestamp, limit: u32) -> Result<Vec<Upload>> {
        let query = sqlx::query_as::<_, UploadRow>(
            "SELECT * FROM upload WHERE next_check_at IS NOT NULL AND next_check_at <= $1 ORDER BY next_check_at LIMIT $2",
        );
        decode(query.bind(at(now)).bind(i64::from(limit)).fetch_all(&self.read).await.map_err(failed)?)
    }

    async fn find_asset(&self, id: AssetId) -> Result<Option<Asset>> {
        let query = sqlx::query_as::<_, AssetRow>("SELECT * FROM asset WHERE id = $1").bind(id.0);
        query.fetch_optional(&self.read).await.map_err(failed)?.map(Asset::try_from).transpose()
    }

    fn asset_generation(&self, id: AssetId) -> Option<u64> {
        (!MANY_PROCESSES).then(|| self.turns.of(id))
    }

    async fn find_assets(&self, ids: &[AssetId]) -> Result<Vec<Asset>> {
        list::by_id(&self.read, ids).await
    }

    async fn list_assets(&self, tenant: TenantId, query: &AssetQuery) -> Result<AssetPage> {
        list::page(&self.read, tenant, query).await
    }

    async fn list_assets_to_purge(&self, now: Timestamp, limit: u32) -> Result<Vec<Asset>> {
        let query = sqlx::query_as::<_, AssetRow>(
            "SELECT * FROM asset WHERE purge_at IS NOT NULL AND purge_at <= $1 ORDER BY purge_at LIMIT $2",
        );
        decode(query.bind(at(now)).bind(i64::from(limit)).fetch_all(&self.read).await.map_err(failed)?)
    }

    async fn list_damaged_assets(&self, limit: u32) -> Result<Vec<(AssetId, StoredDamage)>> {
        list::list_damaged(&self.read, limit).await
    }

    async fn list_events(&self, asset: AssetId, seq: i64, limit: u32) -> Result<Vec<Event>> {
        let query = sqlx::query_as::<_, EventRow>(
            "SELECT asset_id, seq, kind, at, data FROM event WHERE asset_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        );
        let rows = query.bind(asset.0).bind(seq).bind(i64::from(limit)).fetch_all(&self.read).await.map_err(failed)?;
        Ok(rows.into_iter().map(Event::from).collect())
    }

    async fn number_events(&self) -> Result<u64> {
        if !feed::is_pending(&self.read).await? {
            return Ok(0);
        }
        self.run_detached(|pool| async move { feed::number(&pool).await }).await
    }

    async fn read_feed(
        &self,
        tenant: TenantId,
        asset: Option<AssetId>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<FeedEvent>> {
        feed::page(&self.read, tenant, asset, after, limit).await
    }

    async fn read_feed_ends(&self, tenants: &[TenantId]) -> Result<Vec<(TenantId, FeedEnds)>> {
        feed::ends(&self.read, tenants).await
    }

    async fn forget_events(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let tenants = feed::due(&self.read, before, limit).await?;
        self.run_detached(move |pool| async move { feed::forget(&pool, tenants).await }).await
    }

    async fn count_events(&self) -> Result<u64> {
        let Some((tenant, from, to)) = rollup::next(&self.read).await? else { return Ok(0) };
        self.run_detached(move |pool| async move { rollup::count(&pool, tenant, from, to).await }).await
    }

    async fn list_uncounted_events(&self) -> Result<u64> {
        rollup::list_uncounted(&self.read).await
    }

    async fn list_event_counts(&self, tenant: TenantId, from: Timestamp, to: Timestamp) -> Result<Vec<EventCount>> {
        rollup::page(&self.read, tenant, from, to).await
    }

    async fn wait_for_events(&self) {
        self.wires.news.heard().await;
    }

    async fn claim_jobs(&self, kind: JobKind, lease: Duration, limit: u32) -> Result<Vec<Job>> {
        let now = self.now();
        self.run_detached(move |pool| async move { jobs::claim(&pool, kind, now, lease, limit).await }).await
    }

    async fn extend_job(&self, job: &Job, lease: Duration) -> Result<bool> {
        let (now, job) = (self.now(), job.clone());
        self.run_detached(move |pool| async move { jobs::extend(&pool, &job, now, lease).await }).await
    }

    async fn keep_progress(&self, job: &Job) -> Result<bool> {
        let job = job.clone();
        self.run_detached(move |pool| async move { jobs::keep(&pool, &job).await }).await
    }

    async fn list_due_kinds(&self, kinds: &[JobKind]) -> Result<Vec<JobKind>> {
        jobs::due(&self.read, kinds, self.now()).await
    }

    async fn wait_for_jobs(&self) {
        self.wires.news.wait_for_job().await;
    }

    async fn seed_jobs(&self, jobs: &[NewJob]) -> Result<()> {
        let jobs = jobs.to_vec();
        self.run_detached(move |pool| async move { jobs::seed(&pool, &jobs).await }).await
    }

    async fn list_paused_kinds(&self) -> Result<Vec<JobKind>> {
        jobs::list_paused(&self.read).await
    }

    async fn list_jobs(&self, query: &JobQuery) -> Result<Vec<JobEntry>> {
        jobs::page(&self.read, query).await
    }

    async fn find_job(&self, work: JobSubject) -> Result<Option<JobEntry>> {
        jobs::list_owed(&self.read, work.kind(), work.subject()).await
    }

    async fn list_job_counts(&self, tenant: Option<TenantId>) -> Result<Vec<JobCount>> {
        jobs::counts(&self.read, tenant).await
    }

    async fn count_jobs(&self) -> Result<(u64, u64)> {
        jobs::count(&self.read).await
    }

    async fn find_link(&self, id: GrantId) -> Result<Option<Link>> {
        let query = sqlx::query_as::<_, LinkRow>("SELECT * FROM link WHERE id = $1").bind(id.0);
        query.fetch_optional(&self.read).await.map_err(failed)?.map(Link::try_from).transpose()
    }

    async fn use_link(&self, id: GrantId, now: Timestamp) -> Result<bool> {
        self.run_detached(move |pool| async move { links::use_one(&pool, id, now).await }).await
    }

    async fn list_links(&self, query: &LinkQuery) -> Result<Vec<Link>> {
        links::page(&self.read, query).await
    }

    async fn revoke_links(&self, which: LinksOf, now: Timestamp, told: ToldOf) -> Result<u64> {
        self.run_detached(move |pool| async move { links::revoke(&pool, which, now, told).await }).await
    }

    async fn find_collection(&self, id: CollectionId) -> Result<Option<Collection>> {
        links::collection(&self.read, id).await
    }

    async fn list_collection_crcs(&self, id: CollectionId) -> Result<Vec<(usize, u32)>> {
        links::crcs(&self.read, id).await
    }

    async fn keep_crc(&self, id: CollectionId, position: usize, crc: u32) -> Result<()> {
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        self.run_detached(move |pool| async move { links::keep_crc(&pool, id, position, crc).await }).await
    }

    async fn find_idempotency_record(&self, key: KeyId, route: &str, token: &str) -> Result<Option<IdempotencyRecord>> {
        let query =
            sqlx::query_as::<_, ReplayRow>("SELECT * FROM replay WHERE key_id = $1 AND route = $2 AND token = $3");
        let row = query.bind(key.0).bind(route).bind(token).fetch_optional(&self.read).await.map_err(failed)?;
        row.map(IdempotencyRecord::try_from).transpose()
    }

    async fn forget_expired(&self, now: Timestamp, limit: u32) -> Result<u64> {
        self.run_detached(move |pool| async move { jobs::forget_expired(&pool, now, limit).await }).await
    }

    async fn count_expired(&self, now: Timestamp, before: Timestamp) -> Result<u64> {
        jobs::count_expired(&self.read, now, before).await
    }

    async fn read_setting(&self, name: &str) -> Result<Option<String>> {
        settings::read(&self.read, name).await
    }

    async fn set_setting(&self, name: &str, value: &str) -> Result<()> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.run_detached(move |pool| async move { settings::set(&pool, &name, &value).await }).await
    }

    async fn setting_or(&self, name: &str, value: &str) -> Result<String> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.run_detached(move |pool| async move { settings::read_or_set(&pool, &name, &value).await }).await
    }
}
