//! Passes over all assets that sum up what takes up space. A pass reads assets in the order of their ids, a piece at a time:
//! the piece is summed up by the database outside of any transaction, and its few sums are added in a short one. Two processes
//! that are at the same piece notice by the pass's position.

use std::fmt::Write as _;

use sqlx::QueryBuilder;
use uuid::Uuid;

use super::{BEGIN, Db, DbPool, at, failed};
use crate::domain::clock::{Timestamp, micros};
use crate::domain::ids::TenantId;
use crate::domain::storage::{OTHER_FAMILY, StorageAge, StorageMeasure, StorageSum, TYPE_FAMILIES};
use crate::store::{PassProgress, Result};

/// Most tenants of a measure.
const MAX_LISTED_TENANTS: i64 = 100;

/// A pass: number, start, end, and the last asset that it has read.
type PassRow = (i64, i64, Option<i64>, Uuid);
/// Sums of a piece: tenant, family, age, files, bytes.
type PieceRow = (Uuid, String, String, i64, i64);

async fn latest(pool: &DbPool) -> Result<Option<PassRow>> {
    let query =
        sqlx::query_as("SELECT id, started_at, finished_at, position FROM storage_pass ORDER BY id DESC LIMIT 1");
    query.fetch_optional(pool).await.map_err(failed)
}

/// How far the latest pass is.
pub(super) async fn progress(pool: &DbPool) -> Result<PassProgress> {
    Ok(match latest(pool).await? {
        None => PassProgress::Never,
        Some((_, _, None, _)) => PassProgress::UnderWay,
        Some((_, started_at, Some(finished_at), _)) => {
            PassProgress::Finished { started_at: micros(started_at), finished_at: micros(finished_at) }
        }
    })
}

/// Begins a pass, unless one is under way or another process has begun it.
pub(super) async fn begin(pool: &DbPool, now: Timestamp) -> Result<()> {
    const INSERT: &str = "INSERT INTO storage_pass (id, started_at, position) \
        SELECT coalesce(max(id), 0) + 1, $1, $2 FROM storage_pass \
        HAVING coalesce(sum(CASE WHEN finished_at IS NULL THEN 1 ELSE 0 END), 0) = 0 ON CONFLICT DO NOTHING";
    let query = sqlx::query(INSERT).bind(at(now)).bind(Uuid::nil());
    query.execute(pool).await.map(|_| ()).map_err(failed)
}

/// The columns `family` and `age` of an asset, for a pass that started at this time in microseconds.
fn groups(started_at: i64) -> String {
    let mut text = String::from("CASE");
    for family in TYPE_FAMILIES {
        // Writing to a string cannot fail.
        let _ = write!(text, " WHEN coalesce(detected_type, media_type) LIKE '{family}/%' THEN '{family}'");
    }
    let _ = write!(text, " ELSE '{OTHER_FAMILY}' END AS family, CASE");
    for age in StorageAge::ALL {
        if let Some(limit) = age.limit() {
            let oldest = i128::from(started_at) - i128::try_from(limit.as_micros()).unwrap_or(i128::MAX);
            let _ = write!(text, " WHEN created_at > {oldest} THEN '{}'", age.name());
        }
    }
    let _ = write!(text, " ELSE '{}' END AS age", StorageAge::Older.name());
    text
}

/// Adds the next `rows` assets to the pass that is under way. `false`: there is none, or it is finished now, or another
/// process has taken this piece.
pub(super) async fn advance(read: &DbPool, write: &DbPool, rows: u32, now: Timestamp) -> Result<bool> {
    let Some((pass, started_at, None, position)) = latest(read).await? else { return Ok(false) };
    let last: Option<Uuid> = sqlx::query_scalar(
        "SELECT id FROM (SELECT id FROM asset WHERE id > $1 ORDER BY id LIMIT $2) AS piece ORDER BY id DESC LIMIT 1",
    )
    .bind(position)
    .bind(i64::from(rows))
    .fetch_optional(read)
    .await
    .map_err(failed)?;
    let Some(last) = last else { return finish(write, pass, position, now).await.map(|()| false) };
    let mut builder = QueryBuilder::<Db>::new(
        "SELECT tenant_id, family, age, CAST(count(*) AS bigint), CAST(sum(quota_charge) AS bigint) \
         FROM (SELECT tenant_id, quota_charge, ",
    );
    builder.push(groups(started_at)).push(" FROM asset WHERE id > ").push_bind(position);
    builder.push(" AND id <= ").push_bind(last);
    builder.push(" AND state <> 'awaiting' AND partial = 0 AND quota_charge IS NOT NULL) AS piece GROUP BY tenant_id, family, age");
    let sums: Vec<PieceRow> = builder.build_query_as().persistent(false).fetch_all(read).await.map_err(failed)?;
    add(write, pass, (position, last), &sums).await
}

