//! Queries for drop boxes, the grants for many files.

use std::collections::BTreeMap;

use sqlx::types::Json;
use sqlx::{Executor, QueryBuilder};
use uuid::Uuid;

use super::failure::{GroupFailure, undone};
use super::write::one_row;
use super::{Db, DbPool, DropBoxRow, SqlConnection, at, decode, failed, limit_cell};
use crate::domain::clock::Timestamp;
use crate::domain::drop_box::{DropBox, DropBoxCharge, DropBoxLimit, DropBoxLimits, DropBoxUsage, SenderField};
use crate::domain::ids::{GrantId, KeyId, TenantId};
use crate::store::{Result, StoreError};

async fn read<'e>(from: impl Executor<'e, Database = Db>, id: Uuid) -> sqlx::Result<Option<DropBoxRow>> {
    sqlx::query_as::<_, DropBoxRow>("SELECT * FROM drop_box WHERE id = $1").bind(id).fetch_optional(from).await
}

pub(super) async fn find(pool: &DbPool, id: GrantId) -> Result<Option<DropBox>> {
    read(pool, id.0).await.map_err(failed)?.map(DropBox::try_from).transpose()
}

pub(super) async fn page(
    pool: &DbPool,
    tenant: TenantId,
    maker: Option<KeyId>,
    before: Option<GrantId>,
    limit: u32,
) -> Result<Vec<DropBox>> {
    let mut builder = QueryBuilder::<Db>::new("SELECT * FROM drop_box WHERE tenant_id = ");
    builder.push_bind(tenant.0);
    if let Some(maker) = maker {
        builder.push(" AND created_by = ").push_bind(maker.0);
    }
    if let Some(before) = before {
        builder.push(" AND id < ").push_bind(before.0);
    }
    builder.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(limit));
    decode(builder.build_query_as::<DropBoxRow>().fetch_all(pool).await.map_err(failed)?)
}

pub(super) async fn insert(conn: &mut SqlConnection, new: &DropBox) -> std::result::Result<(), GroupFailure> {
    let terms = &new.terms;
    let query = sqlx::query(
        "INSERT INTO drop_box (id, tenant_id, created_by, created_at, expires_at, revoked_at, max_files, max_bytes, \
         max_size, allowed, policy, metadata, sender, files, bytes) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(new.id.0)
    .bind(new.tenant.0)
    .bind(new.created_by.0)
    .bind(at(new.created_at))
    .bind(at(new.expires_at))
    .bind(new.revoked_at.map(at))
    .bind(limit_cell(terms.limits.files))
    .bind(limit_cell(terms.limits.bytes))
    .bind(limit_cell(terms.max_size))
    .bind(Json(terms.allowed.iter().map(|pattern| pattern.as_str().to_owned()).collect::<Vec<_>>()))
    .bind(terms.policy.clone())
    .bind(Json(terms.metadata.clone()))
    .bind(terms.sender.iter().map(|field| SenderField::name(*field)).collect::<Vec<_>>().join(","))
    .bind(new.used.files)
    .bind(new.used.bytes);
    one_row(query.execute(conn).await.map_err(undone)?.rows_affected())
}

pub(super) async fn revoke(
    conn: &mut SqlConnection,
    tenant: TenantId,
    id: GrantId,
    now: Timestamp,
) -> std::result::Result<(), GroupFailure> {
    let query =
        sqlx::query("UPDATE drop_box SET revoked_at = coalesce(revoked_at, $3) WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.0)
            .bind(id.0)
            .bind(at(now));
    one_row(query.execute(conn).await.map_err(undone)?.rows_affected())
}

/// Adds what these transactions send to their drop boxes, and refuses a sum over a limit. Drop boxes are updated in a
/// fixed order, so that concurrent groups cannot deadlock.
pub(super) async fn charge<'a>(
    conn: &mut SqlConnection,
    charges: impl Iterator<Item = &'a DropBoxCharge>,
) -> std::result::Result<(), GroupFailure> {
    let mut sums = BTreeMap::<Uuid, DropBoxUsage>::new();
    for DropBoxCharge { drop_box, usage } in charges {
        *sums.entry(drop_box.0).or_default() += *usage;
    }
    for (drop_box, usage) in sums.into_iter().filter(|(_, usage)| *usage != DropBoxUsage::default()) {
        add(conn, drop_box, usage).await?;
    }
    Ok(())
}

async fn add(conn: &mut SqlConnection, drop_box: Uuid, usage: DropBoxUsage) -> std::result::Result<(), GroupFailure> {
    let query = sqlx::query(
        "UPDATE drop_box SET files = files + $2, bytes = bytes + $3 WHERE id = $1 \
         AND ($2 <= 0 OR (revoked_at IS NULL AND (max_files IS NULL OR files + $2 <= max_files))) \
         AND ($3 <= 0 OR max_bytes IS NULL OR bytes + $3 <= max_bytes)",
    );
    let query = query.bind(drop_box).bind(usage.files).bind(usage.bytes);
    if query.execute(&mut *conn).await.map_err(undone)?.rows_affected() == 1 {
        return Ok(());
    }
    let Some(row) = read(&mut *conn, drop_box).await.map_err(undone)? else { return Ok(()) };
    let found = DropBox::try_from(row).map_err(|error| GroupFailure::Undone { error, again: false })?;
    Err(GroupFailure::Undone { error: refusal(&found, usage), again: false })
}

/// The reason why a drop box does not take this much more.
fn refusal(found: &DropBox, more: DropBoxUsage) -> StoreError {
    if found.revoked_at.is_some() {
        return StoreError::DropBoxFull(DropBoxLimit::Revoked);
    }
    let limits = found.terms.limits;
    let growing = DropBoxLimits {
        files: limits.files.filter(|_| more.files > 0),
        bytes: limits.bytes.filter(|_| more.bytes > 0),
    };
    let mut used = found.used;
    used += more;
    // Another transaction has given back files between the two statements: a conflict, so that the caller retries.
    growing.exceeded_by(used).map_or(StoreError::Conflict, StoreError::DropBoxFull)
}
