//! Digests of RFC 9530: `Content-Digest` covers the content of a request, `Repr-Digest` the whole file. Pure.
//!
//! SHA-256 and SHA-512 of content, SHA-256 of files; other algorithms are ignored, as the RFC requires (§2). A
//! malformed digest is refused.

use http::{HeaderMap, HeaderName, header};
use sfv::{BareItem, ListEntry};

use super::error::IetfError;
use super::structured_fields;
use crate::domain::checksum::Sha256Digest;
use crate::engine::{AppendChecksum, AppendDigestAlgorithm, Error, ExpectedDigest};

const CONTENT_DIGEST_HEADER: HeaderName = HeaderName::from_static("content-digest");
pub(super) const REPR_DIGEST_HEADER: HeaderName = HeaderName::from_static("repr-digest");
const WANT_REPR_DIGEST_HEADER: HeaderName = HeaderName::from_static("want-repr-digest");
/// Algorithms by their names in the RFC's registry, the strongest first.
const DIGEST_ALGORITHMS: [(&str, AppendDigestAlgorithm); 2] =
    [("sha-512", AppendDigestAlgorithm::Sha512), ("sha-256", AppendDigestAlgorithm::Sha256)];

/// The strongest digest in a header.
fn parse_digests(
    headers: &HeaderMap,
    name: &HeaderName,
    field: &'static str,
) -> Result<Vec<ExpectedDigest>, IetfError> {
    let digests = structured_fields::parse_dictionary(headers, name, field).map_err(IetfError::invalid_digest)?;
    let mut known = Vec::new();
    for (name, algorithm) in DIGEST_ALGORITHMS {
        let Some(entry) = digests.as_ref().and_then(|digests| digests.get(name)) else { continue };
        let value = match entry {
            ListEntry::Item(item) => match &item.bare_item {
                BareItem::ByteSequence(value) if value.len() == algorithm.size() => value.clone(),
                _ => {
                    return Err(IetfError::invalid_digest(Error::invalid(
                        field,
                        format!("the value of {name} is not a digest"),
                    )));
                }
            },
            ListEntry::InnerList(_) => {
                return Err(IetfError::invalid_digest(Error::invalid(
                    field,
                    format!("the value of {name} is not a digest"),
                )));
            }
        };
        known.push(ExpectedDigest { algorithm, value });
    }
    Ok(known)
}

/// `Content-Digest` in headers or trailers.
pub(super) fn content_digest(headers: &HeaderMap) -> Result<Option<ExpectedDigest>, IetfError> {
    Ok(parse_digests(headers, &CONTENT_DIGEST_HEADER, "Content-Digest")?.into_iter().next())
}

/// The digest of a request's content: in a header, or announced as a trailer.
pub(super) fn announced_content_digest(headers: &HeaderMap) -> Result<AppendChecksum, IetfError> {
    if let Some(expected) = content_digest(headers)? {
        return Ok(AppendChecksum::Given(expected));
    }
    let trailers = headers.get_all(header::TRAILER).iter().filter_map(|value| value.to_str().ok());
    let mut names = trailers.flat_map(|list| list.split(','));
    let comes = names.any(|name| name.trim().eq_ignore_ascii_case(CONTENT_DIGEST_HEADER.as_str()));
    Ok(if comes { AppendChecksum::Trailing } else { AppendChecksum::None })
}

/// `Repr-Digest`: the expected digest of the whole file.
pub(super) fn repr_digest(headers: &HeaderMap) -> Result<Option<Sha256Digest>, IetfError> {
    let known = parse_digests(headers, &REPR_DIGEST_HEADER, "Repr-Digest")?;
    let sha256 = known.into_iter().find(|expected| expected.algorithm == AppendDigestAlgorithm::Sha256);
    Ok(sha256.and_then(|expected| expected.value.try_into().ok()).map(Sha256Digest))
}

/// True if `Want-Repr-Digest` asks for the whole file's digest and does not exclude SHA-256, the only algorithm that is
/// computed here, by the weight 0. A malformed header asks for nothing (RFC 9530 §4).
pub(super) fn wants_repr_digest(headers: &HeaderMap) -> bool {
    let Ok(Some(wishes)) = structured_fields::parse_dictionary(headers, &WANT_REPR_DIGEST_HEADER, "Want-Repr-Digest")
    else {
        return false;
    };
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
        let found = content_digest(&one(CONTENT_DIGEST_HEADER, HELLO)).unwrap().unwrap();
        assert_eq!((found.algorithm, found.value.len()), (AppendDigestAlgorithm::Sha256, 32));
        let sha512 = format!("{HELLO}, sha-512=:{}:", format_args!("{}==", "A".repeat(86)));
        assert_eq!(
            content_digest(&one(CONTENT_DIGEST_HEADER, &sha512)).unwrap().unwrap().algorithm,
            AppendDigestAlgorithm::Sha512
        );
        for other in ["md5=:AAAA:", "unixsum=:AA==:", "", "sha=1"] {
            assert!(content_digest(&one(CONTENT_DIGEST_HEADER, other)).unwrap().is_none(), "{other}");
        }
        for bad in ["sha-256=:AAAA:", "sha-256=abc", "sha-256=(1 2)", "sha-256", "sha-256=:LPJ", "!!", "SHA-256=:AA==:"]
        {
            assert!(content_digest(&one(CONTENT_DIGEST_HEADER, bad)).is_err(), "{bad}");
        }
        let later = announced_content_digest(&one(header::TRAILER, "x, Content-Digest"));
        assert_eq!(later.ok(), Some(AppendChecksum::Trailing));
    }

    #[test]
    fn wishes() {
        for wish in ["sha-256=10", "sha-256=1, sha-512=3", "sha-512=10", "sha-256"] {
            assert!(wants_repr_digest(&one(WANT_REPR_DIGEST_HEADER, wish)), "{wish}");
        }
        for none in ["", "sha-256=0", "sha-512=10, sha-256=0", "!", "sha-256=("] {
            assert!(!wants_repr_digest(&one(WANT_REPR_DIGEST_HEADER, none)), "{none}");
        }
        assert!(!wants_repr_digest(&HeaderMap::new()));
    }

    #[test]
    fn files() {
        assert!(repr_digest(&one(REPR_DIGEST_HEADER, HELLO)).unwrap().is_some());
        assert!(repr_digest(&one(REPR_DIGEST_HEADER, "sha-512=:AAAA:")).is_err());
        assert!(repr_digest(&HeaderMap::new()).unwrap().is_none());
    }
}
