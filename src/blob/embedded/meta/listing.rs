//! Listing a bucket's objects, with prefixes rolled up at a delimiter. The cost is one index seek per rolled-up
//! prefix and one row per key, never one per key below a prefix.

use rusqlite::{Connection, Row, params};

use super::{buckets, rows};
use crate::blob::embedded::error::Result;

/// What to list.
pub(in super::super) struct ListingQuery {
    /// The bucket.
    pub(in super::super) bucket: String,
    /// Keys begin with this.
    pub(in super::super) prefix: String,
    /// Keys are rolled up at its first occurrence behind the prefix; not empty.
    pub(in super::super) delimiter: Option<String>,
    /// Keys come after this, in the order of bytes.
    pub(in super::super) after: Vec<u8>,
    /// The most keys and prefixes together.
    pub(in super::super) limit: usize,
}

/// One line of a listing.
pub(in super::super) struct ListingEntry {
    /// The key.
    pub(in super::super) key: String,
    /// Bytes.
    pub(in super::super) size: u64,
    /// ETag without quotes.
    pub(in super::super) etag: String,
    /// In microseconds since 1970.
    pub(in super::super) modified: i64,
}

/// What came out.
#[derive(Default)]
pub(in super::super) struct ListingPage {
    /// Keys in order.
    pub(in super::super) entries: Vec<ListingEntry>,
    /// Rolled-up prefixes in order.
    pub(in super::super) prefixes: Vec<String>,
    /// Where the next page continues; `None` on the last.
    pub(in super::super) next: Option<Vec<u8>>,
}

/// Behind every key that begins with `prefix`: no UTF-8 has this byte.
pub(in super::super) fn behind(prefix: &str) -> Vec<u8> {
    let mut position = prefix.as_bytes().to_vec();
    position.push(0xff);
    position
}

/// What a key is rolled up to, if it is: up to and with the first delimiter in `rest`, the key without the prefix.
pub(in super::super) fn roll_up<'a>(key: &'a str, rest: &str, delimiter: Option<&str>) -> Option<&'a str> {
    let delimiter = delimiter?;
    let at = rest.find(delimiter)?;
    Some(&key[..key.len() - rest.len() + at + delimiter.len()])
}

/// Where a page begins after `marker`. A marker may be a rolled-up prefix of the page before: then the page begins
/// behind all that it stands for.
pub(in super::super) fn after_key(marker: &str, prefix: &str, delimiter: Option<&str>) -> Vec<u8> {
    let rolled = marker.strip_prefix(prefix).and_then(|rest| roll_up(marker, rest, delimiter));
    if rolled == Some(marker) { behind(marker) } else { marker.as_bytes().to_vec() }
}

/// One page.
pub(in super::super) fn list(db: &Connection, query: &ListingQuery) -> Result<ListingPage> {
    buckets::require(db, &query.bucket)?;
    let mut page = ListingPage::default();
    let mut position = query.after.clone();
    while let Some(next) = run(db, query, position, &mut page)? {
        position = next;
    }
    Ok(page)
}

/// Reads on from a position, until the end or until a prefix is rolled up: then returns the position behind that.
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
