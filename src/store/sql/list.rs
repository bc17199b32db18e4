//! Pages of assets by keyset: the first page costs as much as the millionth.
//!
//! Filters that no index serves (type, metadata) examine at most [`MAX_SCANNED_ROWS`] rows per page; a page may then be
//! short or empty and still have a next page. The time per request stays bounded for every query.

use sqlx::{Pool, QueryBuilder};

use super::Db;
use super::{AssetRow, at, decode, failed};
use crate::domain::asset::Asset;
use crate::domain::findings::StoredDamage;
use crate::domain::ids::{AssetId, TenantId, floor};
use crate::domain::media_alias::synonyms;
use crate::store::{AssetPage, AssetQuery, Result, StoreError};

/// Maximum number of rows that a page examines when no index serves its filter.
pub(super) const MAX_SCANNED_ROWS: u32 = 10_000;

pub(super) async fn by_id(pool: &Pool<Db>, ids: &[AssetId]) -> Result<Vec<Asset>> {
    let mut found = Vec::with_capacity(ids.len());
    for group in ids.chunks(1000) {
        let mut builder = QueryBuilder::<Db>::new("SELECT * FROM asset WHERE id IN (");
        let mut list = builder.separated(", ");
        group.iter().for_each(|id| {
            list.push_bind(id.0);
        });
        builder.push(")");
        let rows: Vec<AssetRow> = builder.build_query_as().persistent(false).fetch_all(pool).await.map_err(failed)?;
        found.extend(decode::<_, Asset>(rows)?);
    }
    Ok(found)
}

/// Damaged assets, from a partial index that holds few rows or none.
pub(super) async fn list_damaged(pool: &Pool<Db>, limit: u32) -> Result<Vec<(AssetId, StoredDamage)>> {
    const DAMAGED: &str = "SELECT id, damage FROM asset WHERE damage IS NOT NULL ORDER BY id LIMIT $1";
    let rows: Vec<(uuid::Uuid, String)> =
        sqlx::query_as(DAMAGED).bind(i64::from(limit)).fetch_all(pool).await.map_err(failed)?;
    let decode = |(id, damage): (uuid::Uuid, String)| match damage.parse() {
        Ok(damage) => Ok((AssetId(id), damage)),
        Err(_) => {
            Err(StoreError::Corrupt { table: "asset", row: id.to_string(), problem: format!("damage = {damage:?}") })
        }
    };
    rows.into_iter().map(decode).collect()
}

pub(super) async fn page(pool: &Pool<Db>, tenant: TenantId, query: &AssetQuery) -> Result<AssetPage> {
    let scans = query.content_type.is_some() || !query.metadata.is_empty();
    let mut builder = QueryBuilder::<Db>::new(if scans { "SELECT * FROM (" } else { "" });
    builder.push("SELECT * FROM asset");
    indexed(&mut builder, tenant, query);
    if scans {
        builder.push(" LIMIT ").push_bind(i64::from(MAX_SCANNED_ROWS)).push(") AS scanned WHERE true");
        unindexed(&mut builder, query);
        builder.push(" ORDER BY id DESC");
    }
    builder.push(" LIMIT ").push_bind(i64::from(query.limit) + 1);
    let rows: Vec<AssetRow> = builder.build_query_as().fetch_all(pool).await.map_err(failed)?;
    let mut assets = decode::<_, Asset>(rows)?;
    let next = if assets.len() > query.limit as usize {
        assets.truncate(query.limit as usize);
        assets.last().map(|asset| asset.id)
    } else if scans {
        scan_end(pool, tenant, query).await?
    } else {
        None
    };
    Ok(AssetPage { assets, next })
}

/// Adds the conditions that an index serves.
fn indexed(builder: &mut QueryBuilder<Db>, tenant: TenantId, query: &AssetQuery) {
    builder.push(" WHERE partial = 0 AND tenant_id = ").push_bind(tenant.0);
    if let Some(state) = &query.state {
        builder.push(" AND state = ").push_bind(state.clone());
    }
    if let Some(external_id) = &query.external_id {
        builder.push(" AND external_id = ").push_bind(external_id.clone());
    }
    if let Some(time) = query.created_after {
        // Ids contain their milliseconds, so the id index serves this too; the column decides within the last
        // millisecond.
        builder.push(" AND id >= ").push_bind(floor(time)).push(" AND created_at >= ").push_bind(at(time));
    }
    if let Some(after) = query.after {
        builder.push(" AND id < ").push_bind(after.0);
    }
    builder.push(" ORDER BY id DESC");
}

/// Adds the conditions that examine each row.
fn unindexed(builder: &mut QueryBuilder<Db>, query: &AssetQuery) {
    if let Some(content_type) = &query.content_type {
        builder.push(" AND coalesce(detected_type, media_type) IN (");
        let mut names = builder.separated(", ");
        for name in synonyms(content_type) {
            names.push_bind(name.to_owned());
        }
        builder.push(")");
    }
    for (name, value) in &query.metadata {
        builder.push(" AND CAST(metadata ->> ").push_bind(name.clone()).push(" AS text) = ").push_bind(value.clone());
    }
}

/// Last row of a scan that stopped at [`MAX_SCANNED_ROWS`]; `None` if it examined every row.
async fn scan_end(pool: &Pool<Db>, tenant: TenantId, query: &AssetQuery) -> Result<Option<AssetId>> {
    let mut builder = QueryBuilder::<Db>::new("SELECT id FROM asset");
    indexed(&mut builder, tenant, query);
    builder.push(" LIMIT 1 OFFSET ").push_bind(i64::from(MAX_SCANNED_ROWS) - 1);
    let id: Option<uuid::Uuid> = builder.build_query_scalar().fetch_optional(pool).await.map_err(failed)?;
    Ok(id.map(AssetId))
}
