//! Buckets and their CORS rules.

use rusqlite::{Connection, params};

use super::{rows, uploads};
use crate::blob::embedded::error::{Error, Result};

/// Row of a bucket.
pub(in super::super) struct BucketRow {
    /// Name.
    pub(in super::super) name: String,
    /// Time of creation, in microseconds since 1970.
    pub(in super::super) created: i64,
}

/// Returns [`Error::NoSuchBucket`] unless the bucket exists.
pub(in super::super) fn require(db: &Connection, name: &str) -> Result<()> {
    let found = db.prepare_cached("SELECT 1 FROM bucket WHERE name = ?")?.exists([name])?;
    if found { Ok(()) } else { Err(Error::NoSuchBucket) }
}

/// Creates a bucket; [`Error::BucketExists`] if it exists already.
pub(in super::super) fn create(db: &Connection, name: &str, now: i64) -> Result<()> {
    let sql = "INSERT INTO bucket (name, created) VALUES (?, ?) ON CONFLICT DO NOTHING";
    match db.prepare_cached(sql)?.execute(params![name, now])? {
        0 => Err(Error::BucketExists),
        _ => Ok(()),
    }
}

/// Removes a bucket without objects. Open uploads in it are aborted, as in S3. `now`: microseconds since 1970.
pub(in super::super) fn delete(db: &Connection, name: &str, now: i64) -> Result<()> {
    require(db, name)?;
    if db.prepare_cached("SELECT 1 FROM object WHERE bucket = ? LIMIT 1")?.exists([name])? {
        return Err(Error::BucketNotEmpty);
    }
    uploads::abort_all(db, name, now)?;
    db.prepare_cached("DELETE FROM bucket WHERE name = ?")?.execute([name])?;
    Ok(())
}

/// All buckets by name.
pub(in super::super) fn list(db: &Connection) -> Result<Vec<BucketRow>> {
    let mut query = db.prepare_cached("SELECT name, created FROM bucket ORDER BY name")?;
    query.query_and_then([], |row| Ok(BucketRow { name: rows::get(row, 0)?, created: rows::get(row, 1)? }))?.collect()
}

/// Sets or removes the CORS rules of a bucket.
pub(in super::super) fn set_cors(db: &Connection, name: &str, rules: Option<&str>) -> Result<()> {
    match db.prepare_cached("UPDATE bucket SET cors = ? WHERE name = ?")?.execute(params![rules, name])? {
        0 => Err(Error::NoSuchBucket),
        _ => Ok(()),
    }
}

/// Buckets that have CORS rules: name and rules as JSON.
pub(in super::super) fn all_cors(db: &Connection) -> Result<Vec<(String, String)>> {
    let mut query = db.prepare_cached("SELECT name, cors FROM bucket WHERE cors IS NOT NULL")?;
    query.query_and_then([], |row| Ok((rows::get(row, 0)?, rows::get(row, 1)?)))?.collect()
}
