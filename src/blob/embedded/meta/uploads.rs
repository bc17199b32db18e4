//! Open multipart uploads: create, put parts, list, abort. For completion see [`completion`](super::completion).

use rusqlite::{Connection, Row, params};

use super::contents::{self, NewSegment};
use super::{buckets, closed_keys, rows};
use crate::blob::embedded::checksum::{S3ChecksumAlgorithm, S3ChecksumType};
use crate::blob::embedded::error::{Error, Result};
use crate::blob::embedded::model::{
    ContentId, CorruptRow, FileSegment, ObjectAddress, ObjectHeaders, ObjectTags, SegmentManifest,
};

/// An upload to create.
pub(in super::super) struct NewUpload {
    /// Upload id.
    pub(in super::super) id: String,
    /// Address of the future object.
    pub(in super::super) at: ObjectAddress,
    /// Headers of the object.
    pub(in super::super) headers: ObjectHeaders,
    /// Tags of the object.
    pub(in super::super) tags: ObjectTags,
    /// Checksum algorithm of every part.
    pub(in super::super) algorithm: S3ChecksumAlgorithm,
    /// Checksum type of the object.
    pub(in super::super) kind: S3ChecksumType,
    /// Limit for the sum of all parts in bytes; `None`: no limit.
    pub(in super::super) max_bytes: Option<u64>,
    /// Time of creation, in microseconds since 1970.
    pub(in super::super) created: i64,
}

/// Row of an upload.
pub(in super::super) struct MultipartRow {
    /// Content that the parts belong to.
    pub(in super::super) content: ContentId,
    /// Headers of the object.
    pub(in super::super) headers: ObjectHeaders,
    /// Tags of the object.
    pub(in super::super) tags: ObjectTags,
    /// Checksum algorithm of every part.
    pub(in super::super) algorithm: S3ChecksumAlgorithm,
    /// Checksum type of the object.
    pub(in super::super) kind: S3ChecksumType,
    /// Limit for the sum of all parts in bytes; `None`: no limit.
    pub(in super::super) max_bytes: Option<u64>,
}

/// Creates an upload.
pub(in super::super) fn create(db: &Connection, new: &NewUpload) -> Result<()> {
    buckets::require(db, &new.at.bucket)?;
    closed_keys::check(db, &new.at, new.created)?;
    let content = contents::create(db, &SegmentManifest::default())?;
    let sql = "INSERT INTO upload (id, bucket, key, content, created, headers, tags, algorithm, kind, max_bytes)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    db.prepare_cached(sql)?.execute(params![
        new.id,
        new.at.bucket,
        new.at.key.as_bytes(),
        content.0,
        new.created,
        rows::to_json(&new.headers)?,
        rows::to_json(&new.tags)?,
        new.algorithm.name(),
        new.kind.name(),
        new.max_bytes.map(rows::from_size).transpose()?,
    ])?;
    Ok(())
}

/// Open upload with this id at this address, or [`Error::NoSuchUpload`].
pub(in super::super) fn require(db: &Connection, at: &ObjectAddress, id: &str) -> Result<MultipartRow> {
    let sql = "SELECT content, headers, tags, algorithm, kind, max_bytes FROM upload
               WHERE id = ? AND bucket = ? AND key = ?";
    let mut query = db.prepare_cached(sql)?;
    let mut rows = query.query(params![id, at.bucket, at.key.as_bytes()])?;
    rows.next()?.map(upload).transpose()?.ok_or(Error::NoSuchUpload)
}

fn upload(row: &Row<'_>) -> Result<MultipartRow> {
    Ok(MultipartRow {
        content: ContentId(rows::get(row, 0)?),
        headers: rows::json(row, 1)?,
        tags: rows::json(row, 2)?,
        algorithm: algorithm(row, 3)?,
        kind: kind(row, 4)?,
        max_bytes: rows::get::<Option<i64>>(row, 5)?.map(|_| rows::size(row, 5)).transpose()?,
    })
}

