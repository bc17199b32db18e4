//! Structured fields (RFC 9651) as these headers use them. Pure.
//!
//! The drafts recommend that a server ignore an ill-typed field; a mistake would then lead to an upload of the wrong
//! bytes. Ill-typed fields are refused here, which the drafts allow.

use http::{HeaderMap, HeaderName};
use sfv::{BareItem, Dictionary, Item, Parser};

use crate::engine::Error;

/// All lines of a header, joined to a single value.
fn join_header_lines(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
    (!lines.is_empty()).then(|| lines.join(&b", "[..]))
}

fn parse_item(headers: &HeaderMap, name: &HeaderName) -> Option<Option<BareItem>> {
    let value = join_header_lines(headers, name)?;
    Some(Parser::new(&value).parse::<Item>().ok().map(|item| item.bare_item))
}

/// A non-negative integer: at most 15 digits.
pub(super) fn parse_integer(headers: &HeaderMap, name: &HeaderName, field: &'static str) -> Result<Option<u64>, Error> {
    match parse_item(headers, name) {
        None => Ok(None),
        Some(Some(BareItem::Integer(number))) => {
            let number = u64::try_from(number).map(Some);
            number.map_err(|_| Error::invalid(field, "must be a non-negative integer"))
        }
        Some(_) => Err(Error::invalid(field, "must be a non-negative integer")),
    }
}

/// `?1` or `?0`.
pub(super) fn parse_boolean(
    headers: &HeaderMap,
    name: &HeaderName,
    field: &'static str,
) -> Result<Option<bool>, Error> {
    match parse_item(headers, name) {
        None => Ok(None),
        Some(Some(BareItem::Boolean(value))) => Ok(Some(value)),
        Some(_) => Err(Error::invalid(field, "?1 or ?0")),
    }
}

/// A dictionary.
pub(super) fn parse_dictionary(
    headers: &HeaderMap,
    name: &HeaderName,
    field: &'static str,
) -> Result<Option<Dictionary>, Error> {
    let Some(value) = join_header_lines(headers, name) else { return Ok(None) };
    let parsed = Parser::new(&value).parse::<Dictionary>();
    parsed.map(Some).map_err(|_| Error::invalid(field, "must be a dictionary of structured fields"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const NAME: HeaderName = HeaderName::from_static("x");

    fn one(value: &[u8]) -> HeaderMap {
        HeaderMap::from_iter([(NAME, HeaderValue::from_bytes(value).unwrap())])
    }

    #[test]
    fn integers() {
        for (text, number) in [("0", 0), ("5;why=1", 5), (" 7 ", 7), ("999999999999999", 999_999_999_999_999)] {
            assert_eq!(parse_integer(&one(text.as_bytes()), &NAME, "x").unwrap(), Some(number), "{text}");
        }
        for bad in ["", "-1", "1.0", "x", "1, 1", "?1", "1000000000000000", "+1", "1e3", "\"1\""] {
            assert!(parse_integer(&one(bad.as_bytes()), &NAME, "x").is_err(), "{bad}");
        }
        let mut twice = one(b"1");
        twice.append(NAME, HeaderValue::from_static("1"));
        assert!(parse_integer(&twice, &NAME, "x").is_err());
        assert_eq!(parse_integer(&HeaderMap::new(), &NAME, "x").unwrap(), None);
    }

    #[test]
    fn booleans() {
        assert_eq!(parse_boolean(&one(b"?1"), &NAME, "x").unwrap(), Some(true));
        assert_eq!(parse_boolean(&one(b"?0;a=b"), &NAME, "x").unwrap(), Some(false));
        for bad in ["true", "1", "?2", "?", "?1, ?1", ""] {
            assert!(parse_boolean(&one(bad.as_bytes()), &NAME, "x").is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_header_is_a_panic(bytes in prop::collection::vec(32u8..=255, 0..80)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let headers = HeaderMap::from_iter([(NAME, value)]);
                let _ = (parse_integer(&headers, &NAME, "x"), parse_boolean(&headers, &NAME, "x"), parse_dictionary(&headers, &NAME, "x"));
            }
        }
    }
}
