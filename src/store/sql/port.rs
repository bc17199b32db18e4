//! The store port over SQL: each method is a query here, or a call of the file that has its SQL.

use super::failure::failed;
use super::{MANY_PROCESSES, NOW, SqlStore, decode, feed, jobs, keys, links, list, rollup, settings};
use crate::domain::append::RelayedPart;
use crate::domain::asset::Asset;
use crate::domain::clock::Timestamp;
use crate::domain::collection::Collection;
use crate::domain::event::{Event, EventCount, FeedEnds, FeedEvent};
use crate::domain::findings::StoredDamage;
use crate::domain::grant::Link;
use crate::domain::ids::{AssetId, CollectionId, GrantId, KeyId, TenantId, UploadId};
use crate::domain::job::{Job, JobCount, JobEntry, JobKind, JobSubject, NewJob, QueueConcurrency};
use crate::domain::key::ApiKey;
use crate::domain::tenant::Tenant;
use crate::domain::upload::Upload;
use crate::metrics::timing;
use crate::store::rows::{AssetRow, EventRow, KeyRow, LinkRow, PartRow, ReplayRow, TenantRow, UploadRow, at};
use crate::store::{
    AssetPage, AssetQuery, DiskReserve, IdempotencyRecord, JobQuery, LinkQuery, LinksOf, OperationStore as _, Result,
    Store, StoreError, ToldOf, Tx,
};
use async_trait::async_trait;
use std::time::{Duration, Instant};

/// Batches of names that a search adds to the index before it looks.
const NAME_BATCHES_PER_SEARCH: u32 = 5;

