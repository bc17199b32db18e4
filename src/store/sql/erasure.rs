//! Queries for the deletion of a tenant with all its rows.

use super::failure::{GroupFailure, undone};
use super::write::one_row;
use super::{BEGIN, DbPool, ERASE_SIDE_ROWS, SqlConnection, at, failed};
use crate::domain::clock::micros;
use crate::domain::ids::TenantId;
use crate::domain::tenant_deletion::{DeletionPhase, TenantContents, TenantDeletion};
use crate::store::{Result, StoreError};

/// Rows that hang on the first `$2` assets of the tenant `$1`, children before parents.
const OF_ASSETS: [&str; 5] = [
    "DELETE FROM part WHERE upload_id IN (SELECT id FROM upload WHERE asset_id IN \
        (SELECT id FROM asset WHERE tenant_id = $1 ORDER BY id LIMIT $2))",
    "DELETE FROM job_attempt WHERE subject_id IN (SELECT id FROM asset WHERE tenant_id = $1 ORDER BY id LIMIT $2)",
    "DELETE FROM event WHERE asset_id IN (SELECT id FROM asset WHERE tenant_id = $1 ORDER BY id LIMIT $2)",
    "DELETE FROM upload WHERE asset_id IN (SELECT id FROM asset WHERE tenant_id = $1 ORDER BY id LIMIT $2)",
    "DELETE FROM asset WHERE id IN (SELECT id FROM asset WHERE tenant_id = $1 ORDER BY id LIMIT $2)",
];

/// Rows that many a tenant has many of, `$2` at a time.
const IN_BATCHES: [&str; 6] = [
    "DELETE FROM job_attempt WHERE subject_id IN (SELECT delivery.id FROM delivery \
        JOIN webhook ON webhook.id = webhook_id WHERE webhook.tenant_id = $1 ORDER BY delivery.id LIMIT $2)",
    "DELETE FROM delivery WHERE id IN (SELECT delivery.id FROM delivery \
        JOIN webhook ON webhook.id = webhook_id WHERE webhook.tenant_id = $1 ORDER BY delivery.id LIMIT $2)",
    "DELETE FROM link WHERE id IN (SELECT id FROM link WHERE tenant_id = $1 LIMIT $2)",
    "DELETE FROM job WHERE id IN (SELECT id FROM job WHERE tenant_id = $1 LIMIT $2)",
    "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE tenant_id = $1 ORDER BY id LIMIT $2)",
    "DELETE FROM event WHERE tenant_id = $1 AND pos IS NOT NULL AND pos <= (SELECT max(pos) FROM \
        (SELECT pos FROM event WHERE tenant_id = $1 AND pos IS NOT NULL ORDER BY pos LIMIT $2) AS oldest)",
];

/// Rows of which a tenant has few.
const AT_ONCE: [&str; 14] = [
    "DELETE FROM webhook WHERE tenant_id = $1 \
        AND NOT EXISTS (SELECT 1 FROM delivery WHERE webhook_id = webhook.id)",
    "DELETE FROM collection_crc WHERE collection_id IN (SELECT id FROM collection WHERE tenant_id = $1)",
    "DELETE FROM collection WHERE tenant_id = $1",
    "DELETE FROM replay WHERE key_id IN (SELECT id FROM api_key WHERE tenant_id = $1)",
    "DELETE FROM replay WHERE key_id IN (SELECT id FROM drop_box WHERE tenant_id = $1)",
    "DELETE FROM drop_box WHERE tenant_id = $1",
    "DELETE FROM api_key WHERE tenant_id = $1",
    "DELETE FROM hour WHERE tenant_id = $1",
    "DELETE FROM policy WHERE tenant_id = $1",
    "DELETE FROM quota WHERE tenant_id = $1",
    "DELETE FROM maintenance WHERE tenant_id = $1",
    "DELETE FROM asset_count WHERE tenant_id = $1",
    "DELETE FROM storage_sum WHERE tenant_id = $1",
    "DELETE FROM feed WHERE tenant_id = $1",
];

/// Numbers of the rows of the tenant `$1`. Rows that hang on an asset are counted by their tenant.
const COUNT_CONTENTS: &str = "SELECT \
    CAST((SELECT coalesce(sum(quota_charge), 0) FROM asset WHERE tenant_id = $1) + \
        (SELECT coalesce(sum(coalesce(quota_charge, 0) + coalesce(reserved, 0)), 0) FROM upload WHERE tenant_id = $1) \
        AS bigint) AS bytes, \
    (SELECT count(*) FROM asset WHERE tenant_id = $1) AS assets, \
    (SELECT count(*) FROM upload WHERE tenant_id = $1) AS uploads, \
    (SELECT count(*) FROM link WHERE tenant_id = $1) AS links, \
    (SELECT count(*) FROM api_key WHERE tenant_id = $1) AS keys, \
    (SELECT count(*) FROM webhook WHERE tenant_id = $1 AND state <> 'deleted') AS webhooks, \
    (SELECT count(*) FROM webhook WHERE tenant_id = $1 AND state = 'deleted') + \
        (SELECT count(*) FROM event WHERE tenant_id = $1 AND pos IS NOT NULL) + (SELECT count(*) FROM audit WHERE tenant_id = $1) + \
        (SELECT count(*) FROM job WHERE tenant_id = $1) + (SELECT count(*) FROM policy WHERE tenant_id = $1) + \
        (SELECT count(*) FROM hour WHERE tenant_id = $1) + (SELECT count(*) FROM collection WHERE tenant_id = $1) + \
        (SELECT count(*) FROM delivery JOIN webhook ON webhook.id = webhook_id WHERE webhook.tenant_id = $1) AS others";

