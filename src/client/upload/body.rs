//! A part's bytes on their way out: a range of the file, read piece by piece into buffers that are used again.
//!
//! Memory is bounded by the number of parts in flight, whatever their size.

use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use super::source::Source;
use crate::client::progress::Attempt;

const CHUNK: usize = 256 << 10;
/// Pieces that wait between disk and socket.
const WAITING: usize = 2;

/// Buffers, handed out and taken back.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

/// A buffer that finds its way back.
struct Lent {
    buffer: Vec<u8>,
    len: usize,
    pool: Pool,
}

impl Pool {
    fn lend(&self) -> Lent {
        let buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Lent { buffer: buffer.unwrap_or_else(|| vec![0; CHUNK]), len: 0, pool: self.clone() }
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.len]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        self.pool.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

/// A range of a file as a request's body.
pub(super) struct FileBody {
    pieces: mpsc::Receiver<std::io::Result<Bytes>>,
    left: u64,
    attempt: Arc<Attempt>,
}

impl FileBody {
    /// Begins to read; what is taken from it is counted by `attempt`.
    pub(super) fn start(source: Arc<Source>, range: Range<u64>, pool: Pool, attempt: Arc<Attempt>) -> Self {
        let (send, pieces) = mpsc::channel(WAITING);
        let left = range.end - range.start;
        if left > 0 {
            tokio::task::spawn_blocking(move || read(&source, range, &pool, &send));
        }
        Self { pieces, left, attempt }
    }
}

/// Reads until the end, an error, or until nobody listens any more.
fn read(source: &Source, mut range: Range<u64>, pool: &Pool, send: &mpsc::Sender<std::io::Result<Bytes>>) {
    while !range.is_empty() {
        let mut lent = pool.lend();
        lent.len = usize::try_from(range.end - range.start).unwrap_or(CHUNK).min(CHUNK);
        let len = lent.len;
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
    use crate::client::progress::{Direction, Reporter, Style};
    use http_body_util::BodyExt as _;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_range_is_sent_exactly_and_buffers_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..5 * CHUNK + 3).map(|i| u8::try_from(i % 253).unwrap()).collect();
        std::fs::write(dir.path().join("f"), &bytes).unwrap();
        let source = Arc::new(Source::open(&dir.path().join("f")).unwrap());
        let track = Reporter::new(Style::Quiet, 1).track("f", bytes.len() as u64, Direction::Up);
        let pool = Pool::default();
        for range in [0..0, 0..1, 7..CHUNK + 7, 1..bytes.len(), bytes.len() - 1..bytes.len()] {
            let attempt = Arc::new(track.attempt());
            let at = range.start as u64..range.end as u64;
            let body = FileBody::start(Arc::clone(&source), at, pool.clone(), Arc::clone(&attempt));
            assert_eq!(body.size_hint().exact(), Some(range.len() as u64));
            let sent = body.collect().await.unwrap().to_bytes();
            assert!(sent == bytes[range.clone()], "{range:?}");
            assert_eq!(attempt.moved(), range.len() as u64);
        }
        assert!(pool.0.lock().unwrap().len() <= 12, "buffers are used again");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_that_becomes_shorter_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("f"), "12345").unwrap();
        let source = Arc::new(Source::open(&dir.path().join("f")).unwrap());
        std::fs::write(dir.path().join("f"), "123").unwrap();
        let track = Reporter::new(Style::Quiet, 1).track("f", 5, Direction::Up);
        let body = FileBody::start(source, 0..5, Pool::default(), Arc::new(track.attempt()));
        assert!(body.collect().await.is_err());
    }
}
