//! Objects: the current object of each key. Writes are conditional, and the condition is decided in the transaction.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::contents::{self, NewSegment};
use super::{buckets, closed_keys, rows};
use crate::blob::embedded::conditions::{CopyCondition, DeleteCondition, WriteCondition};
use crate::blob::embedded::error::{Error, Result};
use crate::blob::embedded::model::{ContentId, ObjectAddress, ObjectHeaders, ObjectRow, ObjectTags, SegmentManifest};

const OBJECT_COLUMNS: &str = "object.content, size, etag, modified, headers, tags, verified";

fn object(row: &Row<'_>) -> Result<ObjectRow> {
    Ok(ObjectRow {
        content: ContentId(rows::get(row, 0)?),
        size: rows::size(row, 1)?,
        etag: rows::get(row, 2)?,
        modified: rows::get(row, 3)?,
        headers: rows::json(row, 4)?,
        tags: rows::json(row, 5)?,
        verified: rows::json(row, 6)?,
    })
}

/// Object at an address; `None` if there is none.
pub(in super::super) fn find(db: &Connection, at: &ObjectAddress) -> Result<Option<ObjectRow>> {
    let mut query = db.prepare_cached(&format!("SELECT {OBJECT_COLUMNS} FROM object WHERE bucket = ? AND key = ?"))?;
    let mut rows = query.query(params![at.bucket, at.key.as_bytes()])?;
    rows.next()?.map(object).transpose()
}

/// Object at an address; otherwise [`Error::NoSuchKey`], or [`Error::NoSuchBucket`] if the bucket is missing.
pub(in super::super) fn require(db: &Connection, at: &ObjectAddress) -> Result<ObjectRow> {
    match find(db, at)? {
        Some(object) => Ok(object),
        None => buckets::require(db, &at.bucket).and(Err(Error::NoSuchKey)),
    }
}

/// Like [`require`], with the segments of the object.
pub(in super::super) fn open(db: &Connection, at: &ObjectAddress) -> Result<(ObjectRow, SegmentManifest)> {
    let mut query = db.prepare_cached(&format!(
        "SELECT {OBJECT_COLUMNS}, manifest FROM object JOIN content ON content.id = object.content
         WHERE bucket = ? AND key = ?"
    ))?;
    let mut rows = query.query(params![at.bucket, at.key.as_bytes()])?;
    match rows.next()? {
        Some(row) => {
            let manifest = row.get_ref(7)?.as_blob().map_err(rusqlite::Error::from)?;
            Ok((object(row)?, SegmentManifest::decode(manifest)?))
        }
        None => buckets::require(db, &at.bucket).and(Err(Error::NoSuchKey)),
    }
}

/// Checks the condition of a write: early, to spare the client the body, and again in the transaction that decides.
pub(in super::super) fn check(db: &Connection, at: &ObjectAddress, condition: &WriteCondition) -> Result<()> {
    buckets::require(db, &at.bucket)?;
    if condition.is_none() {
        return Ok(());
    }
    let mut query = db.prepare_cached("SELECT etag FROM object WHERE bucket = ? AND key = ?")?;
    let etag = query.query_row(params![at.bucket, at.key.as_bytes()], |row| row.get::<_, String>(0)).optional()?;
    condition.check(etag.as_deref())
}

/// Makes `object` the current object of the address, and releases the previous object.
pub(in super::super) fn put(
    db: &Connection,
    at: &ObjectAddress,
    object: &ObjectRow,
    condition: &WriteCondition,
) -> Result<()> {
    check(db, at, condition)?;
    closed_keys::check(db, at, object.modified)?;
    remove(db, at, object.modified)?;
    let sql = "INSERT INTO object (bucket, key, content, size, etag, modified, headers, tags, verified)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    db.prepare_cached(sql)?.execute(params![
        at.bucket,
        at.key.as_bytes(),
        object.content.0,
        rows::from_size(object.size)?,
        object.etag,
        object.modified,
        rows::to_json(&object.headers)?,
        rows::to_json(&object.tags)?,
        rows::to_json(&object.verified)?,
    ])?;
    Ok(())
}

/// Creates an object from a single data file; this function sets `object.content`.
pub(in super::super) fn put_file(
    db: &Connection,
    at: &ObjectAddress,
    mut object: ObjectRow,
    new: &NewSegment,
    condition: &WriteCondition,
) -> Result<()> {
    object.content = contents::create(db, &SegmentManifest(vec![new.segment]))?;
    contents::put_segment(db, object.content, new)?;
    put(db, at, &object, condition)
}

fn remove(db: &Connection, at: &ObjectAddress, now: i64) -> Result<()> {
    let mut delete = db.prepare_cached("DELETE FROM object WHERE bucket = ? AND key = ? RETURNING content")?;
    let old = delete.query_row(params![at.bucket, at.key.as_bytes()], |row| row.get(0)).optional()?;
    match old {
        Some(content) => contents::release(db, ContentId(content), now),
        None => Ok(()),
    }
}

/// Deletes an object; a missing object counts as deleted, unless there is a condition.
pub(in super::super) fn delete(
    db: &Connection,
    at: &ObjectAddress,
    condition: &WriteCondition,
    now: i64,
) -> Result<()> {
    check(db, at, condition)?;
    remove(db, at, now)
}

/// Like [`delete`], if the object also has the required size and time. A missing object fails these conditions.
pub(in super::super) fn delete_if(
    db: &Connection,
    at: &ObjectAddress,
    condition: &WriteCondition,
    also: DeleteCondition,
    now: i64,
) -> Result<()> {
    if !also.is_none() {
        let object = require(db, at)?;
        also.check(object.size, object.modified)?;
    }
    delete(db, at, condition, now)
}

/// Attributes of a copy that differ from its source.
pub(in super::super) struct ObjectCopy {
    /// New headers; `None`: those of the source.
    pub(in super::super) headers: Option<ObjectHeaders>,
    /// New tags; `None`: those of the source.
    pub(in super::super) tags: Option<ObjectTags>,
    /// Condition on the source.
    pub(in super::super) condition: CopyCondition,
}

/// Copies an object without its bytes: source and copy share the content. Returns the copy.
pub(in super::super) fn copy(
    db: &Connection,
    from: &ObjectAddress,
    to: &ObjectAddress,
    copy: ObjectCopy,
    now: i64,
) -> Result<ObjectRow> {
    let mut object = require(db, from)?;
    copy.condition.check(&object.etag, object.modified)?;
    if from == to && copy.headers.is_none() && copy.tags.is_none() {
        return Err(Error::InvalidRequest(
            "this copy request is illegal because it is trying to copy an object to itself without changing it",
        ));
    }
    object.headers = copy.headers.unwrap_or(object.headers);
    object.tags = copy.tags.unwrap_or(object.tags);
    object.modified = now;
    contents::retain(db, object.content)?;
    put(db, to, &object, &WriteCondition::default())?;
    Ok(object)
}

/// Replaces the tags of an object.
pub(in super::super) fn set_tags(db: &Connection, at: &ObjectAddress, tags: &ObjectTags) -> Result<()> {
    let mut update = db.prepare_cached("UPDATE object SET tags = ? WHERE bucket = ? AND key = ?")?;
    match update.execute(params![rows::to_json(tags)?, at.bucket, at.key.as_bytes()])? {
        0 => require(db, at).map(drop),
        _ => Ok(()),
    }
}
