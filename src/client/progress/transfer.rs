//! Counters of a file's transfer, and of each attempt to move some of its bytes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::meter::SpeedMeter;
use super::{TransferDirection, UNKNOWN_SIZE, lock};

/// Counters of a file's transfer.
#[derive(Debug)]
pub(super) struct FileTransfer {
    pub(super) number: u64,
    pub(super) name: String,
    pub(super) direction: TransferDirection,
    pub(super) size: u64,
    pub(super) moved: AtomicU64,
    pub(super) confirmed: AtomicU64,
    pub(super) started_at: Instant,
    pub(super) resumed_from: AtomicU64,
    pub(super) meter: Mutex<SpeedMeter>,
    pub(super) activity: Mutex<&'static str>,
}

/// State of a transfer at an instant.
pub(super) struct TransferSnapshot {
    pub(super) moved: u64,
    pub(super) confirmed: u64,
    pub(super) speed: Option<u64>,
    pub(super) eta: Option<Duration>,
    pub(super) activity: &'static str,
}

impl TransferSnapshot {
    /// Bytes that are done: for an upload those that the server has, for a download those that are saved.
    pub(super) fn done(&self, direction: TransferDirection) -> u64 {
        match direction {
            TransferDirection::Up => self.confirmed,
            TransferDirection::Down => self.moved,
        }
    }
}

impl FileTransfer {
    /// The size, if it is known.
    pub(super) fn known_size(&self) -> Option<u64> {
        (self.size != UNKNOWN_SIZE).then_some(self.size)
    }

    /// Bytes of the whole file; of a stream those that have passed.
    pub(super) fn total(&self) -> u64 {
        self.known_size().unwrap_or_else(|| self.moved.load(Ordering::Relaxed))
    }

    pub(super) fn snapshot(&self) -> TransferSnapshot {
        let moved = self.moved.load(Ordering::Relaxed).min(self.size);
        let mut meter = lock(&self.meter);
        meter.sample(Instant::now(), moved);
        let confirmed = self.confirmed.load(Ordering::Relaxed).min(self.size);
        let eta = self.known_size().and_then(|size| meter.eta(size - moved));
        TransferSnapshot { moved, confirmed, speed: meter.speed(), eta, activity: *lock(&self.activity) }
    }

    /// Average bytes per second of this run.
    pub(super) fn overall_speed(&self) -> u64 {
        let moved = self.moved.load(Ordering::Relaxed).saturating_sub(self.resumed_from.load(Ordering::Relaxed));
        let millis = self.started_at.elapsed().as_millis().max(1);
        u64::try_from(u128::from(moved) * 1000 / millis).unwrap_or(u64::MAX)
    }
}

/// Bytes of an attempt. Dropped without [`Self::confirm`], it takes them back.
#[derive(Debug)]
pub struct TransferAttempt {
    pub(super) transfer: Arc<FileTransfer>,
    pub(super) moved: AtomicU64,
}

impl TransferAttempt {
    /// Counts `bytes` that have moved.
    pub fn add(&self, bytes: u64) {
        self.moved.fetch_add(bytes, Ordering::Relaxed);
        self.transfer.moved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Number of bytes that have moved.
    #[must_use]
    pub fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// Confirms the attempt with `bytes`, whatever was counted.
    pub fn confirm(&self, bytes: u64) {
        let counted = self.moved.swap(0, Ordering::Relaxed);
        self.transfer.moved.fetch_add(bytes.saturating_sub(counted), Ordering::Relaxed);
        self.transfer.confirmed.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for TransferAttempt {
    fn drop(&mut self) {
        self.transfer.moved.fetch_sub(self.moved(), Ordering::Relaxed);
    }
}
