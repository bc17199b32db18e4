//! Delays between the attempts of an operation: exponential, with a cap and with jitter.
//!
//! Every retry loop takes its delays from here. The caller counts the failures, waits and ends the loop; randomness
//! is an argument.

use std::time::Duration;

use super::clock::Entropy;

/// Delays that double with every failure, from `first` up to `cap`.
///
/// A delay is random between half of its full length and its full length (equal jitter), so that clients and nodes
/// that failed together do not return together, and no retry follows at once. Delays are whole microseconds, the
/// precision of both databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExponentialBackoff {
    first: Duration,
    cap: Duration,
}

impl ExponentialBackoff {
    /// Delays of at most `first` after the first failure, and of at most `cap` after any. Both are at least a
    /// microsecond.
    #[must_use]
    pub const fn new(first: Duration, cap: Duration) -> Self {
        Self { first, cap }
    }

    /// The same delays, of at most `cap` where that is shorter.
    #[must_use]
    pub fn capped(self, cap: Duration) -> Self {
        Self { cap: self.cap.min(cap), ..self }
    }

    /// Delay after `failures` failures in a row: between half and all of min(cap, first · 2^(failures - 1)).
    pub fn delay(self, failures: u32, entropy: &dyn Entropy) -> Duration {
        let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let full = self.first.saturating_mul(factor).min(self.cap);
        random_between(Duration::from_micros(micros_of(full).div_ceil(2)), full, entropy)
    }
}

/// A random duration from `least` to `most`, both included, in steps of a microsecond that are equally likely.
pub fn random_between(least: Duration, most: Duration, entropy: &dyn Entropy) -> Duration {
    let mut random = [0; 8];
    entropy.fill(&mut random);
    let steps = micros_of(most.saturating_sub(least)).saturating_add(1);
    least + Duration::from_micros(u64::from_le_bytes(random) % steps)
}

fn micros_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::clock::SeededEntropy;

    /// Entropy whose every byte is the same, for the ends of the range.
    struct ConstantEntropy(u8);

    impl Entropy for ConstantEntropy {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0);
        }
    }

    proptest! {
        #[test]
        fn a_delay_is_never_zero_and_never_above_the_cap(
            first in 1..=u64::MAX, cap in 1..=u64::MAX, failures: u32, seed: u64,
        ) {
            let (first, cap) = (Duration::from_micros(first), Duration::from_micros(cap));
            let delay = ExponentialBackoff::new(first, cap).delay(failures, &SeededEntropy::new(seed));
            prop_assert!(!delay.is_zero() && delay <= cap, "{delay:?}");
        }

        #[test]
        fn a_delay_is_between_half_and_all_of_its_full_length(millis in 1_u64..10_000, failures in 1_u32..16, seed: u64) {
            let (first, cap) = (Duration::from_millis(millis), Duration::from_secs(3600));
            let full = (first * 2_u32.pow(failures - 1)).min(cap);
            let delay = ExponentialBackoff::new(first, cap).delay(failures, &SeededEntropy::new(seed));
            prop_assert!(full / 2 <= delay && delay <= full, "{delay:?} of {full:?}");
        }

        #[test]
        fn those_that_failed_together_are_spread(millis in 1_u64..10_000, failures in 0_u32..100, seed: u64) {
            let backoff = ExponentialBackoff::new(Duration::from_millis(millis), Duration::from_secs(60));
            let entropy = SeededEntropy::new(seed);
            let delays: BTreeSet<_> = (0..64).map(|_| backoff.delay(failures, &entropy)).collect();
            let full = backoff.delay(failures, &ConstantEntropy(0)) * 2;
            prop_assert!(delays.len() >= 60, "{}", delays.len());
            // 64 delays reach into the first and into the last quarter of their range.
            let (first, last) = (*delays.first().unwrap(), *delays.last().unwrap());
            prop_assert!(first < full / 8 * 5 && last > full / 8 * 7, "{first:?} to {last:?} of {full:?}");
        }
    }

    #[test]
    fn delays_double_up_to_the_cap() {
        let backoff = ExponentialBackoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let shortest = |failures| backoff.delay(failures, &ConstantEntropy(0)).as_millis();
        assert_eq!([0, 1, 2, 3, 4, 5, 6, u32::MAX].map(shortest), [50, 50, 100, 200, 400, 500, 500, 500]);
        let capped = backoff.capped(Duration::from_millis(300));
        assert_eq!(capped.delay(9, &ConstantEntropy(0)), Duration::from_millis(150));
        assert_eq!(capped.capped(Duration::from_secs(9)), capped);
    }
}
