//! Garbage: contents without references, and tombstones of uploads that were completed long ago.

use rusqlite::{Connection, params};

use super::rows;
use crate::blob::embedded::error::Result;
use crate::blob::embedded::model::ContentId;

/// Contents that became trash at `before` or earlier, oldest first, after the first `skip`.
pub(in super::super) fn due(db: &Connection, before: i64, skip: usize, limit: usize) -> Result<Vec<ContentId>> {
    let mut query =
        db.prepare_cached("SELECT content FROM trash WHERE since <= ? ORDER BY since, content LIMIT ? OFFSET ?")?;
    let (limit, skip) = (i64::try_from(limit).unwrap_or(i64::MAX), i64::try_from(skip).unwrap_or(i64::MAX));
    query.query_and_then(params![before, limit, skip], |row| Ok(ContentId(rows::get(row, 0)?)))?.collect()
}

/// Removes up to `limit` segment rows of a content whose files are removed, and the content after its last segment.
/// Returns true once the content is removed.
pub(in super::super) fn forget(db: &Connection, content: ContentId, limit: usize) -> Result<bool> {
    let sql = "DELETE FROM segment WHERE content = ?1 AND number IN
               (SELECT number FROM segment WHERE content = ?1 ORDER BY number LIMIT ?2)";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    db.prepare_cached(sql)?.execute(params![content.0, limit])?;
    if db.prepare_cached("SELECT 1 FROM segment WHERE content = ?")?.exists([content.0])? {
        return Ok(false);
    }
    db.prepare_cached("DELETE FROM content WHERE id = ? AND refs = 0")?.execute([content.0])?;
    db.prepare_cached("DELETE FROM trash WHERE content = ?")?.execute([content.0])?;
    Ok(true)
}

/// True if an upload was completed at `before` or earlier.
pub(in super::super) fn any_finished(db: &Connection, before: i64) -> Result<bool> {
    Ok(db.prepare_cached("SELECT 1 FROM finished WHERE at <= ? LIMIT 1")?.exists([before])?)
}

/// Removes up to `limit` tombstones of uploads that were completed at `before` or earlier; returns their number.
pub(in super::super) fn expire_finished(db: &Connection, before: i64, limit: usize) -> Result<usize> {
    let sql = "DELETE FROM finished WHERE id IN (SELECT id FROM finished WHERE at <= ? ORDER BY at LIMIT ?)";
    Ok(db.prepare_cached(sql)?.execute(params![before, i64::try_from(limit).unwrap_or(i64::MAX)])?)
}