pub(super) async fn count(pool: &DbPool, tenant: TenantId) -> Result<TenantContents> {
    type Row = (i64, i64, i64, i64, i64, i64, i64);
    let query = sqlx::query_as::<_, Row>(COUNT_CONTENTS).bind(tenant.0);
    let (bytes, assets, uploads, links, keys, webhooks, others) = query.fetch_one(pool).await.map_err(failed)?;
    let number = |count: i64| u64::try_from(count).unwrap_or(0);
    let (bytes, assets, uploads, links) = (number(bytes), number(assets), number(uploads), number(links));
    let (keys, webhooks) = (number(keys), number(webhooks));
    // The row of the tenant itself is the last.
    let rows = 1 + assets + uploads + links + keys + webhooks + number(others);
    Ok(TenantContents { bytes, assets, uploads, links, keys, webhooks, rows })
}

/// Deletes rows of the tenant, at most `limit` of each kind that may be numerous, in a transaction. Returns how many; 0: no
/// row is left but the tenant's own and that of its deletion.
pub(super) async fn erase(pool: &DbPool, tenant: TenantId, limit: u32) -> Result<u64> {
    let mut tx = pool.begin_with(BEGIN).await.map_err(failed)?;
    let mut gone = 0;
    for statement in ERASE_SIDE_ROWS.iter().copied().chain(OF_ASSETS).chain(IN_BATCHES) {
        let query = sqlx::query(statement).bind(tenant.0).bind(i64::from(limit));
        gone += query.execute(&mut *tx).await.map_err(failed)?.rows_affected();
    }
    for statement in AT_ONCE {
        gone += sqlx::query(statement).bind(tenant.0).execute(&mut *tx).await.map_err(failed)?.rows_affected();
    }
    tx.commit().await.map_err(failed)?;
    Ok(gone)
}

pub(super) async fn find(pool: &DbPool, tenant: TenantId) -> Result<Option<TenantDeletion>> {
    type Row = (i64, String, Option<String>, String, String, i64, i64, i64);
    let query = sqlx::query_as::<_, Row>(
        "SELECT started_at, actor, request, phase, found, objects, bytes, gone_rows FROM tenant_deletion \
         WHERE tenant_id = $1",
    );
    let row = query.bind(tenant.0).fetch_optional(pool).await.map_err(failed)?;
    row.map(|(started_at, actor, request, phase, found, objects, bytes, rows)| {
        let corrupt = |column: &str, value: &str| StoreError::Corrupt {
            table: "tenant_deletion",
            row: tenant.to_string(),
            problem: format!("{column} is \"{value}\""),
        };
        let known = DeletionPhase::ALL.into_iter().find(|known| known.name() == phase);
        Ok(TenantDeletion {
            tenant,
            started_at: micros(started_at),
            actor,
            request,
            phase: known.ok_or_else(|| corrupt("phase", &phase))?,
            found: serde_json::from_str(&found).map_err(|_| corrupt("found", &found))?,
            objects: objects.cast_unsigned(),
            bytes: bytes.cast_unsigned(),
            rows: rows.cast_unsigned(),
        })
    })
    .transpose()
}

/// Inserts the row of a deletion; a conflict if there is one.
pub(super) async fn begin(conn: &mut SqlConnection, new: &TenantDeletion) -> std::result::Result<(), GroupFailure> {
    let query = sqlx::query(
        "INSERT INTO tenant_deletion (tenant_id, started_at, actor, request, phase, found) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant_id) DO NOTHING",
    )
    .bind(new.tenant.0)
    .bind(at(new.started_at))
    .bind(new.actor.clone())
    .bind(new.request.clone())
    .bind(new.phase.name())
    .bind(serde_json::json!(new.found).to_string());
    one_row(query.execute(conn).await.map_err(undone)?.rows_affected())
}

/// Writes how far a deletion is; a conflict if it has ended.
pub(super) async fn note(conn: &mut SqlConnection, so_far: &TenantDeletion) -> std::result::Result<(), GroupFailure> {
    let query = sqlx::query(
        "UPDATE tenant_deletion SET phase = $2, objects = $3, bytes = $4, gone_rows = $5 WHERE tenant_id = $1",
    )
    .bind(so_far.tenant.0)
    .bind(so_far.phase.name())
    .bind(so_far.objects.cast_signed())
    .bind(so_far.bytes.cast_signed())
    .bind(so_far.rows.cast_signed());
    one_row(query.execute(conn).await.map_err(undone)?.rows_affected())
}

/// Deletes the tenant's own row, that of its deletion, and dead jobs of it.
pub(super) async fn end(conn: &mut SqlConnection, tenant: TenantId) -> std::result::Result<(), GroupFailure> {
    for statement in [
        "DELETE FROM job WHERE subject_id = $1 AND kind = 'erase' AND state = 'dead'",
        "DELETE FROM tenant WHERE id = $1",
    ] {
        sqlx::query(statement).bind(tenant.0).execute(&mut *conn).await.map_err(undone)?;
    }
    let query = sqlx::query("DELETE FROM tenant_deletion WHERE tenant_id = $1").bind(tenant.0);
    one_row(query.execute(conn).await.map_err(undone)?.rows_affected())
}
