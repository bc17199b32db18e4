//! Reading from within the process: what [`super::s3::reading`] does for requests, without a request.
//!
//! Must not let anybody write, and must not know whose keys these are.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};

use super::core::{FoundObject, StoreCore};
use super::error::Error;
use super::model::ObjectAddress;
use super::read::{ObjectReader, SpanReader};

/// Why an object cannot be read. Texts are for logs.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is none.
    #[error("there is no such object")]
    NotFound,
    /// It is not the one that was asked for, or not that long.
    #[error("the object is another one")]
    Changed,
    /// A data file is missing or too short: the bytes are lost, and trying again does not help.
    #[error("{0}")]
    Damaged(String),
    /// The disk or the metadata failed.
    #[error("{0}")]
    Failed(String),
}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        match error {
            Error::NoSuchKey | Error::NoSuchBucket => Self::NotFound,
            damaged @ Error::Damaged { .. } => Self::Damaged(damaged.to_string()),
            other => Self::Failed(other.to_string()),
        }
    }
}

/// A data file that is the whole of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its place below the directory of data files: hexadecimal digits and one slash.
    pub name: String,
}

/// Where a range of the object is that has this entity tag.
async fn find(core: &StoreCore, at: ObjectAddress, etag: &str, range: &Range<u64>) -> Result<FoundObject, ReadError> {
    let found = core.reopen(at, etag).await?.ok_or(ReadError::Changed)?;
    if range.start > range.end || range.end > found.size {
        return Err(ReadError::Changed);
    }
    core.check_files(&found.manifest, range.start, range.end - range.start).await?;
    Ok(found)
}

/// A range of its bytes; the files stay until the stream is dropped.
pub(super) async fn read(
    core: &Arc<StoreCore>,
    at: ObjectAddress,
    etag: &str,
    range: Range<u64>,
) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>, ReadError> {
    let FoundObject { manifest, pin, .. } = find(core, at, etag, &range).await?;
    let reader = ObjectReader::new(Arc::clone(&core.files), manifest, pin, range.start, range.end - range.start);
    // What kind of failure it was tells damage from a disk that is busy.
    let kind = |error: s3s::StdError| error.downcast::<io::Error>().map_or_else(io::Error::other, |error| *error);
    Ok(reader.map_err(kind))
}

/// The same range as parts of files; they stay until the stream is dropped.
pub(super) async fn spans(
    core: &Arc<StoreCore>,
    at: ObjectAddress,
    etag: &str,
    range: Range<u64>,
) -> Result<SpanReader, ReadError> {
    let FoundObject { manifest, pin, .. } = find(core, at, etag, &range).await?;
    Ok(SpanReader::new(Arc::clone(&core.files), manifest, pin, range.start, range.end - range.start))
}

/// Its one file; `None` when there are several, or none because it is empty.
pub(super) async fn data_file(core: &StoreCore, at: ObjectAddress, etag: &str) -> Result<Option<DataFile>, ReadError> {
    let (object, manifest, _pin) = core.open_same(at, etag).await?.ok_or(ReadError::Changed)?;
    match manifest.0.as_slice() {
        [only] if only.size == object.size => {
            let only = *only;
            core.check_files(&Arc::new(manifest), 0, object.size).await?;
            let (path, name) = core.files.place(only.file);
            Ok(Some(DataFile { path, name }))
        }
        _ => Ok(None),
    }
}
