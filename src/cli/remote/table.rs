//! Lines of tables and descriptions on standard output.

use std::io::Write as _;

use serde_json::Value;

use crate::client::error::{Error, Result};
use crate::client::format;

pub(super) fn print_line(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").map_err(Error::local("standard output".as_ref()))
}

/// A text of an answer; `-` if it is absent.
pub(super) fn field<'a>(entry: &'a Value, name: &str) -> &'a str {
    entry[name].as_str().unwrap_or("-")
}

/// `2026-11-21 05:52` of a time in RFC 3339.
pub(super) fn short_time(time: &str) -> String {
    time.replace('T', " ").chars().take(16).collect()
}

/// Prints the members of an object, a line each.
pub(super) fn print_members(object: &Value) -> Result<()> {
    for (name, value) in object.as_object().into_iter().flatten() {
        let value = match value {
            Value::Null => continue,
            Value::String(value) => format::shown(value),
            Value::Number(bytes) if matches!(name.as_str(), "size" | "received_bytes") => {
                format!("{bytes} ({})", bytes.as_u64().map(format::size).unwrap_or_default())
            }
            other => format::shown(&other.to_string()),
        };
        print_line(&format!("{name:22} {value}"))?;
    }
    Ok(())
}
