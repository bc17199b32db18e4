//! Preconditions in the order of RFC 9110 §13.2.2, and what remains to be sent.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method, header};

use super::super::caching;
use super::ranges::{self, Wanted};
use crate::domain::clock::Timestamp;

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// 200 and everything.
    Whole,
    /// 206 and these bytes.
    Ranges(Vec<Range<u64>>),
    /// 304.
    NotModified,
    /// 412.
    Failed,
    /// 416.
    Unsatisfiable,
}

/// What the conditions are about.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    /// Strong entity tag without quotes.
    pub(super) etag: &'a str,
    pub(super) modified: Timestamp,
    pub(super) size: u64,
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whole seconds, which is all that HTTP dates carry.
fn modified(facts: &Facts<'_>) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(facts.modified.as_second().try_into().unwrap_or(0))
}

fn date(text: Option<&str>) -> Option<SystemTime> {
    httpdate::parse_http_date(text?).ok()
}

/// Decides by the request's conditions and ranges.
pub(super) fn decide(method: &Method, headers: &HeaderMap, facts: &Facts<'_>) -> Verdict {
    let unmodified_since = |since: SystemTime| modified(facts) <= since;
    match text(headers, header::IF_MATCH) {
        Some(list) if !caching::names(list, facts.etag, false) => return Verdict::Failed,
        Some(_) => {}
        None => {
            let since = date(text(headers, header::IF_UNMODIFIED_SINCE));
            if since.is_some_and(|since| !unmodified_since(since)) {
                return Verdict::Failed;
            }
        }
    }
    let known = if headers.contains_key(header::IF_NONE_MATCH) {
        caching::knows(headers, &format!("\"{}\"", facts.etag))
    } else {
        date(text(headers, header::IF_MODIFIED_SINCE)).is_some_and(unmodified_since)
    };
    if known {
        return Verdict::NotModified;
    }
    match text(headers, header::RANGE) {
        Some(range) if method == Method::GET && range_applies(headers, facts) => match ranges::parse(range, facts.size)
        {
            Wanted::Whole => Verdict::Whole,
            Wanted::Ranges(ranges) => Verdict::Ranges(ranges),
            Wanted::Unsatisfiable => Verdict::Unsatisfiable,
        },
        _ => Verdict::Whole,
    }
}

/// Whether `If-Range` lets the range through: the strong tag, or the exact date, of what is here.
pub(super) fn range_applies(headers: &HeaderMap, facts: &Facts<'_>) -> bool {
    match text(headers, header::IF_RANGE) {
        None => true,
        Some(tag) if tag.starts_with('"') || tag.starts_with("W/") => {
            tag != "*" && caching::names(tag, facts.etag, false)
        }
        Some(other) => date(Some(other)) == Some(modified(facts)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::micros;

    const THEN: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
    const BEFORE: &str = "Tue, 14 Nov 2023 22:13:19 GMT";

    fn decided(headers: &[(&str, &str)]) -> Verdict {
        let facts = Facts { etag: "abc", modified: micros(1_700_000_000_123_456), size: 100 };
        let pairs = headers
            .iter()
            .map(|(name, value)| (header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap()));
        decide(&Method::GET, &pairs.collect(), &facts)
    }

    #[test]
    fn the_table() {
        let half = Verdict::Ranges(std::iter::once(0..50).collect());
        let range = ("range", "bytes=0-49");
        let table: Vec<(Vec<(&str, &str)>, Verdict)> = vec![
            (vec![], Verdict::Whole),
            (vec![("if-match", "\"abc\"")], Verdict::Whole),
            (vec![("if-match", "\"x\", \"abc\"")], Verdict::Whole),
            (vec![("if-match", "*")], Verdict::Whole),
            (vec![("if-match", "\"x\"")], Verdict::Failed),
            (vec![("if-match", "W/\"abc\"")], Verdict::Failed),
            (vec![("if-unmodified-since", THEN)], Verdict::Whole),
            (vec![("if-unmodified-since", BEFORE)], Verdict::Failed),
            (vec![("if-match", "\"abc\""), ("if-unmodified-since", BEFORE)], Verdict::Whole),
            (vec![("if-none-match", "\"abc\"")], Verdict::NotModified),
            (vec![("if-none-match", "W/\"abc\"")], Verdict::NotModified),
            (vec![("if-none-match", "*")], Verdict::NotModified),
            (vec![("if-none-match", "\"x\"")], Verdict::Whole),
            (vec![("if-modified-since", THEN)], Verdict::NotModified),
            (vec![("if-modified-since", BEFORE)], Verdict::Whole),
            (vec![("if-modified-since", "nonsense")], Verdict::Whole),
            (vec![("if-none-match", "\"x\""), ("if-modified-since", THEN)], Verdict::Whole),
            (vec![("if-match", "\"x\""), ("if-none-match", "\"abc\"")], Verdict::Failed),
            (vec![range], half.clone()),
            (vec![range, ("if-range", "\"abc\"")], half.clone()),
            (vec![range, ("if-range", "\"x\"")], Verdict::Whole),
            (vec![range, ("if-range", "W/\"abc\"")], Verdict::Whole),
            (vec![range, ("if-range", THEN)], half.clone()),
            (vec![range, ("if-range", BEFORE)], Verdict::Whole),
            (vec![range, ("if-none-match", "\"abc\"")], Verdict::NotModified),
            (vec![("range", "bytes=200-")], Verdict::Unsatisfiable),
            (vec![("range", "bytes=200-"), ("if-range", "\"x\"")], Verdict::Whole),
            (vec![("range", "lines=1-2")], Verdict::Whole),
        ];
        for (headers, expected) in table {
            assert_eq!(decided(&headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn head_has_no_ranges() {
        let facts = Facts { etag: "abc", modified: micros(0), size: 100 };
        let headers = [(header::RANGE, "bytes=0-1".parse().unwrap())].into_iter().collect();
        assert_eq!(decide(&Method::HEAD, &headers, &facts), Verdict::Whole);
    }
}
