//! Jobs: work owed, written in the transaction that made it owed. The table is the outbox.
//!
//! A claim is a lease: it moves `run_at` to the lease's end and counts the attempt. The attempt fences: what a
//! worker writes names the attempt it was given, and a worker that lost its lease writes nothing. Tries are counted
//! apart from attempts, because waiting for somebody else (a scanner that is away) uses up none; a crash does.

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::clock::{Entropy, Timestamp, after};
use super::ids::{AssetId, DeliveryId, JobId, TenantId};

/// A job that crashes its worker counts too; after this many tries it is dead.
pub const MAX_TRIES: u32 = 8;
/// Claims of one job at most, tries that were not counted included: every retry has a budget. With an hour between two
/// of them this is six weeks.
pub const MAX_ATTEMPTS: u32 = 1000;

const MAX_BACKOFF: Duration = Duration::from_secs(3600);

/// What is to be done, and to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobSubject {
    /// Take an asset from stored to ready, or to where it belongs.
    Process(AssetId),
    /// Look at a ready asset again from the beginning; it stays ready unless something speaks against it.
    Recheck(AssetId),
    /// Scan a ready asset again; it stays ready unless something is found.
    Rescan(AssetId),
    /// Tell a webhook endpoint of an event.
    Deliver(DeliveryId),
    /// Tell a content delivery network that an asset is gone.
    Purge(AssetId),
    /// What comes round again and again, once per cluster.
    Chore(Chore),
}

/// What kind of work. Concurrency, pausing and statistics go by kind.
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
    /// See [`JobSubject::Chore`].
    Chore(Chore),
}

/// Work that comes round again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Chore {
    /// Uploads and objects that nobody else deals with.
    Sweep,
    /// Links, remembered answers, events and delivery logs whose time is over.
    Retention,
    /// Objects in the bucket that belong to no row.
    Orphans,
    /// Counts of what happened, hour by hour.
    Rollup,
    /// Says what an operator should look at.
    Alarms,
}

impl Chore {
    /// Every chore.
    pub const ALL: [Self; 5] = [Self::Sweep, Self::Retention, Self::Orphans, Self::Rollup, Self::Alarms];
}

impl JobKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Process,
        Self::Recheck,
        Self::Rescan,
        Self::Deliver,
        Self::Purge,
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
            Self::Chore(Chore::Sweep) => "sweep",
            Self::Chore(Chore::Retention) => "retention",
            Self::Chore(Chore::Orphans) => "orphans",
            Self::Chore(Chore::Rollup) => "rollup",
            Self::Chore(Chore::Alarms) => "alarms",
        }
    }
}

/// Not the name of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownKind;

impl std::str::FromStr for JobKind {
    type Err = UnknownKind;
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or(UnknownKind)
    }
}

impl JobSubject {
    /// What kind of work this is.
    #[must_use]
    pub fn kind(self) -> JobKind {
        match self {
            Self::Process(_) => JobKind::Process,
            Self::Recheck(_) => JobKind::Recheck,
            Self::Rescan(_) => JobKind::Rescan,
            Self::Deliver(_) => JobKind::Deliver,
            Self::Purge(_) => JobKind::Purge,
            Self::Chore(chore) => JobKind::Chore(chore),
        }
    }

    /// What it is about; one job of a kind at most is owed for it. Chores are about nothing.
    #[must_use]
    pub fn subject(self) -> Uuid {
        match self {
            Self::Process(asset) | Self::Recheck(asset) | Self::Rescan(asset) | Self::Purge(asset) => asset.0,
            Self::Deliver(delivery) => delivery.0,
            Self::Chore(_) => Uuid::nil(),
        }
    }

    /// From [`Self::kind`] and [`Self::subject`].
    #[must_use]
    pub fn of(kind: JobKind, subject: Uuid) -> Self {
        match kind {
            JobKind::Process => Self::Process(AssetId(subject)),
            JobKind::Recheck => Self::Recheck(AssetId(subject)),
            JobKind::Rescan => Self::Rescan(AssetId(subject)),
            JobKind::Deliver => Self::Deliver(DeliveryId(subject)),
            JobKind::Purge => Self::Purge(AssetId(subject)),
            JobKind::Chore(chore) => Self::Chore(chore),
        }
    }

    /// The asset that it is about.
    #[must_use]
    pub fn asset(self) -> Option<AssetId> {
        match self {
            Self::Process(asset) | Self::Recheck(asset) | Self::Rescan(asset) | Self::Purge(asset) => Some(asset),
            Self::Deliver(_) | Self::Chore(_) => None,
        }
    }
}

