//! Retry policy: exponential delays with jitter, a limit of attempts and of time.
//!
//! Pure: time and randomness are arguments.

use std::time::Duration;

use tokio::time::Instant;

use super::error::Error;
use crate::domain::backoff::ExponentialBackoff;
use crate::domain::clock::Entropy;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_secs(10);
const BACKOFF: ExponentialBackoff = ExponentialBackoff::new(FIRST_PAUSE, MAX_PAUSE);
/// Cap of a server's `Retry-After`; a longer delay would be an outage.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(120);
/// Minimum number of attempts of an operation, however long they take.
const MIN_ATTEMPTS: u32 = 3;

/// Limits of retries.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Maximum retries of a request or part; `None`: as many as the time allows.
    pub retries: Option<u32>,
    /// Time for which a request or part may keep failing.
    pub max_time: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { retries: None, max_time: Duration::from_secs(600) }
    }
}

/// Consecutive failures of an operation.
#[derive(Debug)]
pub struct RetryBackoff {
    policy: RetryPolicy,
    failures: u32,
    since: Option<Instant>,
}

impl RetryBackoff {
    /// A counter without failures.
    #[must_use]
    pub fn new(policy: RetryPolicy) -> Self {
        Self { policy, failures: 0, since: None }
    }

    /// Number of failures so far.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Counts a failure. `Some`: retry after this delay; `None`: give up.
    pub fn next_pause(&mut self, error: &Error, entropy: &dyn Entropy, now: Instant) -> Option<Duration> {
        if !error.is_retryable() {
            return None;
        }
        self.failures += 1;
        if self.policy.retries.is_some_and(|most| self.failures > most) {
            return None;
        }
        let pause = match error.retry_after() {
            Some(asked) => asked.min(MAX_RETRY_AFTER) + BACKOFF.delay(1, entropy),
            None => BACKOFF.delay(self.failures, entropy),
        };
        let since = *self.since.get_or_insert(now);
        let late = now + pause > since + self.policy.max_time && self.failures >= MIN_ATTEMPTS;
        (!late).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::error::ServerRefusal;
    use crate::domain::clock::SeededEntropy;

    fn pauses(policy: RetryPolicy, error: &Error, step: Duration) -> Vec<Duration> {
        let (entropy, mut now) = (SeededEntropy::new(5), Instant::now());
        let mut backoff = RetryBackoff::new(policy);
        let mut pauses = Vec::new();
        while let Some(pause) = backoff.next_pause(error, &entropy, now) {
            pauses.push(pause);
            now += pause + step;
            assert!(pauses.len() < 10_000, "it never gives up");
        }
        pauses
    }

    #[test]
    fn pauses_grow_to_a_bound_and_end_with_the_time() {
        let policy = RetryPolicy { retries: None, max_time: Duration::from_secs(60) };
        let pauses = pauses(policy, &Error::network("x"), Duration::ZERO);
        assert!(pauses[0] >= FIRST_PAUSE / 2 && pauses[0] <= FIRST_PAUSE);
        assert!(pauses[3] > pauses[0]);
        assert!(pauses.iter().all(|pause| *pause <= MAX_PAUSE));
        let total: Duration = pauses.iter().sum();
        assert!(total > Duration::from_secs(45) && total <= Duration::from_secs(60), "{total:?}");
    }

    #[test]
    fn tries_are_counted_when_asked() {
        let policy = RetryPolicy { retries: Some(2), max_time: Duration::from_secs(600) };
        assert_eq!(pauses(policy, &Error::network("x"), Duration::ZERO).len(), 2);
        let none = RetryPolicy { retries: Some(0), ..policy };
        assert!(pauses(none, &Error::network("x"), Duration::ZERO).is_empty());
    }

    #[test]
    fn a_slow_part_gets_more_than_one_try() {
        let policy = RetryPolicy { retries: None, max_time: Duration::from_secs(600) };
        assert_eq!(pauses(policy, &Error::network("x"), Duration::from_secs(3600)).len(), 2);
    }

    #[test]
    fn the_servers_word_counts() {
        let refusal = |retryable| ServerRefusal {
            status: 503,
            code: "unavailable".to_owned(),
            detail: String::new(),
            request_id: None,
            retryable,
            retry_after: Some(Duration::from_secs(7)),
        };
        let policy = RetryPolicy::default();
        let first = pauses(policy, &Error::Refused(refusal(true)), Duration::ZERO)[0];
        assert!(first >= Duration::from_secs(7) && first < Duration::from_secs(8), "{first:?}");
        assert!(pauses(policy, &Error::Refused(refusal(false)), Duration::ZERO).is_empty());
        assert!(pauses(policy, &Error::Integrity("x".to_owned()), Duration::ZERO).is_empty());
    }

    #[test]
    fn many_clients_do_not_come_back_at_once() {
        let entropy = SeededEntropy::new(9);
        let all: std::collections::BTreeSet<_> = (0..50).map(|_| BACKOFF.delay(20, &entropy)).collect();
        assert!(all.len() > 30);
        assert!(all.iter().all(|pause| *pause >= MAX_PAUSE / 2 && *pause <= MAX_PAUSE));
    }
}
