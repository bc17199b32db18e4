//! SHA-256 of a stream, keeping only its beginning.

use bytes::Bytes;
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};

use crate::blob::ByteStream;
use crate::domain::checksum::Sha256Digest;
use crate::engine::Result;

/// The digest of everything and the first `keep` bytes.
pub(super) async fn sha256(mut stream: ByteStream, keep: u64) -> Result<(Vec<u8>, Sha256Digest)> {
    let keep = usize::try_from(keep).unwrap_or(usize::MAX);
    let (mut hasher, mut head) = (Sha256::new(), Vec::new());
    while let Some(chunk) = stream.try_next().await? {
        hasher.update(&chunk);
        let wanted = keep.saturating_sub(head.len()).min(chunk.len());
        head.extend_from_slice(&chunk[..wanted]);
    }
    Ok((head, Sha256Digest(hasher.finalize().into())))
}

/// Everything; for ranges that are known to be small.
pub(super) async fn collect(stream: ByteStream) -> Result<Vec<u8>> {
    let chunks: Vec<Bytes> = stream.try_collect().await?;
    Ok(chunks.concat())
}