#[async_trait]
impl Store for SqlStore {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn commit(&self, tx: Tx) -> Result<()> {
        self.integrity.refuse_if_damaged()?;
        if tx.adds_things() && self.reserve.as_ref().is_some_and(DiskReserve::is_touched) {
            return Err(StoreError::Full);
        }
        let tells = tx.is_news();
        let begun = Instant::now();
        let outcome = self.lanes.commit(tx).await;
        timing::add_database_time(begun);
        if tells {
            self.wires.news.tell();
        }
        outcome
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn ping(&self) -> Result<()> {
        self.integrity.answer_reports(&self.read).await?;
        sqlx::query_scalar::<_, i64>(NOW).fetch_one(&self.read).await.map(|_| ()).map_err(failed)
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn verify(&self) -> Result<()> {
        self.integrity.check_quickly(&self.read).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn find_tenant_by_name(&self, name: &str) -> Result<Option<Tenant>> {
        // PostgreSQL refuses it in text, and no name has it.
        if name.contains('\0') {
            return Ok(None);
        }
        let query = sqlx::query_as::<_, TenantRow>("SELECT * FROM tenant WHERE name = $1").bind(name);
        Ok(query.fetch_optional(&self.read).await.map_err(failed)?.map(Tenant::from))
    }

    #[tracing::instrument(level = "debug", skip_all, fields(tenant = %id))]
    async fn find_tenant(&self, id: TenantId) -> Result<Option<Tenant>> {
        let query = sqlx::query_as::<_, TenantRow>("SELECT * FROM tenant WHERE id = $1").bind(id.0);
        Ok(query.fetch_optional(&self.read).await.map_err(failed)?.map(Tenant::from))
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_tenants(&self, after: &str, limit: u32) -> Result<Vec<Tenant>> {
        let query = sqlx::query_as::<_, TenantRow>("SELECT * FROM tenant WHERE name > $1 ORDER BY name LIMIT $2");
        let rows = query.bind(after).bind(i64::from(limit)).fetch_all(&self.read).await.map_err(failed)?;
        Ok(rows.into_iter().map(Tenant::from).collect())
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn find_key(&self, id: KeyId) -> Result<Option<ApiKey>> {
        let query = sqlx::query_as::<_, KeyRow>("SELECT * FROM api_key WHERE id = $1").bind(id.0);
        query.fetch_optional(&self.read).await.map_err(failed)?.map(ApiKey::try_from).transpose()
    }

    #[tracing::instrument(level = "debug", skip_all, fields(tenant = %tenant))]
    async fn list_keys(&self, tenant: TenantId, after: Option<KeyId>, limit: u32) -> Result<Vec<ApiKey>> {
        let rows =
            sqlx::query_as::<_, KeyRow>("SELECT * FROM api_key WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3")
                .bind(tenant.0)
                .bind(after.map_or(uuid::Uuid::nil(), |id| id.0))
                .bind(i64::from(limit));
        decode(rows.fetch_all(&self.read).await.map_err(failed)?)
    }

    #[tracing::instrument(level = "debug", skip_all, fields(tenant = %tenant))]
    async fn count_live_keys(&self, tenant: TenantId, now: Timestamp) -> Result<u64> {
        keys::count_live(&self.read, tenant, now).await
    }

    #[tracing::instrument(level = "debug", skip_all, fields(upload = %id))]
    async fn find_upload(&self, id: UploadId) -> Result<Option<Upload>> {
        let query = sqlx::query_as::<_, UploadRow>("SELECT * FROM upload WHERE id = $1").bind(id.0);
        query.fetch_optional(&self.read).await.map_err(failed)?.map(Upload::try_from).transpose()
    }

    #[tracing::instrument(level = "debug", skip_all, fields(asset = %asset))]
    async fn find_upload_of(&self, asset: AssetId) -> Result<Option<Upload>> {
        let query = sqlx::query_as::<_, UploadRow>("SELECT * FROM upload WHERE asset_id = $1 ORDER BY id DESC LIMIT 1");
        let row = query.bind(asset.0).fetch_optional(&self.read).await.map_err(failed)?;
        row.map(Upload::try_from).transpose()
    }

    #[tracing::instrument(level = "debug", skip_all, fields(tenant = %tenant))]
    async fn find_live_upload(&self, tenant: TenantId, external_id: &str) -> Result<Option<Upload>> {
        let query = sqlx::query_as::<_, UploadRow>(
            "SELECT * FROM upload WHERE tenant_id = $1 AND external_id = $2 AND state IN ('open', 'completing')",
        );
        let row = query.bind(tenant.0).bind(external_id).fetch_optional(&self.read).await.map_err(failed)?;
        row.map(Upload::try_from).transpose()
    }

    #[tracing::instrument(level = "debug", skip_all, fields(upload = %upload))]
    async fn list_relayed_parts(&self, upload: UploadId) -> Result<Vec<RelayedPart>> {
        let query = sqlx::query_as::<_, PartRow>("SELECT * FROM part WHERE upload_id = $1 ORDER BY number");
        decode(query.bind(upload.0).fetch_all(&self.read).await.map_err(failed)?)
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_uploads_to_check(&self, now: Timestamp, limit: u32) -> Result<Vec<Upload>> {
        let query = sqlx::query_as::<_, UploadRow>(
            "SELECT * FROM upload WHERE next_check_at IS NOT NULL AND next_check_at <= $1 ORDER BY next_check_at LIMIT $2",
        );
        decode(query.bind(at(now)).bind(i64::from(limit)).fetch_all(&self.read).await.map_err(failed)?)
    }

    #[tracing::instrument(level = "debug", skip_all, fields(asset = %id))]
    async fn find_asset(&self, id: AssetId) -> Result<Option<Asset>> {
        let query = sqlx::query_as::<_, AssetRow>("SELECT * FROM asset WHERE id = $1").bind(id.0);
        query.fetch_optional(&self.read).await.map_err(failed)?.map(Asset::try_from).transpose()
    }

    fn asset_generation(&self, id: AssetId) -> Option<u64> {
        (!MANY_PROCESSES).then(|| self.turns.of(id))
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn find_assets(&self, ids: &[AssetId]) -> Result<Vec<Asset>> {
        list::by_id(&self.read, ids).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_assets(&self, query: &AssetQuery) -> Result<AssetPage> {
        // A search that cannot wait for the index reads the names themselves.
        let complete = query.name.is_none() || self.index_asset_names(NAME_BATCHES_PER_SEARCH).await.unwrap_or(false);
        list::page(&self.read, query, complete).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_assets_to_purge(&self, now: Timestamp, limit: u32) -> Result<Vec<Asset>> {
        let query = sqlx::query_as::<_, AssetRow>(
            "SELECT * FROM asset WHERE purge_at IS NOT NULL AND purge_at <= $1 ORDER BY purge_at LIMIT $2",
        );
        decode(query.bind(at(now)).bind(i64::from(limit)).fetch_all(&self.read).await.map_err(failed)?)
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_damaged_assets(&self, limit: u32) -> Result<Vec<(AssetId, StoredDamage)>> {
        list::list_damaged(&self.read, limit).await
    }

    #[tracing::instrument(level = "debug", skip_all, fields(asset = %asset))]
    async fn list_events(&self, asset: AssetId, seq: i64, limit: u32) -> Result<Vec<Event>> {
        let query = sqlx::query_as::<_, EventRow>(
            "SELECT asset_id, seq, kind, at, data FROM event WHERE asset_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        );
        let rows = query.bind(asset.0).bind(seq).bind(i64::from(limit)).fetch_all(&self.read).await.map_err(failed)?;
        Ok(rows.into_iter().map(Event::from).collect())
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn number_events(&self) -> Result<u64> {
        if !feed::is_pending(&self.read).await? {
            return Ok(0);
        }
        self.run_detached(|pool| async move { feed::number(&pool).await }).await
    }

    #[tracing::instrument(level = "debug", skip_all, fields(tenant = %tenant))]
    async fn read_feed(
        &self,
        tenant: TenantId,
        asset: Option<AssetId>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<FeedEvent>> {
        feed::page(&self.read, tenant, asset, after, limit).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn read_feed_ends(&self, tenants: &[TenantId]) -> Result<Vec<(TenantId, FeedEnds)>> {
        feed::ends(&self.read, tenants).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn forget_events(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let tenants = feed::due(&self.read, before, limit).await?;
        self.run_detached(move |pool| async move { feed::forget(&pool, tenants).await }).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn count_events(&self) -> Result<u64> {
        let Some((tenant, from, to)) = rollup::next(&self.read).await? else { return Ok(0) };
        self.run_detached(move |pool| async move { rollup::count(&pool, tenant, from, to).await }).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn count_events_to_roll_up(&self) -> Result<u64> {
        rollup::list_uncounted(&self.read).await
    }

    #[tracing::instrument(level = "debug", skip_all, fields(tenant = %tenant))]
    async fn list_event_counts(&self, tenant: TenantId, from: Timestamp, to: Timestamp) -> Result<Vec<EventCount>> {
        rollup::page(&self.read, tenant, from, to).await
    }

    async fn wait_for_events(&self) {
        self.wires.news.heard().await;
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn claim_jobs(&self, kind: JobKind, lease: Duration, limit: u32) -> Result<Vec<Job>> {
        let now = self.now();
        self.run_detached(move |pool| async move { jobs::claim(&pool, kind, now, lease, limit).await }).await
    }

    #[tracing::instrument(level = "debug", skip_all, fields(job = %job.id))]
    async fn extend_job(&self, job: &Job, lease: Duration) -> Result<bool> {
        let (now, job) = (self.now(), job.clone());
        self.run_detached(move |pool| async move { jobs::extend(&pool, &job, now, lease).await }).await
    }

    #[tracing::instrument(level = "debug", skip_all, fields(job = %job.id))]
    async fn keep_progress(&self, job: &Job) -> Result<bool> {
        let job = job.clone();
        self.run_detached(move |pool| async move { jobs::keep(&pool, &job).await }).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_due_kinds(&self, kinds: &[JobKind]) -> Result<Vec<JobKind>> {
        jobs::due(&self.read, kinds, self.now()).await
    }

    async fn wait_for_jobs(&self) {
        self.wires.news.wait_for_job().await;
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn seed_jobs(&self, jobs: &[NewJob]) -> Result<()> {
        let jobs = jobs.to_vec();
        self.run_detached(move |pool| async move { jobs::seed(&pool, &jobs).await }).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_paused_kinds(&self) -> Result<Vec<JobKind>> {
        jobs::list_paused(&self.read).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_queue_concurrency(&self) -> Result<Vec<QueueConcurrency>> {
        jobs::list_concurrency(&self.read).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_jobs(&self, query: &JobQuery) -> Result<Vec<JobEntry>> {
        jobs::page(&self.read, query).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn find_job(&self, work: JobSubject) -> Result<Option<JobEntry>> {
        jobs::find_unfinished(&self.read, work.kind(), work.subject()).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_job_counts(&self, tenant: Option<TenantId>) -> Result<Vec<JobCount>> {
        jobs::counts(&self.read, tenant, self.now()).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn count_jobs(&self) -> Result<(u64, u64)> {
        jobs::count(&self.read).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn find_link(&self, id: GrantId) -> Result<Option<Link>> {
        let query = sqlx::query_as::<_, LinkRow>("SELECT * FROM link WHERE id = $1").bind(id.0);
        query.fetch_optional(&self.read).await.map_err(failed)?.map(Link::try_from).transpose()
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn use_link(&self, id: GrantId, now: Timestamp) -> Result<bool> {
        self.run_detached(move |pool| async move { links::use_one(&pool, id, now).await }).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_links(&self, query: &LinkQuery) -> Result<Vec<Link>> {
        links::page(&self.read, query).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn revoke_links(&self, which: LinksOf, now: Timestamp, told: ToldOf) -> Result<u64> {
        self.run_detached(move |pool| async move { links::revoke(&pool, which, now, told).await }).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn find_collection(&self, id: CollectionId) -> Result<Option<Collection>> {
        links::collection(&self.read, id).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_collection_crcs(&self, id: CollectionId) -> Result<Vec<(usize, u32)>> {
        links::crcs(&self.read, id).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn keep_crc(&self, id: CollectionId, position: usize, crc: u32) -> Result<()> {
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        self.run_detached(move |pool| async move { links::keep_crc(&pool, id, position, crc).await }).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn find_idempotency_record(&self, key: KeyId, route: &str, token: &str) -> Result<Option<IdempotencyRecord>> {
        let query =
            sqlx::query_as::<_, ReplayRow>("SELECT * FROM replay WHERE key_id = $1 AND route = $2 AND token = $3");
        let row = query.bind(key.0).bind(route).bind(token).fetch_optional(&self.read).await.map_err(failed)?;
        row.map(IdempotencyRecord::try_from).transpose()
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn forget_expired(&self, now: Timestamp, limit: u32) -> Result<u64> {
        self.run_detached(move |pool| async move { jobs::forget_expired(&pool, now, limit).await }).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn count_expired(&self, now: Timestamp, before: Timestamp) -> Result<u64> {
        jobs::count_expired(&self.read, now, before).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn read_setting(&self, name: &str) -> Result<Option<String>> {
        settings::read(&self.read, name).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn set_setting(&self, name: &str, value: &str) -> Result<()> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.run_detached(move |pool| async move { settings::set(&pool, &name, &value).await }).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn setting_or(&self, name: &str, value: &str) -> Result<String> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.run_detached(move |pool| async move { settings::read_or_set(&pool, &name, &value).await }).await
    }
}