fn algorithm(row: &Row<'_>, column: usize) -> Result<S3ChecksumAlgorithm> {
    let name: String = rows::get(row, column)?;
    Ok(S3ChecksumAlgorithm::parse(&name).map_err(|_| CorruptRow("an upload's checksum algorithm is unknown"))?)
}

fn kind(row: &Row<'_>, column: usize) -> Result<S3ChecksumType> {
    let name: String = rows::get(row, column)?;
    let known = [S3ChecksumType::Composite, S3ChecksumType::FullObject].into_iter().find(|kind| kind.name() == name);
    Ok(known.ok_or(CorruptRow("an upload's checksum type is unknown"))?)
}

/// Adds or replaces a part. [`Error::NoSuchUpload`] if the upload ended while the bytes came, [`Error::UploadTooLarge`]
/// if the part takes the sum of all parts over the limit.
pub(in super::super) fn put_part(db: &Connection, at: &ObjectAddress, id: &str, new: &NewSegment) -> Result<()> {
    let upload = require(db, at, id)?;
    if let Some(limit) = upload.max_bytes {
        let FileSegment { size, number, .. } = new.segment;
        let others = contents::sizes(db, upload.content)?.into_iter().filter(|(other, _)| *other != number);
        let sum = others.fold(size, |sum, (_, size)| sum.saturating_add(size));
        if sum > limit {
            return Err(Error::UploadTooLarge(limit));
        }
    }
    contents::put_segment(db, upload.content, new)
}

/// Aborts an upload; its parts go to the trash.
pub(in super::super) fn abort(db: &Connection, at: &ObjectAddress, id: &str, now: i64) -> Result<()> {
    let upload = require(db, at, id)?;
    forget(db, id)?;
    contents::release(db, upload.content, now)
}

/// Aborts every upload of a bucket; their parts go to the trash.
pub(super) fn abort_all(db: &Connection, bucket: &str, now: i64) -> Result<()> {
    let mut query = db.prepare_cached("DELETE FROM upload WHERE bucket = ? RETURNING content")?;
    let contents: Vec<i64> = query.query_and_then([bucket], |row| rows::get(row, 0))?.collect::<Result<_>>()?;
    contents.into_iter().try_for_each(|content| contents::release(db, ContentId(content), now))
}

/// Removes the row of an upload, without its content.
pub(super) fn forget(db: &Connection, id: &str) -> Result<()> {
    db.prepare_cached("DELETE FROM upload WHERE id = ?")?.execute([id])?;
    Ok(())
}

/// An upload in a listing.
pub(in super::super) struct ListedUpload {
    /// Object key.
    pub(in super::super) key: String,
    /// Upload id.
    pub(in super::super) id: String,
    /// Time of creation, in microseconds since 1970.
    pub(in super::super) created: i64,
    /// Checksum algorithm of every part.
    pub(in super::super) algorithm: S3ChecksumAlgorithm,
    /// Checksum type of the object.
    pub(in super::super) kind: S3ChecksumType,
}

/// Uploads of a bucket by key and age, strictly after a position in that order.
pub(in super::super) fn list(
    db: &Connection,
    bucket: &str,
    from: &[u8],
    after: (&[u8], &str),
    limit: usize,
) -> Result<Vec<ListedUpload>> {
    let mut query = db.prepare_cached(
        "SELECT key, id, created, algorithm, kind FROM upload
         WHERE bucket = ?1 AND key >= ?2 AND (key, id) > (?3, ?4) ORDER BY key, id LIMIT ?5",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    query.query_and_then(params![bucket, from, after.0, after.1, limit], listed)?.collect()
}

fn listed(row: &Row<'_>) -> Result<ListedUpload> {
    Ok(ListedUpload {
        key: rows::key(row, 0)?,
        id: rows::get(row, 1)?,
        created: rows::get(row, 2)?,
        algorithm: algorithm(row, 3)?,
        kind: kind(row, 4)?,
    })
}
