//! The port's one body of SQL, compiled once per driver: `sqlite.rs` and `postgres.rs` each include this folder and
//! say what `Db` is and where their dialects part ([`super::BEGIN`], [`super::CLAIM`], [`super::NOW`]).
//!
//! Statements are plain text that both databases read alike: `$1` placeholders, RETURNING, row values, `->>`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Database, Pool};
use tokio_util::task::AbortOnDropHandle;

use super::super::rows::{
    AssetRow, CollectionRow, CountRow, CountedRow, EntryRow, EventRow, FeedRow, JobRow, KeyRow, LinkRow, PartRow,
    ReplayRow, TenantRow, UploadRow, at,
};
use super::super::{
    AssetPage, AssetQuery, JobQuery, LinkQuery, LinksOf, News, Replay, Reserve, Result, Store, StoreClock, StoreError,
    ToldOf, Turns, Tx,
};
use super::{Db, MANY_PROCESSES};
use crate::domain::append::RelayedPart;
use crate::domain::asset::Asset;
use crate::domain::clock::Timestamp;
use crate::domain::collection::Collection;
use crate::domain::event::{Event, EventCount, FeedEnds, FeedEvent};
use crate::domain::findings::StoredDamage;
use crate::domain::grant::Link;
use crate::domain::ids::{AssetId, CollectionId, GrantId, KeyId, TenantId, UploadId};
use crate::domain::job::{Job, JobCount, JobEntry, JobKind, NewJob, Work};
use crate::domain::key::ApiKey;
use crate::domain::tenant::Tenant;
use crate::domain::upload::Upload;

mod failure;
mod feed;
mod hours;
mod insert;
mod integrity;
mod jobs;
mod keys;
mod lanes;
mod links;
mod list;
mod tenancy;
mod webhooks;
mod write;

pub(in crate::store) use failure::Trouble;
use failure::failed;
use integrity::Integrity;
use lanes::Lanes;

/// A connection of this driver.
type Conn = <Db as Database>::Connection;

/// The store on this driver.
pub(in crate::store) struct SqlStore {
    read: Pool<Db>,
    write: Pool<Db>,
    lanes: Lanes,
    clock: StoreClock,
    wires: Wires,
    turns: Arc<Turns>,
    integrity: Arc<Integrity>,
    reserve: Option<Reserve>,
}

