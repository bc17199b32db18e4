//! Job queries: claim, extend, release, count; and deletion of expired rows.

use std::time::Duration;

use sqlx::QueryBuilder;
use sqlx::types::Json;

use super::failure::{GroupFailure, undone};
use super::write::one_row;
use super::{CLAIM, Db, DbPool, attempts};
use super::{ConcurrencyRow, CountRow, EntryRow, JobRow, SqlConnection, at, decode, failed, insert};
use crate::domain::clock::{Timestamp, after};
use crate::domain::ids::{AssetId, JobId, TenantId};
use crate::domain::job::{
    Job, JobCount, JobEntry, JobKind, JobRelease, JobSubject, NewJob, Priority, QueueConcurrency, TryCount,
};
use crate::domain::job_attempt::AttemptOutcome;
use crate::domain::reason::chain;
use crate::machine::process_name;
use crate::store::{JobQuery, Result};

/// Returns the kinds, out of `kinds`, that have a due job and are not paused. Costs an index lookup per kind and
/// priority, however many jobs wait.
pub(super) async fn due(pool: &DbPool, kinds: &[JobKind], now: Timestamp) -> Result<Vec<JobKind>> {
    if kinds.is_empty() {
        return Ok(Vec::new());
    }
    let pairs = kinds.iter().flat_map(|kind| Priority::ALL.map(|priority| (kind.name(), priority.rank())));
    let mut builder = QueryBuilder::<Db>::new("WITH wanted (kind, priority) AS (");
    builder.push_values(pairs, |mut row, (kind, rank)| {
        row.push_bind(kind).push_bind(rank);
    });
    builder.push(") SELECT DISTINCT kind FROM wanted WHERE EXISTS (SELECT 1 FROM job WHERE job.kind = wanted.kind ");
    builder.push("AND job.priority = wanted.priority AND job.state <> 'dead' AND job.run_at <= ").push_bind(at(now));
    builder.push(") AND NOT EXISTS (SELECT 1 FROM paused WHERE paused.kind = wanted.kind)");
    let names: Vec<String> = builder.build_query_scalar().fetch_all(pool).await.map_err(failed)?;
    Ok(kinds.iter().copied().filter(|kind| names.iter().any(|name| name == kind.name())).collect())
}

pub(super) async fn claim(
    pool: &DbPool,
    kind: JobKind,
    now: Timestamp,
    lease: Duration,
    limit: u32,
) -> Result<Vec<Job>> {
    let mut claimed: Vec<Job> = Vec::new();
    for priority in Priority::ALL {
        let left = i64::from(limit) - i64::try_from(claimed.len()).unwrap_or(i64::MAX);
        if left <= 0 {
            break;
        }
        let query = sqlx::query_as::<_, JobRow>(CLAIM)
            .bind(kind.name())
            .bind(at(now))
            .bind(at(after(now, lease)))
            .bind(left)
            .bind(priority.rank())
            .bind(process_name());
        claimed.extend(decode::<_, Job>(query.fetch_all(pool).await.map_err(failed)?)?);
    }
    if let Err(error) = attempts::record_lost(pool, &claimed, now).await {
        // The jobs are claimed all the same.
        tracing::warn!(error = %chain(&error), "lost attempts of jobs could not be recorded");
    }
    Ok(claimed)
}

pub(super) async fn extend(pool: &DbPool, job: &Job, now: Timestamp, lease: Duration) -> Result<bool> {
    let query = sqlx::query("UPDATE job SET run_at = $3 WHERE id = $1 AND attempt = $2 AND state = 'running'")
        .bind(job.id.0)
        .bind(i64::from(job.attempt))
        .bind(at(after(now, lease)));
    Ok(query.execute(pool).await.map_err(failed)?.rows_affected() == 1)
}

/// Saves a job's progress; `false`: the lease is lost.
pub(super) async fn keep(pool: &DbPool, job: &Job) -> Result<bool> {
    let query = sqlx::query("UPDATE job SET progress = $3 WHERE id = $1 AND attempt = $2 AND state = 'running'")
        .bind(job.id.0)
        .bind(i64::from(job.attempt))
        .bind(job.progress.clone().map(Json));
    Ok(query.execute(pool).await.map_err(failed)?.rows_affected() == 1)
}

/// Deletes a finished job.
pub(super) async fn finish(
    conn: &mut SqlConnection,
    job: &Job,
    now: Timestamp,
) -> std::result::Result<(), GroupFailure> {
    attempts::record(conn, job, AttemptOutcome::Done, None, now).await?;
    let query = sqlx::query("DELETE FROM job WHERE id = $1 AND attempt = $2 AND state <> 'dead'");
    let query = query.bind(job.id.0).bind(i64::from(job.attempt));
    one_row(query.execute(conn).await.map_err(undone)?.rows_affected())
}

