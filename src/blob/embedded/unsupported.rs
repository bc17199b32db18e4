//! S3 features that this store lacks: requests for them are refused by header. To ignore them would mislead clients,
//! above all about encryption and object locks.

use http::request::Parts;
use http::{HeaderMap, Method};

use super::error::{Error, Result};

/// Prefixes of headers that request an unsupported feature, and the feature.
const UNSUPPORTED_HEADER_PREFIXES: [(&str, &str); 6] = [
    ("x-amz-server-side-encryption", "server-side encryption"),
    ("x-amz-copy-source-server-side-encryption", "server-side encryption"),
    ("x-amz-object-lock-", "object lock"),
    ("x-amz-website-redirect-location", "website redirects"),
    ("x-amz-grant-", "access control lists"),
    ("x-amz-write-offset-bytes", "appending"),
];

/// Refuses a request for an unsupported feature.
pub(super) fn check(headers: &HeaderMap) -> Result<()> {
    for name in headers.keys() {
        if let Some((_, feature)) =
            UNSUPPORTED_HEADER_PREFIXES.iter().find(|(prefix, _)| name.as_str().starts_with(prefix))
        {
            return Err(Error::NotImplemented(feature));
        }
    }
    let is = |name, allowed: &[&str]| {
        headers.get(name).is_none_or(|value| value.to_str().is_ok_and(|value| allowed.contains(&value)))
    };
    if !is("x-amz-acl", &["private", "bucket-owner-full-control", "bucket-owner-read"]) {
        return Err(Error::NotImplemented("access control lists other than private"));
    }
    if !is("x-amz-storage-class", &["STANDARD"]) {
        return Err(Error::InvalidStorageClass);
    }
    if !is("x-amz-bucket-object-lock-enabled", &["false", "False"]) {
        return Err(Error::NotImplemented("object lock"));
    }
    check_chunks(headers)
}

/// Refuses a body with `content-encoding: aws-chunked` unless the hash header declares its chunk format: otherwise the
/// framing would be stored as part of the object.
fn check_chunks(headers: &HeaderMap) -> Result<()> {
    let text = |name| headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let mut codings = text("content-encoding").flat_map(|value| value.split(','));
    let chunked = codings.any(|coding| coding.trim().eq_ignore_ascii_case("aws-chunked"));
    let hash = text("x-amz-content-sha256").next().unwrap_or("UNSIGNED-PAYLOAD");
    // If the hash covers the body as sent, there is nothing to decode, and nothing can be confused.
    if chunked && hash == "UNSIGNED-PAYLOAD" {
        return Err(Error::InvalidRequest(
            "content-encoding aws-chunked needs x-amz-content-sha256 with a value that begins with STREAMING-; send the body \
             as it is, or leave the encoding out",
        ));
    }
    Ok(())
}

/// HTTP conditions that S3 does not define for DELETE: to ignore them would delete what they protect.
const DELETE_CONDITIONS: [&str; 3] = ["if-none-match", "if-modified-since", "if-unmodified-since"];

/// Refuses headers that the method does not support.
pub(super) fn check_method(request: &Parts) -> Result<()> {
    let unknown = request.method == Method::DELETE
        && DELETE_CONDITIONS.iter().any(|condition| request.headers.contains_key(*condition));
    if unknown { Err(Error::NotImplemented("conditions of DELETE other than If-Match")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(name), value.parse().unwrap())])
    }

    #[test]
    fn chunks_are_announced_twice_or_not_at_all() {
        let with = |encoding: &'static str, hash: &'static str| {
            let mut headers = headers("content-encoding", encoding);
            headers.insert("x-amz-content-sha256", hash.parse().unwrap());
            check(&headers)
        };
        for encoding in ["aws-chunked", "gzip, AWS-Chunked"] {
            assert!(with(encoding, "UNSIGNED-PAYLOAD").is_err(), "{encoding}");
            assert!(check(&headers("content-encoding", encoding)).is_err(), "{encoding}");
            for hash in ["STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "e3b0c442"] {
                assert!(with(encoding, hash).is_ok(), "{encoding} {hash}");
            }
        }
        assert!(with("gzip", "UNSIGNED-PAYLOAD").is_ok());
    }

    #[test]
    fn what_is_not_there_is_said() {
        for (name, value) in [
            ("x-amz-server-side-encryption", "AES256"),
            ("x-amz-server-side-encryption-customer-key", "k"),
            ("x-amz-object-lock-mode", "GOVERNANCE"),
            ("x-amz-acl", "public-read"),
            ("x-amz-storage-class", "GLACIER"),
            ("x-amz-bucket-object-lock-enabled", "true"),
        ] {
            assert!(check(&headers(name, value)).is_err(), "{name}");
        }
        for (name, value) in [("x-amz-acl", "private"), ("x-amz-storage-class", "STANDARD"), ("x-amz-meta-a", "b")] {
            assert!(check(&headers(name, value)).is_ok(), "{name}");
        }
    }
}
