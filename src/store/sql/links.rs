//! Queries for links and collections: pages, bulk revocation, uses.

use sqlx::QueryBuilder;

use super::failure::{GroupFailure, undone};
use super::{BEGIN, Db, DbPool};
use super::{CollectionRow, LinkRow, SqlConnection, at, decode, failed, tenancy};
use crate::domain::clock::Timestamp;
use crate::domain::collection::Collection;
use crate::domain::grant::Link;
use crate::domain::ids::{AssetId, CollectionId, GrantId};
use crate::store::{LinkQuery, LinksOf, Result, ToldOf};

fn narrow(builder: &mut QueryBuilder<Db>, of: LinksOf) {
    builder.push(" WHERE tenant_id = ").push_bind(of.tenant.0);
    if let Some(asset) = of.asset {
        builder.push(" AND kind = 'asset' AND subject_id = ").push_bind(asset.0);
    }
    if let Some(maker) = of.maker {
        builder.push(" AND created_by = ").push_bind(maker.0);
    }
}

pub(super) async fn page(pool: &DbPool, query: &LinkQuery) -> Result<Vec<Link>> {
    let mut builder = QueryBuilder::<Db>::new("SELECT * FROM link");
    narrow(&mut builder, query.of);
    if let Some(after) = query.after {
        builder.push(" AND id > ").push_bind(after.0);
    }
    builder.push(" ORDER BY id LIMIT ").push_bind(i64::from(query.limit));
    decode(builder.build_query_as::<LinkRow>().fetch_all(pool).await.map_err(failed)?)
}

pub(super) async fn revoke(pool: &DbPool, of: LinksOf, now: Timestamp, told: ToldOf) -> Result<u64> {
    let mut builder = QueryBuilder::<Db>::new("UPDATE link SET revoked_at = ");
    builder.push_bind(at(now));
    narrow(&mut builder, of);
    builder.push(" AND revoked_at IS NULL AND expires_at > ").push_bind(at(now));
    let mut tx = pool.begin_with(BEGIN).await.map_err(failed)?;
    let revoked = builder.build().execute(&mut *tx).await.map_err(failed)?.rows_affected();
    let mut entry = QueryBuilder::<Db>::new(tenancy::AUDIT);
    entry.push_values([told(revoked)], |row, entry| tenancy::audit(row, &entry));
    entry.build().execute(&mut *tx).await.map_err(failed)?;
    tx.commit().await.map_err(failed)?;
    Ok(revoked)
}

/// Revokes every link to an asset, within a transaction.
pub(super) async fn revoke_of(
    conn: &mut SqlConnection,
    asset: AssetId,
    now: Timestamp,
) -> std::result::Result<(), GroupFailure> {
    let query =
        sqlx::query("UPDATE link SET revoked_at = coalesce(revoked_at, $2) WHERE kind = 'asset' AND subject_id = $1");
    query.bind(asset.0).bind(at(now)).execute(conn).await.map(|_| ()).map_err(undone)
}

pub(super) async fn use_one(pool: &DbPool, id: GrantId, now: Timestamp) -> Result<bool> {
    const USE: &str = "UPDATE link SET used = used + 1, last_used_at = $2 \
        WHERE id = $1 AND (max_uses IS NULL OR used < max_uses)";
    let query = sqlx::query(USE).bind(id.0).bind(at(now));
    Ok(query.execute(pool).await.map_err(failed)?.rows_affected() == 1)
}

/// Adds uses that were counted in memory. Rows are locked in the order of their ids, so that two nodes cannot deadlock.
pub(super) async fn count_uses(
    conn: &mut SqlConnection,
    uses: &[(GrantId, u32, Timestamp)],
) -> std::result::Result<(), GroupFailure> {
    const COUNT_USES_SQL: &str = "UPDATE link SET used = used + $2, \
        last_used_at = CASE WHEN last_used_at > $3 THEN last_used_at ELSE $3 END WHERE id = $1";
    let mut uses = uses.to_vec();
    uses.sort_unstable_by_key(|(id, ..)| *id);
    for (id, count, last) in uses {
        let query = sqlx::query(COUNT_USES_SQL).bind(id.0).bind(i64::from(count)).bind(at(last));
        query.execute(&mut *conn).await.map_err(undone)?;
    }
    Ok(())
}

pub(super) async fn insert_collection(
    conn: &mut SqlConnection,
    new: &Collection,
) -> std::result::Result<(), GroupFailure> {
    let query = sqlx::query(
        "INSERT INTO collection (id, tenant_id, created_by, created_at, expires_at, name, items) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(new.id.0)
    .bind(new.tenant.0)
    .bind(new.created_by.0)
    .bind(at(new.created_at))
    .bind(at(new.expires_at))
    .bind(new.name.as_str().to_owned())
    // Serialising strings and numbers cannot fail.
    .bind(serde_json::to_string(&new.items).unwrap_or_default());
    query.execute(conn).await.map(|_| ()).map_err(undone)
}

pub(super) async fn collection(pool: &DbPool, id: CollectionId) -> Result<Option<Collection>> {
    let query = sqlx::query_as::<_, CollectionRow>("SELECT * FROM collection WHERE id = $1").bind(id.0);
    query.fetch_optional(pool).await.map_err(failed)?.map(Collection::try_from).transpose()
}

pub(super) async fn crcs(pool: &DbPool, id: CollectionId) -> Result<Vec<(usize, u32)>> {
    let query = sqlx::query_as::<_, (i64, i64)>("SELECT position, crc FROM collection_crc WHERE collection_id = $1");
    let rows = query.bind(id.0).fetch_all(pool).await.map_err(failed)?;
    let pair = |(at, crc)| Some((usize::try_from(at).ok()?, u32::try_from(crc).ok()?));
    Ok(rows.into_iter().filter_map(pair).collect())
}

pub(super) async fn keep_crc(pool: &DbPool, id: CollectionId, position: i64, crc: u32) -> Result<()> {
    const KEEP: &str = "INSERT INTO collection_crc (collection_id, position, crc) VALUES ($1, $2, $3) \
        ON CONFLICT (collection_id, position) DO NOTHING";
    let query = sqlx::query(KEEP).bind(id.0).bind(position).bind(i64::from(crc));
    query.execute(pool).await.map(|_| ()).map_err(failed)
}