/// Adds the sums of the assets after the first and up to the second id. `false`: another process has.
async fn add(pool: &DbPool, pass: i64, (position, last): (Uuid, Uuid), sums: &[PieceRow]) -> Result<bool> {
    const REACH: &str = "UPDATE storage_pass SET position = $3 WHERE id = $1 AND position = $2 AND finished_at IS NULL";
    let mut tx = pool.begin_with(BEGIN).await.map_err(failed)?;
    let reached = sqlx::query(REACH).bind(pass).bind(position).bind(last).execute(&mut *tx).await.map_err(failed)?;
    if reached.rows_affected() == 0 {
        return Ok(false);
    }
    for group in sums.chunks(100) {
        let mut builder =
            QueryBuilder::<Db>::new("INSERT INTO storage_sum (pass_id, tenant_id, family, age, files, bytes) ");
        builder.push_values(group, |mut row, (tenant, family, age, files, bytes)| {
            row.push_bind(pass).push_bind(*tenant).push_bind(family.clone()).push_bind(age.clone());
            row.push_bind(*files).push_bind(*bytes);
        });
        builder.push(
            " ON CONFLICT (pass_id, tenant_id, family, age) DO UPDATE \
             SET files = storage_sum.files + excluded.files, bytes = storage_sum.bytes + excluded.bytes",
        );
        builder.build().persistent(false).execute(&mut *tx).await.map_err(failed)?;
    }
    tx.commit().await.map_err(failed)?;
    Ok(true)
}

/// Ends a pass that has read every asset, and deletes those before.
async fn finish(pool: &DbPool, pass: i64, position: Uuid, now: Timestamp) -> Result<()> {
    const FINISH: &str =
        "UPDATE storage_pass SET finished_at = $3 WHERE id = $1 AND position = $2 AND finished_at IS NULL";
    let mut tx = pool.begin_with(BEGIN).await.map_err(failed)?;
    let ended = sqlx::query(FINISH).bind(pass).bind(position).bind(at(now)).execute(&mut *tx).await.map_err(failed)?;
    if ended.rows_affected() == 0 {
        return Ok(());
    }
    for older in ["DELETE FROM storage_sum WHERE pass_id < $1", "DELETE FROM storage_pass WHERE id < $1"] {
        sqlx::query(older).bind(pass).execute(&mut *tx).await.map_err(failed)?;
    }
    tx.commit().await.map_err(failed)
}

/// What the last finished pass found, of a tenant or of all tenants.
pub(super) async fn measure(pool: &DbPool, tenant: Option<TenantId>) -> Result<Option<StorageMeasure>> {
    let pass: Option<(i64, i64, i64)> = sqlx::query_as(
        "SELECT id, started_at, finished_at FROM storage_pass WHERE finished_at IS NOT NULL ORDER BY id DESC LIMIT 1",
    )
    .fetch_optional(pool)
    .await
    .map_err(failed)?;
    let Some((pass, started_at, finished_at)) = pass else { return Ok(None) };
    let sums: Vec<(String, String, i64, i64)> = of_pass(pass, tenant, "SELECT family, age, ", "family, age")
        .build_query_as()
        .fetch_all(pool)
        .await
        .map_err(failed)?;
    let mut by_tenant =
        of_pass(pass, tenant, "SELECT tenant_id, (SELECT name FROM tenant WHERE id = tenant_id), ", "tenant_id");
    by_tenant.push(" ORDER BY 4 DESC, 1 LIMIT ").push_bind(MAX_LISTED_TENANTS);
    let tenants: Vec<(Uuid, Option<String>, i64, i64)> =
        by_tenant.build_query_as().fetch_all(pool).await.map_err(failed)?;
    Ok(Some(StorageMeasure {
        started_at: micros(started_at),
        finished_at: micros(finished_at),
        sums: sums.into_iter().map(|(family, age, files, bytes)| (family, age, sum_of(files, bytes))).collect(),
        tenants: tenants
            .into_iter()
            // A tenant that was deleted since has no name.
            .filter_map(|(tenant, name, files, bytes)| Some((TenantId(tenant), name?, sum_of(files, bytes))))
            .collect(),
    }))
}

/// Sums of a pass, grouped by these columns.
fn of_pass(pass: i64, tenant: Option<TenantId>, select: &'static str, columns: &'static str) -> QueryBuilder<Db> {
    let mut builder = QueryBuilder::<Db>::new(select);
    builder.push("CAST(sum(files) AS bigint), CAST(sum(bytes) AS bigint) FROM storage_sum WHERE pass_id = ");
    builder.push_bind(pass);
    if let Some(tenant) = tenant {
        builder.push(" AND tenant_id = ").push_bind(tenant.0);
    }
    builder.push(" GROUP BY ").push(columns);
    builder
}

fn sum_of(files: i64, bytes: i64) -> StorageSum {
    StorageSum { files: u64::try_from(files).unwrap_or(0), bytes: u64::try_from(bytes).unwrap_or(0) }
}
