//! Receive windows of HTTP/2 connections (RFC 9113 §5.2). They start small and grow as long as the client fills them
//! within a round trip, because a client can send no more than a window in that time.
//!
//! Bytes in a window that were not read yet occupy memory, so the growth of windows is taken from a shared budget. A
//! connection that finds the budget empty keeps its window.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Initial window of every stream and of the connection, not part of the budget.
pub(super) const FIRST_WINDOW_BYTES: u32 = 1 << 20;
/// Maximum window: 160 MB/s at a round trip of 100 ms.
const MAX_WINDOW_BYTES: u32 = 16 << 20;
/// Bytes per permit of the budget.
const PERMIT_BYTES: u32 = 1 << 10;

/// Memory budget for the growth of all connections' windows.
#[derive(Clone, Debug)]
pub struct WindowBudget(Arc<Semaphore>);

impl WindowBudget {
    /// A budget of `bytes`; 0: no window grows.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let permits = usize::try_from(bytes / u64::from(PERMIT_BYTES)).unwrap_or(usize::MAX);
        Self(Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))))
    }
}

/// The window of a connection and of each of its streams.
pub(super) struct ReceiveWindow {
    size: u32,
    budget: WindowBudget,
    permits: Vec<OwnedSemaphorePermit>,
}

impl ReceiveWindow {
    pub(super) fn new(budget: WindowBudget) -> Self {
        Self { size: FIRST_WINDOW_BYTES, budget, permits: Vec::new() }
    }

    /// Number of bytes after which to measure the next round trip; `grew`: the last measurement made the window grow.
    /// The measurement happens early in a window: a client answers a ping before it sends the bytes that the next
    /// window update allows.
    pub(super) fn measure_after(&self, grew: bool) -> u64 {
        if grew { u64::from(self.size / 8) } else { u64::from(self.size) * 4 }
    }

    /// The next window size, if `bytes` read within a round trip show that the window limits the client.
    pub(super) fn grow(&mut self, bytes: u64) -> Option<u32> {
        if bytes * 2 < u64::from(self.size) || self.size >= MAX_WINDOW_BYTES {
            return None;
        }
        let next = (self.size * 2).min(MAX_WINDOW_BYTES);
        let more = (next - self.size) / PERMIT_BYTES;
        self.permits.push(Arc::clone(&self.budget.0).try_acquire_many_owned(more).ok()?);
        self.size = next;
        Some(next)
    }
}

/// Counts the bytes read from a connection's streams.
#[derive(Clone, Default)]
pub(super) struct ReadBytes(Arc<ReadByteCounter>);

#[derive(Default)]
struct ReadByteCounter {
    bytes: AtomicU64,
    /// The count at which [`ReadByteCounter::reached`] is notified.
    notify_at: AtomicU64,
    reached: Notify,
}

impl ReadBytes {
    pub(super) fn add(&self, bytes: usize) {
        let counter = &self.0;
        let count = counter.bytes.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        if count >= counter.notify_at.load(Ordering::Relaxed) {
            counter.notify_at.store(u64::MAX, Ordering::Relaxed);
            counter.reached.notify_one();
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Waits until `more` further bytes were read.
    pub(super) async fn wait_for(&self, more: u64) {
        self.0.notify_at.store(self.count().saturating_add(more), Ordering::Relaxed);
        self.0.reached.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_grow_while_they_hold_a_client_up_and_the_budget_lasts() {
        const MIB: u32 = 1 << 20;
        let budget = WindowBudget::new(u64::from(18 * MIB));
        let mut first = ReceiveWindow::new(budget.clone());
        assert_eq!(first.grow(u64::from(MIB / 3)), None, "a third of it in a round trip: something else is slower");
        let sizes: Vec<_> = std::iter::from_fn(|| first.grow(u64::from(16 * MIB))).collect();
        assert_eq!(sizes, [2 * MIB, 4 * MIB, 8 * MIB, 16 * MIB]);
        let mut second = ReceiveWindow::new(budget.clone());
        let sizes: Vec<_> = std::iter::from_fn(|| second.grow(u64::from(16 * MIB))).collect();
        assert_eq!(sizes, [2 * MIB, 4 * MIB], "there is no more than the budget");
        drop(first);
        assert_eq!(second.grow(u64::from(16 * MIB)), Some(8 * MIB), "what ended gives back");
        assert_eq!(ReceiveWindow::new(WindowBudget::new(0)).grow(u64::from(MIB)), None);
    }

    #[tokio::test]
    async fn a_mark_is_told_once() {
        let read = ReadBytes::default();
        let waiting = read.clone();
        let (_, ()) = tokio::join!(waiting.wait_for(10), async {
            read.add(9);
            read.add(1);
            read.add(1);
        });
        assert_eq!(read.count(), 11);
    }
}
