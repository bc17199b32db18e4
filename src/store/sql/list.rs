//! Pages of assets by keyset: the first page costs as much as the millionth.
//!
//! Filters that no index serves examine at most [`MAX_SCANNED_ROWS`] rows per page; a page may then be short or empty
//! and still have a next page. The time per request stays bounded for every query.

use sqlx::QueryBuilder;

use super::{AssetRow, at, decode, failed, names};
use super::{Db, DbPool, NAME_KEY};
use crate::domain::asset::Asset;
use crate::domain::asset_order::{AssetPosition, AssetSort, SortDirection, SortKey};
use crate::domain::clock::after;
use crate::domain::findings::StoredDamage;
use crate::domain::ids::{AssetId, floor};
use crate::domain::media_alias::synonyms;
use crate::store::{AssetPage, AssetQuery, Result, StoreError};
use names::NameSearch;

/// Maximum number of rows that a page examines when no index serves its filter.
pub(super) const MAX_SCANNED_ROWS: u32 = 10_000;

pub(super) async fn by_id(pool: &DbPool, ids: &[AssetId]) -> Result<Vec<Asset>> {
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
pub(super) async fn list_damaged(pool: &DbPool, limit: u32) -> Result<Vec<(AssetId, StoredDamage)>> {
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

/// A page of assets. `complete`: the index of names has all names.
pub(super) async fn page(pool: &DbPool, query: &AssetQuery, complete: bool) -> Result<AssetPage> {
    let search = names::search(pool, query.name.as_deref(), complete).await?;
    let scans = is_scan(query, &search);
    let mut builder = QueryBuilder::<Db>::new(if scans { "SELECT * FROM (" } else { "" });
    builder.push("SELECT * FROM asset");
    indexed(&mut builder, query, &search);
    if scans {
        builder.push(" LIMIT ").push_bind(i64::from(MAX_SCANNED_ROWS)).push(") AS scanned WHERE true");
        unindexed(&mut builder, query, &search);
        order(&mut builder, query);
    }
    builder.push(" LIMIT ").push_bind(i64::from(query.limit) + 1);
    let rows: Vec<AssetRow> = builder.build_query_as().fetch_all(pool).await.map_err(failed)?;
    let mut assets = decode::<_, Asset>(rows)?;
    let next = if assets.len() > query.limit as usize {
        assets.truncate(query.limit as usize);
        assets.last().map(|asset| position(asset, query.sort))
    } else if scans {
        scan_end(pool, query, &search).await?
    } else {
        None
    };
    Ok(AssetPage { assets, next })
}

fn position(asset: &Asset, sort: AssetSort) -> AssetPosition {
    let key = match sort {
        AssetSort::Created => SortKey::Created,
        AssetSort::Name => SortKey::Name(asset.name.as_str().to_owned()),
        AssetSort::Size => SortKey::Size(asset.size),
    };
    AssetPosition { id: asset.id, key }
}

/// True if some filter examines each row.
fn is_scan(query: &AssetQuery, search: &NameSearch) -> bool {
    let created = query.created_after.is_some() || query.created_before.is_some();
    let sized = query.size_from.is_some() || query.size_to.is_some();
    query.content_type.is_some()
        || !query.metadata.is_empty()
        || matches!(search, NameSearch::EachRow(_))
        || (query.state.is_some() && !state_is_indexed(query))
        || (created && query.sort != AssetSort::Created)
        || (sized && query.sort != AssetSort::Size)
}

/// True if the index of states serves this query: it has its rows in the order of creation, by tenant.
fn state_is_indexed(query: &AssetQuery) -> bool {
    query.sort == AssetSort::Created && query.tenant.is_some()
}

/// Column by which a list is ordered before the id, in the words of the index.
fn sort_column(sort: AssetSort) -> Option<&'static str> {
    match sort {
        AssetSort::Created => None,
        AssetSort::Name => Some(NAME_KEY),
        AssetSort::Size => Some("size"),
    }
}

fn order(builder: &mut QueryBuilder<Db>, query: &AssetQuery) {
    let direction = match query.direction {
        SortDirection::Ascending => "ASC",
        SortDirection::Descending => "DESC",
    };
    builder.push(" ORDER BY ");
    if let Some(column) = sort_column(query.sort) {
        builder.push(column).push(" ").push(direction).push(", ");
    }
    builder.push("id ").push(direction);
}

/// Adds the conditions that an index serves.
fn indexed(builder: &mut QueryBuilder<Db>, query: &AssetQuery, search: &NameSearch) {
    builder.push(" WHERE partial = 0");
    if let Some(tenant) = query.tenant {
        builder.push(" AND tenant_id = ").push_bind(tenant.0);
    }
    if let Some(state) = query.state.as_ref().filter(|_| state_is_indexed(query)) {
        builder.push(" AND state = ").push_bind(state.clone());
    }
    if let Some(external_id) = &query.external_id {
        builder.push(" AND external_id = ").push_bind(external_id.clone());
    }
    names::indexed(builder, search);
    match query.sort {
        AssetSort::Created => created(builder, query, true),
        AssetSort::Size => sized(builder, query),
        AssetSort::Name => {}
    }
    if let Some(position) = &query.after {
        behind(builder, query, position);
    }
    order(builder, query);
}

/// Adds the condition that a row is behind a position.
fn behind(builder: &mut QueryBuilder<Db>, query: &AssetQuery, position: &AssetPosition) {
    let sign = match query.direction {
        SortDirection::Ascending => " > ",
        SortDirection::Descending => " < ",
    };
    let Some(column) = sort_column(query.sort) else {
        builder.push(" AND id").push(sign).push_bind(position.id.0);
        return;
    };
    builder.push(" AND (").push(column).push(", id)").push(sign).push("(");
    match &position.key {
        SortKey::Name(name) => builder.push_bind(name.clone()),
        SortKey::Size(size) => builder.push_bind(size.cast_signed()),
        // The engine refuses a position of another order.
        SortKey::Created => builder.push("NULL"),
    };
    builder.push(", ").push_bind(position.id.0).push(")");
}

/// Adds the bounds of the time of creation. With `by_id` also those that the order of ids implies: ids contain their
/// milliseconds, so the index of ids serves this too; the column decides within the millisecond.
fn created(builder: &mut QueryBuilder<Db>, query: &AssetQuery, by_id: bool) {
    if let Some(time) = query.created_after {
        if by_id {
            builder.push(" AND id >= ").push_bind(floor(time));
        }
        builder.push(" AND created_at >= ").push_bind(at(time));
    }
    if let Some(time) = query.created_before {
        if by_id {
            builder.push(" AND id < ").push_bind(floor(after(time, std::time::Duration::from_millis(1))));
        }
        builder.push(" AND created_at < ").push_bind(at(time));
    }
}

fn sized(builder: &mut QueryBuilder<Db>, query: &AssetQuery) {
    if let Some(least) = query.size_from {
        builder.push(" AND size >= ").push_bind(least.cast_signed());
    }
    if let Some(most) = query.size_to {
        builder.push(" AND size <= ").push_bind(most.cast_signed());
    }
}

/// Adds the conditions that examine each row.
fn unindexed(builder: &mut QueryBuilder<Db>, query: &AssetQuery, search: &NameSearch) {
    if let Some(state) = query.state.as_ref().filter(|_| !state_is_indexed(query)) {
        builder.push(" AND state = ").push_bind(state.clone());
    }
    if query.sort != AssetSort::Created {
        created(builder, query, false);
    }
    if query.sort != AssetSort::Size {
        sized(builder, query);
    }
    names::unindexed(builder, search);
    if let Some(family) = query.content_type.as_deref().and_then(|wanted| wanted.strip_suffix("/*")) {
        // The text between the slashes may hold what LIKE has a meaning for.
        let chars = i32::try_from(family.chars().count()).unwrap_or(i32::MAX - 1) + 1;
        builder.push(" AND substr(coalesce(detected_type, media_type), 1, ").push_bind(chars);
        builder.push(") = ").push_bind(format!("{family}/"));
    } else if let Some(content_type) = &query.content_type {
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
async fn scan_end(pool: &DbPool, query: &AssetQuery, search: &NameSearch) -> Result<Option<AssetPosition>> {
    let mut builder = QueryBuilder::<Db>::new("SELECT id, name, size FROM asset");
    indexed(&mut builder, query, search);
    builder.push(" LIMIT 1 OFFSET ").push_bind(i64::from(MAX_SCANNED_ROWS) - 1);
    let row: Option<(uuid::Uuid, String, i64)> = builder.build_query_as().fetch_optional(pool).await.map_err(failed)?;
    Ok(row.map(|(id, name, size)| {
        let key = match query.sort {
            AssetSort::Created => SortKey::Created,
            AssetSort::Name => SortKey::Name(name),
            AssetSort::Size => SortKey::Size(size.cast_unsigned()),
        };
        AssetPosition { id: AssetId(id), key }
    }))
}
