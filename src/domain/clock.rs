//! The only sources of time and randomness: all other code takes a [`Clock`] or an [`Entropy`].
//!
//! `.clippy.toml` refuses the sources themselves everywhere outside this file.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

pub use jiff::Timestamp;

/// Source of the current time. Values have microsecond precision, like both databases.
pub trait Clock: Send + Sync {
    /// The current instant in UTC.
    fn now(&self) -> Timestamp;
}

/// Source of unpredictable bytes: secrets, write tokens, the random part of ids.
pub trait Entropy: Send + Sync {
    /// Fills `buffer` with unpredictable bytes.
    fn fill(&self, buffer: &mut [u8]);
}

/// The machine's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the source that every other module is handed")]
    fn now(&self) -> Timestamp {
        micros(Timestamp::now().as_microsecond())
    }
}

/// A clock that stands still until a test moves it: expiry, backoff and leases become unit tests.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.as_microsecond()))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.0.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        micros(self.0.load(Ordering::SeqCst))
    }
}

/// The operating system's generator, seeded once per thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    #[expect(clippy::disallowed_methods, reason = "this is the source that every other module is handed")]
    fn fill(&self, buffer: &mut [u8]) {
        rand::rng().fill_bytes(buffer);
    }
}

/// A repeatable generator for randomised tests, which print its seed.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<StdRng>);

impl SeededEntropy {
    /// The same seed produces the same bytes.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        let mut rng = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        rng.fill_bytes(buffer);
    }
}

/// An instant from microseconds since 1970, clamped to the range of the calendar.
#[must_use]
pub fn micros(since_epoch: i64) -> Timestamp {
    Timestamp::from_microsecond(since_epoch).unwrap_or(if since_epoch < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// `instant + by`, clamped to the end of the calendar.
#[must_use]
pub fn after(instant: Timestamp, by: Duration) -> Timestamp {
    instant.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// `instant - by`, clamped to the beginning of the calendar.
#[must_use]
pub fn before(instant: Timestamp, by: Duration) -> Timestamp {
    instant.saturating_sub(by).unwrap_or(Timestamp::MIN)
}

/// A time in RFC 3339 with exactly six digits of a second: texts of equal length sort as the times do.
#[must_use]
pub fn sortable_text(time: Timestamp) -> impl std::fmt::Display {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ")
}

/// Parses a duration: `30` seconds, `90s`, `15m`, `1h 30m`, `7d`; `None` for any other text and for negative values.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let span: jiff::Span = text.parse().ok()?;
    let duration = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(duration).ok()
}

/// `n` unpredictable bytes in lower-case hexadecimal.
pub fn random_hex(entropy: &dyn Entropy, n: usize) -> String {
    let mut bytes = vec![0; n];
    entropy.fill(&mut bytes);
    hex::encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(micros(1_000_000));
        assert_eq!(clock.now(), clock.now());
        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.now(), micros(3_000_000));
    }

    #[test]
    fn the_ends_of_the_calendar_do_not_overflow() {
        assert_eq!(after(Timestamp::MAX, Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(micros(i64::MAX), Timestamp::MAX);
    }

    #[test]
    fn durations() {
        let week = 7 * 24 * 3600;
        for (text, seconds) in [("30", 30), ("30s", 30), ("1h", 3600), ("1h 30m", 5400), ("2m30s", 150), ("7d", week)] {
            assert_eq!(parse_duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "-1", "-5s", "soon", "1 fortnight", "1mo"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_seed_repeats_itself() {
        assert_eq!(random_hex(&SeededEntropy::new(7), 16), random_hex(&SeededEntropy::new(7), 16));
        assert_ne!(random_hex(&OsEntropy, 16), random_hex(&OsEntropy, 16));
    }
}
