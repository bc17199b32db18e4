//! Conversion between values and columns. An invalid value in a column is [`CorruptRow`], never a guess.

use rusqlite::{Row, types::FromSql};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::blob::embedded::error::Result;
use crate::blob::embedded::model::CorruptRow;

/// Reads a column.
pub(super) fn get<T: FromSql>(row: &Row<'_>, column: usize) -> Result<T> {
    Ok(row.get(column)?)
}

/// Reads a JSON column.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T> {
    let text = row.get_ref(column)?.as_str().map_err(|_| CorruptRow("a column should hold JSON"))?;
    Ok(serde_json::from_str(text).map_err(|_| CorruptRow("a column holds no JSON that we wrote"))?)
}

/// Reads a size, which SQLite stores as a signed number.
pub(super) fn size(row: &Row<'_>, column: usize) -> Result<u64> {
    Ok(u64::try_from(get::<i64>(row, column)?).map_err(|_| CorruptRow("a size is negative"))?)
}

/// Reads a part number.
pub(super) fn number(row: &Row<'_>, column: usize) -> Result<u16> {
    Ok(u16::try_from(get::<i64>(row, column)?).map_err(|_| CorruptRow("a part number is out of range"))?)
}

/// Reads an object key.
pub(super) fn key(row: &Row<'_>, column: usize) -> Result<String> {
    Ok(String::from_utf8(get(row, column)?).map_err(|_| CorruptRow("a key is not UTF-8"))?)
}

/// Reads an MD5.
pub(super) fn md5(row: &Row<'_>, column: usize) -> Result<[u8; 16]> {
    let blob = row.get_ref(column)?.as_blob().map_err(|_| CorruptRow("an MD5 is not a blob"))?;
    Ok(blob.try_into().map_err(|_| CorruptRow("an MD5 has not 16 bytes"))?)
}

/// Value for a JSON column.
pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String> {
    Ok(serde_json::to_string(value).map_err(|_| CorruptRow("a value has no JSON"))?)
}

/// Size for a column.
pub(super) fn from_size(size: u64) -> Result<i64> {
    Ok(i64::try_from(size).map_err(|_| CorruptRow("a size is beyond 63 bits"))?)
}
