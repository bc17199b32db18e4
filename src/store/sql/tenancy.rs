//! Queries for quotas, policies and the audit trail.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::types::Json;
use sqlx::{Executor, QueryBuilder};
use uuid::Uuid;

use super::failure::{GroupFailure, undone};
use super::insert::InsertTuple;
use super::write::one_row;
use super::{Db, LEASE_REQUESTS, LOCK_QUOTA};
use super::{SqlConnection, SqlStore, decode, drop_boxes, erasure, failed};
use crate::domain::asset::Asset;
use crate::domain::audit::AuditEntry;
use crate::domain::clock::{Timestamp, before, micros};
use crate::domain::drop_box::DropBox;
use crate::domain::ids::{GrantId, KeyId, TenantId};
use crate::domain::maintenance::MaintenanceMode;
use crate::domain::policy::{Policy, PolicyRules};
use crate::domain::quota::{QuotaUsage, TenantQuota};
use crate::domain::tenant::{RateLimit, Tenant};
use crate::domain::tenant_deletion::{TenantContents, TenantDeletion};
use crate::store::rows::{AssetRow, AuditRow, PolicyRow, QuotaRow, UsageRow, at, limit_cell};
use crate::store::tenancy::{AuditQuery, RequestLease, TenancyStore, TenancyWrite};
use crate::store::{QuotaCharge, Result, StoreError};

pub(super) const AUDIT: &str =
    "INSERT INTO audit (id, tenant_id, at, actor, action, subject, before, after, peer, request) ";

pub(super) fn audit(mut row: InsertTuple<'_>, entry: &AuditEntry) {
    row.push_bind(entry.id)
        .push_bind(entry.tenant.0)
        .push_bind(at(entry.at))
        .push_bind(entry.actor.clone())
        .push_bind(entry.action.clone())
        .push_bind(entry.subject.clone())
        .push_bind(entry.before.clone().map(Json))
        .push_bind(entry.after.clone().map(Json))
        .push_bind(entry.peer.clone())
        .push_bind(entry.request.clone());
}

/// Time by which the time in an entry's id may differ from the entry's time.
const ID_TIME_MARGIN: Duration = Duration::from_secs(3600);

/// The lowest id with this time.
fn first_id_at(time: Timestamp) -> Uuid {
    let millis = u64::try_from(time.as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
}

/// One pass over the tenant's assets, and one over its uploads that count.
const SUM: &str = "SELECT CAST(held.bytes + coming.bytes AS bigint) AS bytes, held.files AS files, coming.uploads AS uploads FROM \
    (SELECT coalesce(sum(quota_charge), 0) AS bytes, count(quota_charge) AS files FROM asset WHERE tenant_id = $1) AS held, \
    (SELECT coalesce(sum(coalesce(quota_charge, 0) + coalesce(reserved, 0)), 0) AS bytes, count(quota_charge) AS uploads \
        FROM upload WHERE tenant_id = $1 AND (quota_charge IS NOT NULL OR reserved IS NOT NULL)) AS coming";

/// The same from the sums that triggers keep, and from the few uploads that count.
const READ: &str = "SELECT CAST(held.bytes + coming.bytes AS bigint) AS bytes, held.files AS files, coming.uploads AS uploads FROM \
    (SELECT coalesce(sum(bytes), 0) AS bytes, CAST(coalesce(sum(charged), 0) AS bigint) AS files \
        FROM asset_total WHERE tenant_id = $1) AS held, \
    (SELECT coalesce(sum(coalesce(quota_charge, 0) + coalesce(reserved, 0)), 0) AS bytes, count(quota_charge) AS uploads \
        FROM upload WHERE tenant_id = $1 AND (quota_charge IS NOT NULL OR reserved IS NOT NULL)) AS coming";

async fn sum<'e>(from: impl Executor<'e, Database = Db>, tenant: TenantId) -> sqlx::Result<QuotaUsage> {
    sqlx::query_as::<_, UsageRow>(SUM).bind(tenant.0).fetch_one(from).await.map(QuotaUsage::from)
}

async fn limits<'e>(
    from: impl Executor<'e, Database = Db>,
    tenant: TenantId,
) -> sqlx::Result<Option<(TenantQuota, QuotaUsage)>> {
    let query = sqlx::query_as::<_, QuotaRow>("SELECT * FROM quota WHERE tenant_id = $1").bind(tenant.0);
    Ok(query.fetch_optional(from).await?.map(QuotaRow::decode))
}

