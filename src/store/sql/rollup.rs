//! Hourly event counts. The counts and the position up to which events are counted change in a single transaction.

use uuid::Uuid;

use super::{BEGIN, DbPool};
use super::{CountedRow, at, failed};
use crate::domain::clock::Timestamp;
use crate::domain::event::EventCount;
use crate::domain::ids::TenantId;
use crate::store::Result;

/// Maximum number of events that a single transaction counts.
const ROLLUP_BATCH_EVENTS: i64 = 10_000;

/// A feed with uncounted events: its tenant, and the range of positions to count next (after, up to).
pub(super) async fn next(pool: &DbPool) -> Result<Option<(Uuid, i64, i64)>> {
    let query = sqlx::query_as::<_, (Uuid, i64, i64)>(
        "SELECT tenant_id, counted, last FROM feed WHERE last > counted AND tenant_id <> $1 LIMIT 1",
    );
    let found = query.bind(Uuid::nil()).fetch_optional(pool).await.map_err(failed)?;
    Ok(found.map(|(tenant, counted, last)| (tenant, counted, last.min(counted + ROLLUP_BATCH_EVENTS))))
}

/// Number of events that are not counted yet.
pub(super) async fn list_uncounted(pool: &DbPool) -> Result<u64> {
    let query = sqlx::query_scalar::<_, i64>(
        "SELECT coalesce(CAST(sum(last - counted) AS bigint), 0) FROM feed WHERE tenant_id <> $1",
    );
    let count = query.bind(Uuid::nil()).fetch_one(pool).await.map_err(failed)?;
    Ok(count.cast_unsigned())
}

/// Counts a tenant's events after position `from` up to `to`. Returns 0 if another node has counted them meanwhile.
pub(super) async fn count(pool: &DbPool, tenant: Uuid, from: i64, to: i64) -> Result<u64> {
    const REACH: &str = "UPDATE feed SET counted = $3 WHERE tenant_id = $1 AND counted = $2";
    const ADD: &str = "\
        INSERT INTO hour (tenant_id, hour, kind, count, bytes)
        SELECT tenant_id, at - at % 3600000000, kind, count(*), coalesce(sum(CAST(data ->> 'size' AS bigint)), 0)
        FROM event WHERE tenant_id = $1 AND pos > $2 AND pos <= $3 GROUP BY 1, 2, 3
        ON CONFLICT (tenant_id, hour, kind) DO UPDATE
        SET count = hour.count + excluded.count, bytes = hour.bytes + excluded.bytes";
    let mut tx = pool.begin_with(BEGIN).await.map_err(failed)?;
    let reached = sqlx::query(REACH).bind(tenant).bind(from).bind(to).execute(&mut *tx).await.map_err(failed)?;
    if reached.rows_affected() == 0 {
        return Ok(0);
    }
    sqlx::query(ADD).bind(tenant).bind(from).bind(to).execute(&mut *tx).await.map_err(failed)?;
    tx.commit().await.map_err(failed)?;
    Ok((to - from).cast_unsigned())
}

pub(super) async fn page(pool: &DbPool, tenant: TenantId, from: Timestamp, to: Timestamp) -> Result<Vec<EventCount>> {
    let query = sqlx::query_as::<_, CountedRow>(
        "SELECT hour, kind, count, bytes FROM hour WHERE tenant_id = $1 AND hour >= $2 AND hour < $3 ORDER BY hour, kind",
    );
    let rows = query.bind(tenant.0).bind(at(from)).bind(at(to)).fetch_all(pool).await.map_err(failed)?;
    Ok(rows.into_iter().map(EventCount::from).collect())
}