pub(super) async fn release(
    conn: &mut SqlConnection,
    release: &JobRelease,
    now: Timestamp,
) -> std::result::Result<(), GroupFailure> {
    let outcome = match (release.due, release.tries) {
        (None, _) => AttemptOutcome::Dead,
        (Some(_), TryCount::Counted) => AttemptOutcome::Failed,
        (Some(_), TryCount::Forgiven | TryCount::Anew) => AttemptOutcome::Deferred,
    };
    attempts::record(conn, &release.job, outcome, release.why.as_deref(), now).await?;
    let tries = match release.tries {
        TryCount::Counted => release.job.tries,
        TryCount::Forgiven => release.job.tries.saturating_sub(1),
        TryCount::Anew => 0,
    };
    let query = sqlx::query(
        "UPDATE job SET state = $3, run_at = coalesce($4, run_at), last_error = $5, tries = $6, \
         progress = coalesce($7, progress), claimed_at = NULL WHERE id = $1 AND attempt = $2 AND state = 'running'",
    )
    .bind(release.job.id.0)
    .bind(i64::from(release.job.attempt))
    .bind(if release.due.is_some() { "ready" } else { "dead" })
    .bind(release.due.map(at))
    .bind(release.why.clone())
    .bind(i64::from(tries))
    .bind(release.progress.clone().map(Json));
    one_row(query.execute(conn).await.map_err(undone)?.rows_affected())
}

pub(super) async fn postpone(
    conn: &mut SqlConnection,
    release: &JobRelease,
    now: Timestamp,
) -> std::result::Result<(), GroupFailure> {
    attempts::record(conn, &release.job, AttemptOutcome::Postponed, release.why.as_deref(), now).await?;
    let query = sqlx::query(
        "UPDATE job SET state = 'ready', run_at = coalesce($3, run_at), last_error = $4, attempt = attempt + 1, \
         claimed_at = NULL \
         WHERE id = $1 AND attempt = $2 AND state <> 'dead'",
    )
    .bind(release.job.id.0)
    .bind(i64::from(release.job.attempt))
    .bind(release.due.map(at))
    .bind(release.why.clone());
    one_row(query.execute(conn).await.map_err(undone)?.rows_affected())
}

pub(super) async fn retry(
    conn: &mut SqlConnection,
    job: JobId,
    tenant: TenantId,
    now: Timestamp,
) -> std::result::Result<(), GroupFailure> {
    let query = sqlx::query(
        "UPDATE job SET state = 'ready', run_at = $3, tries = 0 \
         WHERE id = $1 AND tenant_id = $2 AND state = 'dead'",
    )
    .bind(job.0)
    .bind(tenant.0)
    .bind(at(now));
    one_row(query.execute(conn).await.map_err(undone)?.rows_affected())
}

/// Inserts each job unless a job of its kind already exists for its subject and is not dead.
pub(super) async fn seed(pool: &DbPool, jobs: &[NewJob]) -> Result<()> {
    let mut builder = QueryBuilder::<Db>::new(insert::JOBS);
    builder.push_values(jobs, insert::job);
    builder.push(" ON CONFLICT DO NOTHING");
    builder.build().execute(pool).await.map(|_| ()).map_err(failed)
}

/// Inserts a job within a transaction, unless a job of its kind exists for the subject and is not dead.
pub(super) async fn owe(conn: &mut SqlConnection, job: &NewJob) -> std::result::Result<(), GroupFailure> {
    let mut builder = QueryBuilder::<Db>::new(insert::JOBS);
    builder.push_values([job], insert::job);
    builder.push(" ON CONFLICT DO NOTHING");
    builder.build().execute(conn).await.map(|_| ()).map_err(undone)
}

/// Deletes the job for a subject, whatever its attempt; a worker that holds it finds its lease lost.
pub(super) async fn cancel(conn: &mut SqlConnection, work: JobSubject) -> std::result::Result<(), GroupFailure> {
    let query = sqlx::query("DELETE FROM job WHERE subject_id = $1 AND kind = $2 AND state <> 'dead'");
    let query = query.bind(work.subject()).bind(work.kind().name());
    query.execute(conn).await.map(|_| ()).map_err(undone)
}

pub(super) async fn hurry(
    conn: &mut SqlConnection,
    kind: JobKind,
    now: Timestamp,
) -> std::result::Result<(), GroupFailure> {
    let query = sqlx::query("UPDATE job SET run_at = $2 WHERE kind = $1 AND state = 'ready' AND run_at > $2");
    let hurried = query.bind(kind.name()).bind(at(now)).execute(conn).await.map_err(undone)?.rows_affected();
    if hurried > 0 { Ok(()) } else { Err(GroupFailure::CONFLICT) }
}