/// Adds the charges of these transactions to their tenants' usage, and refuses a sum over a limit. Tenants are updated
/// in a fixed order, so that concurrent groups cannot deadlock.
pub(super) async fn charge<'a>(
    conn: &mut SqlConnection,
    charges: impl Iterator<Item = &'a QuotaCharge>,
) -> std::result::Result<(), GroupFailure> {
    let mut sums = std::collections::BTreeMap::<Uuid, QuotaUsage>::new();
    for QuotaCharge { tenant, usage } in charges {
        *sums.entry(tenant.0).or_default() += *usage;
    }
    for (tenant, usage) in sums.into_iter().filter(|(_, usage)| !usage.is_zero()) {
        add(conn, TenantId(tenant), usage).await?;
    }
    Ok(())
}

async fn add(conn: &mut SqlConnection, tenant: TenantId, usage: QuotaUsage) -> std::result::Result<(), GroupFailure> {
    let query = sqlx::query(
        "UPDATE quota SET bytes = bytes + $2, files = files + $3, uploads = uploads + $4 WHERE tenant_id = $1 \
         AND ($2 <= 0 OR max_bytes IS NULL OR bytes + $2 <= max_bytes) \
         AND ($3 <= 0 OR max_files IS NULL OR files + $3 <= max_files) \
         AND ($4 <= 0 OR max_uploads IS NULL OR uploads + $4 <= max_uploads)",
    );
    let query = query.bind(tenant.0).bind(usage.bytes).bind(usage.files).bind(usage.uploads);
    if query.execute(&mut *conn).await.map_err(undone)?.rows_affected() == 1 {
        return Ok(());
    }
    let Some((quota, mut used)) = limits(&mut *conn, tenant).await.map_err(undone)? else { return Ok(()) };
    used += usage;
    let growing = TenantQuota {
        bytes: quota.bytes.filter(|_| usage.bytes > 0),
        files: quota.files.filter(|_| usage.files > 0),
        uploads: quota.uploads.filter(|_| usage.uploads > 0),
    };
    // Another transaction has freed quota between the two statements: a conflict, so that the caller retries.
    let error = growing.exceeded_by(used).map_or(StoreError::Conflict, StoreError::OverQuota);
    Err(GroupFailure::Undone { error, again: false })
}

/// Carries out a write to tenants' rules.
pub(super) async fn write(conn: &mut SqlConnection, write: &TenancyWrite) -> std::result::Result<(), GroupFailure> {
    match write {
        TenancyWrite::UpdateTenant(tenant) => update_tenant(conn, tenant).await,
        TenancyWrite::SetQuota(tenant, quota) => set_quota(conn, *tenant, quota).await,
        TenancyWrite::PutPolicy(policy) => put_policy(conn, policy).await,
        TenancyWrite::InsertDropBox(new) => drop_boxes::insert(conn, new).await,
        TenancyWrite::RevokeDropBox(tenant, id, now) => drop_boxes::revoke(conn, *tenant, *id, *now).await,
        TenancyWrite::DropPolicy(tenant, name) => {
            let query = sqlx::query("DELETE FROM policy WHERE tenant_id = $1 AND name = $2").bind(tenant.0).bind(name);
            one_row(query.execute(conn).await.map_err(undone)?.rows_affected())
        }
        TenancyWrite::BeginMaintenance(mode) => {
            let query = sqlx::query(
                "INSERT INTO maintenance (tenant_id, message, since) VALUES ($1, $2, $3) \
                 ON CONFLICT (tenant_id) DO UPDATE SET message = excluded.message",
            );
            let query = query.bind(concerned(mode.tenant)).bind(mode.message.clone()).bind(at(mode.since));
            query.execute(conn).await.map(|_| ()).map_err(undone)
        }
        TenancyWrite::EndMaintenance(tenant) => {
            let query = sqlx::query("DELETE FROM maintenance WHERE tenant_id = $1").bind(concerned(*tenant));
            query.execute(conn).await.map(|_| ()).map_err(undone)
        }
        TenancyWrite::BeginDeletion(new) => erasure::begin(conn, new).await,
        TenancyWrite::NoteDeletion(so_far) => erasure::note(conn, so_far).await,
        TenancyWrite::EndDeletion(tenant) => erasure::end(conn, *tenant).await,
    }
}

/// The tenant in a row of `maintenance`: all zeros for the instance.
fn concerned(tenant: Option<TenantId>) -> Uuid {
    tenant.map_or(Uuid::nil(), |tenant| tenant.0)
}

async fn update_tenant(conn: &mut SqlConnection, tenant: &Tenant) -> std::result::Result<(), GroupFailure> {
    let query = sqlx::query("UPDATE tenant SET suspended_at = $2, rate_per_second = $3, rate_burst = $4 WHERE id = $1")
        .bind(tenant.id.0)
        .bind(tenant.suspended_at.map(at))
        .bind(tenant.rate.map(|rate| i64::from(rate.per_second.get())))
        .bind(tenant.rate.map(|rate| i64::from(rate.burst.get())));
    one_row(query.execute(conn).await.map_err(undone)?.rows_affected())
}

