//! Digests of RFC 9530: `Content-Digest` covers the content of one request, `Repr-Digest` the whole file. Pure.
//!
//! SHA-256 and SHA-512 of content, SHA-256 of files; other algorithms are passed over, as the RFC has it (§2). A value that
//! is no such digest is refused.

use http::{HeaderMap, HeaderName, header};
use sfv::{BareItem, ListEntry};

use super::error::Refusal;
use super::fields;
use crate::domain::checksum::Sha256Digest;
use crate::engine::{AppendDigest, Checksum, Error, Expected};

const CONTENT: HeaderName = HeaderName::from_static("content-digest");
pub(super) const REPRESENTATION: HeaderName = HeaderName::from_static("repr-digest");
const WANTED: HeaderName = HeaderName::from_static("want-repr-digest");
/// By the names of the RFC's registry, the best first.
const ALGORITHMS: [(&str, AppendDigest); 2] = [("sha-512", AppendDigest::Sha512), ("sha-256", AppendDigest::Sha256)];

/// The best digest of a header.
fn best(headers: &HeaderMap, name: &HeaderName, field: &'static str) -> Result<Vec<Expected>, Refusal> {
    let digests = fields::dictionary(headers, name, field).map_err(Refusal::digest)?;
    let mut known = Vec::new();
    for (name, algorithm) in ALGORITHMS {
        let Some(entry) = digests.as_ref().and_then(|digests| digests.get(name)) else { continue };
        let value = match entry {
            ListEntry::Item(item) => match &item.bare_item {
                BareItem::ByteSequence(value) if value.len() == algorithm.size() => value.clone(),
                _ => return Err(Refusal::digest(Error::invalid(field, format!("no value of {name}")))),
            },
            ListEntry::InnerList(_) => {
                return Err(Refusal::digest(Error::invalid(field, format!("no value of {name}"))));
            }
        };
        known.push(Expected { algorithm, value });
    }
    Ok(known)
}

/// `Content-Digest` in headers or trailers.
pub(super) fn of_content(headers: &HeaderMap) -> Result<Option<Expected>, Refusal> {
    Ok(best(headers, &CONTENT, "Content-Digest")?.into_iter().next())
}

/// What a request says of its content's digest: it is here, or it will come behind the content.
pub(super) fn announced(headers: &HeaderMap) -> Result<Checksum, Refusal> {
    if let Some(expected) = of_content(headers)? {
        return Ok(Checksum::Given(expected));
    }
    let trailers = headers.get_all(header::TRAILER).iter().filter_map(|value| value.to_str().ok());
    let mut names = trailers.flat_map(|list| list.split(','));
    let comes = names.any(|name| name.trim().eq_ignore_ascii_case(CONTENT.as_str()));
    Ok(if comes { Checksum::Trailing } else { Checksum::None })
}

/// `Repr-Digest`: what the whole file has to hash to.
pub(super) fn of_file(headers: &HeaderMap) -> Result<Option<Sha256Digest>, Refusal> {
    let known = best(headers, &REPRESENTATION, "Repr-Digest")?;
    let sha256 = known.into_iter().find(|expected| expected.algorithm == AppendDigest::Sha256);
    Ok(sha256.and_then(|expected| expected.value.try_into().ok()).map(Sha256Digest))
}

/// `Want-Repr-Digest`: whether the client asks for the whole file's digest and does not rule SHA-256 out with 0, the only
/// algorithm that is established here. What is no such header asks for nothing (RFC 9530 §4).
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let Ok(Some(wishes)) = fields::dictionary(headers, &WANTED, "Want-Repr-Digest") else { return false };
    let refused =
        |entry: &ListEntry| matches!(entry, ListEntry::Item(item) if item.bare_item == BareItem::Integer(0.into()));
    !wishes.is_empty() && !wishes.get("sha-256").is_some_and(refused)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const HELLO: &str = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";

    fn one(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn content() {
        let found = of_content(&one(CONTENT, HELLO)).unwrap().unwrap();
        assert_eq!((found.algorithm, found.value.len()), (AppendDigest::Sha256, 32));
        let sha512 = format!("{HELLO}, sha-512=:{}:", format_args!("{}==", "A".repeat(86)));
        assert_eq!(of_content(&one(CONTENT, &sha512)).unwrap().unwrap().algorithm, AppendDigest::Sha512);
        for other in ["md5=:AAAA:", "unixsum=:AA==:", "", "sha=1"] {
            assert!(of_content(&one(CONTENT, other)).unwrap().is_none(), "{other}");
        }
        for bad in ["sha-256=:AAAA:", "sha-256=abc", "sha-256=(1 2)", "sha-256", "sha-256=:LPJ", "!!", "SHA-256=:AA==:"]
        {
            assert!(of_content(&one(CONTENT, bad)).is_err(), "{bad}");
        }
        let later = announced(&one(header::TRAILER, "x, Content-Digest"));
        assert_eq!(later.ok(), Some(Checksum::Trailing));
    }

    #[test]
    fn wishes() {
        for wish in ["sha-256=10", "sha-256=1, sha-512=3", "sha-512=10", "sha-256"] {
            assert!(is_wanted(&one(WANTED, wish)), "{wish}");
        }
        for none in ["", "sha-256=0", "sha-512=10, sha-256=0", "!", "sha-256=("] {
            assert!(!is_wanted(&one(WANTED, none)), "{none}");
        }
        assert!(!is_wanted(&HeaderMap::new()));
    }

    #[test]
    fn files() {
        assert!(of_file(&one(REPRESENTATION, HELLO)).unwrap().is_some());
        assert!(of_file(&one(REPRESENTATION, "sha-512=:AAAA:")).is_err());
        assert!(of_file(&HeaderMap::new()).unwrap().is_none());
    }
}
