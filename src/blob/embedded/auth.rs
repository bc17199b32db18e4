//! Authentication: the access key, and the checks before `s3s` sees a request.
//!
//! `s3s` verifies SigV4 itself. It also accepts what AWS refuses or the store must not accept: unsigned `x-amz-*`
//! headers, which would let the holder of a presigned PUT add `x-amz-copy-source` and read any object; Signature V2;
//! URLs that live longer than seven days; and form uploads, which it buffers in memory.
//!
//! The age of a signature is checked here for requests that are signed in their headers. A presigned URL that was
//! signed in the future is accepted: only the holder of the key can make it, and such URLs exist after the wall clock
//! was set back.

use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Result, s3_error};
use subtle::ConstantTimeEq as _;

use super::error::{Error, Result};
use crate::domain::clock::Timestamp;

/// Longest lifetime of a presigned URL in seconds: seven days, as in S3.
const MAX_EXPIRES_SECONDS: u64 = 7 * 24 * 3600;

/// Largest difference between the time of a signed request and the server's in seconds: 15 minutes, as in S3. Protects
/// against replays.
const MAX_SKEW_SECONDS: i64 = 15 * 60;

/// Prefixes of headers that proxies and networks add in transit and that mean nothing to S3: these need no signature.
const PROXY_HEADER_PREFIXES: [&str; 4] = ["x-amz-cf-", "x-amz-apigw-", "x-amz-request-id", "x-amz-id-"];

/// Parameters of a presigned query that are not headers of the operation: those of the signature itself, and the
/// checksum of a body that the signer does not have.
const NON_HEADER_PARAMETERS: [&str; 9] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-signedheaders",
    "x-amz-signature",
    "x-amz-security-token",
    "x-amz-content-sha256",
    "x-amz-user-agent",
];

/// Access key and secret key of the store.
pub(super) struct AccessKeyPair {
    access_key: String,
    secret_key: SecretKey,
}

impl AccessKeyPair {
    /// A key pair.
    pub(super) fn new(access_key: String, secret_key: String) -> Self {
        Self { access_key, secret_key: SecretKey::from(secret_key) }
    }
}

#[async_trait::async_trait]
impl S3Auth for AccessKeyPair {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if bool::from(self.access_key.as_bytes().ct_eq(access_key.as_bytes())) {
            Ok(self.secret_key.clone())
        } else {
            Err(s3_error!(InvalidAccessKeyId, "the access key id you provided does not exist in our records"))
        }
    }
}

/// Fields of a signature that are needed before it is verified.
struct RequestSignature {
    signed_headers: Vec<String>,
}

/// Refuses requests that must not reach `s3s`.
pub(super) fn check(request: &Parts, now: Timestamp) -> Result<()> {
    // The signature covers the first Host header, and a proxy may have routed by the second (RFC 9112 §3.2).
    if request.headers.get_all(header::HOST).iter().nth(1).is_some() {
        return Err(Error::InvalidRequest("there is more than one Host header"));
    }
    if is_form(&request.headers) && request.method == Method::POST {
        return Err(Error::NotImplemented("POST with a form; use a presigned PUT"));
    }
    let authorization = text(&request.headers, header::AUTHORIZATION.as_str());
    let query = SignedQuery::parse(request.uri.query().unwrap_or_default());
    if query.old || authorization.starts_with("AWS ") {
        return Err(Error::InvalidRequest(
            "the authorization mechanism you have provided is not supported; please use AWS4-HMAC-SHA256",
        ));
    }
    if query.expires.is_some_and(|expires| expires > MAX_EXPIRES_SECONDS) {
        return Err(Error::InvalidRequest("X-Amz-Expires must be at most a week (604800 seconds)"));
    }
    if region(authorization)
        .is_some_and(|region| !region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'))
    {
        return Err(Error::WrongRegion);
    }
    if !authorization.is_empty() && is_skewed(text(&request.headers, "x-amz-date"), now) {
        return Err(Error::TimeTooSkewed);
    }
    match query.signature.or_else(|| from_header(authorization)) {
        Some(signature) => signature.covers(&request.headers),
        // Anonymous request: s3s refuses it once it knows the operation.
        None => Ok(()),
    }
}

/// True if the query has a parameter of this name.
pub(super) fn has_parameter(request: &Parts, name: &str) -> bool {
    url::form_urlencoded::parse(request.uri.query().unwrap_or_default().as_bytes()).any(|(known, _)| known == name)
}

/// True if a request is signed in its query.
pub(super) fn is_presigned(request: &Parts) -> bool {
    SignedQuery::parse(request.uri.query().unwrap_or_default()).signature.is_some()
}

/// The `x-amz-*` query parameters of a presigned request that S3 treats as headers: SDKs move metadata, tags and
/// conditions there. The signature covers them with the query. A parameter that is also present as a header is ignored,
/// because that header is signed itself.
pub(super) fn query_headers(request: &Parts) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !is_presigned(request) {
        return headers;
    }
    for (name, value) in url::form_urlencoded::parse(request.uri.query().unwrap_or_default().as_bytes()) {
        let name = name.to_ascii_lowercase();
        let checksum = name.starts_with("x-amz-checksum-") || name.starts_with("x-amz-sdk-");
        if !name.starts_with("x-amz-") || checksum || NON_HEADER_PARAMETERS.contains(&name.as_str()) {
            continue;
        }
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes()))
            && !request.headers.contains_key(&name)
        {
            headers.insert(name, value);
        }
    }
    headers
}

