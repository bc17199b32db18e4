//! The embedded store as its own process reads it: files, not requests.

use std::io;
use std::ops::Range;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt};

use super::embedded::bucket;
use crate::blob::embedded::{EmbeddedStore, ReadError};
use crate::blob::{BlobError, ByteStream, LocalFile, Near, Result};
use crate::sendfile::Spans;

/// The store's own bucket.
pub(super) struct Inside(pub(super) EmbeddedStore);

fn meaning(error: ReadError) -> BlobError {
    match error {
        ReadError::NotFound => BlobError::NotFound,
        ReadError::Changed => BlobError::Precondition,
        ReadError::Damaged(why) => BlobError::Damaged(why),
        ReadError::Failed(why) => BlobError::Unavailable(why),
    }
}

/// A file that ends early or is gone has lost bytes; every other failure may pass.
fn read_failure(error: &io::Error) -> BlobError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound => BlobError::Damaged(error.to_string()),
        _ => BlobError::Unavailable(error.to_string()),
    }
}

#[async_trait]
impl Near for Inside {
    async fn get(&self, key: &str, etag: &str, range: Range<u64>) -> Result<ByteStream> {
        let bytes = self.0.read(bucket(), key, etag, range).await.map_err(meaning)?;
        Ok(bytes.map_err(|error| read_failure(&error)).boxed())
    }

    async fn spans(&self, key: &str, etag: &str, range: Range<u64>) -> Result<Spans> {
        self.0.spans(bucket(), key, etag, range).await.map_err(meaning)
    }

    async fn local_file(&self, key: &str, etag: &str) -> Result<Option<LocalFile>> {
        let file = self.0.data_file(bucket(), key, etag).await.map_err(meaning)?;
        file.map(|file| std::path::absolute(file.path).map(|path| LocalFile { path, name: file.name }))
            .transpose()
            .map_err(|error| BlobError::Unavailable(error.to_string()))
    }
}
