//! Attempts of jobs: a record of each claim that has ended, for operators.

use super::clock::Timestamp;
use super::ids::{JobId, TenantId};
use super::job::{JobKind, JobSubject};

/// End of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The job is finished.
    Done,
    /// The attempt failed, and another one follows.
    Failed,
    /// A dependency was unavailable, or the job waits for an external processor; the attempt does not count as a try.
    Deferred,
    /// Another caller changed the time of the job while a worker held it.
    Postponed,
    /// The attempt failed, and none follows.
    Dead,
    /// The worker never ended it: it crashed, or lost its connection.
    Lost,
}

impl AttemptOutcome {
    /// Every outcome.
    pub const ALL: [Self; 6] = [Self::Done, Self::Failed, Self::Deferred, Self::Postponed, Self::Dead, Self::Lost];

    /// The name, as in JSON and rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Deferred => "deferred",
            Self::Postponed => "postponed",
            Self::Dead => "dead",
            Self::Lost => "lost",
        }
    }
}

impl std::str::FromStr for AttemptOutcome {
    type Err = super::job::UnknownKind;
    fn from_str(text: &str) -> Result<Self, super::job::UnknownKind> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == text).ok_or(super::job::UnknownKind)
    }
}

/// Ends of attempts at jobs of a kind within a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptMinute {
    /// The kind.
    pub kind: JobKind,
    /// Start of the minute.
    pub minute: Timestamp,
    /// Attempts that finished their job.
    pub finished: u64,
    /// Attempts that failed, for the time being or for good, or that their worker never ended.
    pub failed: u64,
}

/// An attempt of a job that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobAttempt {
    /// The job, which may be finished and gone.
    pub job: JobId,
    /// Number of the claim, from 1.
    pub attempt: u32,
    /// The tenant of the job.
    pub tenant: TenantId,
    /// The work of the job.
    pub work: JobSubject,
    /// The worker: host and process.
    pub worker: Option<String>,
    /// When the worker claimed the job.
    pub started_at: Timestamp,
    /// When it ended; of a lost attempt, when another worker claimed the job.
    pub ended_at: Timestamp,
    /// The end.
    pub outcome: AttemptOutcome,
    /// The reason, for operators.
    pub error: Option<String>,
}
