//! Doubt about a completion whose request to the store had no certain outcome, counted once when it ends.

use crate::metrics;
use crate::metrics::DoubtOutcome;

/// Doubt about a completion. Dropped while it lasts, it counts as unresolved: the next caller or the sweeper asks again.
#[derive(Default)]
pub(super) struct CompletionDoubt {
    is_raised: bool,
}

impl CompletionDoubt {
    /// The request failed: its outcome is unknown.
    pub(super) fn raise(&mut self) {
        self.is_raised = true;
    }

    /// The outcome is known. Counts nothing if it never was in doubt.
    pub(super) fn resolve(&mut self, outcome: DoubtOutcome) {
        if std::mem::take(&mut self.is_raised) {
            metrics::uploads().record_doubt(outcome);
        }
    }
}

impl Drop for CompletionDoubt {
    fn drop(&mut self) {
        self.resolve(DoubtOutcome::Unresolved);
    }
}
