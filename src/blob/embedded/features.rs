//! What S3 can do and this store cannot, refused by the header that asks for it: silence would be a lie, above all
//! about encryption and locks.

use http::HeaderMap;

use super::error::{Error, Result};

/// Header prefixes that ask for something that is not there.
const MISSING: [(&str, &str); 6] = [
    ("x-amz-server-side-encryption", "server-side encryption"),
    ("x-amz-copy-source-server-side-encryption", "server-side encryption"),
    ("x-amz-object-lock-", "object lock"),
    ("x-amz-website-redirect-location", "website redirects"),
    ("x-amz-grant-", "access control lists"),
    ("x-amz-write-offset-bytes", "appending"),
];

/// Refuses a request that asks for what is not there.
pub(super) fn check(headers: &HeaderMap) -> Result<()> {
    for name in headers.keys() {
        if let Some((_, feature)) = MISSING.iter().find(|(prefix, _)| name.as_str().starts_with(prefix)) {
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
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(name), value.parse().unwrap())])
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
