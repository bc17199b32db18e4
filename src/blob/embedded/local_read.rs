//! Reads within the process: same results as [`super::s3::reading`], without a request.
//!
//! Must not offer writes, and must not know tenants or owners of keys.

use crate::domain::reason::FailureCause;
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

/// Errors of a read. Texts are for logs.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The object does not exist.
    #[error("the object does not exist")]
    NotFound,
    /// The object has another entity tag, or is shorter than the range.
    #[error("the object has a different entity tag")]
    Changed,
    /// A data file is missing or too short: the bytes are lost, and a retry does not help.
    #[error(transparent)]
    Damaged(FailureCause),
    /// The disk or the metadata failed.
    #[error(transparent)]
    Failed(FailureCause),
}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        match error {
            Error::NoSuchKey | Error::NoSuchBucket => Self::NotFound,
            damaged @ Error::Damaged { .. } => Self::Damaged(FailureCause::of(damaged)),
            other => Self::Failed(FailureCause::of(other)),
        }
    }
}

/// A data file that contains a whole object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// Path of the file.
    pub path: PathBuf,
    /// Name relative to the directory of data files: hexadecimal digits and a slash.
    pub name: String,
}

/// Content of the object with this entity tag, after a check of the range and its files.
async fn find(core: &StoreCore, at: ObjectAddress, etag: &str, range: &Range<u64>) -> Result<FoundObject, ReadError> {
    let found = core.reopen(at, etag).await?.ok_or(ReadError::Changed)?;
    if range.start > range.end || range.end > found.size {
        return Err(ReadError::Changed);
    }
    core.check_files(&found.manifest, range.start, range.end - range.start).await?;
    Ok(found)
}

/// Reads a range of an object. The files stay until the stream is dropped.
pub(super) async fn read(
    core: &Arc<StoreCore>,
    at: ObjectAddress,
    etag: &str,
    range: Range<u64>,
) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>, ReadError> {
    let FoundObject { manifest, pin, .. } = find(core, at, etag, &range).await?;
    let reader = ObjectReader::new(Arc::clone(&core.files), manifest, pin, range.start, range.end - range.start);
    // The error kind distinguishes damage from a busy disk.
    let kind = |error: s3s::StdError| error.downcast::<io::Error>().map_or_else(io::Error::other, |error| *error);
    Ok(reader.map_err(kind))
}

/// Same range as ranges of files. The files stay until the stream is dropped.
pub(super) async fn spans(
    core: &Arc<StoreCore>,
    at: ObjectAddress,
    etag: &str,
    range: Range<u64>,
) -> Result<SpanReader, ReadError> {
    let FoundObject { manifest, pin, .. } = find(core, at, etag, &range).await?;
    Ok(SpanReader::new(Arc::clone(&core.files), manifest, pin, range.start, range.end - range.start))
}

/// Single data file of an object; `None` if there are several, or none because the object is empty.
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
