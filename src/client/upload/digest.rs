//! The SHA-256 of the whole file, computed beside the upload.
//!
//! Parts travel in parallel and out of order, so the hash reads by itself: close behind what is being sent, where the
//! page cache still has it. It never runs far ahead, which would read a large file from the disk twice.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;

use super::source::Source;
use crate::client::error::{Error, Result};
use crate::domain::checksum::Sha256Digest;

const CHUNK: usize = 256 << 10;
/// How far it may be ahead of the bytes that are being sent.
const AHEAD: u64 = 64 << 20;

/// A hash under way. Dropped, it stops.
pub(super) struct Hashing {
    pace: Arc<Pace>,
    work: Option<JoinHandle<Result<Sha256Digest>>>,
}

/// How far sending has come.
#[derive(Default)]
struct Pace {
    sent: Mutex<Sent>,
    moved: Condvar,
}

#[derive(Clone, Copy, Default)]
struct Sent {
    up_to: u64,
    stop: bool,
}

impl Pace {
    fn lock(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Sent)) {
        change(&mut self.lock());
        self.moved.notify_all();
    }

    /// Waits until `offset` may be read; `false`: nobody wants the digest any more.
    fn may_read(&self, offset: u64) -> bool {
        let mut sent = self.lock();
        while !sent.stop && offset > sent.up_to.saturating_add(AHEAD) {
            sent = self.moved.wait(sent).unwrap_or_else(PoisonError::into_inner);
        }
        !sent.stop
    }
}

impl Hashing {
    pub(super) fn start(source: Arc<Source>) -> Self {
        let pace = Arc::new(Pace::default());
        let reader = Arc::clone(&pace);
        let work = tokio::task::spawn_blocking(move || hash(&source, &reader));
        Self { pace, work: Some(work) }
    }

    /// Bytes up to here are being sent, or are there already.
    pub(super) fn reached(&self, offset: u64) {
        self.pace.change(|sent| sent.up_to = sent.up_to.max(offset));
    }

    /// The digest of the whole, at full speed.
    pub(super) async fn finish(&mut self) -> Result<Sha256Digest> {
        self.reached(u64::MAX);
        let Some(work) = self.work.take() else { return Err(Error::Interrupted) };
        work.await.map_err(|error| Error::Other(error.to_string()))?
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        self.pace.change(|sent| sent.stop = true);
    }
}

fn hash(source: &Source, pace: &Pace) -> Result<Sha256Digest> {
    let (mut hasher, mut offset, mut buffer) = (Sha256::new(), 0, vec![0; CHUNK]);
    while offset < source.print.size {
        if !pace.may_read(offset) {
            return Err(Error::Interrupted);
        }
        let len = usize::try_from(source.print.size - offset).unwrap_or(CHUNK).min(CHUNK);
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

    fn source(size: usize) -> (tempfile::TempDir, Arc<Source>, Sha256Digest) {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..size).map(|i| u8::try_from(i % 251).unwrap()).collect();
        std::fs::write(dir.path().join("f"), &bytes).unwrap();
        let source = Source::open(&dir.path().join("f")).unwrap();
        (dir, Arc::new(source), Sha256Digest(Sha256::digest(&bytes).into()))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_digest_is_that_of_the_file() {
        for size in [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK + 17] {
            let (_dir, source, expected) = source(size);
            assert_eq!(Hashing::start(source).finish().await.unwrap(), expected, "{size}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn it_waits_for_the_bytes_to_be_sent() {
        let (_dir, source, expected) = source(usize::try_from(AHEAD).unwrap() + 2 * CHUNK);
        let mut hashing = Hashing::start(source);
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert!(!hashing.work.as_ref().unwrap().is_finished());
        hashing.reached(CHUNK as u64);
        assert_eq!(hashing.finish().await.unwrap(), expected);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn dropped_it_stops() {
        let (_dir, source, _) = source(usize::try_from(AHEAD).unwrap() + 2 * CHUNK);
        let mut hashing = Hashing::start(source);
        let work = hashing.work.take().unwrap();
        drop(hashing);
        assert!(matches!(work.await.unwrap(), Err(Error::Interrupted)));
    }
}
