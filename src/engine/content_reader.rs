//! Reads of stored content, with as many requests to the store as necessary.
//!
//! If the store cuts the response, reading resumes at that byte, by Range and If-Match. If that fails, the stream ends
//! with an error, never early.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::Result;
use super::small_object_cache::SmallObjectCache;
use crate::blob::{BlobError, BlobStore, ByteStream};
use crate::domain::asset::AssetContent;
use crate::domain::backoff::ExponentialBackoff;
use crate::domain::clock::Entropy;
use crate::domain::reason::FailureCause;

/// Delays before reading resumes after consecutive failures.
const READ_BACKOFF: ExponentialBackoff = ExponentialBackoff::new(Duration::from_millis(300), Duration::from_secs(3));

/// Reader of stored content.
pub(super) struct ContentReader {
    pub(super) blobs: Arc<dyn BlobStore>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) small_objects: SmallObjectCache,
}

impl ContentReader {
    pub(super) fn new(blobs: Arc<dyn BlobStore>, entropy: Arc<dyn Entropy>) -> Self {
        Self { blobs, entropy, small_objects: SmallObjectCache::default() }
    }

    /// The bytes of stored content, for processing.
    pub(super) async fn read_content(&self, content: &AssetContent, range: Range<u64>) -> Result<ByteStream> {
        match self.small_objects.get(&content.key, &content.etag, &range).await {
            Some(bytes) => Ok(stream::once(async { Ok(bytes) }).boxed()),
            None => self.read(&content.key, &content.etag, range).await,
        }
    }

    /// A range of an object that has this entity tag.
    pub(super) async fn read(&self, key: &str, etag: &str, range: Range<u64>) -> Result<ByteStream> {
        if range.is_empty() {
            return Ok(stream::empty().boxed());
        }
        let first = self.blobs.get(key, etag, range.clone()).await.map_err(lost)?;
        let reading = ResumingReader {
            blobs: Arc::clone(&self.blobs),
            entropy: Arc::clone(&self.entropy),
            key: key.to_owned(),
            etag: etag.to_owned(),
            left: range,
            current: Some(first),
            failures: 0,
        };
        Ok(stream::unfold(reading, ResumingReader::step).boxed())
    }
}

/// Error for the object of a row that is missing, or was replaced.
pub(super) fn lost(error: BlobError) -> BlobError {
    match error {
        BlobError::NotFound | BlobError::Precondition => BlobError::Damaged(FailureCause::of(error)),
        other => other,
    }
}

/// Reader of a range, with as many requests as necessary.
struct ResumingReader {
    blobs: Arc<dyn BlobStore>,
    entropy: Arc<dyn Entropy>,
    key: String,
    etag: String,
    left: Range<u64>,
    current: Option<ByteStream>,
    failures: u32,
}

impl ResumingReader {
    /// Consecutive failures without a byte between them.
    const MAX_READ_FAILURES: u32 = 4;

    async fn step(mut self) -> Option<(crate::blob::Result<bytes::Bytes>, Self)> {
        loop {
            if self.left.is_empty() {
                return None;
            }
            let chunk = match &mut self.current {
                Some(stream) => stream.next().await,
                None => Some(Err(BlobError::Unavailable("given up".into()))),
            };
            let broken = match chunk {
                Some(Ok(chunk)) => {
                    self.left.start += chunk.len() as u64;
                    self.failures = 0;
                    return Some((Ok(chunk), self));
                }
                Some(Err(error)) => error,
                None => BlobError::Unavailable("the store ended early".into()),
            };
            if let Err(error) = self.resume(broken).await {
                // The next poll ends the stream; the response is cut visibly.
                self.left = 0..0;
                return Some((Err(error), self));
            }
        }
    }

    /// Reads on from the current byte after the error `why`, or returns an error.
    async fn resume(&mut self, why: BlobError) -> crate::blob::Result<()> {
        if matches!(why, BlobError::Damaged(_)) {
            return Err(why);
        }
        while self.failures < Self::MAX_READ_FAILURES {
            self.failures += 1;
            tokio::time::sleep(READ_BACKOFF.delay(self.failures, &*self.entropy)).await;
            match self.blobs.get(&self.key, &self.etag, self.left.clone()).await {
                Ok(stream) => {
                    self.current = Some(stream);
                    return Ok(());
                }
                Err(BlobError::Unavailable(_)) => {}
                // Lost bytes are a different error from a cut response.
                Err(error) => return Err(lost(error)),
            }
        }
        Err(why)
    }
}
