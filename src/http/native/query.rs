//! Query strings of the native API. Unknown parameters are refused.

use std::time::Duration;

use super::wire::parse_duration_field;
use crate::domain::asset::AssetState;
use crate::domain::asset_order::{AssetSort, SortDirection};
use crate::domain::upload::{UploadProtocol, UploadState};
use crate::engine::{Error, ListAssets, ListUploads};
use crate::http::query::{DEFAULT_PAGE_LIMIT, parse_limit, parse_parameter, query_pairs, unknown_parameter};

const SIZE_EXPECTED: &str = "must be a number of bytes";
pub(super) const TIME_EXPECTED: &str = "must be a time like 2026-01-31T12:00:00Z";

/// `GET /v1/assets`.
pub(super) fn parse_assets_query(query: Option<&str>) -> Result<ListAssets, Error> {
    let mut list = ListAssets { limit: DEFAULT_PAGE_LIMIT, ..ListAssets::default() };
    let mut order = None;
    for (name, value) in query_pairs(query) {
        match name.as_str() {
            "state" => list.state = Some(value),
            "external_id" => list.external_id = Some(value),
            "content_type" => list.content_type = Some(value),
            "created_after" => {
                list.created_after = Some(parse_parameter("created_after", &value, TIME_EXPECTED)?);
            }
            "created_before" => list.created_before = Some(parse_parameter("created_before", &value, TIME_EXPECTED)?),
            "size_from" => list.size_from = Some(parse_parameter("size_from", &value, SIZE_EXPECTED)?),
            "size_to" => list.size_to = Some(parse_parameter("size_to", &value, SIZE_EXPECTED)?),
            "name" => list.name = Some(value),
            "sort" => list.sort = parse_name("sort", &value, AssetSort::ALL, AssetSort::name)?,
            "order" => order = Some(parse_name("order", &value, SortDirection::ALL, SortDirection::name)?),
            "tenant" => list.tenant = Some(value),
            "cursor" => list.cursor = Some(value),
            "limit" => list.limit = parse_limit(&value)?,
            other => match other.strip_prefix("metadata.") {
                Some(key) if !key.is_empty() => list.metadata.push((key.to_owned(), value)),
                _ => return Err(unknown_parameter(other)),
            },
        }
    }
    // Newest and largest first, names from the beginning.
    list.direction = order.unwrap_or(match list.sort {
        AssetSort::Created | AssetSort::Size => SortDirection::Descending,
        AssetSort::Name => SortDirection::Ascending,
    });
    Ok(list)
}

/// `GET /v1/uploads`.
pub(super) fn parse_uploads_query(query: Option<&str>) -> Result<ListUploads, Error> {
    let mut list = ListUploads { limit: DEFAULT_PAGE_LIMIT, ..ListUploads::default() };
    for (name, value) in query_pairs(query) {
        match name.as_str() {
            "tenant" => list.tenant = Some(value),
            "state" => list.state = Some(parse_name("state", &value, UploadState::ALL, UploadState::name)?),
            "protocol" => {
                list.protocol = Some(parse_name("protocol", &value, UploadProtocol::ALL, UploadProtocol::name)?);
            }
            "asset" => list.asset = Some(parse_parameter("asset", &value, "must be the id of an asset")?),
            "owner" => list.owner = Some(parse_parameter("owner", &value, "must be the id of a key")?),
            "idle_for" => list.idle_for = Some(parse_duration_field("idle_for", &value)?),
            "created_after" => list.created_after = Some(parse_parameter("created_after", &value, TIME_EXPECTED)?),
            "after" => list.after = Some(parse_parameter("after", &value, "must be the `next` of a previous answer")?),
            "limit" => list.limit = parse_limit(&value)?,
            other => return Err(unknown_parameter(other)),
        }
    }
    Ok(list)
}

/// Parses one of `all` by its name.
fn parse_name<T: Copy, const N: usize>(
    field: &'static str,
    text: &str,
    all: [T; N],
    name: fn(T) -> &'static str,
) -> Result<T, Error> {
    let found = all.into_iter().find(|known| name(*known) == text);
    found.ok_or_else(|| Error::invalid(field, format!("must be one of {}", all.map(name).join(", "))))
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