/// True if a request was signed too long ago or too far in the future. A malformed time is left to `s3s`.
fn is_skewed(signed_at: &str, now: Timestamp) -> bool {
    let signed_at = Timestamp::strptime("%Y%m%dT%H%M%SZ%z", format!("{signed_at}+0000"));
    signed_at.is_ok_and(|at| now.duration_since(at).abs().as_secs() > MAX_SKEW_SECONDS)
}

/// Removes a `Range` header that cannot be honoured, as RFC 9110 §14.2 allows: `s3s` would answer 400 to several
/// ranges. A signed `Range` header stays, because the signature would not match without it.
pub(super) fn forgive_range(request: &mut Parts) {
    let range = text(&request.headers, header::RANGE.as_str());
    if !range.is_empty() && s3s::dto::Range::parse(range).is_err() {
        let authorization = text(&request.headers, header::AUTHORIZATION.as_str());
        let query = SignedQuery::parse(request.uri.query().unwrap_or_default());
        let signature = query.signature.or_else(|| from_header(authorization));
        if signature.is_none_or(|signature| !signature.names("range")) {
            request.headers.remove(header::RANGE);
        }
    }
}

impl RequestSignature {
    fn new(names: &str) -> Self {
        Self { signed_headers: names.split(';').map(str::to_ascii_lowercase).collect() }
    }

    fn names(&self, header: &str) -> bool {
        self.signed_headers.iter().any(|signed| signed == header)
    }

    /// Requires all `x-amz-*` and `x-gantry-*` headers to be signed. `x-amz-content-sha256` may be unsigned: the body
    /// is checked against it in any case.
    fn covers(&self, headers: &HeaderMap) -> Result<()> {
        let ours = |name: &str| name.starts_with("x-amz-") || name.starts_with("x-gantry-");
        let harmless = |name: &str| PROXY_HEADER_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        let loose = |name: &str| ours(name) && !harmless(name) && name != "x-amz-content-sha256" && !self.names(name);
        if !self.names("host") || headers.keys().any(|name| loose(name.as_str())) {
            return Err(Error::AccessDenied("there were headers present in the request which were not signed"));
        }
        Ok(())
    }
}

/// Region in `Credential=key/date/region/s3/aws4_request`. Any region of valid form is accepted. s3cmd's default, `US`,
/// is not valid; s3cmd then tries again with the region in the error response.
fn region(authorization: &str) -> Option<&str> {
    authorization.split_once("Credential=")?.1.split('/').nth(2)
}

/// Signature of an `Authorization` header: `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=a;b, Signature=…`.
fn from_header(authorization: &str) -> Option<RequestSignature> {
    let (_, rest) = authorization.split_once("SignedHeaders=")?;
    Some(RequestSignature::new(rest.split([',', ' ']).next().unwrap_or_default()))
}

#[derive(Default)]
struct SignedQuery {
    /// Present only if `s3s` will verify the query as a presigned request.
    signature: Option<RequestSignature>,
    expires: Option<u64>,
    /// Set for Signature V2.
    old: bool,
}

