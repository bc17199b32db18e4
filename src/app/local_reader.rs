//! Reads of the embedded store in the same process: from files, without HTTP requests.

use std::io;
use std::ops::Range;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt};

use super::embedded::bucket_name;
use crate::blob::embedded::{EmbeddedStore, ReadError};
use crate::blob::{BlobError, ByteStream, LocalFile, LocalReader, Result};
use crate::domain::reason::FailureCause;
use crate::sendfile::FileSpans;

/// Reads the service's bucket of the embedded store.
pub(super) struct EmbeddedLocalReader(pub(super) EmbeddedStore);

fn to_blob_error(error: ReadError) -> BlobError {
    match error {
        ReadError::NotFound => BlobError::NotFound,
        ReadError::Changed => BlobError::Precondition,
        ReadError::Damaged(why) => BlobError::Damaged(why),
        ReadError::Failed(why) => BlobError::Unavailable(why),
    }
}

/// Converts a read error. A file that is truncated or missing has lost bytes; every other failure may be temporary.
fn io_to_blob_error(error: io::Error) -> BlobError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound => BlobError::Damaged(FailureCause::of(error)),
        _ => BlobError::Unavailable(FailureCause::of(error)),
    }
}

#[async_trait]
impl LocalReader for EmbeddedLocalReader {
    async fn get(&self, key: &str, etag: &str, range: Range<u64>) -> Result<ByteStream> {
        let bytes = self.0.read(bucket_name(), key, etag, range).await.map_err(to_blob_error)?;
        Ok(bytes.map_err(io_to_blob_error).boxed())
    }

    async fn spans(&self, key: &str, etag: &str, range: Range<u64>) -> Result<FileSpans> {
        self.0.spans(bucket_name(), key, etag, range).await.map_err(to_blob_error)
    }

    async fn local_file(&self, key: &str, etag: &str) -> Result<Option<LocalFile>> {
        let file = self.0.data_file(bucket_name(), key, etag).await.map_err(to_blob_error)?;
        file.map(|file| std::path::absolute(file.path).map(|path| LocalFile { path, name: file.name }))
            .transpose()
            .map_err(|error| BlobError::Unavailable(FailureCause::of(error)))
    }
}
