//! Records of the attempts of jobs. An attempt under way is in the job's own row; its record is written by the
//! transaction that ends it, or by the claim that finds that nobody ended it.

use sqlx::QueryBuilder;

use super::failure::{GroupFailure, undone};
use super::{AttemptRow, Db, DbPool, MinuteRow, SqlConnection, at, decode, failed};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{JobId, TenantId};
use crate::domain::job::{Job, JobSubject};
use crate::domain::job_attempt::{AttemptMinute, AttemptOutcome, JobAttempt};
use crate::store::Result;

/// Reason of a lost attempt.
const LOST: &str = "the worker did not end it: it crashed, was stopped, or lost its connection";

/// Records the end of the attempt under way. Must run before the statement that changes or deletes the job's row.
pub(super) async fn record(
    conn: &mut SqlConnection,
    job: &Job,
    outcome: AttemptOutcome,
    error: Option<&str>,
    now: Timestamp,
) -> std::result::Result<(), GroupFailure> {
    if matches!(job.work, JobSubject::Chore(_)) {
        return Ok(());
    }
    let query = sqlx::query(
        "INSERT INTO job_attempt \
         (job_id, attempt, tenant_id, kind, subject_id, worker, started_at, ended_at, outcome, error) \
         SELECT id, attempt, tenant_id, kind, subject_id, claimed_by, claimed_at, $3, $4, $5 FROM job \
         WHERE id = $1 AND attempt = $2 AND claimed_at IS NOT NULL AND state <> 'dead' ON CONFLICT DO NOTHING",
    );
    let query = query.bind(job.id.0).bind(i64::from(job.attempt)).bind(at(now)).bind(outcome.name());
    query.bind(error.map(ToOwned::to_owned)).execute(conn).await.map(|_| ()).map_err(undone)
}

/// Records the attempts before these claims that nobody ended.
pub(super) async fn record_lost(pool: &DbPool, claimed: &[Job], now: Timestamp) -> Result<()> {
    let again = claimed.iter().filter(|job| job.attempt > 1 && !matches!(job.work, JobSubject::Chore(_)));
    for job in again {
        let query = sqlx::query(
            "INSERT INTO job_attempt \
             (job_id, attempt, tenant_id, kind, subject_id, worker, started_at, ended_at, outcome, error) \
             SELECT id, attempt - 1, tenant_id, kind, subject_id, lost_claimed_by, lost_claimed_at, $3, 'lost', $4 \
             FROM job WHERE id = $1 AND attempt = $2 AND lost_claimed_at IS NOT NULL ON CONFLICT DO NOTHING",
        );
        let query = query.bind(job.id.0).bind(i64::from(job.attempt)).bind(at(now)).bind(LOST);
        query.execute(pool).await.map_err(failed)?;
    }
    Ok(())
}

/// Ends of attempts by kind and minute, from the index alone: at most the last `most` since then.
pub(super) async fn count_minutes(
    pool: &DbPool,
    tenant: Option<TenantId>,
    since: Timestamp,
    most: u32,
) -> Result<Vec<AttemptMinute>> {
    let mut builder = QueryBuilder::<Db>::new(
        "SELECT kind, ended_at - ended_at % 60000000 AS minute, \
         sum(CASE WHEN outcome = 'done' THEN 1 ELSE 0 END) AS finished, \
         sum(CASE WHEN outcome IN ('failed', 'dead', 'lost') THEN 1 ELSE 0 END) AS failed \
         FROM (SELECT kind, ended_at, outcome FROM job_attempt WHERE ended_at >= ",
    );
    builder.push_bind(at(since));
    if let Some(tenant) = tenant {
        builder.push(" AND tenant_id = ").push_bind(tenant.0);
    }
    builder.push(" ORDER BY ended_at DESC LIMIT ").push_bind(i64::from(most));
    builder.push(") AS ended GROUP BY 1, 2 ORDER BY 1, 2");
    decode(builder.build_query_as::<MinuteRow>().fetch_all(pool).await.map_err(failed)?)
}

/// Attempts of a job that have ended, in their order, at most `limit`, the last ones.
pub(super) async fn list(pool: &DbPool, job: JobId, limit: u32) -> Result<Vec<JobAttempt>> {
    let query =
        sqlx::query_as::<_, AttemptRow>("SELECT * FROM job_attempt WHERE job_id = $1 ORDER BY attempt DESC LIMIT $2");
    let rows = query.bind(job.0).bind(i64::from(limit)).fetch_all(pool).await.map_err(failed)?;
    let mut attempts = decode::<_, JobAttempt>(rows)?;
    attempts.reverse();
    Ok(attempts)
}

/// Attempts of all jobs about a subject that have ended, in the order in which they began, at most `limit`, the last
/// ones.
pub(super) async fn list_for_subject(pool: &DbPool, subject: uuid::Uuid, limit: u32) -> Result<Vec<JobAttempt>> {
    let query = sqlx::query_as::<_, AttemptRow>(
        "SELECT * FROM job_attempt WHERE subject_id = $1 ORDER BY started_at DESC, attempt DESC LIMIT $2",
    );
    let rows = query.bind(subject).bind(i64::from(limit)).fetch_all(pool).await.map_err(failed)?;
    let mut attempts = decode::<_, JobAttempt>(rows)?;
    attempts.reverse();
    Ok(attempts)
}
