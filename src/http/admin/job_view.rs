//! A job with its attempts as an answer. Pure.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::ids::{AssetId, JobId, TenantId};
use crate::domain::job::{JobEntry, JobState};
use crate::domain::job_attempt::{AttemptOutcome, JobAttempt};
use crate::engine::{JobDiscard, JobHistory};
use crate::http::time_text::SortableTime;

/// State of a job that is finished and has only its attempts left.
const FINISHED: &str = "done";
/// State of a dead job that an administrator discarded.
const DISCARDED: &str = "discarded";
/// Outcome of an attempt that has not ended.
const UNDER_WAY: &str = "running";

fn states() -> Vec<&'static str> {
    JobState::ALL.map(JobState::name).into_iter().chain([FINISHED, DISCARDED]).collect()
}

fn outcomes() -> Vec<&'static str> {
    AttemptOutcome::ALL.map(AttemptOutcome::name).into_iter().chain([UNDER_WAY]).collect()
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobHistory")]
pub(super) struct JobHistoryView<'a> {
    /// Id of the job.
    id: JobId,
    /// Kind of the job.
    #[schemars(example = &"process")]
    kind: &'static str,
    /// State: `ready` waits, `running` is taken by a worker, `dead` was given up, `done` is finished,
    /// `discarded` was dead until an administrator removed it.
    #[schemars(extend("enum" = states()), example = &"dead")]
    state: &'static str,
    /// Asset of the job; null for jobs without an asset.
    asset_id: Option<AssetId>,
    /// Tenant of the job.
    tenant: TenantId,
    /// Time at which the job is to run, or at which its lease ends; null for a finished job.
    due_at: Option<SortableTime>,
    /// Time of creation; null for a finished job.
    created_at: Option<SortableTime>,
    /// Number of attempts that count towards its limit; null for a finished job.
    #[schemars(example = 2)]
    tries: Option<u32>,
    /// Reason why the last try failed; null if it did not.
    #[schemars(example = &"the storage did not answer")]
    last_error: Option<&'a str>,
    /// How a dead job was discarded; null if it was not.
    discarded: Option<JobDiscardView<'a>>,
    /// Attempts in their order, at most the last 100, kept for 30 days.
    attempts: Vec<JobAttemptView<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobDiscard")]
struct JobDiscardView<'a> {
    /// Key of the administrator, as in the audit trail.
    #[schemars(example = &"key:019aa3c1-7c40-7d2e-9f31-0b5f6f0c2a11")]
    actor: &'a str,
    /// Time of the discard.
    at: SortableTime,
    /// Why the work was not done; null if the administrator did not say.
    #[schemars(example = &"the sender has sent the file again")]
    reason: Option<&'a str>,
}

fn discard_view(discard: &JobDiscard) -> JobDiscardView<'_> {
    JobDiscardView { actor: &discard.actor, at: discard.at.into(), reason: discard.reason.as_deref() }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AssetJobs")]
pub(super) struct AssetJobsView<'a> {
    /// Jobs about the asset, oldest first, finished ones too; together at most the last 100 attempts, kept for 30 days.
    pub(super) jobs: Vec<JobHistoryView<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobAttempt")]
struct JobAttemptView<'a> {
    /// Number of the attempt, from 1; numbers may be missing.
    #[schemars(example = 1)]
    attempt: u32,
    /// Host and process of the worker; null if it is unknown.
    #[schemars(example = &"node-1:4711")]
    worker: Option<&'a str>,
    /// Time at which the worker took the job.
    started_at: SortableTime,
    /// Time at which the attempt ended; of a lost attempt, at which another worker took the job; null while it runs.
    ended_at: Option<SortableTime>,
    /// End: `done` finished the job, `failed` is tried again, `deferred` waits for a dependency without using up a try,
    /// `postponed` was given another time, `dead` was the last, `lost` was never ended by its worker, `running` is under
    /// way.
    #[schemars(extend("enum" = outcomes()), example = &"failed")]
    outcome: &'static str,
    /// Reason; null if there is none.
    #[schemars(example = &"the storage did not answer")]
    error: Option<&'a str>,
}

fn attempt_view(attempt: &JobAttempt) -> JobAttemptView<'_> {
    JobAttemptView {
        attempt: attempt.attempt,
        worker: attempt.worker.as_deref(),
        started_at: attempt.started_at.into(),
        ended_at: Some(attempt.ended_at.into()),
        outcome: attempt.outcome.name(),
        error: attempt.error.as_deref(),
    }
}

fn running_view(entry: &JobEntry) -> Option<JobAttemptView<'_>> {
    let started_at = entry.claimed_at.filter(|_| entry.state == JobState::Running)?;
    Some(JobAttemptView {
        attempt: entry.job.attempt,
        worker: entry.claimed_by.as_deref(),
        started_at: started_at.into(),
        ended_at: None,
        outcome: UNDER_WAY,
        error: None,
    })
}

/// The view; `None` for a history without anything.
pub(super) fn job_history_view(history: &JobHistory) -> Option<JobHistoryView<'_>> {
    let (entry, last) = (history.entry.as_ref(), history.attempts.last());
    let (id, tenant, work) = entry
        .map(|entry| (entry.job.id, entry.job.tenant, entry.job.work))
        .or_else(|| last.map(|last| (last.job, last.tenant, last.work)))?;
    let gone = if history.discard.is_some() { DISCARDED } else { FINISHED };
    Some(JobHistoryView {
        id,
        kind: work.kind().name(),
        state: entry.map_or(gone, |entry| entry.state.name()),
        asset_id: work.asset(),
        tenant,
        due_at: entry.map(|entry| entry.run_at.into()),
        created_at: entry.map(|entry| entry.created_at.into()),
        tries: entry.map(|entry| entry.job.tries),
        last_error: entry.and_then(|entry| entry.last_error.as_deref()),
        discarded: history.discard.as_ref().map(discard_view),
        attempts: history.attempts.iter().map(attempt_view).chain(entry.and_then(running_view)).collect(),
    })
}
