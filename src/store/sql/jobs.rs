//! Single statements that lease, prolong and forget.

use std::time::Duration;

use sqlx::Pool;

use super::super::super::Result;
use super::super::{CLAIM, Db};
use super::{JobRow, at, decode, failed};
use crate::domain::clock::{Timestamp, after};
use crate::domain::job::{Job, JobKind};

pub(super) async fn claim(
    pool: &Pool<Db>,
    kind: JobKind,
    now: Timestamp,
    lease: Duration,
    limit: u32,
) -> Result<Vec<Job>> {
    let query = sqlx::query_as::<_, JobRow>(CLAIM)
        .bind(kind.name())
        .bind(at(now))
        .bind(at(after(now, lease)))
        .bind(i64::from(limit));
    decode(query.fetch_all(pool).await.map_err(failed)?)
}

pub(super) async fn extend(pool: &Pool<Db>, job: &Job, now: Timestamp, lease: Duration) -> Result<bool> {
    let query = sqlx::query("UPDATE job SET run_at = $3 WHERE id = $1 AND attempt = $2 AND state = 'running'")
        .bind(job.id.0)
        .bind(i64::from(job.attempt))
        .bind(at(after(now, lease)));
    Ok(query.execute(pool).await.map_err(failed)?.rows_affected() == 1)
}

pub(super) async fn count(pool: &Pool<Db>) -> Result<(u64, u64)> {
    let query = sqlx::query_as::<_, (i64, i64)>(
        "SELECT coalesce(sum(CASE WHEN state = 'dead' THEN 0 ELSE 1 END), 0), \
         coalesce(sum(CASE WHEN state = 'dead' THEN 1 ELSE 0 END), 0) FROM job",
    );
    let (owed, dead) = query.fetch_one(pool).await.map_err(failed)?;
    Ok((owed.cast_unsigned(), dead.cast_unsigned()))
}

pub(super) async fn forget_expired(pool: &Pool<Db>, now: Timestamp, limit: u32) -> Result<u64> {
    const LINKS: &str = "DELETE FROM link WHERE id IN (SELECT id FROM link WHERE expires_at < $1 LIMIT $2)";
    const REPLAYS: &str = "DELETE FROM replay WHERE (key_id, route, token) IN \
        (SELECT key_id, route, token FROM replay WHERE expires_at < $1 LIMIT $2)";
    let mut gone = 0;
    for statement in [LINKS, REPLAYS] {
        let query = sqlx::query(statement).bind(at(now)).bind(i64::from(limit));
        gone += query.execute(pool).await.map_err(failed)?.rows_affected();
    }
    Ok(gone)
}
