//! Listing of a bucket's objects, with prefixes rolled up at a delimiter. The cost is an index seek per rolled-up
//! prefix and a row per key, never a row per key below a rolled-up prefix.

use rusqlite::{Connection, Row, params};

use super::{buckets, rows};
use crate::blob::embedded::error::Result;

/// Parameters of a listing.
pub(in super::super) struct ListingQuery {
    /// Bucket name.
    pub(in super::super) bucket: String,
    /// Prefix of the keys.
    pub(in super::super) prefix: String,
    /// Delimiter: keys are rolled up at its first occurrence after the prefix; not empty.
    pub(in super::super) delimiter: Option<String>,
    /// Position: keys come after this, in byte order.
    pub(in super::super) after: Vec<u8>,
    /// Largest number of keys and prefixes together.
    pub(in super::super) limit: usize,
}

/// A key in a listing.
pub(in super::super) struct ListingEntry {
    /// Object key.
    pub(in super::super) key: String,
    /// Size in bytes.
    pub(in super::super) size: u64,
    /// ETag without quotes.
    pub(in super::super) etag: String,
    /// Time of the last write, in microseconds since 1970.
    pub(in super::super) modified: i64,
}

/// A page of a listing.
#[derive(Default)]
pub(in super::super) struct ListingPage {
    /// Keys in order.
    pub(in super::super) entries: Vec<ListingEntry>,
    /// Rolled-up prefixes in order.
    pub(in super::super) prefixes: Vec<String>,
    /// Position of the next page; `None` on the last page.
    pub(in super::super) next: Option<Vec<u8>>,
}

/// Position after every key that begins with `prefix`: the byte 0xFF never occurs in UTF-8.
pub(in super::super) fn behind(prefix: &str) -> Vec<u8> {
    let mut position = prefix.as_bytes().to_vec();
    position.push(0xff);
    position
}

/// Prefix that a key is rolled up to: up to and including the first delimiter in `rest`, which is the key without the
/// listing's prefix. `None` if the key is not rolled up.
pub(in super::super) fn roll_up<'a>(key: &'a str, rest: &str, delimiter: Option<&str>) -> Option<&'a str> {
    let delimiter = delimiter?;
    let at = rest.find(delimiter)?;
    Some(&key[..key.len() - rest.len() + at + delimiter.len()])
}

/// Position of the page after `marker`. If the marker is a rolled-up prefix of the previous page, the page begins after
/// all keys below that prefix.
pub(in super::super) fn after_key(marker: &str, prefix: &str, delimiter: Option<&str>) -> Vec<u8> {
    let rolled = marker.strip_prefix(prefix).and_then(|rest| roll_up(marker, rest, delimiter));
    if rolled == Some(marker) { behind(marker) } else { marker.as_bytes().to_vec() }
}

/// Reads a page.
pub(in super::super) fn list(db: &Connection, query: &ListingQuery) -> Result<ListingPage> {
    buckets::require(db, &query.bucket)?;
    let mut page = ListingPage::default();
    let mut position = query.after.clone();
    while let Some(next) = run(db, query, position, &mut page)? {
        position = next;
    }
    Ok(page)
}

/// Reads from a position to the end, or until a prefix is rolled up: then returns the position after that prefix.
fn run(
    db: &Connection,
    query: &ListingQuery,
    mut position: Vec<u8>,
    page: &mut ListingPage,
) -> Result<Option<Vec<u8>>> {
    let mut statement = db.prepare_cached(
        "SELECT key, size, etag, modified FROM object WHERE bucket = ?1 AND key >= ?2 AND key > ?3 ORDER BY key",
    )?;
    let mut rows = statement.query(params![query.bucket, query.prefix.as_bytes(), position])?;
    while let Some(row) = rows.next()? {
        let entry = entry(row)?;
        let Some(rest) = entry.key.strip_prefix(&query.prefix) else { break };
        if page.entries.len() + page.prefixes.len() == query.limit {
            page.next = (query.limit > 0).then_some(position);
            break;
        }
        if let Some(rolled) = roll_up(&entry.key, rest, query.delimiter.as_deref()) {
            page.prefixes.push(rolled.to_owned());
            return Ok(Some(behind(rolled)));
        }
        position = entry.key.as_bytes().to_vec();
        page.entries.push(entry);
    }
    Ok(None)
}

fn entry(row: &Row<'_>) -> Result<ListingEntry> {
    Ok(ListingEntry {
        key: rows::key(row, 0)?,
        size: rows::size(row, 1)?,
        etag: rows::get(row, 2)?,
        modified: rows::get(row, 3)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rolled_up_marker_is_behind_all_that_it_stands_for() {
        assert_eq!(after_key("a/b/", "a/", Some("/")), b"a/b/\xff");
        assert_eq!(after_key("a/b/c", "a/", Some("/")), b"a/b/c");
        assert_eq!(after_key("a/b/", "a/", None), b"a/b/");
        assert_eq!(after_key("a/", "a/", Some("/")), b"a/");
    }
}