impl SignedQuery {
    fn parse(query: &str) -> Self {
        let (mut parsed, mut signed, mut presigned) = (Self::default(), None, false);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "X-Amz-SignedHeaders" => signed = Some(RequestSignature::new(&value)),
                "X-Amz-Signature" => presigned = true,
                "X-Amz-Expires" => parsed.expires = Some(value.parse().unwrap_or(u64::MAX)),
                "Signature" | "AWSAccessKeyId" => parsed.old = true,
                _ => {}
            }
        }
        parsed.signature = signed.filter(|_| presigned);
        parsed
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    text(headers, header::CONTENT_TYPE.as_str()).trim_start().to_ascii_lowercase().starts_with("multipart/")
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let request = http::Request::builder().method(method).uri(uri);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    fn check_now(request: &Parts) -> Result<()> {
        check(request, "2026-01-01T00:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_header_signature_has_to_be_new() {
        let header = "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host;x-amz-date, Signature=0";
        let signed = |date| check_now(&request("PUT", "/b/k", &[("authorization", header), ("x-amz-date", date)]));
        for date in ["20260101T001500Z", "20251231T234500Z", "nonsense", ""] {
            assert!(signed(date).is_ok(), "{date}");
        }
        for date in ["20260101T001501Z", "20251231T234459Z", "20250101T000000Z"] {
            assert!(matches!(signed(date), Err(Error::TimeTooSkewed)), "{date}");
        }
        let ahead = format!("{PRESIGNED}&X-Amz-Date=20260101T010000Z");
        assert!(check_now(&request("PUT", &ahead, &[])).is_ok(), "signed before the clock went back");
    }

    const PRESIGNED: &str = "/b/k?X-Amz-SignedHeaders=content-length%3Bhost&X-Amz-Expires=60&X-Amz-Signature=0";

    #[test]
    fn a_presigned_url_cannot_be_widened_by_headers() {
        assert!(check_now(&request("PUT", PRESIGNED, &[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")])).is_ok());
        for name in ["x-amz-copy-source", "x-amz-acl", "x-amz-meta-a", "x-amz-tagging"] {
            assert!(
                matches!(check_now(&request("PUT", PRESIGNED, &[(name, "x")])), Err(Error::AccessDenied(_))),
                "{name}"
            );
        }
        let header = "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host;x-amz-date, Signature=0";
        let signed = [("authorization", header), ("x-amz-date", "20260101T000000Z")];
        assert!(check_now(&request("PUT", "/b/k", &signed)).is_ok());
        let more = [signed[0], signed[1], ("x-amz-copy-source", "/b/other")];
        assert!(check_now(&request("PUT", "/b/k", &more)).is_err());
    }

    #[test]
    fn the_host_must_be_signed_and_a_url_lives_a_week_at_most() {
        assert!(check_now(&request("GET", "/b/k?X-Amz-SignedHeaders=range&X-Amz-Signature=0", &[])).is_err());
        let week = "/b/k?X-Amz-SignedHeaders=host&X-Amz-Expires=604801&X-Amz-Signature=0";
        assert!(check_now(&request("GET", week, &[])).is_err());
    }

    #[test]
    fn old_signatures_and_forms_are_refused() {
        assert!(check_now(&request("GET", "/b/k?AWSAccessKeyId=a&Signature=b&Expires=9", &[])).is_err());
        assert!(check_now(&request("GET", "/b/k", &[("authorization", "AWS a:b")])).is_err());
        let form = [("content-type", "Multipart/Form-Data; boundary=x")];
        assert!(matches!(check_now(&request("POST", "/b", &form)), Err(Error::NotImplemented(_))));
    }

    #[test]
    fn a_request_is_for_one_host() {
        let mut twice = request("GET", "/b/k", &[("host", "a")]);
        assert!(check_now(&twice).is_ok());
        twice.headers.append(header::HOST, "b".parse().unwrap());
        assert!(matches!(check_now(&twice), Err(Error::InvalidRequest(_))));
    }

    #[test]
    fn a_region_that_is_none_is_named_as_the_fault() {
        let header = |region: &str| {
            format!("AWS4-HMAC-SHA256 Credential=a/20260101/{region}/s3/aws4_request, SignedHeaders=host, Signature=0")
        };
        let check = |region| check_now(&request("GET", "/b/k", &[("authorization", &header(region))]));
        assert!(check("us-east-1").is_ok() && check("gantry").is_ok());
        assert!(matches!(check("US"), Err(Error::WrongRegion)));
    }

    #[test]
    fn what_a_presigned_query_says_counts_as_headers() {
        let uri = format!(
            "{PRESIGNED}&x-amz-meta-a=b%20c&x-amz-meta-b=not&X-Amz-Tagging=k%3Dv&x-amz-checksum-crc32=AAAAAA%3D%3D&x-id=PutObject"
        );
        let applied = query_headers(&request("PUT", &uri, &[("x-amz-meta-b", "signed as a header")]));
        let named: Vec<_> = applied.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(named, [("x-amz-meta-a", "b c"), ("x-amz-tagging", "k=v")]);
        let unsigned = request("PUT", "/b/k?x-amz-meta-a=b", &[]);
        assert!(query_headers(&unsigned).is_empty(), "anybody can write a query");
    }

    #[test]
    fn what_proxies_add_needs_no_signature() {
        for name in ["x-amz-cf-id", "x-amz-cf-pop", "x-amzn-trace-id", "x-forwarded-for", "via"] {
            assert!(check_now(&request("PUT", PRESIGNED, &[(name, "x")])).is_ok(), "{name}");
        }
    }

    #[test]
    fn several_ranges_are_none_unless_they_are_signed() {
        let mut loose =
            request("GET", "/b/k?X-Amz-SignedHeaders=host&X-Amz-Signature=0", &[("range", "bytes=0-1,3-4")]);
        forgive_range(&mut loose);
        assert!(loose.headers.is_empty());
        let mut signed =
            request("GET", "/b/k?X-Amz-SignedHeaders=host%3Brange&X-Amz-Signature=0", &[("range", "bytes=0-1,3-4")]);
        forgive_range(&mut signed);
        assert!(!signed.headers.is_empty());
        let mut single = request("GET", "/b/k", &[("range", "bytes=0-1")]);
        forgive_range(&mut single);
        assert!(!single.headers.is_empty());
    }
}
