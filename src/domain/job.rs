//! Jobs: queued work, written in the transaction that caused it. The table is the outbox.
//!
//! A claim is a lease: it moves `run_at` to the end of the lease and increments the attempt. The attempt is the fence:
//! every write of a worker names the attempt that it claimed, and a worker that lost its lease writes nothing. Tries
//! are counted separately from attempts, because an unavailable dependency (such as a scanner) uses up no try; a crash
//! does.

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::backoff::ExponentialBackoff;
use super::clock::{Entropy, Timestamp, after};
use super::ids::{AssetId, DeliveryId, JobId, TenantId};

/// Tries after which a job is dead. A job that crashes its worker uses up a try too.
pub const MAX_TRIES: u32 = 8;
/// Claims of a job at most, including those that do not count as tries, so that every retry has a budget. With an hour
/// between claims, these take six weeks.
pub const MAX_ATTEMPTS: u32 = 1000;

/// Delays before the next try: about 2^tries seconds, at most an hour.
const TRY_BACKOFF: ExponentialBackoff = ExponentialBackoff::new(Duration::from_secs(2), Duration::from_secs(3600));

/// The work of a job, with the id of its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobSubject {
    /// Process a stored asset, until it is ready, rejected or failed.
    Process(AssetId),
    /// Process a ready asset again from the beginning; it stays ready unless there is a reason to reject it.
    Recheck(AssetId),
    /// Scan a ready asset again; it stays ready unless the scanner finds something.
    Rescan(AssetId),
    /// Send an event to a webhook endpoint.
    Deliver(DeliveryId),
    /// Purge a removed asset from a content delivery network.
    Purge(AssetId),
    /// Delete a tenant with everything it has.
    Erase(TenantId),
    /// Recurring work, once per cluster.
    Chore(Chore),
}

/// Kind of a job. Concurrency, pausing and statistics are per kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// See [`JobSubject::Process`].
    Process,
    /// See [`JobSubject::Recheck`].
    Recheck,
    /// See [`JobSubject::Rescan`].
    Rescan,
    /// See [`JobSubject::Deliver`].
    Deliver,
    /// See [`JobSubject::Purge`].
    Purge,
    /// See [`JobSubject::Erase`].
    Erase,
    /// See [`JobSubject::Chore`].
    Chore(Chore),
}

/// Recurring work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Chore {
    /// Expire, rescue and clean up uploads, and remove objects of deleted assets.
    Sweep,
    /// Remove links, idempotency records, events and delivery logs after their retention.
    Retention,
    /// Find objects in the bucket that no row refers to.
    Orphans,
    /// Aggregate event counts by the hour.
    Rollup,
    /// Log conditions that need an operator.
    Alarms,
}

impl Chore {
    /// Every chore.
    pub const ALL: [Self; 5] = [Self::Sweep, Self::Retention, Self::Orphans, Self::Rollup, Self::Alarms];
}

impl JobKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Process,
        Self::Recheck,
        Self::Rescan,
        Self::Deliver,
        Self::Purge,
        Self::Erase,
        Self::Chore(Chore::Sweep),
        Self::Chore(Chore::Retention),
        Self::Chore(Chore::Orphans),
        Self::Chore(Chore::Rollup),
        Self::Chore(Chore::Alarms),
    ];

    /// The name, as in JSON and rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Recheck => "recheck",
            Self::Rescan => "rescan",
            Self::Deliver => "deliver",
            Self::Purge => "purge",
            Self::Erase => "erase",
            Self::Chore(Chore::Sweep) => "sweep",
            Self::Chore(Chore::Retention) => "retention",
            Self::Chore(Chore::Orphans) => "orphans",
            Self::Chore(Chore::Rollup) => "rollup",
            Self::Chore(Chore::Alarms) => "alarms",
        }
    }
}

impl JobKind {
    /// True if an operator may set how many of them run at once. Deletions of tenants and chores run one at a time.
    #[must_use]
    pub fn takes_concurrency(self) -> bool {
        match self {
            Self::Process | Self::Recheck | Self::Rescan | Self::Deliver | Self::Purge => true,
            Self::Erase | Self::Chore(_) => false,
        }
    }
}

/// The text is not the name of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownKind;

impl std::str::FromStr for JobKind {
    type Err = UnknownKind;
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or(UnknownKind)
    }
}

