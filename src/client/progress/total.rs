//! Totals of many files: how many have ended, how many bytes have moved, how fast, how long it will take.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use super::meter::SpeedMeter;
use super::{FileTransfer, TransferPlan, lock};
use crate::client::format;

/// Counts of a command's files.
pub(super) struct FileTotals {
    plan: TransferPlan,
    /// Files whose end was reported.
    ended: AtomicUsize,
    /// Bytes of transfers that have ended.
    moved: AtomicU64,
    meter: Mutex<SpeedMeter>,
}

impl FileTotals {
    pub(super) fn new(plan: TransferPlan) -> Self {
        let meter = Mutex::new(SpeedMeter::default());
        Self { plan, ended: AtomicUsize::new(0), moved: AtomicU64::new(0), meter }
    }

    /// Adds a transfer that has ended.
    pub(super) fn add(&self, file: &FileTransfer) {
        self.moved.fetch_add(file.moved.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Counts a file whose end was reported.
    pub(super) fn count_result(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// The totals in words, the most important first.
    pub(super) fn describe(&self, active: &[Arc<FileTransfer>]) -> Vec<String> {
        let under_way: u64 = active.iter().map(|file| file.moved.load(Ordering::Relaxed)).sum();
        let moved = self.moved.load(Ordering::Relaxed) + under_way;
        let mut meter = lock(&self.meter);
        meter.sample(Instant::now(), moved);
        let ended = self.ended.load(Ordering::Relaxed);
        let mut words = vec![format!("{ended} of {} files", self.plan.files)];
        if self.plan.bytes > 0 {
            words.push(format!("{} of {}", format::size(moved), format::size(self.plan.bytes)));
        }
        words.extend(meter.speed().map(format::speed));
        let eta = meter.eta(self.plan.bytes.saturating_sub(moved)).filter(|_| moved < self.plan.bytes);
        words.extend(eta.map(|eta| format!("{} left", format::time(eta))));
        words
    }
}