pub(super) async fn pause(
    conn: &mut SqlConnection,
    kind: JobKind,
    paused: bool,
    now: Timestamp,
) -> std::result::Result<(), GroupFailure> {
    let query = if paused {
        sqlx::query("INSERT INTO paused (kind, paused_at) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(kind.name())
            .bind(at(now))
    } else {
        sqlx::query("DELETE FROM paused WHERE kind = $1").bind(kind.name())
    };
    query.execute(conn).await.map(|_| ()).map_err(undone)
}

/// Sets how many jobs of a kind run at once in each worker; `None`: as many as the setting says.
pub(super) async fn set_concurrency(
    conn: &mut SqlConnection,
    kind: JobKind,
    concurrency: Option<u32>,
    now: Timestamp,
) -> std::result::Result<(), GroupFailure> {
    let query = match concurrency {
        Some(concurrency) => sqlx::query(
            "INSERT INTO queue_concurrency (kind, concurrency, changed_at) VALUES ($1, $2, $3) \
             ON CONFLICT (kind) DO UPDATE SET concurrency = excluded.concurrency, changed_at = excluded.changed_at",
        )
        .bind(kind.name())
        .bind(i64::from(concurrency))
        .bind(at(now)),
        None => sqlx::query("DELETE FROM queue_concurrency WHERE kind = $1").bind(kind.name()),
    };
    query.execute(conn).await.map(|_| ()).map_err(undone)
}

pub(super) async fn list_concurrency(pool: &DbPool) -> Result<Vec<QueueConcurrency>> {
    let query = sqlx::query_as::<_, ConcurrencyRow>("SELECT kind, concurrency FROM queue_concurrency ORDER BY kind");
    decode(query.fetch_all(pool).await.map_err(failed)?)
}

pub(super) async fn list_paused(pool: &DbPool) -> Result<Vec<JobKind>> {
    let query = sqlx::query_scalar::<_, String>("SELECT kind FROM paused ORDER BY kind");
    let names = query.fetch_all(pool).await.map_err(failed)?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// Jobs as operators see them; a condition follows.
const ENTRIES: &str = "SELECT id, kind, tenant_id, subject_id, attempt, tries, progress, traceparent, state, run_at, \
    last_error, created_at, claimed_at, claimed_by FROM job WHERE ";

pub(super) async fn page(pool: &DbPool, query: &JobQuery) -> Result<Vec<JobEntry>> {
    let mut builder = QueryBuilder::<Db>::new(ENTRIES);
    builder.push("tenant_id ");
    match query.tenant {
        Some(tenant) => builder.push("= ").push_bind(tenant.0),
        None => builder.push("<> ").push_bind(uuid::Uuid::nil()),
    };
    if let Some(state) = query.state {
        builder.push(" AND state = ").push_bind(state.name());
    }
    if let Some(kind) = query.kind {
        builder.push(" AND kind = ").push_bind(kind.name());
    }
    if let Some(after) = query.after {
        builder.push(" AND id > ").push_bind(after.0);
    }
    builder.push(" ORDER BY id LIMIT ").push_bind(i64::from(query.limit));
    decode(builder.build_query_as::<EntryRow>().fetch_all(pool).await.map_err(failed)?)
}

pub(super) async fn find_unfinished(pool: &DbPool, kind: JobKind, subject: uuid::Uuid) -> Result<Option<JobEntry>> {
    let mut builder = QueryBuilder::<Db>::new(ENTRIES);
    builder.push("subject_id = ").push_bind(subject).push(" AND kind = ").push_bind(kind.name());
    builder.push(" AND state <> 'dead'");
    let row = builder.build_query_as::<EntryRow>().fetch_optional(pool).await.map_err(failed)?;
    row.map(JobEntry::try_from).transpose()
}

pub(super) async fn find(pool: &DbPool, id: JobId, tenant: Option<TenantId>) -> Result<Option<JobEntry>> {
    let mut builder = QueryBuilder::<Db>::new(ENTRIES);
    builder.push("id = ").push_bind(id.0);
    if let Some(tenant) = tenant {
        builder.push(" AND tenant_id = ").push_bind(tenant.0);
    }
    let row = builder.build_query_as::<EntryRow>().fetch_optional(pool).await.map_err(failed)?;
    row.map(JobEntry::try_from).transpose()
}

/// Jobs about an asset, oldest first. By two indexes: of jobs that are not dead by their subject, and of the few that are.
pub(super) async fn list_of_asset(pool: &DbPool, asset: AssetId) -> Result<Vec<JobEntry>> {
    let mut builder = QueryBuilder::<Db>::new(ENTRIES);
    builder.push("state <> 'dead' AND kind <> 'deliver' AND subject_id = ").push_bind(asset.0);
    builder.push(" UNION ALL ").push(ENTRIES);
    builder.push("state = 'dead' AND kind <> 'deliver' AND subject_id = ").push_bind(asset.0);
    builder.push(" ORDER BY id");
    decode(builder.build_query_as::<EntryRow>().fetch_all(pool).await.map_err(failed)?)
}

/// Number of jobs that wait or run, and of dead jobs. Chores, which have no tenant, are not counted.
pub(super) async fn count(pool: &DbPool) -> Result<(u64, u64)> {
    let query = sqlx::query_as::<_, (i64, i64)>(
        "SELECT coalesce(sum(CASE WHEN state = 'dead' THEN 0 ELSE 1 END), 0), \
         coalesce(sum(CASE WHEN state = 'dead' THEN 1 ELSE 0 END), 0) FROM job WHERE tenant_id <> $1",
    );
    let (owed, dead) = query.bind(uuid::Uuid::nil()).fetch_one(pool).await.map_err(failed)?;
    Ok((owed.cast_unsigned(), dead.cast_unsigned()))
}

pub(super) async fn counts(pool: &DbPool, tenant: Option<TenantId>, now: Timestamp) -> Result<Vec<JobCount>> {
    let mut builder = QueryBuilder::<Db>::new("SELECT kind, state, count(*) AS count, min(run_at) AS oldest");
    for (name, attempts) in [("scheduled", "= 0"), ("retrying", "> 0")] {
        builder.push(format!(", sum(CASE WHEN state = 'ready' AND attempt {attempts} AND run_at > "));
        builder.push_bind(at(now)).push(format!(" THEN 1 ELSE 0 END) AS {name}"));
    }
    builder.push(" FROM job");
    if let Some(tenant) = tenant {
        builder.push(" WHERE tenant_id = ").push_bind(tenant.0);
    }
    builder.push(" GROUP BY kind, state ORDER BY kind, state");
    decode(builder.build_query_as::<CountRow>().fetch_all(pool).await.map_err(failed)?)
}

pub(super) async fn forget_expired(pool: &DbPool, now: Timestamp, limit: u32) -> Result<u64> {
    const LINKS: &str = "DELETE FROM link WHERE id IN (SELECT id FROM link WHERE expires_at < $1 LIMIT $2)";
    const COLLECTIONS: &str =
        "DELETE FROM collection WHERE id IN (SELECT id FROM collection WHERE expires_at < $1 LIMIT $2)";
    // No LIMIT: bounded by the items of the deleted collections.
    const CRCS: &str = "DELETE FROM collection_crc WHERE $1 > 0 AND $2 > 0 AND NOT EXISTS \
        (SELECT 1 FROM collection WHERE collection.id = collection_crc.collection_id)";
    const REPLAYS: &str = "DELETE FROM replay WHERE (key_id, route, token) IN \
        (SELECT key_id, route, token FROM replay WHERE expires_at < $1 LIMIT $2)";
    // Thirty days in microseconds.
    const ATTEMPTS: &str = "DELETE FROM job_attempt WHERE (job_id, attempt) IN (SELECT job_id, attempt FROM job_attempt \
        WHERE ended_at < $1 - 2592000000000 LIMIT $2)";
    // Kept for thirty days after their end, so that their owner can look up what was sent.
    const DROP_BOXES: &str = "DELETE FROM drop_box WHERE id IN \
        (SELECT id FROM drop_box WHERE expires_at < $1 - 2592000000000 LIMIT $2)";
    let mut gone = 0;
    for statement in [DROP_BOXES, LINKS, COLLECTIONS, CRCS, REPLAYS, ATTEMPTS] {
        let query = sqlx::query(statement).bind(at(now)).bind(i64::from(limit));
        gone += query.execute(pool).await.map_err(failed)?.rows_affected();
    }
    Ok(gone)
}

/// Approximate number of rows that [`forget_expired`] and the deletion of old events would remove.
pub(super) async fn count_expired(pool: &DbPool, now: Timestamp, before: Timestamp) -> Result<u64> {
    const COUNT_EXPIRED_SQL: &str = "SELECT (SELECT count(*) FROM link WHERE expires_at < $1) \
        + (SELECT count(*) FROM replay WHERE expires_at < $1) \
        + (SELECT count(*) FROM event WHERE pos IS NOT NULL AND at < $2 AND EXISTS \
            (SELECT 1 FROM event AS later WHERE later.asset_id = event.asset_id AND later.seq > event.seq))";
    let query = sqlx::query_scalar::<_, i64>(COUNT_EXPIRED_SQL).bind(at(now)).bind(at(before));
    Ok(query.fetch_one(pool).await.map_err(failed)?.cast_unsigned())
}
