//! The feed: each tenant's events in a single order. No event ever appears at or before a position that a reader has
//! already passed.
//!
//! Transactions commit in another order than they draw numbers in, so an event gets its position only after its commit:
//! readers number the pending events before they read. Numbering is serialised by a lock on the `feed` row of the nil
//! tenant, held from before the pending events are selected until the commit is visible. So positions become visible in
//! order and without gaps, and a cursor is a single number. If a node dies while numbering, its events stay pending,
//! and the next numbering on any node includes them.
//!
//! An asset's events become visible in sequence: batches are cut along (asset, sequence). Events of different assets
//! are ordered by time within a batch.
//!
//! Rejected alternatives: a horizon of transaction ids (`pg_snapshot_xmin`) waits for the oldest writer of the whole
//! server, and its cursors are meaningless after a restore; numbers drawn inside the writer's transaction would
//! serialise the writers of a tenant.

use sqlx::QueryBuilder;
use uuid::Uuid;

use super::{BEGIN, Db, DbPool};
use super::{FeedRow, SqlConnection, at, failed};
use crate::domain::clock::Timestamp;
use crate::domain::event::{FeedEnds, FeedEvent};
use crate::domain::ids::{AssetId, TenantId};
use crate::store::Result;

/// Maximum number of events that a single transaction numbers.
const NUMBERING_BATCH_EVENTS: i64 = 1000;

const NUMBER: &str = "\
    WITH pending AS (
        SELECT asset_id, seq, tenant_id, at FROM event WHERE pos IS NULL ORDER BY asset_id, seq LIMIT $1),
    timed AS (
        SELECT asset_id, seq, tenant_id, max(at) OVER (PARTITION BY asset_id ORDER BY seq) AS reached FROM pending),
    numbered AS (
        SELECT asset_id AS a, seq AS s, tenant_id AS t,
            row_number() OVER (PARTITION BY tenant_id ORDER BY reached, asset_id, seq) AS n FROM timed)
    UPDATE event SET pos = n + coalesce((SELECT last FROM feed WHERE feed.tenant_id = t), 0)
    FROM numbered WHERE event.asset_id = a AND event.seq = s
    RETURNING tenant_id, pos";

/// True if an event has no position yet.
pub(super) async fn is_pending(pool: &DbPool) -> Result<bool> {
    let query = sqlx::query_scalar::<_, i64>("SELECT seq FROM event WHERE pos IS NULL LIMIT 1");
    Ok(query.fetch_optional(pool).await.map_err(failed)?.is_some())
}

/// Numbers a batch of pending events. Returns how many.
pub(super) async fn number(pool: &DbPool) -> Result<u64> {
    let mut tx = pool.begin_with(BEGIN).await.map_err(failed)?;
    let numbered = number_in(&mut tx).await.map_err(failed)?;
    tx.commit().await.map_err(failed)?;
    Ok(numbered)
}

async fn number_in(conn: &mut SqlConnection) -> sqlx::Result<u64> {
    // A separate statement: the next statement must see what the previous lock holder committed.
    let hold = sqlx::query("UPDATE feed SET last = last + 1 WHERE tenant_id = $1").bind(Uuid::nil());
    hold.execute(&mut *conn).await?;
    let places: Vec<(Uuid, i64)> = sqlx::query_as(NUMBER).bind(NUMBERING_BATCH_EVENTS).fetch_all(&mut *conn).await?;
    let mut last = std::collections::BTreeMap::new();
    for (tenant, place) in &places {
        let reached = last.entry(*tenant).or_insert(*place);
        *reached = (*reached).max(*place);
    }
    for (tenant, reached) in last {
        let reach = sqlx::query(
            "INSERT INTO feed (tenant_id, last) VALUES ($1, $2) ON CONFLICT (tenant_id) DO UPDATE SET last = excluded.last",
        );
        reach.bind(tenant).bind(reached).execute(&mut *conn).await?;
    }
    Ok(places.len() as u64)
}

