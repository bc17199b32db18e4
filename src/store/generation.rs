//! Change counters of assets for caches in this process: a cached asset is current as long as its counter is unchanged.
//!
//! Assets share counters, so a change of another asset may invalidate a cached copy. The reverse, a stale copy that
//! looks current, cannot happen.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Tx;
use crate::domain::ids::AssetId;

const GENERATION_COUNTERS: usize = 4096;

/// The counters of all assets.
pub(super) struct CacheGenerations {
    counters: Box<[AtomicU64]>,
    /// Randomly keyed hash: a client can influence ids, but not which assets share a counter.
    spread: RandomState,
}

impl Default for CacheGenerations {
    fn default() -> Self {
        Self { counters: (0..GENERATION_COUNTERS).map(|_| AtomicU64::new(0)).collect(), spread: RandomState::new() }
    }
}

impl CacheGenerations {
    fn counter(&self, asset: AssetId) -> &AtomicU64 {
        let at = self.spread.hash_one(asset) % GENERATION_COUNTERS as u64;
        &self.counters[usize::try_from(at).unwrap_or_default()]
    }

    /// Increments the counters of the assets that `tx` updates. Call before the transaction's outcome is reported.
    pub(super) fn count(&self, tx: &Tx) {
        for asset in tx.changed_assets() {
            self.counter(asset).fetch_add(1, Ordering::AcqRel);
        }
    }

    /// The asset's counter; differs from an earlier value if the asset has changed since.
    pub(super) fn of(&self, asset: AssetId) -> u64 {
        self.counter(asset).load(Ordering::Acquire)
    }
}