impl JobSubject {
    /// The kind of the job.
    #[must_use]
    pub fn kind(self) -> JobKind {
        match self {
            Self::Process(_) => JobKind::Process,
            Self::Recheck(_) => JobKind::Recheck,
            Self::Rescan(_) => JobKind::Rescan,
            Self::Deliver(_) => JobKind::Deliver,
            Self::Purge(_) => JobKind::Purge,
            Self::Erase(_) => JobKind::Erase,
            Self::Chore(chore) => JobKind::Chore(chore),
        }
    }

    /// The id of the subject; at most a single job per kind and subject is queued. Chores have no subject.
    #[must_use]
    pub fn subject(self) -> Uuid {
        match self {
            Self::Process(asset) | Self::Recheck(asset) | Self::Rescan(asset) | Self::Purge(asset) => asset.0,
            Self::Deliver(delivery) => delivery.0,
            Self::Erase(tenant) => tenant.0,
            Self::Chore(_) => Uuid::nil(),
        }
    }

    /// The inverse of [`Self::kind`] and [`Self::subject`].
    #[must_use]
    pub fn of(kind: JobKind, subject: Uuid) -> Self {
        match kind {
            JobKind::Process => Self::Process(AssetId(subject)),
            JobKind::Recheck => Self::Recheck(AssetId(subject)),
            JobKind::Rescan => Self::Rescan(AssetId(subject)),
            JobKind::Deliver => Self::Deliver(DeliveryId(subject)),
            JobKind::Purge => Self::Purge(AssetId(subject)),
            JobKind::Erase => Self::Erase(TenantId(subject)),
            JobKind::Chore(chore) => Self::Chore(chore),
        }
    }

    /// The asset that the job is about.
    #[must_use]
    pub fn asset(self) -> Option<AssetId> {
        match self {
            Self::Process(asset) | Self::Recheck(asset) | Self::Rescan(asset) | Self::Purge(asset) => Some(asset),
            Self::Deliver(_) | Self::Erase(_) | Self::Chore(_) => None,
        }
    }
}

/// Order of jobs within a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A caller is waiting for the result.
    High,
    /// The default.
    Normal,
    /// Bulk work that no caller is waiting for.
    Low,
}

impl Priority {
    /// Every priority, highest first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// The value in rows: smaller values run first.
    #[must_use]
    pub fn rank(self) -> i64 {
        match self {
            Self::High => 0,
            Self::Normal => 1,
            Self::Low => 2,
        }
    }
}

/// A job to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// Identity.
    pub id: JobId,
    /// The work.
    pub work: JobSubject,
    /// The tenant; nil for chores.
    pub tenant: TenantId,
    /// The priority.
    pub priority: Priority,
    /// Earliest start.
    pub run_at: Timestamp,
    /// Trace context (W3C `traceparent`) of what caused the job.
    pub traceparent: Option<String>,
}

/// A job as claimed by a worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Identity.
    pub id: JobId,
    /// The work.
    pub work: JobSubject,
    /// The tenant; nil for chores.
    pub tenant: TenantId,
    /// Number of the claim, from 1. Every write for this job names it.
    pub attempt: u32,
    /// Claims that count as tries, including this claim.
    pub tries: u32,
    /// Results of earlier tries, in a format of the worker.
    pub progress: Option<Value>,
    /// Trace context (W3C `traceparent`) of what caused the job.
    pub traceparent: Option<String>,
}

/// Outcome of a job that is not done.
#[derive(Clone, Debug, PartialEq)]
pub struct JobRelease {
    /// The job, as claimed.
    pub job: Job,
    /// When it is due again; `None`: dead, until an operator retries it.
    pub due: Option<Timestamp>,
    /// Effect on the number of tries.
    pub tries: TryCount,
    /// The reason, for operators.
    pub why: Option<String>,
    /// Replaces the progress, if present.
    pub progress: Option<Value>,
}

/// Effect of a claim on the number of tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryCount {
    /// Counts as a try.
    Counted,
    /// Does not count: the failure was not the job's.
    Forgiven,
    /// Resets the count: a chore that is done.
    Anew,
}

/// A job as shown to operators.
#[derive(Clone, Debug, PartialEq)]
pub struct JobEntry {
    /// The job.
    pub job: Job,
    /// The state.
    pub state: JobState,
    /// When it is due; while running, when its lease ends.
    pub run_at: Timestamp,
    /// Reason of the last failed claim.
    pub last_error: Option<String>,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When the attempt under way began; `None` if there is none.
    pub claimed_at: Option<Timestamp>,
    /// The worker of that attempt: host and process.
    pub claimed_by: Option<String>,
}

