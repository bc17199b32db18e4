//! Closed keys: writes under them are refused until every URL that was ever signed for them has expired.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{objects, rows, uploads};
use crate::blob::embedded::conditions::WriteCondition;
use crate::blob::embedded::error::{Error, Result};
use crate::blob::embedded::model::ObjectAddress;

/// Time in microseconds for which a row is kept after it expired: if the wall clock is set back, expired URLs are valid
/// again.
const CLOSED_KEY_RETENTION_MICROS: i64 = 24 * 3600 * 1_000_000;

/// Removes the object under a key, aborts its uploads, and refuses further writes before `until`. All times are
/// microseconds since 1970. A key that is closed for longer already stays so.
pub(in super::super) fn close(db: &Connection, at: &ObjectAddress, until: i64, now: i64) -> Result<()> {
    objects::delete(db, at, &WriteCondition::default(), now)?;
    for id in open_uploads(db, at)? {
        uploads::abort(db, at, &id, now)?;
    }
    let sql = "INSERT INTO closed_key (bucket, key, until) VALUES (?1, ?2, ?3)
               ON CONFLICT (bucket, key) DO UPDATE SET until = max(until, ?3)";
    db.prepare_cached(sql)?.execute(params![at.bucket, at.key.as_bytes(), until])?;
    Ok(())
}

fn open_uploads(db: &Connection, at: &ObjectAddress) -> Result<Vec<String>> {
    let mut query = db.prepare_cached("SELECT id FROM upload WHERE bucket = ? AND key = ?")?;
    query.query_and_then(params![at.bucket, at.key.as_bytes()], |row| rows::get(row, 0))?.collect()
}

/// Returns [`Error::KeyClosed`] while the key is closed at `now`, in microseconds since 1970.
pub(in super::super) fn check(db: &Connection, at: &ObjectAddress, now: i64) -> Result<()> {
    let mut query = db.prepare_cached("SELECT until FROM closed_key WHERE bucket = ? AND key = ?")?;
    let until: Option<i64> = query.query_row(params![at.bucket, at.key.as_bytes()], |row| row.get(0)).optional()?;
    if until.is_some_and(|until| now < until) { Err(Error::KeyClosed) } else { Ok(()) }
}

/// True if a row can be removed at `now`.
pub(in super::super) fn any_over(db: &Connection, now: i64) -> Result<bool> {
    let sql = "SELECT 1 FROM closed_key WHERE until < ? LIMIT 1";
    Ok(db.prepare_cached(sql)?.exists([now.saturating_sub(CLOSED_KEY_RETENTION_MICROS)])?)
}

/// Removes at most `limit` rows that can be removed at `now`; returns their number.
pub(in super::super) fn forget_over(db: &Connection, now: i64, limit: usize) -> Result<usize> {
    let sql = "DELETE FROM closed_key WHERE (bucket, key) IN
               (SELECT bucket, key FROM closed_key WHERE until < ? ORDER BY until LIMIT ?)";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    Ok(db.prepare_cached(sql)?.execute(params![now.saturating_sub(CLOSED_KEY_RETENTION_MICROS), limit])?)
}
