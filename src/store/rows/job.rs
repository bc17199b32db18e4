//! The row of `job`, as workers and operators read it.

use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::{CellDecode, InvalidRow, bad, decodes};
use crate::domain::clock::micros;
use crate::domain::ids::{JobId, TenantId};
use crate::domain::job::{Job, JobCount, JobEntry, JobKind, JobState, JobSubject};
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
        })
    }
}

decodes!(EntryRow in "job" as JobEntry);

#[derive(sqlx::FromRow)]
pub(in crate::store) struct CountRow {
    kind: String,
    state: String,
    count: i64,
    oldest: i64,
}

impl CountRow {
    fn name(&self) -> String {
        format!("{}/{}", self.kind, self.state)
    }

    fn decode(self) -> CellDecode<JobCount> {
        let (kind, state) = (kind(&self.kind)?, state(&self.state)?);
        Ok(JobCount { kind, state, count: self.count.cast_unsigned(), oldest: micros(self.oldest) })
    }
}

decodes!(CountRow in "job" as JobCount);
