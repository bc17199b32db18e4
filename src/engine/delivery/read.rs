//! Bytes through this service: a range, read with as many requests to the store as necessary.
//!
//! If the store cuts the response, reading resumes at that byte, by Range and If-Match. If that fails, the stream ends
//! with an error, never early.

use std::io;
use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use tracing::Instrument as _;

use super::{DeliveryEngine, DeliverySource, OpenedDownload};
use crate::blob::{BlobError, ByteStream};
use crate::domain::asset::{AssetContent, AssetState};
use crate::domain::ids::AssetId;
use crate::domain::job::{JobSubject, Priority};
use crate::domain::reason::{FailureCause, chain};
use crate::engine::content_reader::lost;
use crate::engine::{Error, Result};
use crate::metrics;
use crate::sendfile::{FileSpan, FileSpans};

impl DeliveryEngine {
    /// The bytes of stored content, for processing.
    #[tracing::instrument(skip_all)]
    pub async fn read_content(&self, content: &AssetContent, range: Range<u64>) -> Result<ByteStream> {
        self.content.read_content(content, range).await
    }

    /// The bytes of a range. If the store cuts the response, reading resumes at that byte; if that fails, the stream
    /// ends with an error, never early.
    ///
    /// # Errors
    /// [`Error::BytesMissing`] when the store has lost the bytes, as far as that shows with the first of them.
    #[tracing::instrument(skip_all)]
    pub async fn stream(&self, download: &OpenedDownload, range: Range<u64>) -> Result<ByteStream> {
        let key = match &download.source {
            DeliverySource::Object(key) => key,
            DeliverySource::Archive(archive) => {
                self.rows.count_sent(range.end - range.start);
                return Ok(self.read_archive(archive, range).inspect_ok(count_chunk).boxed());
            }
        };
        let length = range.end - range.start;
        let opened =
            async { wait_for_first(self.content.read(key, &download.etag, range).await?).await.map_err(Error::from) };
        let stream = opened.await.inspect_err(|error| self.look_after(download, error))?;
        self.rows.count_sent(length);
        let (engine, download) = (self.clone(), download.clone());
        let noted = move |error: &BlobError| engine.look_after(&download, &Error::from(error.clone()));
        Ok(stream.inspect_ok(count_chunk).inspect_err(noted).boxed())
    }

    /// The same bytes as spans of local files; `None` if there are no such files.
    ///
    /// # Errors
    /// As [`Self::stream`].
    #[tracing::instrument(skip_all)]
    pub async fn spans(&self, download: &OpenedDownload, range: Range<u64>) -> Result<Option<FileSpans>> {
        let DeliverySource::Object(key) = &download.source else { return Ok(None) };
        let length = range.end - range.start;
        let opened = async {
            match self.blobs.spans(key, &download.etag, range).await.map_err(lost)? {
                Some(spans) => wait_for_first(spans).await.map(Some).map_err(unreadable),
                None => Ok(None),
            }
        };
        let spans = opened.await.inspect_err(|error| self.look_after(download, error))?;
        if spans.is_some() {
            self.rows.count_sent(length);
        }
        let (engine, download) = (self.clone(), download.clone());
        let noted = move |error: &io::Error| engine.look_after(&download, &unreadable(error.kind().into()));
        let count = |span: &FileSpan| metrics::downloads().record_bytes(span.len);
        Ok(spans.map(|spans| spans.inspect_ok(count).inspect_err(noted).boxed()))
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
                        let owed = engine.assets.owe(&asset, JobSubject::Recheck(id), Priority::Normal).await;
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
}

/// Counts bytes on their way to a connection.
fn count_chunk(chunk: &Bytes) {
    metrics::downloads().record_bytes(chunk.len() as u64);
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
