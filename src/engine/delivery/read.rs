//! Bytes through this service: a range, read with as many requests to the store as necessary.
//!
//! If the store cuts the response, reading resumes at that byte, by Range and If-Match. If that fails, the stream ends
//! with an error, never early.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};

use tracing::Instrument as _;

use super::{DeliverySource, OpenedDownload};
use crate::blob::{BlobError, BlobStore, ByteStream};
use crate::domain::asset::{AssetContent, AssetState};
use crate::domain::backoff::ExponentialBackoff;
use crate::domain::clock::Entropy;
use crate::domain::ids::AssetId;
use crate::domain::job::{JobSubject, Priority};
use crate::domain::reason::{FailureCause, chain};
use crate::engine::delivery::DeliveryEngine;
use crate::engine::{Error, Result};
use crate::sendfile::FileSpans;

/// Delays before reading resumes after consecutive failures.
const READ_BACKOFF: ExponentialBackoff = ExponentialBackoff::new(Duration::from_millis(300), Duration::from_secs(3));

impl DeliveryEngine {
    /// The bytes of a range. If the store cuts the response, reading resumes at that byte; if that fails, the stream
    /// ends with an error, never early.
    ///
    /// # Errors
    /// [`Error::BytesMissing`] when the store has lost the bytes, as far as that shows with the first of them.
    #[tracing::instrument(skip_all)]
    pub async fn stream(&self, download: &OpenedDownload, range: Range<u64>) -> Result<ByteStream> {
        let key = match &download.source {
            DeliverySource::Object(key) => key,
            DeliverySource::Archive(archive) => return Ok(self.read_archive(archive, range)),
        };
        let opened = async { wait_for_first(self.read(key, &download.etag, range).await?).await.map_err(Error::from) };
        let stream = opened.await.inspect_err(|error| self.look_after(download, error))?;
        let (engine, download) = (self.clone(), download.clone());
        let noted = move |error: &BlobError| engine.look_after(&download, &Error::from(error.clone()));
        Ok(stream.inspect_err(noted).boxed())
    }

    /// The same bytes as spans of local files; `None` if there are no such files.
    ///
    /// # Errors
    /// As [`Self::stream`].
    #[tracing::instrument(skip_all)]
    pub async fn spans(&self, download: &OpenedDownload, range: Range<u64>) -> Result<Option<FileSpans>> {
        let DeliverySource::Object(key) = &download.source else { return Ok(None) };
        let opened = async {
            match self.blobs.spans(key, &download.etag, range).await.map_err(lost)? {
                Some(spans) => wait_for_first(spans).await.map(Some).map_err(unreadable),
                None => Ok(None),
            }
        };
        let spans = opened.await.inspect_err(|error| self.look_after(download, error))?;
        let (engine, download) = (self.clone(), download.clone());
        let noted = move |error: &io::Error| engine.look_after(&download, &unreadable(error.kind().into()));
        Ok(spans.map(|spans| spans.inspect_err(noted).boxed()))
    }

    /// Enqueues a job that checks an asset whose bytes were missing in a read. The job's retries tell a store that was
    /// unreachable from a store that lost the bytes. At most 1 such job is pending, and none once the damage is
    /// recorded.
    pub(super) fn look_after(&self, download: &OpenedDownload, error: &Error) {
        if !matches!(error, Error::BytesMissing(_)) {
            return;
        }
        let (engine, id) = (self.clone(), AssetId(download.id));
        self.tasks.spawn(
            async move {
                match engine.store.find_asset(id).await {
                    Ok(Some(asset)) if matches!(asset.state, AssetState::Ready(_)) && asset.damage().is_none() => {
                        let owed = engine.owe(&asset, JobSubject::Recheck(id), Priority::Normal).await;
                        if let Err(error) = owed {
                            tracing::warn!(asset = %id, error = %chain(&error), "damage that a download met is not looked after");
                        }
                    }
                    Ok(_) => {}
                    Err(error) => tracing::warn!(asset = %id, error = %chain(&error), "damage that a download met is not looked after"),
                }
            }
            .in_current_span(),
        );
    }

    /// The bytes of stored content, for processing.
    #[tracing::instrument(skip_all)]
    pub async fn read_content(&self, content: &AssetContent, range: Range<u64>) -> Result<ByteStream> {
        match self.small_objects.get(&content.key, &content.etag, &range).await {
            Some(bytes) => Ok(stream::once(async { Ok(bytes) }).boxed()),
            None => self.read(&content.key, &content.etag, range).await,
        }
    }

    pub(in crate::engine) async fn read(&self, key: &str, etag: &str, range: Range<u64>) -> Result<ByteStream> {
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

/// The same stream, once its first item has arrived: content that cannot be read at all gets an error status, instead
/// of a body that is cut.
async fn wait_for_first<T: Send + 'static, E: Send + 'static>(
    stream: BoxStream<'static, std::result::Result<T, E>>,
) -> std::result::Result<BoxStream<'static, std::result::Result<T, E>>, E> {
    let mut stream = stream;
    match stream.next().await {
        Some(Ok(first)) => Ok(stream::once(async { Ok(first) }).chain(stream).boxed()),
        Some(Err(error)) => Err(error),
        None => Ok(stream::empty().boxed()),
    }
}

/// Error for an I/O error of a local data file.
fn unreadable(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => {
            Error::BytesMissing(FailureCause::with("a data file", error))
        }
        _ => Error::busy(FailureCause::of(error)),
    }
}

/// Error for the object of a row that is missing, or was replaced.
fn lost(error: BlobError) -> BlobError {
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