/// What goes first within a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Somebody is waiting for it.
    High,
    /// As it comes.
    Normal,
    /// Many at once, for which nobody waits.
    Low,
}

impl Priority {
    /// Every priority, first things first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// As in rows: smaller goes first.
    #[must_use]
    pub fn rank(self) -> i64 {
        match self {
            Self::High => 0,
            Self::Normal => 1,
            Self::Low => 2,
        }
    }
}

/// A job as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// Identity.
    pub id: JobId,
    /// What to do.
    pub work: JobSubject,
    /// Whose; nobody's for chores.
    pub tenant: TenantId,
    /// What goes first.
    pub priority: Priority,
    /// Not before this.
    pub run_at: Timestamp,
}

/// A job as a worker holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Identity.
    pub id: JobId,
    /// What to do.
    pub work: JobSubject,
    /// Whose; nobody's for chores.
    pub tenant: TenantId,
    /// 1 for the first claim. Every write for this job names it.
    pub attempt: u32,
    /// Claims that count, this one included.
    pub tries: u32,
    /// What tries before this one have come to; its shape is the worker's business.
    pub progress: Option<Value>,
}

/// How a job that is not done goes back.
#[derive(Clone, Debug, PartialEq)]
pub struct JobRelease {
    /// Which, as it is held.
    pub job: Job,
    /// When it is due again; `None`: never, it is dead until somebody retries it.
    pub due: Option<Timestamp>,
    /// What becomes of the count of tries.
    pub tries: TryCount,
    /// Why, for operators.
    pub why: Option<String>,
    /// Replaces the progress, if there is any.
    pub progress: Option<Value>,
}

/// What becomes of the count of tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryCount {
    /// This one counts.
    Counted,
    /// This one does not: the job could not help it.
    Forgiven,
    /// It begins anew: a chore that was done.
    Anew,
}

/// A job as an operator sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct JobEntry {
    /// The job.
    pub job: Job,
    /// Where it stands.
    pub state: JobState,
    /// When it is due; while it runs, when its lease ends.
    pub run_at: Timestamp,
    /// Why it went back the last time.
    pub last_error: Option<String>,
    /// Since when it is owed.
    pub created_at: Timestamp,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobState {
    /// It waits for its time or for a worker.
    Ready,
    /// A worker has it.
    Running,
    /// Given up: a dead letter.
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

/// One kind of one tenant's jobs, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobCount {
    /// Which kind.
    pub kind: JobKind,
    /// Where they stand.
    pub state: JobState,
    /// How many.
    pub count: u64,
    /// The one that is due for longest; while running, the lease that ends first.
    pub oldest: Timestamp,
}

impl Job {
    /// Whether it may not be tried again: it failed, or ended its workers, too often.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.tries >= MAX_TRIES || self.attempt >= MAX_ATTEMPTS
    }

    /// Whether the tries before this one already were too many: they ended their workers without a word.
    #[must_use]
    pub fn is_poison(&self) -> bool {
        self.tries > MAX_TRIES || self.attempt > MAX_ATTEMPTS
    }

    /// When the next try is due: 2^tries seconds with full jitter, at most an hour; `None` after the last one.
    #[must_use]
    pub fn next_try(&self, now: Timestamp, entropy: &dyn Entropy) -> Option<Timestamp> {
        (!self.is_spent()).then(|| self.pause(self.tries, now, entropy))
    }

    /// When to look again for somebody who is away: pauses grow with the claims, up to `most`.
    #[must_use]
    pub fn look_again(&self, most: Duration, now: Timestamp, entropy: &dyn Entropy) -> Option<Timestamp> {
        let pause = || self.pause(self.attempt, now, entropy).min(after(now, most));
        (self.attempt < MAX_ATTEMPTS).then(pause)
    }

    fn pause(&self, count: u32, now: Timestamp, entropy: &dyn Entropy) -> Timestamp {
        let ceiling = Duration::from_secs(1 << count.min(12)).min(MAX_BACKOFF);
        let mut dice = [0; 8];
        entropy.fill(&mut dice);
        let span = u64::try_from(ceiling.as_micros()).unwrap_or(u64::MAX);
        after(now, Duration::from_micros(u64::from_le_bytes(dice) % span))
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
        }
    }

    #[test]
    fn pauses_grow_with_jitter_and_end() {
        let dice = SeededEntropy::new(1);
        for tries in 1..MAX_TRIES {
            let pause = job(tries, tries).next_try(micros(0), &dice).unwrap();
            assert!(pause < micros(1_000_000 << tries), "try {tries}: {pause}");
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
