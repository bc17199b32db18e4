//! The database's time, without a query for each reading.
//!
//! The clocks of nodes differ, but leases need a common time: every node uses the database's. On PostgreSQL the
//! server's clock is read periodically and carried forward by this node's monotonic clock, which does not jump. On
//! SQLite the database and the node are the same machine, and the injected clock is used.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use crate::domain::clock::{Clock, Timestamp, after};

/// Source of a store's `now`.
#[derive(Clone)]
pub enum StoreClock {
    /// An injected clock: SQLite, and tests that move time by hand.
    Given(Arc<dyn Clock>),
    /// The database's clock as last read, and when it was read.
    Anchored(Arc<RwLock<(Timestamp, Instant)>>),
}

impl StoreClock {
    /// A clock anchored at `reading`, which was taken just now.
    pub(super) fn anchored(reading: Timestamp) -> Self {
        Self::Anchored(Arc::new(RwLock::new((reading, Instant::now()))))
    }

    /// Anchors the clock at a fresh reading of the database's clock.
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
