//! Care of the stored bytes: orphans.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::labels::{LabelledCounter, counter};

/// Kind of an orphan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrphanClass {
    /// An object that no row names.
    Object,
    /// A multipart upload that no row names.
    Multipart,
}

impl OrphanClass {
    const ALL: [Self; 2] = [Self::Object, Self::Multipart];

    fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Multipart => "multipart",
        }
    }
}

/// Metrics of searches.
pub struct CareMetrics {
    found: LabelledCounter,
    removed: Counter,
}

impl CareMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        Self {
            found: LabelledCounter::register(
                registry,
                "orphans_found",
                "Objects and multipart uploads in the store that no row names, each counted by every search of this node \
                 that found it",
                "kind",
                OrphanClass::ALL.map(OrphanClass::name),
            ),
            removed: counter(registry, "orphans_removed", "Orphans that this node removed from the store"),
        }
    }

    /// Counts an orphan that a search found.
    pub fn record_orphan(&self, class: OrphanClass) {
        self.found.increment(class.name());
    }

    /// Counts an orphan that was removed.
    pub fn record_removed_orphan(&self) {
        self.removed.inc();
    }
}
