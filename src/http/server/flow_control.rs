//! Receive windows of HTTP/2 connections (RFC 9113 §5.2). They begin small and grow as long as a client fills them within a
//! round trip, because a window is all that a client can send in that time.
//!
//! What lies in a window and was not read yet is in memory, so what windows have grown by is drawn from one budget. A
//! connection that finds none left keeps the window that it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The window of every stream and of the connection at first, outside of the budget.
pub(super) const FIRST_WINDOW_BYTES: u32 = 1 << 20;
/// The largest window: 160 MB/s at a round trip of 100 ms.
const MAX_WINDOW_BYTES: u32 = 16 << 20;
/// Bytes that one permit of the budget stands for.
const PERMIT_BYTES: u32 = 1 << 10;

/// Memory for what the windows of all connections have grown by.
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

/// The window of one connection, and of each of its streams.
pub(super) struct ReceiveWindow {
    size: u32,
    budget: WindowBudget,
    permits: Vec<OwnedSemaphorePermit>,
}

impl ReceiveWindow {
    pub(super) fn new(budget: WindowBudget) -> Self {
        Self { size: FIRST_WINDOW_BYTES, budget, permits: Vec::new() }
    }

    /// After how many bytes to measure a round trip, given whether the one before made the window grow. Early in a window: a
    /// client answers a ping before it sends what the next window update lets through.
    pub(super) fn measure_after(&self, grew: bool) -> u64 {
        if grew { u64::from(self.size / 8) } else { u64::from(self.size) * 4 }
    }

    /// The next size, if `bytes` that were read within one round trip show that the window is what holds the client up.
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

/// Counts the bytes that were read from a connection's streams.
#[derive(Clone, Default)]
pub(super) struct ReadBytes(Arc<ReadByteCounter>);

#[derive(Default)]
struct ReadByteCounter {
    bytes: AtomicU64,
    /// The count at which [`ReadByteCounter::reached`] is told.
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

    /// Waits until so many more bytes were read.
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
