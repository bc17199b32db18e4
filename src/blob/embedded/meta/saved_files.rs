//! Data files that a copy of the metadata names, for backups.

use rusqlite::{Connection, Row, params};

use super::rows;
use crate::blob::embedded::model::FileId;

/// Contents in the trash are left out: their files may be gone already, and the store removes their rows.
const NAMED_FILES: &str = "FROM segment WHERE NOT EXISTS (SELECT 1 FROM trash WHERE trash.content = segment.content)";

/// A data file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedFile {
    /// Name: 32 hexadecimal digits.
    pub id: String,
    /// Size in bytes.
    pub size: u64,
    /// MD5 of the bytes.
    pub md5: [u8; 16],
}

/// Data files of a store, from a copy of its metadata.
pub struct SavedFiles(Connection);

impl SavedFiles {
    /// Reads from this connection to a copy of `meta.db`.
    #[must_use]
    pub fn of(metadata: Connection) -> Self {
        Self(metadata)
    }

    /// Number of files and sum of their bytes.
    pub fn count(&self) -> anyhow::Result<(u64, u64)> {
        let sql = format!("SELECT count(*), coalesce(sum(size), 0) {NAMED_FILES}");
        let count = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()));
        Ok(self.0.query_row(&sql, [], count)?)
    }

    /// Hands each file to `each`, in the order of their names, until it fails.
    pub fn for_each(&self, mut each: impl FnMut(SavedFile) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut query = self.0.prepare(&format!("SELECT file, size, md5 {NAMED_FILES} ORDER BY file"))?;
        let mut found = query.query([])?;
        while let Some(row) = found.next()? {
            let id = FileId::from_blob(&rows::get::<Vec<u8>>(row, 0)?)?;
            each(SavedFile { id: id.to_string(), size: rows::size(row, 1)?, md5: rows::md5(row, 2)? })?;
        }
        Ok(())
    }

    /// Keys of the objects and open uploads whose bytes are in this file.
    #[must_use]
    pub fn keys_of(&self, id: &str) -> Vec<String> {
        let Some(file) = FileId::from_name(id) else { return Vec::new() };
        let sql = "SELECT CAST(key AS text) FROM object WHERE content = (SELECT content FROM segment WHERE file = ?1)
                   UNION SELECT CAST(key AS text) FROM upload WHERE content = (SELECT content FROM segment WHERE file = ?1)";
        let keys =
            self.0.prepare(sql).and_then(|mut query| query.query_map(params![file.0], |row| row.get(0))?.collect());
        keys.unwrap_or_default()
    }
}
