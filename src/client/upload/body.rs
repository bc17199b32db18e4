//! The body of a part: a range of the file, read in chunks into buffers that are reused.
//!
//! Memory is bounded by the number of parts in flight, whatever their size.

use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use super::source_file::SourceFile;
use crate::client::progress::TransferAttempt;
use crate::client::throttle::RateLimiter;

const CHUNK_BYTES: usize = 256 << 10;
/// Maximum number of chunks queued between disk and socket.
const MAX_QUEUED_CHUNKS: usize = 2;

/// A pool of buffers, and the rate at which they may be filled.
#[derive(Clone, Debug, Default)]
pub(super) struct ChunkPool {
    free: Arc<Mutex<Vec<Vec<u8>>>>,
    limit: Option<Arc<RateLimiter>>,
    /// Bytes of a chunk; `None`: a whole buffer.
    piece_bytes: Option<usize>,
}

/// A buffer that returns to its pool when dropped.
struct PooledChunk {
    buffer: Vec<u8>,
    len: usize,
    pool: ChunkPool,
}

impl ChunkPool {
    /// A pool for `senders` at once, whose chunks pass at the limited rate.
    pub(super) fn limited(limit: Option<Arc<RateLimiter>>, senders: usize) -> Self {
        let piece_bytes = limit.as_ref().map(|limit| limit.piece_bytes(senders, CHUNK_BYTES));
        Self { limit, piece_bytes, ..Self::default() }
    }

    fn acquire(&self) -> PooledChunk {
        let buffer = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        PooledChunk { buffer: buffer.unwrap_or_else(|| vec![0; CHUNK_BYTES]), len: 0, pool: self.clone() }
    }
}

impl AsRef<[u8]> for PooledChunk {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.len]
    }
}

impl Drop for PooledChunk {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        self.pool.free.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

/// A range of a file as the body of a request.
pub(super) struct FileBody {
    pieces: mpsc::Receiver<std::io::Result<Bytes>>,
    left: u64,
    attempt: Arc<TransferAttempt>,
}

impl FileBody {
    /// Starts to read; `attempt` counts the bytes that are taken.
    pub(super) fn start(
        source: Arc<SourceFile>,
        range: Range<u64>,
        pool: ChunkPool,
        attempt: Arc<TransferAttempt>,
    ) -> Self {
        let (send, pieces) = mpsc::channel(MAX_QUEUED_CHUNKS);
        let left = range.end - range.start;
        if left > 0 {
            tokio::task::spawn_blocking(move || read_chunks(&source, range, &pool, &send));
        }
        Self { pieces, left, attempt }
    }
}

/// Reads until the end, an error, or until the receiver is dropped.
fn read_chunks(
    source: &SourceFile,
    mut range: Range<u64>,
    pool: &ChunkPool,
    send: &mpsc::Sender<std::io::Result<Bytes>>,
) {
    let piece_bytes = pool.piece_bytes.unwrap_or(CHUNK_BYTES);
    while !range.is_empty() {
        let mut lent = pool.acquire();
        lent.len = usize::try_from(range.end - range.start).unwrap_or(piece_bytes).min(piece_bytes);
        let len = lent.len;
        if let Some(limit) = &pool.limit {
            limit.wait_blocking(len as u64);
        }
        let piece = source.read_at(&mut lent.buffer[..len], range.start).map(|()| Bytes::from_owner(lent));
        let failed = piece.is_err();
        if send.blocking_send(piece).is_err() || failed {
            return;
        }
        range.start += len as u64;
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let piece = std::task::ready!(self.pieces.poll_recv(context));
        Poll::Ready(piece.map(|piece| {
            let piece = piece?;
            self.left = self.left.saturating_sub(piece.len() as u64);
            self.attempt.add(piece.len() as u64);
            Ok(Frame::data(piece))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::progress::{OutputStyle, ProgressReporter, TransferDirection};
    use http_body_util::BodyExt as _;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_range_is_sent_exactly_and_buffers_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..5 * CHUNK_BYTES + 3).map(|i| u8::try_from(i % 253).unwrap()).collect();
        std::fs::write(dir.path().join("f"), &bytes).unwrap();
        let source = Arc::new(SourceFile::open(&dir.path().join("f")).unwrap());
        let track = ProgressReporter::new(OutputStyle::Quiet, 1).track("f", bytes.len() as u64, TransferDirection::Up);
        let pool = ChunkPool::default();
        for range in [0..0, 0..1, 7..CHUNK_BYTES + 7, 1..bytes.len(), bytes.len() - 1..bytes.len()] {
            let attempt = Arc::new(track.start_attempt());
            let at = range.start as u64..range.end as u64;
            let body = FileBody::start(Arc::clone(&source), at, pool.clone(), Arc::clone(&attempt));
            assert_eq!(body.size_hint().exact(), Some(range.len() as u64));
            let sent = body.collect().await.unwrap().to_bytes();
            assert!(sent == bytes[range.clone()], "{range:?}");
            assert_eq!(attempt.moved(), range.len() as u64);
        }
        assert!(pool.free.lock().unwrap().len() <= 12, "buffers are used again");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_that_becomes_shorter_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("f"), "12345").unwrap();
        let source = Arc::new(SourceFile::open(&dir.path().join("f")).unwrap());
        std::fs::write(dir.path().join("f"), "123").unwrap();
        let track = ProgressReporter::new(OutputStyle::Quiet, 1).track("f", 5, TransferDirection::Up);
        let body = FileBody::start(source, 0..5, ChunkPool::default(), Arc::new(track.start_attempt()));
        assert!(body.collect().await.is_err());
    }
}
