//! The row of `job`, as workers and operators read it.

use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::{CellDecode, InvalidCell, bad, decodes, parse};
use crate::domain::clock::micros;
use crate::domain::ids::{JobId, TenantId};
use crate::domain::job::{Job, JobCount, JobEntry, JobKind, JobState, JobSubject, QueueConcurrency};
use crate::domain::job_attempt::{AttemptMinute, JobAttempt};
use crate::store::StoreError;

#[derive(sqlx::FromRow)]
pub(in crate::store) struct JobRow {
    id: Uuid,
    kind: String,
    tenant_id: Uuid,
    subject_id: Uuid,
    attempt: i64,
    tries: i64,
    progress: Option<Json<Value>>,
    traceparent: Option<String>,
}

fn kind(text: &str) -> CellDecode<JobKind> {
    text.parse().map_err(|_| bad("kind", text))
}

fn state(text: &str) -> CellDecode<JobState> {
    text.parse().map_err(|_| bad("state", text))
}

impl JobRow {
    fn name(&self) -> String {
        self.id.to_string()
    }

    fn decode(self) -> CellDecode<Job> {
        let count = |column, value: i64| u32::try_from(value).map_err(|_| bad(column, value));
        Ok(Job {
            id: JobId(self.id),
            work: JobSubject::of(kind(&self.kind)?, self.subject_id),
            tenant: TenantId(self.tenant_id),
            attempt: count("attempt", self.attempt)?,
            tries: count("tries", self.tries)?,
            progress: self.progress.map(|progress| progress.0),
            traceparent: self.traceparent,
        })
    }
}

decodes!(JobRow in "job" as Job);

#[derive(sqlx::FromRow)]
pub(in crate::store) struct EntryRow {
    #[sqlx(flatten)]
    job: JobRow,
    state: String,
    run_at: i64,
    last_error: Option<String>,
    created_at: i64,
    claimed_at: Option<i64>,
    claimed_by: Option<String>,
}

impl EntryRow {
    fn name(&self) -> String {
        self.job.name()
    }

    fn decode(self) -> CellDecode<JobEntry> {
        Ok(JobEntry {
            job: self.job.decode()?,
            state: state(&self.state)?,
            run_at: micros(self.run_at),
            last_error: self.last_error,
            created_at: micros(self.created_at),
            claimed_at: self.claimed_at.map(micros),
            claimed_by: self.claimed_by.filter(|_| self.claimed_at.is_some()),
        })
    }
}

decodes!(EntryRow in "job" as JobEntry);

#[derive(sqlx::FromRow)]
pub(in crate::store) struct CountRow {
    kind: String,
    state: String,
    count: i64,
    scheduled: i64,
    retrying: i64,
    oldest: i64,
}

impl CountRow {
    fn name(&self) -> String {
        format!("{}/{}", self.kind, self.state)
    }

    fn decode(self) -> CellDecode<JobCount> {
        let (kind, state) = (kind(&self.kind)?, state(&self.state)?);
        Ok(JobCount {
            kind,
            state,
            count: self.count.cast_unsigned(),
            scheduled: self.scheduled.cast_unsigned(),
            retrying: self.retrying.cast_unsigned(),
            oldest: micros(self.oldest),
        })
    }
}

decodes!(CountRow in "job" as JobCount);

#[derive(sqlx::FromRow)]
pub(in crate::store) struct ConcurrencyRow {
    kind: String,
    concurrency: i64,
}

impl ConcurrencyRow {
    fn name(&self) -> String {
        self.kind.clone()
    }

    fn decode(self) -> CellDecode<QueueConcurrency> {
        let concurrency = u32::try_from(self.concurrency).map_err(|_| bad("concurrency", self.concurrency))?;
        Ok(QueueConcurrency { kind: kind(&self.kind)?, concurrency })
    }
}

decodes!(ConcurrencyRow in "queue_concurrency" as QueueConcurrency);

#[derive(sqlx::FromRow)]
pub(in crate::store) struct MinuteRow {
    kind: String,
    minute: i64,
    finished: i64,
    failed: i64,
}

impl MinuteRow {
    fn name(&self) -> String {
        format!("{}/{}", self.kind, self.minute)
    }

    fn decode(self) -> CellDecode<AttemptMinute> {
        Ok(AttemptMinute {
            kind: kind(&self.kind)?,
            minute: micros(self.minute),
            finished: self.finished.cast_unsigned(),
            failed: self.failed.cast_unsigned(),
        })
    }
}

decodes!(MinuteRow in "job_attempt" as AttemptMinute);

#[derive(sqlx::FromRow)]
pub(in crate::store) struct AttemptRow {
    job_id: Uuid,
    attempt: i64,
    tenant_id: Uuid,
    kind: String,
    subject_id: Uuid,
    worker: Option<String>,
    started_at: i64,
    ended_at: i64,
    outcome: String,
    error: Option<String>,
}

impl AttemptRow {
    fn name(&self) -> String {
        format!("{}/{}", self.job_id, self.attempt)
    }

    fn decode(self) -> CellDecode<JobAttempt> {
        Ok(JobAttempt {
            job: JobId(self.job_id),
            attempt: u32::try_from(self.attempt).map_err(|_| bad("attempt", self.attempt))?,
            tenant: TenantId(self.tenant_id),
            work: JobSubject::of(kind(&self.kind)?, self.subject_id),
            worker: self.worker,
            started_at: micros(self.started_at),
            ended_at: micros(self.ended_at),
            outcome: parse("outcome", &self.outcome)?,
            error: self.error,
        })
    }
}

decodes!(AttemptRow in "job_attempt" as JobAttempt);
