//! The SHA-256 of the whole file, computed during the upload.
//!
//! Parts are sent in parallel and out of order, so the hash reads the file by itself: close behind the parts that are
//! being sent, which are still in the page cache. It never runs far ahead, which would read a large file from the disk
//! twice.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;

use super::source_file::SourceFile;
use crate::client::error::{Error, Result};
use crate::domain::checksum::Sha256Digest;
use crate::domain::reason::FailureCause;

const CHUNK_BYTES: usize = 256 << 10;
/// Number of bytes by which the hash may be ahead of the bytes that are being sent.
const MAX_READ_AHEAD_BYTES: u64 = 64 << 20;

/// A running hash computation, stopped when dropped.
pub(super) struct BackgroundHash {
    pace: Arc<HashPace>,
    work: Option<JoinHandle<Result<Sha256Digest>>>,
    known: Option<Sha256Digest>,
}

/// Progress of sending, shared with the thread that hashes.
#[derive(Default)]
struct HashPace {
    sent: Mutex<SendProgress>,
    moved: Condvar,
}

#[derive(Clone, Copy, Default)]
struct SendProgress {
    up_to: u64,
    stop: bool,
}

impl HashPace {
    fn lock(&self) -> MutexGuard<'_, SendProgress> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut SendProgress)) {
        change(&mut self.lock());
        self.moved.notify_all();
    }

    /// Waits until `offset` may be read; `false`: the digest is no longer needed.
    fn wait_to_read(&self, offset: u64) -> bool {
        let mut sent = self.lock();
        while !sent.stop && offset > sent.up_to.saturating_add(MAX_READ_AHEAD_BYTES) {
            sent = self.moved.wait(sent).unwrap_or_else(PoisonError::into_inner);
        }
        !sent.stop
    }
}

impl BackgroundHash {
    pub(super) fn start(source: Arc<SourceFile>) -> Self {
        let pace = Arc::new(HashPace::default());
        let reader = Arc::clone(&pace);
        let work = tokio::task::spawn_blocking(move || hash_file(&source, &reader));
        Self { pace, work: Some(work), known: None }
    }

    /// A digest that is known already.
    pub(super) fn of_known(digest: Sha256Digest) -> Self {
        Self { pace: Arc::default(), work: None, known: Some(digest) }
    }

    /// Notes that bytes up to `offset` are being sent or are already sent.
    pub(super) fn advance_to(&self, offset: u64) {
        self.pace.update(|sent| sent.up_to = sent.up_to.max(offset));
    }

    /// The digest of the whole file, computed at full speed from here on.
    pub(super) async fn finish(&mut self) -> Result<Sha256Digest> {
        if let Some(known) = self.known {
            return Ok(known);
        }
        self.advance_to(u64::MAX);
        let Some(work) = self.work.take() else { return Err(Error::Interrupted) };
        work.await.map_err(|error| Error::Other(FailureCause::of(error)))?
    }
}

impl Drop for BackgroundHash {
    fn drop(&mut self) {
        self.pace.update(|sent| sent.stop = true);
    }
}

fn hash_file(source: &SourceFile, pace: &HashPace) -> Result<Sha256Digest> {
    let (mut hasher, mut offset, mut buffer) = (Sha256::new(), 0, vec![0; CHUNK_BYTES]);
    while offset < source.fingerprint.size {
        if !pace.wait_to_read(offset) {
            return Err(Error::Interrupted);
        }
        let len = usize::try_from(source.fingerprint.size - offset).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        source.read_at(&mut buffer[..len], offset).map_err(|error| source.read_error(error))?;
        hasher.update(&buffer[..len]);
        offset += len as u64;
    }
    Ok(Sha256Digest(hasher.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn source(size: usize) -> (tempfile::TempDir, Arc<SourceFile>, Sha256Digest) {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..size).map(|i| u8::try_from(i % 251).unwrap()).collect();
        std::fs::write(dir.path().join("f"), &bytes).unwrap();
        let source = SourceFile::open(&dir.path().join("f")).unwrap();
        (dir, Arc::new(source), Sha256Digest(Sha256::digest(&bytes).into()))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_digest_is_that_of_the_file() {
        for size in [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 17] {
            let (_dir, source, expected) = source(size);
            assert_eq!(BackgroundHash::start(source).finish().await.unwrap(), expected, "{size}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn it_waits_for_the_bytes_to_be_sent() {
        let (_dir, source, expected) = source(usize::try_from(MAX_READ_AHEAD_BYTES).unwrap() + 2 * CHUNK_BYTES);
        let mut hashing = BackgroundHash::start(source);
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert!(!hashing.work.as_ref().unwrap().is_finished());
        hashing.advance_to(CHUNK_BYTES as u64);
        assert_eq!(hashing.finish().await.unwrap(), expected);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn dropped_it_stops() {
        let (_dir, source, _) = source(usize::try_from(MAX_READ_AHEAD_BYTES).unwrap() + 2 * CHUNK_BYTES);
        let mut hashing = BackgroundHash::start(source);
        let work = hashing.work.take().unwrap();
        drop(hashing);
        assert!(matches!(work.await.unwrap(), Err(Error::Interrupted)));
    }
}
