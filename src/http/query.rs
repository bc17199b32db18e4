//! What the query strings and bodies of our own protocols have in common: their parameters, pages and times, and the refusal of
//! what nobody knows. Pure. What a parameter means is for the protocol to say, and how much is too much for the engine.

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

/// Entries of a page unless the query says otherwise.
pub(super) const DEFAULT_PAGE_LIMIT: u32 = 100;

/// The parameters, in the order in which they came.
pub(super) fn query_pairs(query: Option<&str>) -> impl Iterator<Item = (String, String)> {
    url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned()
}

/// A parameter that the address does not have.
pub(super) fn unknown_parameter(name: &str) -> Error {
    Error::invalid("query", format!("{name:?} is no parameter of this address"))
}

/// Refuses parameters at an address that has none: left out of account, `?tenant=acme` would seem to narrow an answer.
pub(super) async fn refuse_parameters(request: Request, next: Next) -> Response {
    let parameter = query_pairs(request.uri().query()).next();
    match parameter {
        Some((name, _)) => ProblemDetails::from(unknown_parameter(&name)).into_response(),
        None => next.run(request).await,
    }
}

/// The value of a parameter; `expected` says in words what it should have been.
pub(super) fn parse_parameter<T: FromStr>(field: &'static str, text: &str, expected: impl Display) -> Result<T, Error> {
    text.parse().map_err(|_| Error::invalid(field, expected))
}

/// How many entries a page shall have.
pub(super) fn parse_limit(text: &str) -> Result<u32, Error> {
    parse_parameter("limit", text, "a number")
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

/// A member of a body that is a time: `3600` or `"1h"`.
pub(super) fn parse_duration_member(field: &'static str, value: Option<&Value>) -> Result<Option<Duration>, Error> {
    let read = |value: &Value| match value {
        Value::Number(seconds) => seconds.as_u64().map(Duration::from_secs),
        Value::String(text) => parse_duration(text),
        _ => None,
    };
    value.map(|value| read(value).ok_or_else(|| Error::invalid(field, "seconds, or a duration like 24h"))).transpose()
}

/// A time in a body, as its schema has it: whole seconds, or a text like `90s`, `15m`, `1h 30m`, `7d`.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "bodies are read as any JSON, so that the refusal names the member; this is their schema")]
pub(super) enum DurationInput {
    /// Seconds.
    Seconds(u64),
    /// A text like `1h`.
    Text(String),
}

/// Where the next page begins: after the last of these, if there are as many as were asked for.
pub(super) fn next_cursor<T, K>(page: &[T], limit: u32, key: impl FnOnce(&T) -> K) -> Option<K> {
    page.last().filter(|_| page.len() == limit as usize).map(key)
}
