//! When to try again, and when to give up: exponential pauses with jitter, a budget of tries and of time.
//!
//! Pure: time and chance come in as arguments.

use std::time::Duration;

use tokio::time::Instant;

use super::error::Error;
use crate::domain::clock::Entropy;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(10);
/// What a server may ask us to wait at most; more is an outage.
const LONGEST_ASKED: Duration = Duration::from_secs(120);
/// Tries that every operation gets, however long each of them takes.
const LEAST_TRIES: u32 = 3;

/// How much patience there is.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Repeats of one request or part at most; `None`: as many as the time allows.
    pub retries: Option<u32>,
    /// How long one request or part may go on failing.
    pub max_time: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { retries: None, max_time: Duration::from_secs(600) }
    }
}

/// The failures in a row of one operation.
#[derive(Debug)]
pub struct Backoff {
    policy: Policy,
    failures: u32,
    since: Option<Instant>,
}

impl Backoff {
    /// No failures yet.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy, failures: 0, since: None }
    }

    /// Failures so far.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Counts a failure. `Some`: try again after this; `None`: give up.
    pub fn next(&mut self, error: &Error, entropy: &dyn Entropy, now: Instant) -> Option<Duration> {
        if !error.is_retryable() {
            return None;
        }
        self.failures += 1;
        if self.policy.retries.is_some_and(|most| self.failures > most) {
            return None;
        }
        let pause = match error.retry_after() {
            Some(asked) => asked.min(LONGEST_ASKED) + jitter(FIRST, entropy),
            None => jitter(FIRST.saturating_mul(1 << (self.failures - 1).min(10)).min(LONGEST), entropy),
        };
        let since = *self.since.get_or_insert(now);
        let late = now + pause > since + self.policy.max_time && self.failures >= LEAST_TRIES;
        (!late).then_some(pause)
    }
}

/// Between half of `full` and all of it, so that many clients do not come back at once.
fn jitter(full: Duration, entropy: &dyn Entropy) -> Duration {
    let mut byte = [0];
    entropy.fill(&mut byte);
    full / 2 + full / 2 * u32::from(byte[0]) / 255
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::error::Refusal;
    use crate::domain::clock::SeededEntropy;

    fn pauses(policy: Policy, error: &Error, step: Duration) -> Vec<Duration> {
        let (entropy, mut now) = (SeededEntropy::new(5), Instant::now());
        let mut backoff = Backoff::new(policy);
        let mut pauses = Vec::new();
        while let Some(pause) = backoff.next(error, &entropy, now) {
            pauses.push(pause);
            now += pause + step;
            assert!(pauses.len() < 10_000, "it never gives up");
        }
        pauses
    }

    #[test]
    fn pauses_grow_to_a_bound_and_end_with_the_time() {
        let policy = Policy { retries: None, max_time: Duration::from_secs(60) };
        let pauses = pauses(policy, &Error::network("x"), Duration::ZERO);
        assert!(pauses[0] >= FIRST / 2 && pauses[0] <= FIRST);
        assert!(pauses[3] > pauses[0]);
        assert!(pauses.iter().all(|pause| *pause <= LONGEST));
        let total: Duration = pauses.iter().sum();
        assert!(total > Duration::from_secs(45) && total <= Duration::from_secs(60), "{total:?}");
    }

    #[test]
    fn tries_are_counted_when_asked() {
        let policy = Policy { retries: Some(2), max_time: Duration::from_secs(600) };
        assert_eq!(pauses(policy, &Error::network("x"), Duration::ZERO).len(), 2);
        let none = Policy { retries: Some(0), ..policy };
        assert!(pauses(none, &Error::network("x"), Duration::ZERO).is_empty());
    }

    #[test]
    fn a_slow_part_gets_more_than_one_try() {
        let policy = Policy { retries: None, max_time: Duration::from_secs(600) };
        assert_eq!(pauses(policy, &Error::network("x"), Duration::from_secs(3600)).len(), 2);
    }

    #[test]
    fn the_servers_word_counts() {
        let refusal = |retryable| Refusal {
            status: 503,
            code: "unavailable".to_owned(),
            detail: String::new(),
            request_id: None,
            retryable,
            after: Some(Duration::from_secs(7)),
        };
        let policy = Policy::default();
        let first = pauses(policy, &Error::Refused(refusal(true)), Duration::ZERO)[0];
        assert!(first >= Duration::from_secs(7) && first < Duration::from_secs(8), "{first:?}");
        assert!(pauses(policy, &Error::Refused(refusal(false)), Duration::ZERO).is_empty());
        assert!(pauses(policy, &Error::Integrity("x".to_owned()), Duration::ZERO).is_empty());
    }

    #[test]
    fn many_clients_do_not_come_back_at_once() {
        let entropy = SeededEntropy::new(9);
        let all: std::collections::BTreeSet<_> = (0..50).map(|_| jitter(LONGEST, &entropy)).collect();
        assert!(all.len() > 30);
        assert!(all.iter().all(|pause| *pause >= LONGEST / 2 && *pause <= LONGEST));
    }
}
