//! Preconditions in the order of RFC 9110 §13.2.2, and the bytes that remain to be sent.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method, header};

use super::ranges::{self, ParsedRanges};
use crate::domain::clock::Timestamp;
use crate::http::caching;

/// Outcome of the preconditions: the answer to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PreconditionOutcome {
    /// 200 and the whole file.
    Whole,
    /// 206 and these bytes.
    Ranges(Vec<Range<u64>>),
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
    /// 416.
    RangeNotSatisfiable,
}

/// Validators and size of the representation.
#[derive(Clone, Copy)]
pub(super) struct RepresentationInfo<'a> {
    /// Strong entity tag without quotes.
    pub(super) etag: &'a str,
    pub(super) last_modified: Timestamp,
    pub(super) size: u64,
}

fn header_text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The time in whole seconds, the precision of HTTP dates.
fn last_modified(facts: &RepresentationInfo<'_>) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(facts.last_modified.as_second().try_into().unwrap_or(0))
}

fn parse_http_date(text: Option<&str>) -> Option<SystemTime> {
    httpdate::parse_http_date(text?).ok()
}

/// Evaluates the request's conditions and ranges.
pub(super) fn evaluate_preconditions(
    method: &Method,
    headers: &HeaderMap,
    facts: &RepresentationInfo<'_>,
) -> PreconditionOutcome {
    let unmodified_since = |since: SystemTime| last_modified(facts) <= since;
    match header_text(headers, header::IF_MATCH) {
        Some(list) if !caching::list_contains_tag(list, facts.etag, false) => {
            return PreconditionOutcome::PreconditionFailed;
        }
        Some(_) => {}
        None => {
            let since = parse_http_date(header_text(headers, header::IF_UNMODIFIED_SINCE));
            if since.is_some_and(|since| !unmodified_since(since)) {
                return PreconditionOutcome::PreconditionFailed;
            }
        }
    }
    let known = if headers.contains_key(header::IF_NONE_MATCH) {
        caching::matches_if_none_match(headers, &format!("\"{}\"", facts.etag))
    } else {
        parse_http_date(header_text(headers, header::IF_MODIFIED_SINCE)).is_some_and(unmodified_since)
    };
    if known {
        return PreconditionOutcome::NotModified;
    }
    match header_text(headers, header::RANGE) {
        Some(range) if method == Method::GET && range_applies(headers, facts) => {
            match ranges::parse_range_header(range, facts.size) {
                ParsedRanges::Whole => PreconditionOutcome::Whole,
                ParsedRanges::Ranges(ranges) => PreconditionOutcome::Ranges(ranges),
                ParsedRanges::NotSatisfiable => PreconditionOutcome::RangeNotSatisfiable,
            }
        }
        _ => PreconditionOutcome::Whole,
    }
}

/// True if `If-Range` allows the range: it has the strong tag, or the exact date, of this representation.
pub(super) fn range_applies(headers: &HeaderMap, facts: &RepresentationInfo<'_>) -> bool {
    match header_text(headers, header::IF_RANGE) {
        None => true,
        Some(tag) if tag.starts_with('"') || tag.starts_with("W/") => {
            tag != "*" && caching::list_contains_tag(tag, facts.etag, false)
        }
        Some(other) => parse_http_date(Some(other)) == Some(last_modified(facts)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::micros;

    const THEN: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
    const BEFORE: &str = "Tue, 14 Nov 2023 22:13:19 GMT";

    fn decided(headers: &[(&str, &str)]) -> PreconditionOutcome {
        let facts = RepresentationInfo { etag: "abc", last_modified: micros(1_700_000_000_123_456), size: 100 };
        let pairs = headers
            .iter()
            .map(|(name, value)| (header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap()));
        evaluate_preconditions(&Method::GET, &pairs.collect(), &facts)
    }

    #[test]
    fn the_table() {
        let half = PreconditionOutcome::Ranges(std::iter::once(0..50).collect());
        let range = ("range", "bytes=0-49");
        let table: Vec<(Vec<(&str, &str)>, PreconditionOutcome)> = vec![
            (vec![], PreconditionOutcome::Whole),
            (vec![("if-match", "\"abc\"")], PreconditionOutcome::Whole),
            (vec![("if-match", "\"x\", \"abc\"")], PreconditionOutcome::Whole),
            (vec![("if-match", "*")], PreconditionOutcome::Whole),
            (vec![("if-match", "\"x\"")], PreconditionOutcome::PreconditionFailed),
            (vec![("if-match", "W/\"abc\"")], PreconditionOutcome::PreconditionFailed),
            (vec![("if-unmodified-since", THEN)], PreconditionOutcome::Whole),
            (vec![("if-unmodified-since", BEFORE)], PreconditionOutcome::PreconditionFailed),
            (vec![("if-match", "\"abc\""), ("if-unmodified-since", BEFORE)], PreconditionOutcome::Whole),
            (vec![("if-none-match", "\"abc\"")], PreconditionOutcome::NotModified),
            (vec![("if-none-match", "W/\"abc\"")], PreconditionOutcome::NotModified),
            (vec![("if-none-match", "*")], PreconditionOutcome::NotModified),
            (vec![("if-none-match", "\"x\"")], PreconditionOutcome::Whole),
            (vec![("if-modified-since", THEN)], PreconditionOutcome::NotModified),
            (vec![("if-modified-since", BEFORE)], PreconditionOutcome::Whole),
            (vec![("if-modified-since", "nonsense")], PreconditionOutcome::Whole),
            (vec![("if-none-match", "\"x\""), ("if-modified-since", THEN)], PreconditionOutcome::Whole),
            (vec![("if-match", "\"x\""), ("if-none-match", "\"abc\"")], PreconditionOutcome::PreconditionFailed),
            (vec![range], half.clone()),
            (vec![range, ("if-range", "\"abc\"")], half.clone()),
            (vec![range, ("if-range", "\"x\"")], PreconditionOutcome::Whole),
            (vec![range, ("if-range", "W/\"abc\"")], PreconditionOutcome::Whole),
            (vec![range, ("if-range", THEN)], half.clone()),
            (vec![range, ("if-range", BEFORE)], PreconditionOutcome::Whole),
            (vec![range, ("if-none-match", "\"abc\"")], PreconditionOutcome::NotModified),
            (vec![("range", "bytes=200-")], PreconditionOutcome::RangeNotSatisfiable),
            (vec![("range", "bytes=200-"), ("if-range", "\"x\"")], PreconditionOutcome::Whole),
            (vec![("range", "lines=1-2")], PreconditionOutcome::Whole),
        ];
        for (headers, expected) in table {
            assert_eq!(decided(&headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn head_has_no_ranges() {
        let facts = RepresentationInfo { etag: "abc", last_modified: micros(0), size: 100 };
        let headers = [(header::RANGE, "bytes=0-1".parse().unwrap())].into_iter().collect();
        assert_eq!(evaluate_preconditions(&Method::HEAD, &headers, &facts), PreconditionOutcome::Whole);
    }
}
