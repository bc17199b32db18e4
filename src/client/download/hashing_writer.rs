//! Writes bytes to disk or to a pipe and hashes them, on a thread of its own.

use std::fs::File;
use std::io::{Read as _, Write};
use std::path::PathBuf;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::client::error::{Error, Result};
use crate::domain::checksum::Sha256Digest;
use crate::domain::reason::FailureCause;

/// Maximum number of pieces queued between socket and disk.
const MAX_QUEUED_PIECES: usize = 32;

/// A sequential writer that computes the digest.
pub(super) struct HashingWriter {
    pieces: Option<mpsc::Sender<Bytes>>,
    work: JoinHandle<Result<Sha256Digest>>,
}

/// Target of the bytes.
pub(super) enum WriteTarget {
    /// A file that already has `there` bytes; these are hashed first.
    File { file: File, path: PathBuf, there: u64 },
    /// Standard output.
    Stdout,
}

impl HashingWriter {
    pub(super) fn start(place: WriteTarget) -> Self {
        let (send, receive) = mpsc::channel(MAX_QUEUED_PIECES);
        let work = tokio::task::spawn_blocking(move || match place {
            WriteTarget::File { mut file, path, there } => {
                let local = || Error::local(&path);
                let hasher = hash_prefix(&mut file, there).map_err(local())?;
                write_pieces(file, hasher, receive).map_err(local())
            }
            WriteTarget::Stdout => {
                let out = std::io::stdout().lock();
                write_pieces(out, Sha256::new(), receive).map_err(Error::local("standard output".as_ref()))
            }
        });
        Self { pieces: Some(send), work }
    }

    /// Queues a piece. `false`: the writer takes no more, and [`Self::finish`] returns the error.
    pub(super) async fn push(&self, piece: Bytes) -> bool {
        match &self.pieces {
            Some(pieces) => pieces.send(piece).await.is_ok(),
            None => false,
        }
    }

    /// Waits until everything is written; returns the digest of everything.
    pub(super) async fn finish(mut self) -> Result<Sha256Digest> {
        self.pieces = None;
        self.work.await.map_err(|error| Error::Other(FailureCause::of(error)))?
    }
}

/// Hashes the first `there` bytes, which also moves the file position to where writing continues.
fn hash_prefix(file: &mut File, there: u64) -> std::io::Result<Sha256> {
    let (mut hasher, mut buffer, mut left) = (Sha256::new(), vec![0; 256 << 10], there);
    while left > 0 {
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        file.read_exact(&mut buffer[..len])?;
        hasher.update(&buffer[..len]);
        left -= len as u64;
    }
    Ok(hasher)
}

fn write_pieces(
    mut out: impl Write,
    mut hasher: Sha256,
    mut pieces: mpsc::Receiver<Bytes>,
) -> std::io::Result<Sha256Digest> {
    while let Some(piece) = pieces.blocking_recv() {
        out.write_all(&piece)?;
        hasher.update(&piece);
    }
    out.flush()?;
    Ok(Sha256Digest(hasher.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Seek as _;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_there_counts_for_the_digest() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"hello ").unwrap();
        file.rewind().unwrap();
        let copy = file.try_clone().unwrap();
        let sink = HashingWriter::start(WriteTarget::File { file: copy, path: "f".into(), there: 6 });
        assert!(sink.push(Bytes::from_static(b"wor")).await && sink.push(Bytes::from_static(b"ld")).await);
        let digest = sink.finish().await.unwrap();
        assert_eq!(digest, Sha256Digest(Sha256::digest(b"hello world").into()));
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello world");
    }
}
