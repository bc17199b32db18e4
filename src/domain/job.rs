//! Jobs: work owed for an asset, written in the transaction that made it owed. The table is the outbox.
//!
//! A claim is a lease: it moves `run_at` to the lease's end and counts the attempt. The attempt fences: what a
//! worker writes names the attempt it was given, and a worker that lost its lease writes nothing.

use std::time::Duration;

use super::clock::{Entropy, Timestamp, after};
use super::ids::{AssetId, JobId, TenantId};

/// A job that crashes its worker counts too; after this many attempts it is dead.
pub const MAX_ATTEMPTS: u32 = 8;

const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// What kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// Verify the digest, find out the type, and decide between ready and rejected.
    Inspect,
}

impl JobKind {
    /// The name, as in rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inspect => "inspect",
        }
    }
}

/// A job as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// Identity.
    pub id: JobId,
    /// What to do.
    pub kind: JobKind,
    /// Whose.
    pub tenant: TenantId,
    /// For what.
    pub asset: AssetId,
    /// Not before this.
    pub run_at: Timestamp,
}

/// A job as a worker holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Identity.
    pub id: JobId,
    /// What to do.
    pub kind: JobKind,
    /// Whose.
    pub tenant: TenantId,
    /// For what.
    pub asset: AssetId,
    /// 1 for the first try. Every write for this job names it.
    pub attempt: u32,
}

impl Job {
    /// When the next try is due: 2^attempt seconds with full jitter, at most an hour; `None` after the last one.
    #[must_use]
    pub fn next_try(&self, now: Timestamp, entropy: &dyn Entropy) -> Option<Timestamp> {
        if self.attempt >= MAX_ATTEMPTS {
            return None;
        }
        let ceiling = Duration::from_secs(1 << self.attempt.min(12)).min(LONGEST_PAUSE);
        let mut dice = [0; 8];
        entropy.fill(&mut dice);
        let span = u64::try_from(ceiling.as_micros()).unwrap_or(u64::MAX);
        Some(after(now, Duration::from_micros(u64::from_le_bytes(dice) % span)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::{SeededEntropy, micros};
    use uuid::Uuid;

    #[test]
    fn pauses_grow_with_jitter_and_end() {
        let job = |attempt| Job {
            id: JobId(Uuid::from_u128(1)),
            kind: JobKind::Inspect,
            tenant: TenantId(Uuid::from_u128(1)),
            asset: AssetId(Uuid::from_u128(1)),
            attempt,
        };
        let dice = SeededEntropy::new(1);
        for attempt in 1..MAX_ATTEMPTS {
            let pause = job(attempt).next_try(micros(0), &dice).unwrap();
            assert!(pause < micros(1_000_000 << attempt), "attempt {attempt}: {pause}");
        }
        assert_eq!(job(MAX_ATTEMPTS).next_try(micros(0), &dice), None);
    }
}
