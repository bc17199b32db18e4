//! The port's part for operators.

use async_trait::async_trait;
use sqlx::QueryBuilder;
use uuid::Uuid;

use super::{Db, DbPool, SETTLE_TOTALS, SqlStore, at, attempts, failed, jobs, names, nodes, uploads};
use crate::domain::clock::{Timestamp, micros};
use crate::domain::ids::{AssetId, DeliveryId, JobId, TenantId};
use crate::domain::job::{JobEntry, JobKind, JobState};
use crate::domain::job_attempt::{AttemptMinute, JobAttempt};
use crate::domain::node::ServiceNode;
use crate::store::{
    AssetTotal, BacklogGauges, FailureGroup, FailureSource, OperationStore, Result, UploadCount, UploadPage,
    UploadQuery,
};

/// Rows of tenants with a limit, and two partial indices of deliveries: `delivery_dead`, and `delivery_pending`, of which
/// an endpoint has a bounded number.
const BACKLOG_GAUGES: &str = "SELECT \
    CAST(coalesce((SELECT max(share) FROM ( \
        SELECT CAST(bytes AS double precision) / max_bytes AS share FROM quota WHERE max_bytes > 0 \
        UNION ALL SELECT CAST(files AS double precision) / max_files FROM quota WHERE max_files > 0 \
        UNION ALL SELECT CAST(uploads AS double precision) / max_uploads FROM quota WHERE max_uploads > 0) AS shares), 0) \
        AS double precision), \
    (SELECT count(*) FROM (SELECT id FROM delivery WHERE state = 'dead' ORDER BY id DESC LIMIT $1) AS dead), \
    (SELECT min(created_at) FROM delivery WHERE state = 'pending')";

