//! Contents and their segments: immutable bytes with a reference count.

use rusqlite::{Connection, Row, params};

use super::rows;
use crate::blob::embedded::checksum::ChecksumSet;
use crate::blob::embedded::error::Result;
use crate::blob::embedded::model::{ContentId, FileId, FileSegment, SegmentManifest};
use crate::metrics;

/// A data file that is to become a segment of a content.
pub(in super::super) struct NewSegment {
    /// File, size and part number.
    pub(in super::super) segment: FileSegment,
    /// MD5 of the bytes.
    pub(in super::super) md5: [u8; 16],
    /// Checksums of the bytes.
    pub(in super::super) sums: ChecksumSet,
    /// Time of the write, in microseconds since 1970.
    pub(in super::super) modified: i64,
}

/// Row of a part.
pub(in super::super) struct StoredPartRow {
    /// File, size and part number.
    pub(in super::super) segment: FileSegment,
    /// MD5 of the bytes; in hexadecimal, the part's ETag.
    pub(in super::super) md5: [u8; 16],
    /// Checksums of the bytes.
    pub(in super::super) sums: ChecksumSet,
    /// Time of the write, in microseconds since 1970.
    pub(in super::super) modified: i64,
}

/// Creates a content with a single reference, from an object or an upload.
pub(super) fn create(db: &Connection, manifest: &SegmentManifest) -> Result<ContentId> {
    let sql = "INSERT INTO content (refs, manifest) VALUES (1, ?)";
    Ok(ContentId(db.prepare_cached(sql)?.insert([manifest.encode()])?))
}

/// Adds a segment; a previous segment of the same number goes to the trash.
pub(super) fn put_segment(db: &Connection, content: ContentId, new: &NewSegment) -> Result<()> {
    let NewSegment { segment, md5, sums, modified } = new;
    if discard(db, content, segment.number, *modified)? {
        metrics::uploads().record_resent(segment.size);
    }
    let sql = "INSERT INTO segment (content, number, file, size, md5, sums, modified) VALUES (?, ?, ?, ?, ?, ?, ?)";
    let (size, sums) = (rows::from_size(segment.size)?, rows::to_json(sums)?);
    db.prepare_cached(sql)?.execute(params![content.0, segment.number, segment.file.0, size, md5, sums, modified])?;
    Ok(())
}

/// Moves a segment, if it exists, into a content of its own that goes to the trash. `false`: there was none.
fn discard(db: &Connection, content: ContentId, number: u16, now: i64) -> Result<bool> {
    let there = "SELECT 1 FROM segment WHERE content = ? AND number = ?";
    let exists = db.prepare_cached(there)?.exists(params![content.0, number])?;
    if exists {
        let dead = create(db, &SegmentManifest::default())?;
        db.prepare_cached("UPDATE segment SET content = ? WHERE content = ? AND number = ?")?
            .execute(params![dead.0, content.0, number])?;
        release(db, dead, now)?;
    }
    Ok(exists)
}

/// Fixes the segments of a content for good; segments that `manifest` does not list go to the trash.
pub(super) fn seal(
    db: &Connection,
    content: ContentId,
    manifest: &SegmentManifest,
    all: &[u16],
    now: i64,
) -> Result<()> {
    let listed: Vec<u16> = manifest.0.iter().map(|segment| segment.number).collect();
    for number in all.iter().filter(|number| listed.binary_search(number).is_err()) {
        discard(db, content, *number, now)?;
    }
    db.prepare_cached("UPDATE content SET manifest = ? WHERE id = ?")?
        .execute(params![manifest.encode(), content.0])?;
    Ok(())
}

/// Adds a reference.
pub(super) fn retain(db: &Connection, content: ContentId) -> Result<()> {
    db.prepare_cached("UPDATE content SET refs = refs + 1 WHERE id = ?")?.execute([content.0])?;
    Ok(())
}

/// Removes a reference; without references the content goes to the trash.
pub(super) fn release(db: &Connection, content: ContentId, now: i64) -> Result<()> {
    let mut update = db.prepare_cached("UPDATE content SET refs = refs - 1 WHERE id = ? RETURNING refs")?;
    let left: i64 = update.query_row([content.0], |row| row.get(0))?;
    if left == 0 {
        db.prepare_cached("INSERT INTO trash (content, since) VALUES (?, ?)")?.execute(params![content.0, now])?;
    }
    Ok(())
}

/// Parts of a content with a number above `after`, in order.
pub(in super::super) fn parts(
    db: &Connection,
    content: ContentId,
    after: u16,
    limit: usize,
) -> Result<Vec<StoredPartRow>> {
    let mut query = db.prepare_cached(
        "SELECT number, file, size, md5, sums, modified FROM segment WHERE content = ? AND number > ?
         ORDER BY number LIMIT ?",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    query.query_and_then(params![content.0, after, limit], part)?.collect()
}

/// Number and size of each part of a content.
pub(in super::super) fn sizes(db: &Connection, content: ContentId) -> Result<Vec<(u16, u64)>> {
    let mut query = db.prepare_cached("SELECT number, size FROM segment WHERE content = ?")?;
    query.query_and_then([content.0], |row| Ok((rows::number(row, 0)?, rows::size(row, 1)?)))?.collect()
}

fn part(row: &Row<'_>) -> Result<StoredPartRow> {
    let file = FileId::from_blob(&rows::get::<Vec<u8>>(row, 1)?)?;
    Ok(StoredPartRow {
        segment: FileSegment { file, size: rows::size(row, 2)?, number: rows::number(row, 0)? },
        md5: rows::md5(row, 3)?,
        sums: rows::json(row, 4)?,
        modified: rows::get(row, 5)?,
    })
}

/// True if a row names this file.
pub(in super::super) fn is_named(db: &Connection, file: FileId) -> Result<bool> {
    Ok(db.prepare_cached("SELECT 1 FROM segment WHERE file = ?")?.exists([file.0])?)
}