/// How this node and others hear of events.
#[derive(Default)]
pub(in crate::store) struct Wires {
    /// Where the word goes round.
    pub(in crate::store) news: Arc<News>,
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
        wires: Wires,
        reserve: Option<Reserve>,
    ) -> Self {
        let turns = Arc::<Turns>::default();
        let lanes = Lanes::start(&write, lanes, &turns);
        Self { read, write, lanes, clock, wires, turns, integrity: Arc::default(), reserve }
    }

    /// Runs one writing statement in a task of its own, so that a caller's disappearance cannot break it off.
    async fn detached<T, F, Fut>(&self, work: F) -> Result<T>
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
        if tx.adds_things() && self.reserve.as_ref().is_some_and(Reserve::is_touched) {
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

    async fn tenant_named(&self, name: &str) -> Result<Option<Tenant>> {
        let query = sqlx::query_as::<_, TenantRow>("SELECT * FROM tenant WHERE name = $1").bind(name);
        Ok(query.fetch_optional(&self.read).await.map_err(failed)?.map(Tenant::from))
    }

    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>> {
        let query = sqlx::query_as::<_, TenantRow>("SELECT * FROM tenant WHERE id = $1").bind(id.0);
        Ok(query.fetch_optional(&self.read).await.map_err(failed)?.map(Tenant::from))
    }

    async fn tenants(&self, after: &str, limit: u32) -> Result<Vec<Tenant>> {
        let query = sqlx::query_as::<_, TenantRow>("SELECT * FROM tenant WHERE name > $1 ORDER BY name LIMIT $2");
        let rows = query.bind(after).bind(i64::from(limit)).fetch_all(&self.read).await.map_err(failed)?;
        Ok(rows.into_iter().map(Tenant::from).collect())
    }

    async fn key(&self, id: KeyId) -> Result<Option<ApiKey>> {
        let query = sqlx::query_as::<_, KeyRow>("SELECT * FROM api_key WHERE id = $1").bind(id.0);
        query.fetch_optional(&self.read).await.map_err(failed)?.map(ApiKey::try_from).transpose()
    }

    async fn keys(&self, tenant: TenantId, after: Option<KeyId>, limit: u32) -> Result<Vec<ApiKey>> {
        let rows =
            sqlx::query_as::<_, KeyRow>("SELECT * FROM api_key WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3")
                .bind(tenant.0)
                .bind(after.map_or(uuid::Uuid::nil(), |id| id.0))
                .bind(i64::from(limit));
        decode(rows.fetch_all(&self.read).await.map_err(failed)?)
    }

    async fn live_keys(&self, tenant: TenantId, now: Timestamp) -> Result<u64> {
        keys::count_live(&self.read, tenant, now).await
    }

    async fn upload(&self, id: UploadId) -> Result<Option<Upload>> {
        let query = sqlx::query_as::<_, UploadRow>("SELECT * FROM upload WHERE id = $1").bind(id.0);
        query.fetch_optional(&self.read).await.map_err(failed)?.map(Upload::try_from).transpose()
    }

    async fn upload_of(&self, asset: AssetId) -> Result<Option<Upload>> {
        let query = sqlx::query_as::<_, UploadRow>("SELECT * FROM upload WHERE asset_id = $1 ORDER BY id DESC LIMIT 1");
        let row = query.bind(asset.0).fetch_optional(&self.read).await.map_err(failed)?;
        row.map(Upload::try_from).transpose()
    }

    async fn live_upload(&self, tenant: TenantId, external_id: &str) -> Result<Option<Upload>> {
        let query = sqlx::query_as::<_, UploadRow>(
            "SELECT * FROM upload WHERE tenant_id = $1 AND external_id = $2 AND state IN ('open', 'completing')",
        );
        let row = query.bind(tenant.0).bind(external_id).fetch_optional(&self.read).await.map_err(failed)?;
        row.map(Upload::try_from).transpose()
    }

    async fn relayed_parts(&self, upload: UploadId) -> Result<Vec<RelayedPart>> {
        let query = sqlx::query_as::<_, PartRow>("SELECT * FROM part WHERE upload_id = $1 ORDER BY number");
        decode(query.bind(upload.0).fetch_all(&self.read).await.map_err(failed)?)
    }

    async fn uploads_to_look_at(&self, now: Timestamp, limit: u32) -> Result<Vec<Upload>> {
        let query = sqlx::query_as::<_, UploadRow>(
            "SELECT * FROM upload WHERE look_at IS NOT NULL AND look_at <= $1 ORDER BY look_at LIMIT $2",
        );
        decode(query.bind(at(now)).bind(i64::from(limit)).fetch_all(&self.read).await.map_err(failed)?)
    }

    async fn asset(&self, id: AssetId) -> Result<Option<Asset>> {
        let query = sqlx::query_as::<_, AssetRow>("SELECT * FROM asset WHERE id = $1").bind(id.0);
        query.fetch_optional(&self.read).await.map_err(failed)?.map(Asset::try_from).transpose()
    }

    fn asset_turn(&self, id: AssetId) -> Option<u64> {
        (!MANY_PROCESSES).then(|| self.turns.of(id))
    }

    async fn assets_by_id(&self, ids: &[AssetId]) -> Result<Vec<Asset>> {
        list::by_id(&self.read, ids).await
    }

    async fn assets(&self, tenant: TenantId, query: &AssetQuery) -> Result<AssetPage> {
        list::page(&self.read, tenant, query).await
    }

    async fn assets_to_purge(&self, now: Timestamp, limit: u32) -> Result<Vec<Asset>> {
        let query = sqlx::query_as::<_, AssetRow>(
            "SELECT * FROM asset WHERE purge_at IS NOT NULL AND purge_at <= $1 ORDER BY purge_at LIMIT $2",
        );
        decode(query.bind(at(now)).bind(i64::from(limit)).fetch_all(&self.read).await.map_err(failed)?)
    }

    async fn damaged_assets(&self, limit: u32) -> Result<Vec<(AssetId, StoredDamage)>> {
        list::damaged(&self.read, limit).await
    }

    async fn events(&self, asset: AssetId, seq: i64, limit: u32) -> Result<Vec<Event>> {
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
        self.detached(|pool| async move { feed::number(&pool).await }).await
    }

    async fn feed(&self, tenant: TenantId, asset: Option<AssetId>, after: i64, limit: u32) -> Result<Vec<FeedEvent>> {
        feed::page(&self.read, tenant, asset, after, limit).await
    }

    async fn feed_ends(&self, tenants: &[TenantId]) -> Result<Vec<(TenantId, FeedEnds)>> {
        feed::ends(&self.read, tenants).await
    }

    async fn forget_events(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let tenants = feed::due(&self.read, before, limit).await?;
        self.detached(move |pool| async move { feed::forget(&pool, tenants).await }).await
    }

    async fn count_events(&self) -> Result<u64> {
        let Some((tenant, from, to)) = hours::next(&self.read).await? else { return Ok(0) };
        self.detached(move |pool| async move { hours::count(&pool, tenant, from, to).await }).await
    }

    async fn uncounted_events(&self) -> Result<u64> {
        hours::uncounted(&self.read).await
    }

    async fn event_counts(&self, tenant: TenantId, from: Timestamp, to: Timestamp) -> Result<Vec<EventCount>> {
        hours::page(&self.read, tenant, from, to).await
    }

    async fn news(&self) {
        self.wires.news.heard().await;
    }

    async fn claim_jobs(&self, kind: JobKind, lease: Duration, limit: u32) -> Result<Vec<Job>> {
        let now = self.now();
        self.detached(move |pool| async move { jobs::claim(&pool, kind, now, lease, limit).await }).await
    }

    async fn extend_job(&self, job: &Job, lease: Duration) -> Result<bool> {
        let (now, job) = (self.now(), job.clone());
        self.detached(move |pool| async move { jobs::extend(&pool, &job, now, lease).await }).await
    }

    async fn keep_progress(&self, job: &Job) -> Result<bool> {
        let job = job.clone();
        self.detached(move |pool| async move { jobs::keep(&pool, &job).await }).await
    }

    async fn due_kinds(&self, kinds: &[JobKind]) -> Result<Vec<JobKind>> {
        jobs::due(&self.read, kinds, self.now()).await
    }

    async fn job_news(&self) {
        self.wires.news.owed().await;
    }

    async fn seed_jobs(&self, jobs: &[NewJob]) -> Result<()> {
        let jobs = jobs.to_vec();
        self.detached(move |pool| async move { jobs::seed(&pool, &jobs).await }).await
    }

    async fn paused_kinds(&self) -> Result<Vec<JobKind>> {
        jobs::paused(&self.read).await
    }

    async fn jobs(&self, query: &JobQuery) -> Result<Vec<JobEntry>> {
        jobs::page(&self.read, query).await
    }

    async fn job_of(&self, work: Work) -> Result<Option<JobEntry>> {
        jobs::owed(&self.read, work.kind(), work.subject()).await
    }

    async fn job_counts(&self, tenant: Option<TenantId>) -> Result<Vec<JobCount>> {
        jobs::counts(&self.read, tenant).await
    }

    async fn count_jobs(&self) -> Result<(u64, u64)> {
        jobs::count(&self.read).await
    }

    async fn link(&self, id: GrantId) -> Result<Option<Link>> {
        let query = sqlx::query_as::<_, LinkRow>("SELECT * FROM link WHERE id = $1").bind(id.0);
        query.fetch_optional(&self.read).await.map_err(failed)?.map(Link::try_from).transpose()
    }

    async fn use_link(&self, id: GrantId, now: Timestamp) -> Result<bool> {
        self.detached(move |pool| async move { links::use_one(&pool, id, now).await }).await
    }

    async fn links(&self, query: &LinkQuery) -> Result<Vec<Link>> {
        links::page(&self.read, query).await
    }

    async fn revoke_links(&self, which: LinksOf, now: Timestamp, told: ToldOf) -> Result<u64> {
        self.detached(move |pool| async move { links::revoke(&pool, which, now, told).await }).await
    }

    async fn collection(&self, id: CollectionId) -> Result<Option<Collection>> {
        links::collection(&self.read, id).await
    }

    async fn collection_crcs(&self, id: CollectionId) -> Result<Vec<(usize, u32)>> {
        links::crcs(&self.read, id).await
    }

    async fn keep_crc(&self, id: CollectionId, position: usize, crc: u32) -> Result<()> {
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        self.detached(move |pool| async move { links::keep_crc(&pool, id, position, crc).await }).await
    }

    async fn replay(&self, key: KeyId, route: &str, token: &str) -> Result<Option<Replay>> {
        let query =
            sqlx::query_as::<_, ReplayRow>("SELECT * FROM replay WHERE key_id = $1 AND route = $2 AND token = $3");
        let row = query.bind(key.0).bind(route).bind(token).fetch_optional(&self.read).await.map_err(failed)?;
        row.map(Replay::try_from).transpose()
    }

    async fn forget_expired(&self, now: Timestamp, limit: u32) -> Result<u64> {
        self.detached(move |pool| async move { jobs::forget_expired(&pool, now, limit).await }).await
    }

    async fn count_expired(&self, now: Timestamp, before: Timestamp) -> Result<u64> {
        jobs::count_expired(&self.read, now, before).await
    }

    async fn setting(&self, name: &str) -> Result<Option<String>> {
        let query = sqlx::query_scalar("SELECT value FROM setting WHERE name = $1").bind(name);
        query.fetch_optional(&self.read).await.map_err(failed)
    }

    async fn set_setting(&self, name: &str, value: &str) -> Result<()> {
        const SET: &str =
            "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        let (name, value) = (name.to_owned(), value.to_owned());
        let set = self.detached(move |pool| async move {
            sqlx::query(SET).bind(name).bind(value).execute(&pool).await.map_err(failed)
        });
        set.await.map(|_| ())
    }

    async fn setting_or(&self, name: &str, value: &str) -> Result<String> {
        const SET: &str = "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
        const GET: &str = "SELECT value FROM setting WHERE name = $1";
        let (name, value) = (name.to_owned(), value.to_owned());
        let get = self.detached(move |pool| async move {
            sqlx::query(SET).bind(&name).bind(value).execute(&pool).await.map_err(failed)?;
            sqlx::query_scalar(GET).bind(&name).fetch_one(&pool).await.map_err(failed)
        });
        get.await
    }
}
