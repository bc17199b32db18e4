//! Requests that write collected bytes to the store. Retries are bounded; the bytes stay in memory meanwhile.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use tracing::Instrument as _;

use super::AppendEngine;
use super::memory::BufferedBytes;
use crate::blob::{BlobError, BlobKey, ByteStream, PutPayload};
use crate::domain::append::TailSegment;
use crate::domain::backoff::ExponentialBackoff;
use crate::domain::ids::UploadId;
use crate::domain::plan::PartNumber;
use crate::domain::reason::{FailureCause, chain};
use crate::engine::{Error, Result};

const MAX_ATTEMPTS: u32 = 4;
/// Delays before the next attempt.
const BACKOFF: ExponentialBackoff = ExponentialBackoff::new(Duration::from_millis(600), Duration::from_secs(5));

/// Bytes of a request to the store: segments that the store has already, then bytes in memory.
pub(super) struct PayloadSource {
    pub(super) upload: UploadId,
    pub(super) segments: Vec<TailSegment>,
    pub(super) piece: BufferedBytes,
}

impl PayloadSource {
    pub(super) fn size(&self) -> u64 {
        self.piece.len + self.segments.iter().map(|segment| segment.size).sum::<u64>()
    }
}

impl AppendEngine {
    /// The payload of a request, from its first byte.
    fn payload(&self, source: &PayloadSource) -> PutPayload {
        let (blobs, upload) = (std::sync::Arc::clone(&self.blobs), source.upload);
        let memory = stream::iter(source.piece.chunks.clone().into_iter().map(Ok));
        let bytes: ByteStream = if source.segments.is_empty() {
            memory.boxed()
        } else {
            let stored = stream::iter(source.segments.clone()).then(move |segment| {
                let blobs = std::sync::Arc::clone(&blobs);
                async move { blobs.get(&tail_key(upload, &segment), &segment.etag, 0..segment.size).await }
            });
            stored.try_flatten().chain(memory).boxed()
        };
        PutPayload { len: source.size(), bytes }
    }

    /// UploadPart, with retries.
    pub(super) async fn send_part(
        &self,
        key: &str,
        store_id: &str,
        number: PartNumber,
        source: &PayloadSource,
    ) -> Result<String> {
        for attempt in 1..=MAX_ATTEMPTS {
            match self.blobs.put_part(key, store_id, number, self.payload(source)).await {
                Err(BlobError::Unavailable(why)) if attempt < MAX_ATTEMPTS => {
                    self.back_off("a part", &why, attempt).await;
                }
                // The upload has ended meanwhile, and its parts are gone.
                Err(BlobError::NotFound) => return Err(Error::Locked),
                sent => return Ok(sent?),
            }
        }
        Err(Error::busy("the store accepts no parts"))
    }

    /// PutObject, with retries. With a write token, an existing object is accepted if its bytes are the same: an
    /// earlier attempt wrote it, and its response was lost.
    pub(super) async fn send_object(
        &self,
        key: &str,
        token: Option<&str>,
        source: &PayloadSource,
    ) -> Result<(String, Option<String>)> {
        for attempt in 1..=MAX_ATTEMPTS {
            match self.blobs.put_object(key, token, self.payload(source)).await {
                Err(BlobError::Unavailable(why)) if attempt < MAX_ATTEMPTS => {
                    self.back_off("an object", &why, attempt).await;
                }
                Err(BlobError::Precondition) if token.is_some() => {
                    if let Some(found) = self.find_same_object(key, source).await? {
                        return Ok(found);
                    }
                    // Bytes of a writer that was cut off before it acknowledged them.
                    self.blobs.delete(key).await?;
                }
                sent => return Ok(sent?),
            }
        }
        Err(Error::busy("the store accepts no objects"))
    }

    async fn back_off(&self, what: &str, why: &FailureCause, attempt: u32) {
        tracing::warn!(what, why = %chain(why), attempt, "the store did not take it, trying again");
        tokio::time::sleep(BACKOFF.delay(attempt, &*self.entropy)).await;
    }

    /// Entity tag and version of the object under a key, if its bytes are those of `source`.
    async fn find_same_object(&self, key: &str, source: &PayloadSource) -> Result<Option<(String, Option<String>)>> {
        let Some(facts) = self.blobs.head(key).await? else { return Ok(None) };
        if facts.size != source.size() {
            return Ok(None);
        }
        if facts.size > 0 {
            let there = self.blobs.get(key, &facts.etag, 0..facts.size).await?;
            if hash_stream(there).await? != hash_stream(self.payload(source).bytes).await? {
                return Ok(None);
            }
        }
        Ok(Some((facts.etag, facts.version)))
    }

    /// Removes unused segments in a task, without making the caller wait. Cleanup at the end of the upload removes the
    /// segments that this misses.
    pub(super) fn spawn_tail_removal(&self, upload: UploadId, spent: Vec<TailSegment>) {
        if spent.is_empty() {
            return;
        }
        let blobs = std::sync::Arc::clone(&self.blobs);
        tokio::spawn(
            async move {
                for segment in spent {
                    let _ = blobs.delete(&tail_key(upload, &segment)).await;
                }
            }
            .in_current_span(),
        );
    }
}

/// Object key of a tail segment.
pub(super) fn tail_key(upload: UploadId, segment: &TailSegment) -> String {
    BlobKey::Tail { upload, fence: segment.fence, serial: segment.serial }.path()
}

async fn hash_stream(bytes: ByteStream) -> Result<[u8; 32]> {
    let digest = bytes.try_fold(Sha256::new(), |digest, chunk: Bytes| async move { Ok(digest.chain_update(&chunk)) });
    Ok(digest.await?.finalize().into())
}
