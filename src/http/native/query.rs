//! Query strings of the native API. Unknown parameters are refused.

use std::time::Duration;

use super::wire::duration;
use crate::domain::asset::AssetState;
use crate::engine::{Error, ListAssets};

const USUAL_PAGE: u32 = 100;

pub(super) fn pairs(query: Option<&str>) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}

pub(super) fn unknown(name: &str) -> Error {
    Error::invalid("query", format!("{name:?} is no parameter of this address"))
}

/// `GET /v1/assets`.
pub(super) fn list(query: Option<&str>) -> Result<ListAssets, Error> {
    let mut list = ListAssets { limit: USUAL_PAGE, ..ListAssets::default() };
    for (name, value) in pairs(query) {
        match name.as_str() {
            "state" => list.state = Some(value),
            "external_id" => list.external_id = Some(value),
            "content_type" => list.content_type = Some(value),
            "created_after" => {
                let time =
                    value.parse().map_err(|_| Error::invalid("created_after", "a time like 2026-01-31T12:00:00Z"));
                list.created_after = Some(time?);
            }
            "cursor" => list.cursor = Some(value),
            "limit" => list.limit = value.parse().map_err(|_| Error::invalid("limit", "a number"))?,
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