/// State of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Waits for its time or for a worker.
    Ready,
    /// A worker holds it.
    Running,
    /// No more retries: a dead letter.
    Dead,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Ready, Self::Running, Self::Dead];

    /// The name, as in JSON and rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Dead => "dead",
        }
    }
}

impl std::str::FromStr for JobState {
    type Err = UnknownKind;
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|state| state.name() == text).ok_or(UnknownKind)
    }
}

/// Most jobs of a kind at once in a worker, where an operator sets their number.
pub const MAX_CONCURRENCY: u32 = 256;

/// Number of jobs of a kind at once in each worker, set by an operator instead of the setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueConcurrency {
    /// The kind.
    pub kind: JobKind,
    /// Jobs at once: 1 to [`MAX_CONCURRENCY`].
    pub concurrency: u32,
}

/// Number of a tenant's jobs of a kind in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobCount {
    /// The kind.
    pub kind: JobKind,
    /// The state.
    pub state: JobState,
    /// Number of jobs.
    pub count: u64,
    /// Number among the waiting jobs whose first attempt is not due yet.
    pub scheduled: u64,
    /// Number among the waiting jobs that had an attempt and are not due yet.
    pub retrying: u64,
    /// The earliest due time; while running, the earliest end of a lease.
    pub oldest: Timestamp,
}

impl Job {
    /// True if no try is left, because the job failed or crashed its workers too often.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.tries >= MAX_TRIES || self.attempt >= MAX_ATTEMPTS
    }

    /// True if all tries were used up before this claim, because each crashed its worker.
    #[must_use]
    pub fn is_poison(&self) -> bool {
        self.tries > MAX_TRIES || self.attempt > MAX_ATTEMPTS
    }

    /// When the next try is due: after up to 2^tries seconds with full jitter, at most an hour; `None` after the last
    /// try.
    #[must_use]
    pub fn next_try(&self, now: Timestamp, entropy: &dyn Entropy) -> Option<Timestamp> {
        (!self.is_spent()).then(|| after(now, TRY_BACKOFF.delay(self.tries, entropy)))
    }

    /// When to check again for an unavailable dependency: pauses grow with the number of claims, up to `most`.
    #[must_use]
    pub fn look_again(&self, most: Duration, now: Timestamp, entropy: &dyn Entropy) -> Option<Timestamp> {
        let delay = || TRY_BACKOFF.capped(most).delay(self.attempt, entropy);
        (self.attempt < MAX_ATTEMPTS).then(|| after(now, delay()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::{SeededEntropy, micros};

    fn job(tries: u32, attempt: u32) -> Job {
        Job {
            id: JobId(Uuid::from_u128(1)),
            work: JobSubject::Process(AssetId(Uuid::from_u128(1))),
            tenant: TenantId(Uuid::from_u128(1)),
            attempt,
            tries,
            progress: None,
            traceparent: None,
        }
    }

    #[test]
    fn pauses_grow_with_jitter_and_end() {
        let dice = SeededEntropy::new(1);
        for tries in 1..MAX_TRIES {
            let pause = job(tries, tries).next_try(micros(0), &dice).unwrap();
            assert!(pause >= micros(500_000 << tries) && pause <= micros(1_000_000 << tries), "try {tries}: {pause}");
        }
        assert_eq!(job(MAX_TRIES, MAX_TRIES).next_try(micros(0), &dice), None);
    }

    #[test]
    fn waiting_for_somebody_uses_up_no_try_but_ends_too() {
        let (dice, most) = (SeededEntropy::new(1), Duration::from_secs(30));
        for attempt in 1..MAX_ATTEMPTS {
            assert!(job(1, attempt).look_again(most, micros(0), &dice).unwrap() <= micros(30_000_000));
        }
        assert_eq!(job(1, MAX_ATTEMPTS).look_again(most, micros(0), &dice), None);
        assert!(!job(MAX_TRIES, 9).is_poison() && job(MAX_TRIES + 1, 9).is_poison());
    }

    #[test]
    fn names_are_read_back() {
        for kind in JobKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            let work = JobSubject::of(kind, Uuid::from_u128(7));
            assert_eq!(JobSubject::of(work.kind(), work.subject()), work);
        }
        assert_eq!("inspect".parse::<JobKind>(), Err(UnknownKind));
    }
}
