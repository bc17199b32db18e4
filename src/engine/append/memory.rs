//! Memory budget of appends: how many bytes between clients and the store may be in memory at once, over all uploads.
//!
//! The budget counts bytes, not uploads: a thousand slow clients hold little. An append that gets no more memory first
//! frees its own, by writing it to the store as a tail. Hence no append waits while it holds memory for which another
//! waits.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Unit of allocation in bytes. Blocks of small files are smaller.
const BLOCK_BYTES: u64 = 256 << 10;

/// The budget, in blocks.
#[derive(Clone)]
pub(super) struct AppendMemoryBudget(Arc<Semaphore>);

impl AppendMemoryBudget {
    pub(super) fn new(bytes: u64) -> Self {
        let blocks = (bytes / BLOCK_BYTES).clamp(1, Semaphore::MAX_PERMITS as u64 / 2);
        Self(Arc::new(Semaphore::new(usize::try_from(blocks).unwrap_or(1))))
    }

    /// Permit for a block, if it is available.
    pub(super) fn try_acquire_block(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_owned().ok()
    }

    /// Permit for a block, as soon as it is available.
    pub(super) async fn acquire_block(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).acquire_owned().await.ok()
    }
}

/// Buffer that collects bytes of an append.
#[derive(Default)]
pub(super) struct AppendBuffer {
    full_chunks: Vec<Bytes>,
    current_chunk: BytesMut,
    len: u64,
    permits: Option<OwnedSemaphorePermit>,
}

/// Collected bytes; can be sent to the store repeatedly.
pub(super) struct BufferedBytes {
    pub(super) chunks: Vec<Bytes>,
    pub(super) len: u64,
    /// Returned to the budget when the bytes are dropped.
    _permits: Option<OwnedSemaphorePermit>,
}

impl AppendBuffer {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that fit without another block.
    pub(super) fn room(&self) -> u64 {
        (self.current_chunk.capacity() - self.current_chunk.len()) as u64
    }

    /// Adds a block, no larger than the `expected` bytes.
    pub(super) fn grow(&mut self, permit: OwnedSemaphorePermit, expected: u64) {
        let full = std::mem::replace(
            &mut self.current_chunk,
            BytesMut::with_capacity(expected.clamp(1, BLOCK_BYTES) as usize),
        );
        if !full.is_empty() {
            self.full_chunks.push(full.freeze());
        }
        match &mut self.permits {
            Some(permits) => permits.merge(permit),
            None => self.permits = Some(permit),
        }
    }

    /// Takes the bytes that fit from the front of `bytes`, at most `most`.
    pub(super) fn fill_from(&mut self, bytes: &mut Bytes, most: u64) {
        let fits = self.room().min(most).min(bytes.len() as u64);
        let taken = bytes.split_to(fits as usize);
        self.current_chunk.extend_from_slice(&taken);
        self.len += fits;
    }

    /// Takes all collected bytes and leaves the buffer empty.
    pub(super) fn take_all(&mut self) -> BufferedBytes {
        let whole = std::mem::take(self);
        let mut chunks = whole.full_chunks;
        if !whole.current_chunk.is_empty() {
            chunks.push(whole.current_chunk.freeze());
        }
        BufferedBytes { chunks, len: whole.len, _permits: whole.permits }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_and_memory_comes_back() {
        let (budget, mut buffer) = (AppendMemoryBudget::new(2 * BLOCK_BYTES), AppendBuffer::default());
        let source: Vec<u8> = (0..BLOCK_BYTES + 100).map(|n| n as u8).collect();
        let mut bytes = Bytes::from(source.clone());
        while !bytes.is_empty() {
            if buffer.room() == 0 {
                buffer.grow(budget.try_acquire_block().unwrap(), bytes.len() as u64);
            }
            buffer.fill_from(&mut bytes, u64::MAX);
        }
        assert_eq!(buffer.len(), BLOCK_BYTES + 100);
        let piece = buffer.take_all();
        assert!(buffer.is_empty() && piece.len == BLOCK_BYTES + 100 && piece.chunks.concat() == source);
        assert!(budget.try_acquire_block().is_none());
        drop(piece);
        assert!(budget.try_acquire_block().is_some());
    }

    #[test]
    fn a_small_file_gets_a_small_block() {
        let (budget, mut buffer) = (AppendMemoryBudget::new(BLOCK_BYTES), AppendBuffer::default());
        buffer.grow(budget.try_acquire_block().unwrap(), 1024);
        assert!(buffer.room() < 4096);
    }
}
