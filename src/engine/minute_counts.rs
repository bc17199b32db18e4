//! What this node has done, minute by minute, for the last hour. In memory: other nodes count for themselves, and a
//! restart begins anew.

use std::sync::{Mutex, PoisonError};

use crate::domain::clock::{Timestamp, micros};

/// Minutes that are remembered.
const REMEMBERED_MINUTES: usize = 60;
const MINUTE_MICROS: i64 = 60_000_000;

/// Numbers of a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MinuteCount {
    /// Minutes since 1970.
    pub minute: i64,
    /// Files whose last byte arrived.
    pub stored: u64,
    /// Bytes of these files.
    pub bytes_in: u64,
    /// Bytes of downloads that this node sends itself, counted when a download begins.
    pub bytes_out: u64,
    /// Assets that became ready.
    pub ready: u64,
    /// Assets that were rejected.
    pub rejected: u64,
    /// Assets whose processing failed for good.
    pub failed: u64,
}

impl MinuteCount {
    /// Start of the minute.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        micros(self.minute.saturating_mul(MINUTE_MICROS))
    }
}

/// Counters of this node.
pub(super) struct MinuteCounts {
    minutes: Mutex<[MinuteCount; REMEMBERED_MINUTES]>,
}

impl Default for MinuteCounts {
    fn default() -> Self {
        Self { minutes: Mutex::new([MinuteCount::default(); REMEMBERED_MINUTES]) }
    }
}

impl MinuteCounts {
    /// Counts in the minute of `now`.
    pub(super) fn count(&self, now: Timestamp, add: impl FnOnce(&mut MinuteCount)) {
        let (minute, slot) = place(now);
        let mut minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = minutes.get_mut(slot) {
            if kept.minute != minute {
                *kept = MinuteCount { minute, ..MinuteCount::default() };
            }
            add(kept);
        }
    }

    /// The last hour up to `now`, oldest first, an entry for every minute.
    pub(super) fn last_hour(&self, now: Timestamp) -> Vec<MinuteCount> {
        let (last, _) = place(now);
        let minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        let first = last - REMEMBERED_MINUTES as i64 + 1;
        let of = |minute: i64| {
            let kept = minutes.iter().find(|kept| kept.minute == minute).copied();
            kept.unwrap_or(MinuteCount { minute, ..MinuteCount::default() })
        };
        (first..=last).map(of).collect()
    }
}

/// Minute of a time, and its slot.
fn place(now: Timestamp) -> (i64, usize) {
    let minute = now.as_microsecond().div_euclid(MINUTE_MICROS);
    let slot = minute.rem_euclid(REMEMBERED_MINUTES as i64);
    (minute, usize::try_from(slot).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_remembered_and_no_more() {
        let counts = MinuteCounts::default();
        let at = |minute: i64| micros(minute * MINUTE_MICROS + 7);
        for minute in [100, 100, 101, 160] {
            counts.count(at(minute), |count| count.bytes_in += 5);
        }
        let hour = counts.last_hour(at(160));
        assert_eq!((hour.len(), hour[0].minute, hour[59].minute), (60, 101, 160));
        let bytes: Vec<_> = hour.iter().filter(|count| count.bytes_in > 0).map(|c| (c.minute, c.bytes_in)).collect();
        assert_eq!(bytes, [(101, 5), (160, 5)]);
        assert_eq!(counts.last_hour(at(300)).iter().map(|count| count.bytes_in).sum::<u64>(), 0);
    }
}
