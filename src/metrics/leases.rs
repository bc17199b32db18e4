//! Leases on uploads whose bytes pass through this service: how often writers meet.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::labels::counter;

/// Metrics of leases.
pub struct LeaseMetrics {
    takeovers: Counter,
    conflicts: Counter,
    stale_fences: Counter,
}

impl LeaseMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        Self {
            takeovers: counter(
                registry,
                "lease_takeovers",
                "Times that a writer took the lease on an upload from another writer, which released it or let it expire",
            ),
            conflicts: counter(
                registry,
                "lease_conflicts",
                "Requests to append that found another writer at work on the same upload",
            ),
            stale_fences: counter(
                registry,
                "stale_fence_rejected",
                "Writes that were refused because their writer had lost the lease on the upload meanwhile",
            ),
        }
    }

    /// Counts a lease that changed its holder.
    pub fn record_takeover(&self) {
        self.takeovers.inc();
    }

    /// Counts a request that found another holder of the lease.
    pub fn record_lease_conflict(&self) {
        self.conflicts.inc();
    }

    /// Counts a write that came too late.
    pub fn record_stale_fence(&self) {
        self.stale_fences.inc();
    }
}
