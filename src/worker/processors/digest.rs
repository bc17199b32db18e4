//! SHA-256 and CRC-32 of a stream; only the stream's beginning is kept.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};

use crate::blob::ByteStream;
use crate::domain::checksum::Sha256Digest;
use crate::engine::Result;

/// Results of reading a whole stream.
pub(super) struct ContentDigests {
    /// The first bytes of the stream.
    pub(super) head: Vec<u8>,
    /// SHA-256 of all bytes.
    pub(super) sha256: Sha256Digest,
    /// CRC-32 (ISO-HDLC) of all bytes.
    pub(super) crc32: u32,
}

/// Computes the digests of the whole stream, and keeps its first `keep` bytes.
pub(super) async fn digest_stream(mut stream: ByteStream, keep: u64) -> Result<ContentDigests> {
    let keep = usize::try_from(keep).unwrap_or(usize::MAX);
    let (mut hasher, mut head) = (Sha256::new(), Vec::new());
    let mut crc = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32IsoHdlc);
    while let Some(chunk) = stream.try_next().await? {
        hasher.update(&chunk);
        crc.update(&chunk);
        let wanted = keep.saturating_sub(head.len()).min(chunk.len());
        head.extend_from_slice(&chunk[..wanted]);
    }
    let crc32 = u32::try_from(crc.finalize()).unwrap_or_default();
    Ok(ContentDigests { head, sha256: Sha256Digest(hasher.finalize().into()), crc32 })
}

/// Computes the digest of a stream while another consumer reads it.
#[derive(Clone, Default)]
pub(super) struct PassthroughDigest(Arc<Mutex<(Sha256, u64)>>);

impl PassthroughDigest {
    /// Wraps the stream so that its bytes are hashed as they pass.
    pub(super) fn wrap_stream(&self, stream: ByteStream) -> ByteStream {
        let state = Arc::clone(&self.0);
        let note = move |chunk: &Bytes| {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.0.update(chunk);
            state.1 += chunk.len() as u64;
        };
        stream.inspect_ok(note).boxed()
    }

    /// The digest, if all `size` bytes have passed.
    pub(super) fn digest_if_complete(&self, size: u64) -> Option<Sha256Digest> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (state.1 == size).then(|| Sha256Digest(state.0.clone().finalize().into()))
    }
}

/// Reads a whole stream into memory; for ranges known to be small.
pub(super) async fn collect_bytes(stream: ByteStream) -> Result<Vec<u8>> {
    let chunks: Vec<Bytes> = stream.try_collect().await?;
    Ok(chunks.concat())
}
