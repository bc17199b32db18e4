//! Counts changes of assets as this process makes them, so that whoever remembers an asset knows whether to look again.
//!
//! Assets share counters: a remembered one may look changed when another was. Never the other way round.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Tx, Write};
use crate::domain::ids::AssetId;

const GENERATION_COUNTERS: usize = 4096;

/// The counters.
pub(super) struct CacheGenerations {
    counters: Box<[AtomicU64]>,
    /// Ids are made by clients' requests; which of them share a counter is nobody's choice.
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

    /// What a transaction may have changed is changed, before its author hears of it.
    pub(super) fn count(&self, tx: &Tx) {
        for write in &tx.writes {
            if let Write::UpdateAsset(asset) = write {
                self.counter(asset.id).fetch_add(1, Ordering::AcqRel);
            }
        }
    }

    /// Another number than before, if the asset has changed since.
    pub(super) fn of(&self, asset: AssetId) -> u64 {
        self.counter(asset).load(Ordering::Acquire)
    }
}
