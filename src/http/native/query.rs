//! Query strings of the native API. Unknown parameters are refused.

use std::time::Duration;

use super::wire::parse_duration_field;
use crate::domain::asset::AssetState;
use crate::engine::{Error, ListAssets};
use crate::http::query::{DEFAULT_PAGE_LIMIT, parse_limit, parse_parameter, query_pairs, unknown_parameter};

/// `GET /v1/assets`.
pub(super) fn parse_assets_query(query: Option<&str>) -> Result<ListAssets, Error> {
    let mut list = ListAssets { limit: DEFAULT_PAGE_LIMIT, ..ListAssets::default() };
    for (name, value) in query_pairs(query) {
        match name.as_str() {
            "state" => list.state = Some(value),
            "external_id" => list.external_id = Some(value),
            "content_type" => list.content_type = Some(value),
            "created_after" => {
                list.created_after =
                    Some(parse_parameter("created_after", &value, "must be a time like 2026-01-31T12:00:00Z")?);
            }
            "cursor" => list.cursor = Some(value),
            "limit" => list.limit = parse_limit(&value)?,
            other => match other.strip_prefix("metadata.") {
                Some(key) if !key.is_empty() => list.metadata.push((key.to_owned(), value)),
                _ => return Err(unknown_parameter(other)),
            },
        }
    }
    Ok(list)
}

/// `?wait=30s&until=ready`: how long to wait for which state.
pub(super) struct WaitQuery {
    pub(super) timeout: Duration,
    pub(super) until: Option<String>,
}

/// `GET /v1/assets/{id}`.
pub(super) fn parse_wait_query(query: Option<&str>) -> Result<WaitQuery, Error> {
    let mut wait = WaitQuery { timeout: Duration::ZERO, until: None };
    for (name, value) in query_pairs(query) {
        match name.as_str() {
            "wait" => wait.timeout = parse_duration_field("wait", &value)?,
            "until" if AssetState::NAMES.contains(&value.as_str()) => wait.until = Some(value),
            "until" => return Err(Error::invalid("until", format!("must be one of {}", AssetState::NAMES.join(", ")))),
            other => return Err(unknown_parameter(other)),
        }
    }
    Ok(wait)
}
