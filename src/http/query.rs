//! Query strings and bodies of the native protocols: parameters, pages and times, and the refusal of unknown
//! parameters. Pure. The protocol defines what a parameter means; the engine enforces the limits.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde_json::Value;

use super::problem::ProblemDetails;

use crate::domain::clock::parse_duration;
use crate::engine::Error;

/// Default number of entries of a page.
pub(super) const DEFAULT_PAGE_LIMIT: u32 = 100;

/// The parameters, in the order in which they were sent. The character U+0000, which no stored text has and which
/// PostgreSQL takes in no text, becomes the one for what cannot be read.
pub(super) fn query_pairs(query: Option<&str>) -> impl Iterator<Item = (String, String)> {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned();
    pairs.map(|(name, value)| (name, value.replace('\0', "\u{FFFD}")))
}

/// The error for an unknown parameter.
pub(super) fn unknown_parameter(name: &str) -> Error {
    Error::invalid("query", format!("this address has no parameter \"{name}\""))
}

/// Refuses parameters at an address that has none: if it were ignored, `?tenant=acme` would seem to narrow an answer.
pub(super) async fn refuse_parameters(request: Request, next: Next) -> Response {
    let parameter = query_pairs(request.uri().query()).next();
    match parameter {
        Some((name, _)) => ProblemDetails::from(unknown_parameter(&name)).into_response(),
        None => next.run(request).await,
    }
}

/// Parses the value of a parameter; `expected` describes the valid values in words.
pub(super) fn parse_parameter<T: FromStr>(field: &'static str, text: &str, expected: impl Display) -> Result<T, Error> {
    text.parse().map_err(|_| Error::invalid(field, expected))
}

/// Parses the number of entries of a page.
pub(super) fn parse_limit(text: &str) -> Result<u32, Error> {
    parse_parameter("limit", text, "must be a number")
}

/// `?tenant=` and nothing else.
pub(super) fn parse_tenant(query: Option<&str>) -> Result<Option<String>, Error> {
    let mut tenant = None;
    for (name, value) in query_pairs(query) {
        match name.as_str() {
            "tenant" => tenant = Some(value),
            other => return Err(unknown_parameter(other)),
        }
    }
    Ok(tenant)
}

/// A duration in a body: `3600` or `"1h"`.
pub(super) fn parse_duration_member(field: &'static str, value: Option<&Value>) -> Result<Option<Duration>, Error> {
    let read = |value: &Value| match value {
        Value::Number(seconds) => seconds.as_u64().map(Duration::from_secs),
        Value::String(text) => parse_duration(text),
        _ => None,
    };
    value
        .map(|value| read(value).ok_or_else(|| Error::invalid(field, "must be seconds, or a duration like 24h")))
        .transpose()
}

/// A duration in a body: whole seconds, or a text like `90s`, `15m`, `1h 30m`, `7d`.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "bodies are read as any JSON, so that the refusal names the member; this is their schema")]
pub(super) enum DurationInput {
    /// Seconds.
    Seconds(u64),
    /// A text like `1h`.
    Text(String),
}

/// The cursor of the next page, if the page is full: the key of its last entry.
pub(super) fn next_cursor<T, K>(page: &[T], limit: u32, key: impl FnOnce(&T) -> K) -> Option<K> {
    page.last().filter(|_| page.len() == limit as usize).map(key)
}
