//! The disk of the data directory: below its reserve, new uploads are refused before they write anything.
//!
//! Downloads, deletes and uploads under way go on: the embedded database and the embedded store keep the reserve for
//! themselves with every write of theirs, so that what was acknowledged is never lost on a full disk.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Error, Result};
use crate::domain::clock::{Timestamp, after};

/// Longest age of a measurement that a creation relies on.
const MEASUREMENT_TTL: Duration = Duration::from_secs(1);
/// The alarm is raised while the free space is below the reserve multiplied by this.
const ALARM_FACTOR: u64 = 4;

/// Measures the free space of a file system.
pub trait DiskProbe: Send + Sync {
    /// Free bytes; `None` if the file system does not report them.
    fn free_bytes(&self) -> Option<u64>;
}

/// Free space as an operator judges it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskLevel {
    /// Enough.
    Enough,
    /// Uploads are still accepted; space should be made now.
    Low,
    /// Below the reserve: new uploads are refused.
    Full,
}

impl DiskLevel {
    /// The level's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Enough => "enough",
            Self::Low => "low",
            Self::Full => "full",
        }
    }

    fn of(free: u64, reserve: u64) -> Self {
        if free < reserve {
            Self::Full
        } else if free < reserve.saturating_mul(ALARM_FACTOR) {
            Self::Low
        } else {
            Self::Enough
        }
    }
}

/// A measurement of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskState {
    /// Free bytes.
    pub free_bytes: u64,
    /// Free bytes below which new uploads are refused.
    pub reserve_bytes: u64,
    /// The level.
    pub level: DiskLevel,
}

/// The watch over the disk of the data directory.
pub(super) struct DiskWatch {
    /// `None` if neither database nor store is on a disk of this machine.
    probe: Option<Arc<dyn DiskProbe>>,
    reserve_bytes: u64,
    last: Mutex<Option<(Timestamp, DiskState)>>,
}

impl DiskWatch {
    pub(super) fn new(probe: Option<Arc<dyn DiskProbe>>, reserve_bytes: u64) -> Self {
        Self { probe, reserve_bytes, last: Mutex::new(None) }
    }

    /// Refuses what would need space, if less than the reserve is free.
    ///
    /// # Errors
    /// [`Error::StorageFull`].
    pub(super) fn require_space(&self, now: Timestamp) -> Result<()> {
        match self.measure(now) {
            Some(DiskState { level: DiskLevel::Full, .. }) => Err(Error::StorageFull),
            Some(_) | None => Ok(()),
        }
    }

    /// The state of the disk, at most a second old; `None` without a disk, or if it does not say.
    pub(super) fn measure(&self, now: Timestamp) -> Option<DiskState> {
        let probe = self.probe.as_ref()?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((measured_at, state)) = *last
            && measured_at <= now
            && now < after(measured_at, MEASUREMENT_TTL)
        {
            return Some(state);
        }
        let free_bytes = probe.free_bytes()?;
        let level = DiskLevel::of(free_bytes, self.reserve_bytes);
        let state = DiskState { free_bytes, reserve_bytes: self.reserve_bytes, level };
        let earlier = last.replace((now, state)).map_or(DiskLevel::Enough, |(_, state)| state.level);
        drop(last);
        log_change(earlier, state);
        Some(state)
    }
}

fn log_change(earlier: DiskLevel, state: DiskState) {
    let DiskState { free_bytes, reserve_bytes, level } = state;
    if earlier == level {
        return;
    }
    match level {
        DiskLevel::Full => tracing::error!(free_bytes, reserve_bytes, "the disk is full: new uploads are refused"),
        DiskLevel::Low => tracing::warn!(free_bytes, reserve_bytes, "the disk is nearly full"),
        DiskLevel::Enough => tracing::info!(free_bytes, reserve_bytes, "the disk has enough space again"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::domain::clock::micros;

    struct FakeDisk(AtomicU64);

    impl DiskProbe for FakeDisk {
        fn free_bytes(&self) -> Option<u64> {
            Some(self.0.load(Ordering::Relaxed))
        }
    }

    #[test]
    fn new_uploads_are_refused_below_the_reserve_and_accepted_again_above_it() {
        let disk = Arc::new(FakeDisk(AtomicU64::new(1000)));
        let watch = DiskWatch::new(Some(disk.clone()), 100);
        let level = |seconds: i64| watch.measure(micros(seconds * 1_000_000)).map(|state| state.level);
        assert_eq!(level(0), Some(DiskLevel::Enough));
        disk.0.store(399, Ordering::Relaxed);
        assert_eq!(level(0), Some(DiskLevel::Enough), "measured within the last second");
        assert_eq!(level(1), Some(DiskLevel::Low));
        assert!(watch.require_space(micros(1_000_000)).is_ok());
        disk.0.store(99, Ordering::Relaxed);
        assert!(matches!(watch.require_space(micros(2_000_000)), Err(Error::StorageFull)));
        disk.0.store(100, Ordering::Relaxed);
        assert!(watch.require_space(micros(3_000_000)).is_ok());
    }

    #[test]
    fn without_a_disk_nothing_is_refused() {
        let watch = DiskWatch::new(None, u64::MAX);
        assert_eq!(watch.measure(micros(0)), None);
        assert!(watch.require_space(micros(0)).is_ok());
    }
}
