//! Query strings of the native API. Unknown parameters are refused.

use std::time::Duration;

use super::super::query::{USUAL_PAGE, limit, pairs, parsed, unknown};
use super::wire::duration;
use crate::domain::asset::AssetState;
use crate::engine::{Error, ListAssets};

/// `GET /v1/assets`.
pub(super) fn list(query: Option<&str>) -> Result<ListAssets, Error> {
    let mut list = ListAssets { limit: USUAL_PAGE, ..ListAssets::default() };
    for (name, value) in pairs(query) {
        match name.as_str() {
            "state" => list.state = Some(value),
            "external_id" => list.external_id = Some(value),
            "content_type" => list.content_type = Some(value),
            "created_after" => {
                list.created_after = Some(parsed("created_after", &value, "a time like 2026-01-31T12:00:00Z")?);
            }
            "cursor" => list.cursor = Some(value),
            "limit" => list.limit = limit(&value)?,
            other => match other.strip_prefix("metadata.") {
                Some(key) if !key.is_empty() => list.metadata.push((key.to_owned(), value)),
                _ => return Err(unknown(other)),
            },
        }
    }
    Ok(list)
}

/// `?wait=30s&until=ready`: how long to wait for which state.
pub(super) struct Wait {
    pub(super) patience: Duration,
    pub(super) until: Option<String>,
}

/// `GET /v1/assets/{id}`.
pub(super) fn wait(query: Option<&str>) -> Result<Wait, Error> {
    let mut wait = Wait { patience: Duration::ZERO, until: None };
    for (name, value) in pairs(query) {
        match name.as_str() {
            "wait" => wait.patience = duration("wait", &value)?,
            "until" if AssetState::NAMES.contains(&value.as_str()) => wait.until = Some(value),
            "until" => return Err(Error::invalid("until", format!("one of {}", AssetState::NAMES.join(", ")))),
            other => return Err(unknown(other)),
        }
    }
    Ok(wait)
}