#[async_trait]
impl OperationStore for SqlStore {
    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_uploads(&self, query: &UploadQuery) -> Result<UploadPage> {
        uploads::page(&self.read, query).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn count_uploads(&self, tenant: Option<TenantId>, idle_since: Timestamp, most: u32) -> Result<UploadCount> {
        let mut builder = QueryBuilder::<Db>::new("SELECT count(*), coalesce(sum(CASE WHEN last_activity_at <= ");
        builder.push_bind(at(idle_since)).push(
            " THEN 1 ELSE 0 END), 0), CAST(coalesce(sum(quota_charge), 0) AS bigint) FROM \
             (SELECT last_activity_at, quota_charge FROM upload WHERE state IN ('open', 'completing')",
        );
        push_tenant(&mut builder, tenant);
        builder.push(" ORDER BY id LIMIT ").push_bind(i64::from(most)).push(") AS live");
        let query = builder.build_query_as::<(i64, i64, i64)>();
        let (live, idle, reserved) = query.fetch_one(&self.read).await.map_err(failed)?;
        let reserved_bytes = reserved.cast_unsigned();
        Ok(UploadCount { live: live.cast_unsigned(), idle: idle.cast_unsigned(), reserved_bytes })
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_asset_totals(&self, tenant: Option<TenantId>) -> Result<Vec<AssetTotal>> {
        let mut builder = QueryBuilder::<Db>::new(
            "SELECT state, CAST(sum(files) AS bigint), CAST(sum(bytes) AS bigint) FROM asset_total WHERE 1 = 1",
        );
        push_tenant(&mut builder, tenant);
        builder.push(" GROUP BY state ORDER BY state");
        let query = builder.build_query_as::<(String, i64, i64)>();
        let rows = query.fetch_all(&self.read).await.map_err(failed)?;
        let total = |(state, files, bytes): (String, i64, i64)| AssetTotal {
            state,
            files: files.max(0).cast_unsigned(),
            bytes: bytes.max(0).cast_unsigned(),
        };
        Ok(rows.into_iter().map(total).collect())
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn settle_asset_totals(&self) -> Result<()> {
        let Some(statement) = SETTLE_TOTALS else { return Ok(()) };
        let settle =
            move |pool: DbPool| async move { sqlx::query(statement).execute(&pool).await.map(|_| ()).map_err(failed) };
        self.run_detached(settle).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn index_asset_names(&self, batches: u32) -> Result<bool> {
        for _ in 0..batches {
            if names::is_complete(&self.read).await? {
                return Ok(true);
            }
            self.run_detached(|pool| async move { names::index_next(&pool).await }).await?;
        }
        names::is_complete(&self.read).await
    }

    #[tracing::instrument(level = "debug", skip_all, fields(job = %id))]
    async fn find_job_by_id(&self, id: JobId, tenant: Option<TenantId>) -> Result<Option<JobEntry>> {
        jobs::find(&self.read, id, tenant).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_job_ids(&self, kind: JobKind, state: JobState, limit: u32) -> Result<Vec<JobId>> {
        let query =
            sqlx::query_scalar::<_, Uuid>("SELECT id FROM job WHERE kind = $1 AND state = $2 ORDER BY id LIMIT $3");
        let query = query.bind(kind.name()).bind(state.name()).bind(i64::from(limit));
        Ok(query.fetch_all(&self.read).await.map_err(failed)?.into_iter().map(JobId).collect())
    }

    #[tracing::instrument(level = "debug", skip_all, fields(job = %job))]
    async fn list_job_attempts(&self, job: JobId, limit: u32) -> Result<Vec<JobAttempt>> {
        attempts::list(&self.read, job, limit).await
    }

    #[tracing::instrument(level = "debug", skip_all, fields(asset = %asset))]
    async fn list_asset_jobs(&self, asset: AssetId) -> Result<Vec<JobEntry>> {
        jobs::list_of_asset(&self.read, asset).await
    }

    #[tracing::instrument(level = "debug", skip_all, fields(asset = %asset))]
    async fn list_asset_attempts(&self, asset: AssetId, limit: u32) -> Result<Vec<JobAttempt>> {
        attempts::list_for_subject(&self.read, asset.0, limit).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn count_attempt_minutes(
        &self,
        tenant: Option<TenantId>,
        since: Timestamp,
        most: u32,
    ) -> Result<Vec<AttemptMinute>> {
        attempts::count_minutes(&self.read, tenant, since, most).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_dead_deliveries(&self, tenant: Option<TenantId>, limit: u32) -> Result<Vec<DeliveryId>> {
        let mut builder = QueryBuilder::<Db>::new("SELECT id FROM delivery WHERE state = 'dead'");
        push_tenant(&mut builder, tenant);
        builder.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(limit));
        let ids = builder.build_query_scalar::<Uuid>().fetch_all(&self.read).await.map_err(failed)?;
        Ok(ids.into_iter().map(DeliveryId).collect())
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn note_node(&self, node: &ServiceNode, forgotten: Timestamp) -> Result<()> {
        let node = node.clone();
        self.run_detached(move |pool| async move { nodes::note(&pool, &node, forgotten).await }).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn forget_node(&self, id: Uuid) -> Result<()> {
        self.run_detached(move |pool| async move { nodes::forget(&pool, id).await }).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_nodes(&self, seen_after: Timestamp) -> Result<Vec<ServiceNode>> {
        nodes::list(&self.read, seen_after).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn read_backlog_gauges(&self, most: u32) -> Result<BacklogGauges> {
        let query = sqlx::query_as::<_, (f64, i64, Option<i64>)>(BACKLOG_GAUGES).bind(i64::from(most));
        let (quota_ratio, dead, oldest) = query.fetch_one(&self.read).await.map_err(failed)?;
        Ok(BacklogGauges { quota_ratio, dead_deliveries: dead.cast_unsigned(), oldest_delivery: oldest.map(micros) })
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_failures(&self, tenant: Option<TenantId>) -> Result<Vec<FailureGroup>> {
        let mut groups = Vec::new();
        for source in [FailureSource::Asset, FailureSource::Job, FailureSource::Delivery] {
            groups.extend(failures(&self.read, source, tenant).await?);
        }
        Ok(groups)
    }
}

/// Restricts a query to a tenant, after another condition.
fn push_tenant(builder: &mut QueryBuilder<Db>, tenant: Option<TenantId>) {
    if let Some(tenant) = tenant {
        builder.push(" AND tenant_id = ").push_bind(tenant.0);
    }
}

/// As [`push_tenant`], in a form that no index of the tenant's rows serves: failures are few, and are read from the
/// partial index that holds them alone.
fn push_tenant_of_few(builder: &mut QueryBuilder<Db>, tenant: Option<TenantId>) {
    if let Some(tenant) = tenant {
        builder.push(" AND CASE WHEN tenant_id = ").push_bind(tenant.0).push(" THEN 1 ELSE 0 END = 1");
    }
}

/// Failures of a source by code. Each group is counted in a partial index of failures alone.
async fn failures(pool: &DbPool, source: FailureSource, tenant: Option<TenantId>) -> Result<Vec<FailureGroup>> {
    let (counted, grouped) = match source {
        FailureSource::Asset => (
            "SELECT verdict_code, count(*), max(changed_at) FROM asset WHERE verdict_code IS NOT NULL",
            " GROUP BY verdict_code ORDER BY verdict_code",
        ),
        FailureSource::Job => (
            "SELECT kind, count(*), max(coalesce((SELECT max(ended_at) FROM job_attempt \
             WHERE job_attempt.job_id = job.id), run_at)) FROM job WHERE state = 'dead'",
            " GROUP BY kind ORDER BY kind",
        ),
        FailureSource::Delivery => (
            "SELECT coalesce(problem, ''), count(*), max(coalesce(finished_at, created_at)) FROM delivery \
             WHERE state = 'dead'",
            " GROUP BY coalesce(problem, '') ORDER BY 1",
        ),
    };
    let mut builder = QueryBuilder::<Db>::new(counted);
    push_tenant_of_few(&mut builder, tenant);
    builder.push(grouped);
    let rows: Vec<(String, i64, i64)> = builder.build_query_as().fetch_all(pool).await.map_err(failed)?;
    let mut groups = Vec::with_capacity(rows.len());
    for (code, count, last) in rows {
        let sample = sample(pool, source, &code, tenant).await?;
        groups.push(FailureGroup { source, code, count: count.cast_unsigned(), last_at: micros(last), sample });
    }
    Ok(groups)
}

/// Tenant and asset of a recent failure with this code.
async fn sample(
    pool: &DbPool,
    source: FailureSource,
    code: &str,
    tenant: Option<TenantId>,
) -> Result<Option<(TenantId, AssetId)>> {
    let (found, newest) = match source {
        FailureSource::Asset => {
            ("SELECT tenant_id, id FROM asset WHERE verdict_code = ", " ORDER BY changed_at DESC, id DESC LIMIT 1")
        }
        FailureSource::Job => (
            "SELECT tenant_id, subject_id FROM job WHERE state = 'dead' AND kind <> 'deliver' AND kind = ",
            " ORDER BY id DESC LIMIT 1",
        ),
        FailureSource::Delivery => (
            "SELECT tenant_id, asset_id FROM delivery WHERE state = 'dead' AND coalesce(problem, '') = ",
            " ORDER BY id DESC LIMIT 1",
        ),
    };
    let mut builder = QueryBuilder::<Db>::new(found);
    builder.push_bind(code);
    push_tenant_of_few(&mut builder, tenant);
    builder.push(newest);
    let row: Option<(Uuid, Uuid)> = builder.build_query_as().fetch_optional(pool).await.map_err(failed)?;
    Ok(row.filter(|(tenant, _)| !tenant.is_nil()).map(|(tenant, asset)| (TenantId(tenant), AssetId(asset))))
}
