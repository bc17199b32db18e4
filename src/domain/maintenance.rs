//! Maintenance: an operator's pause of new uploads. Uploads under way finish, and downloads work.

use serde::Serialize;

use super::clock::Timestamp;
use super::ids::TenantId;

/// Longest message of a maintenance mode, in bytes.
pub const MAX_MAINTENANCE_MESSAGE_BYTES: usize = 500;

/// A maintenance mode that is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MaintenanceMode {
    /// The tenant whose new uploads are refused; `None`: every tenant's.
    pub tenant: Option<TenantId>,
    /// The operator's words to clients whose uploads are refused.
    pub message: Option<String>,
    /// Time since which it is on.
    pub since: Timestamp,
}

impl MaintenanceMode {
    /// True if new uploads of this tenant are refused.
    #[must_use]
    pub fn concerns(&self, tenant: TenantId) -> bool {
        self.tenant.is_none_or(|concerned| concerned == tenant)
    }
}

/// The message without surrounding white space; `None` if nothing is left of it.
///
/// # Errors
/// A sentence, if the message is longer than [`MAX_MAINTENANCE_MESSAGE_BYTES`] or has control characters.
pub fn check_message(message: Option<&str>) -> Result<Option<String>, String> {
    let Some(text) = message.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.len() > MAX_MAINTENANCE_MESSAGE_BYTES {
        return Err(format!("must have at most {MAX_MAINTENANCE_MESSAGE_BYTES} bytes"));
    }
    if text.chars().any(char::is_control) {
        return Err("must be a single line without control characters".to_owned());
    }
    Ok(Some(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        assert_eq!(check_message(None), Ok(None));
        assert_eq!(check_message(Some("  ")), Ok(None));
        assert_eq!(check_message(Some(" back at noon ")), Ok(Some("back at noon".to_owned())));
        assert!(check_message(Some("two\nlines")).is_err());
        assert!(check_message(Some(&"a".repeat(MAX_MAINTENANCE_MESSAGE_BYTES + 1))).is_err());
    }
}
