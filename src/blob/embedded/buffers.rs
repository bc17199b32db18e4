//! Pool of large buffers.
//!
//! The allocator keeps memory that a thread has freed with that thread for a while, and the blocking pool has many
//! threads: without the pool, memory would hold a buffer for each of them.

use std::sync::{Arc, Mutex, PoisonError};

/// Largest number of unused buffers that are kept.
const MAX_IDLE_BUFFERS: usize = 16;

/// Buffers that are not in use.
#[derive(Default)]
pub(super) struct BufferPool(Mutex<Vec<Vec<u8>>>);

/// A buffer that goes back to its pool when it is dropped.
pub(super) struct PooledBuffer {
    pub(super) bytes: Vec<u8>,
    pool: Arc<BufferPool>,
}

impl BufferPool {
    /// An empty buffer with room for at least `capacity` bytes.
    pub(super) fn take(self: &Arc<Self>, capacity: usize) -> PooledBuffer {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut bytes = idle.unwrap_or_default();
        bytes.reserve_exact(capacity);
        PooledBuffer { bytes, pool: Arc::clone(self) }
    }
}

impl AsRef<[u8]> for PooledBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        let mut idle = self.pool.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE_BUFFERS {
            idle.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_empty_and_not_without_end() {
        let pool = Arc::new(BufferPool::default());
        let mut first = pool.take(1000);
        first.bytes.extend_from_slice(b"hello");
        let at = first.bytes.as_ptr();
        drop(first);
        let again = pool.take(1000);
        assert!(again.as_ref().is_empty() && again.bytes.as_ptr() == at && again.bytes.capacity() >= 1000);
        let many: Vec<_> = (0..2 * MAX_IDLE_BUFFERS).map(|_| pool.take(10)).collect();
        drop(many);
        assert_eq!(pool.0.lock().unwrap().len(), MAX_IDLE_BUFFERS);
    }
}
