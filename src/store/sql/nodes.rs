//! Queries for the rows of processes.

use uuid::Uuid;

use super::{DbPool, at, failed};
use crate::domain::clock::{Timestamp, micros};
use crate::domain::node::ServiceNode;
use crate::store::Result;

/// Inserts or replaces the row of a process, and deletes rows that were last written before `forgotten`.
pub(super) async fn note(pool: &DbPool, node: &ServiceNode, forgotten: Timestamp) -> Result<()> {
    let query = sqlx::query(
        "INSERT INTO node (id, name, role, version, started_at, seen_at, skew, bytes_in, bytes_out) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO UPDATE SET \
         seen_at = excluded.seen_at, skew = excluded.skew, bytes_in = excluded.bytes_in, bytes_out = excluded.bytes_out",
    );
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let query = query
        .bind(node.id)
        .bind(node.name.clone())
        .bind(node.role.clone())
        .bind(node.version.clone())
        .bind(at(node.started_at))
        .bind(at(node.seen_at))
        .bind(node.skew_micros)
        .bind(bytes(node.bytes_in))
        .bind(bytes(node.bytes_out));
    query.execute(pool).await.map_err(failed)?;
    let query = sqlx::query("DELETE FROM node WHERE seen_at < $1").bind(at(forgotten));
    query.execute(pool).await.map(|_| ()).map_err(failed)
}

pub(super) async fn forget(pool: &DbPool, id: Uuid) -> Result<()> {
    sqlx::query("DELETE FROM node WHERE id = $1").bind(id).execute(pool).await.map(|_| ()).map_err(failed)
}

pub(super) async fn list(pool: &DbPool, seen_after: Timestamp) -> Result<Vec<ServiceNode>> {
    type Row = (Uuid, String, String, String, i64, i64, i64, i64, i64);
    let query = sqlx::query_as::<_, Row>(
        "SELECT id, name, role, version, started_at, seen_at, skew, bytes_in, bytes_out FROM node \
         WHERE seen_at > $1 ORDER BY name, id",
    );
    let rows = query.bind(at(seen_after)).fetch_all(pool).await.map_err(failed)?;
    let node = |(id, name, role, version, started_at, seen_at, skew_micros, bytes_in, bytes_out): Row| ServiceNode {
        id,
        name,
        role,
        version,
        started_at: micros(started_at),
        seen_at: micros(seen_at),
        skew_micros,
        bytes_in: bytes_in.cast_unsigned(),
        bytes_out: bytes_out.cast_unsigned(),
    };
    Ok(rows.into_iter().map(node).collect())
}
