//! Care of the stored bytes: orphans, and what a check of rows against objects found.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::{LabelledCounter, clamped, counter, gauge};

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

/// Metrics of searches and checks.
pub struct CareMetrics {
    found: LabelledCounter,
    removed: Counter,
    inconsistencies: Gauge,
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
            inconsistencies: gauge(
                registry,
                "verify_inconsistencies",
                "Contradictions between rows and stored objects that the last check of this node found; 0 until one ran",
            ),
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

    /// Notes the number of contradictions that a check has found.
    pub fn set_inconsistencies(&self, count: u64) {
        self.inconsistencies.set(clamped(count));
    }
}