/// Sets the limits and sums the usage under [`LOCK_QUOTA`]: earlier charges are committed, and later charges update the
/// new row.
async fn set_quota(
    conn: &mut SqlConnection,
    tenant: TenantId,
    quota: &TenantQuota,
) -> std::result::Result<(), GroupFailure> {
    if let Some(lock) = LOCK_QUOTA {
        sqlx::query(lock).execute(&mut *conn).await.map_err(undone)?;
    }
    sqlx::query("DELETE FROM quota WHERE tenant_id = $1").bind(tenant.0).execute(&mut *conn).await.map_err(undone)?;
    if quota.is_unlimited() {
        return Ok(());
    }
    let used = sum(&mut *conn, tenant).await.map_err(undone)?;
    let query = sqlx::query(
        "INSERT INTO quota (tenant_id, max_bytes, max_files, max_uploads, bytes, files, uploads) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(tenant.0)
    .bind(limit_cell(quota.bytes))
    .bind(limit_cell(quota.files))
    .bind(limit_cell(quota.uploads))
    .bind(used.bytes)
    .bind(used.files)
    .bind(used.uploads);
    query.execute(conn).await.map(|_| ()).map_err(undone)
}

async fn put_policy(conn: &mut SqlConnection, policy: &Policy) -> std::result::Result<(), GroupFailure> {
    let query = sqlx::query(
        "INSERT INTO policy (tenant_id, name, rules, created_at, changed_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (tenant_id, name) DO UPDATE SET rules = excluded.rules, changed_at = excluded.changed_at",
    )
    .bind(policy.tenant.0)
    .bind(policy.name.clone())
    .bind(Json(policy.rules.clone()))
    .bind(at(policy.created_at))
    .bind(at(policy.changed_at));
    query.execute(conn).await.map(|_| ()).map_err(undone)
}

#[async_trait]
impl TenancyStore for SqlStore {
    #[tracing::instrument(level = "debug", skip_all, fields(tenant = %tenant))]
    async fn find_quota(&self, tenant: TenantId) -> Result<Option<(TenantQuota, QuotaUsage)>> {
        limits(&self.read, tenant).await.map_err(failed)
    }

    #[tracing::instrument(level = "debug", skip_all, fields(tenant = %tenant))]
    async fn sum_usage(&self, tenant: TenantId) -> Result<QuotaUsage> {
        sum(&self.read, tenant).await.map_err(failed)
    }

    #[tracing::instrument(level = "debug", skip_all, fields(tenant = %tenant))]
    async fn read_usage(&self, tenant: TenantId) -> Result<QuotaUsage> {
        let query = sqlx::query_as::<_, UsageRow>(READ).bind(tenant.0);
        query.fetch_one(&self.read).await.map(QuotaUsage::from).map_err(failed)
    }

    #[tracing::instrument(level = "debug", skip_all, fields(tenant = %tenant))]
    async fn find_policy(&self, tenant: TenantId, name: &str) -> Result<Option<Policy>> {
        // PostgreSQL refuses it in text, and no name has it.
        if name.contains('\0') {
            return Ok(None);
        }
        let query = sqlx::query_as::<_, PolicyRow>("SELECT * FROM policy WHERE tenant_id = $1 AND name = $2");
        let row = query.bind(tenant.0).bind(name).fetch_optional(&self.read).await.map_err(failed)?;
        Ok(row.map(Policy::from))
    }

    #[tracing::instrument(level = "debug", skip_all, fields(tenant = %tenant))]
    async fn list_policies(&self, tenant: TenantId, after: &str, limit: u32) -> Result<Vec<Policy>> {
        let query = sqlx::query_as::<_, PolicyRow>(
            "SELECT * FROM policy WHERE tenant_id = $1 AND name > $2 ORDER BY name LIMIT $3",
        );
        let query = query.bind(tenant.0).bind(after).bind(i64::from(limit));
        Ok(query.fetch_all(&self.read).await.map_err(failed)?.into_iter().map(Policy::from).collect())
    }

    #[tracing::instrument(level = "debug", skip_all, fields(grant = %id))]
    async fn find_drop_box(&self, id: GrantId) -> Result<Option<DropBox>> {
        drop_boxes::find(&self.read, id).await
    }

    #[tracing::instrument(level = "debug", skip_all, fields(tenant = %tenant))]
    async fn list_drop_boxes(
        &self,
        tenant: TenantId,
        maker: Option<KeyId>,
        before: Option<GrantId>,
        limit: u32,
    ) -> Result<Vec<DropBox>> {
        drop_boxes::page(&self.read, tenant, maker, before, limit).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_maintenance_modes(&self) -> Result<Vec<MaintenanceMode>> {
        let query = sqlx::query_as::<_, (Uuid, Option<String>, i64)>(
            "SELECT tenant_id, message, since FROM maintenance ORDER BY tenant_id",
        );
        let rows = query.fetch_all(&self.read).await.map_err(failed)?;
        let mode = |(tenant, message, since): (Uuid, _, _)| MaintenanceMode {
            tenant: (!tenant.is_nil()).then_some(TenantId(tenant)),
            message,
            since: micros(since),
        };
        Ok(rows.into_iter().map(mode).collect())
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_policy_origins(&self) -> Result<Vec<String>> {
        let rules: Vec<Json<PolicyRules>> =
            sqlx::query_scalar("SELECT rules FROM policy").fetch_all(&self.read).await.map_err(failed)?;
        let mut origins: Vec<String> = rules.into_iter().flat_map(|rules| rules.0.origins).collect();
        origins.sort_unstable();
        origins.dedup();
        Ok(origins)
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_audit_entries(&self, tenant: Option<TenantId>, query: &AuditQuery) -> Result<Vec<AuditEntry>> {
        let mut sql = QueryBuilder::<Db>::new("SELECT * FROM audit WHERE ");
        match tenant {
            Some(tenant) => sql.push("tenant_id = ").push_bind(tenant.0),
            None => sql.push("id IS NOT NULL"),
        };
        if let Some(actor) = &query.actor {
            sql.push(" AND actor = ").push_bind(actor.clone());
        }
        match query.action.as_deref() {
            Some(all) if all.ends_with('.') => {
                let length = i64::try_from(all.len()).unwrap_or(0);
                sql.push(" AND substr(action, 1, CAST(")
                    .push_bind(length)
                    .push(" AS integer)) = ")
                    .push_bind(all.to_owned());
            }
            Some(action) => {
                sql.push(" AND action = ").push_bind(action.to_owned());
            }
            None => {}
        }
        if let Some(subject) = &query.subject {
            sql.push(" AND subject = ").push_bind(subject.clone());
        }
        for (text, bound) in [(" AND at >= ", query.since), (" AND at < ", query.until)] {
            if let Some(bound) = bound {
                sql.push(text).push_bind(at(bound));
            }
        }
        if let Some(since) = query.since {
            // An index has ids, not times: the rest of the trail is not read.
            sql.push(" AND id >= ").push_bind(first_id_at(before(since, ID_TIME_MARGIN)));
        }
        if let Some(after) = query.after {
            sql.push(" AND id < ").push_bind(after);
        }
        sql.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(query.limit));
        let rows = sql.build_query_as::<AuditRow>().fetch_all(&self.read).await.map_err(failed)?;
        Ok(rows.into_iter().map(AuditEntry::from).collect())
    }

    #[tracing::instrument(level = "debug", skip_all, fields(tenant = %tenant))]
    async fn lease_requests(&self, tenant: TenantId, rate: RateLimit, wanted: u32) -> Result<Option<RequestLease>> {
        let Some(statement) = LEASE_REQUESTS else { return Ok(None) };
        let (per_second, burst) = (i64::from(rate.per_second.get()), i64::from(rate.burst.get()));
        let query = sqlx::query_as::<_, (i64, i64)>(statement)
            .bind(tenant.0)
            .bind(i64::from(wanted))
            .bind(burst)
            .bind(per_second)
            .bind(burst * 1_000_000 / per_second);
        let lease = move |(granted, debt): (i64, i64)| {
            RequestLease::after_debt(u32::try_from(granted).unwrap_or_default(), debt.max(0).cast_unsigned(), rate)
        };
        self.run_detached(move |pool| async move { query.fetch_one(&pool).await.map(lease).map(Some).map_err(failed) })
            .await
    }

    #[tracing::instrument(level = "debug", skip_all, fields(tenant = %tenant))]
    async fn count_tenant_contents(&self, tenant: TenantId) -> Result<TenantContents> {
        erasure::count(&self.read, tenant).await
    }

    #[tracing::instrument(level = "debug", skip_all, fields(tenant = %tenant))]
    async fn find_tenant_deletion(&self, tenant: TenantId) -> Result<Option<TenantDeletion>> {
        erasure::find(&self.read, tenant).await
    }

    #[tracing::instrument(level = "debug", skip_all, fields(tenant = %tenant))]
    async fn erase_tenant_rows(&self, tenant: TenantId, limit: u32) -> Result<u64> {
        self.run_detached(move |pool| async move { erasure::erase(&pool, tenant, limit).await }).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_assets_to_delete(&self, now: Timestamp, limit: u32) -> Result<Vec<Asset>> {
        let query = sqlx::query_as::<_, AssetRow>(
            "SELECT * FROM asset WHERE delete_at IS NOT NULL AND delete_at <= $1 ORDER BY delete_at LIMIT $2",
        );
        decode(query.bind(at(now)).bind(i64::from(limit)).fetch_all(&self.read).await.map_err(failed)?)
    }
}