pub(super) async fn page(
    pool: &DbPool,
    tenant: TenantId,
    asset: Option<AssetId>,
    after: i64,
    limit: u32,
) -> Result<Vec<FeedEvent>> {
    let mut builder =
        QueryBuilder::<Db>::new("SELECT pos, asset_id, seq, kind, at, data, traceparent FROM event WHERE tenant_id = ");
    builder.push_bind(tenant.0).push(" AND pos > ").push_bind(after);
    match asset {
        Some(asset) => builder.push(" AND asset_id = ").push_bind(asset.0).push(" ORDER BY seq LIMIT "),
        None => builder.push(" ORDER BY pos LIMIT "),
    };
    builder.push_bind(i64::from(limit));
    let rows: Vec<FeedRow> = builder.build_query_as().fetch_all(pool).await.map_err(failed)?;
    Ok(rows.into_iter().map(FeedEvent::from).collect())
}

pub(super) async fn ends(pool: &DbPool, tenants: &[TenantId]) -> Result<Vec<(TenantId, FeedEnds)>> {
    let mut found = Vec::with_capacity(tenants.len());
    for group in tenants.chunks(1000) {
        let mut builder = QueryBuilder::<Db>::new("SELECT tenant_id, forgotten, last FROM feed WHERE tenant_id IN (");
        let mut list = builder.separated(", ");
        group.iter().for_each(|id| {
            list.push_bind(id.0);
        });
        builder.push(")");
        let query = builder.build_query_as::<(Uuid, i64, i64)>().persistent(group.len() == 1);
        let rows = query.fetch_all(pool).await.map_err(failed)?;
        found.extend(rows.into_iter().map(|(id, forgotten, last)| (TenantId(id), FeedEnds { forgotten, last })));
    }
    Ok(found)
}

/// For each feed, the last position among its first `limit` events that are older than `before` and that all active
/// webhooks have passed. Feeds without such events are left out.
pub(super) async fn due(pool: &DbPool, before: Timestamp, limit: u32) -> Result<Vec<(Uuid, i64)>> {
    const FEEDS: &str = "SELECT tenant_id, forgotten FROM feed WHERE last > forgotten AND $1 > \
        (SELECT at FROM event WHERE event.tenant_id = feed.tenant_id AND pos > forgotten ORDER BY pos LIMIT 1)";
    const BEGINNING: &str = "SELECT pos, at FROM event WHERE tenant_id = $1 AND pos > $2 AND pos <= \
        coalesce((SELECT min(cursor) FROM webhook WHERE webhook.tenant_id = $1 AND state = 'active'), pos) ORDER BY pos LIMIT $3";
    let feeds: Vec<(Uuid, i64)> = sqlx::query_as(FEEDS).bind(at(before)).fetch_all(pool).await.map_err(failed)?;
    let mut due = Vec::with_capacity(feeds.len());
    for (tenant, forgotten) in feeds {
        let query = sqlx::query_as::<_, (i64, i64)>(BEGINNING).bind(tenant).bind(forgotten).bind(i64::from(limit));
        let events = query.fetch_all(pool).await.map_err(failed)?;
        let old = events.iter().take_while(|(_, time)| *time < at(before));
        due.extend(old.last().map(|(place, _)| (tenant, *place)));
    }
    Ok(due)
}

/// Deletes the events of feeds up to these positions. Returns how many.
pub(super) async fn forget(pool: &DbPool, feeds: Vec<(Uuid, i64)>) -> Result<u64> {
    // The newest event of an asset stays, because the next sequence number is computed from it.
    const REMOVE: &str = "DELETE FROM event WHERE tenant_id = $1 AND pos <= $2 \
        AND pos > (SELECT forgotten FROM feed WHERE feed.tenant_id = $1) \
        AND EXISTS (SELECT 1 FROM event AS later WHERE later.asset_id = event.asset_id AND later.seq > event.seq)";
    const MARK: &str = "UPDATE feed SET forgotten = $2 WHERE tenant_id = $1 AND forgotten < $2";
    let mut gone = 0;
    for (tenant, place) in feeds {
        let mut tx = pool.begin_with(BEGIN).await.map_err(failed)?;
        for statement in [REMOVE, MARK] {
            let query = sqlx::query(statement).bind(tenant).bind(place);
            let done = query.execute(&mut *tx).await.map_err(failed)?;
            gone += if statement == REMOVE { done.rows_affected() } else { 0 };
        }
        tx.commit().await.map_err(failed)?;
    }
    Ok(gone)
}
