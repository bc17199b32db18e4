//! The database's time, without asking the database each time.
//!
//! Nodes disagree about the time, and leases must not (every node goes by the database's time). On PostgreSQL the server's clock is
//! read now and then and carried forward by this node's monotonic clock, which neither jumps nor is set by people. On
//! SQLite database and node are one machine, and the injected clock serves.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use crate::domain::clock::{Clock, Timestamp, after};

/// Where a store's `now` comes from.
#[derive(Clone)]
pub enum StoreClock {
    /// This clock: SQLite, and tests that move time by hand.
    Given(Arc<dyn Clock>),
    /// The database's clock as last read, and when it was read.
    Anchored(Arc<RwLock<(Timestamp, Instant)>>),
}

impl StoreClock {
    /// A clock anchored at a reading that was just taken.
    pub(super) fn anchored(reading: Timestamp) -> Self {
        Self::Anchored(Arc::new(RwLock::new((reading, Instant::now()))))
    }

    /// Takes a fresh reading of the database's clock.
    pub(super) fn anchor(&self, reading: Timestamp) {
        if let Self::Anchored(anchor) = self {
            *anchor.write().unwrap_or_else(PoisonError::into_inner) = (reading, Instant::now());
        }
    }

    /// The database's time.
    pub(super) fn now(&self) -> Timestamp {
        match self {
            Self::Given(clock) => clock.now(),
            Self::Anchored(anchor) => {
                let (reading, taken) = *anchor.read().unwrap_or_else(PoisonError::into_inner);
                let elapsed = u64::try_from(taken.elapsed().as_micros()).unwrap_or(u64::MAX);
                after(reading, std::time::Duration::from_micros(elapsed))
            }
        }
    }
}
