//! AWS Signature Version 4 in the query string ("presigning"), byte for byte as `aws-sdk-s3` 1.157 makes it.
//!
//! The URLs of a multipart upload differ only in part number and length: what precedes is hashed once ([`PartUrls`]).
//!
//! Rules of the format: the canonical query is sorted, while the URL keeps the SDK's order, and the session token
//! follows the signature although it is signed; S3 paths are encoded once and never normalised; the payload is
//! `UNSIGNED-PAYLOAD`; a signed header must be sent. A URL never outlives the credentials.

use std::fmt::Write as _;
use std::sync::OnceLock;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::SignedUrl;
use crate::domain::checksum::{ChecksumAlgorithm, PartChecksum};
use crate::domain::clock::{Timestamp, after};
use crate::domain::plan::PartNumber;

type HmacSha256 = Hmac<Sha256>;

/// Longest lifetime of a URL in Signature Version 4: 7 days.
pub const MAX_URL_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// Credentials to sign with. `Debug` never shows the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningCredentials {
    /// Access key id; public.
    pub access_key: String,
    /// Secret access key.
    pub secret_key: String,
    /// Session token of temporary credentials.
    pub session_token: Option<String>,
    /// Expiry of temporary credentials. No URL outlives them.
    pub expires_at: Option<Timestamp>,
}

impl std::fmt::Debug for SigningCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// Address of the bucket, as the SDK's endpoint rules resolve it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketEndpoint {
    /// `https` or `http`.
    pub scheme: String,
    /// The `Host` header, with the port unless it is the scheme's default.
    pub host: String,
    /// Path before the slash of the key: empty, or `/bucket` for path style. Encoded.
    pub base_path: String,
    /// Region to sign for.
    pub region: String,
}

/// Signing key for a day and a region, with the credentials that it was derived from.
#[derive(Clone)]
pub struct DayKey {
    credentials: SigningCredentials,
    region: String,
    day: String,
    /// Day of the key, counted from 1970.
    day_number: i64,
    key: HmacSha256,
}

fn hmac(key: &[u8]) -> HmacSha256 {
    // HMAC accepts keys of any length; the error type comes from the trait, not from SHA-256.
    HmacSha256::new_from_slice(key).unwrap_or_else(|_| HmacSha256::new(&Default::default()))
}

fn mac(key: &[u8], message: &str) -> [u8; 32] {
    hmac(key).chain_update(message.as_bytes()).finalize().into_bytes().into()
}

fn day_number(now: Timestamp) -> i64 {
    now.as_second().div_euclid(24 * 3600)
}

impl DayKey {
    /// Derives the key for the day of `now` in UTC.
    #[must_use]
    pub fn derive(credentials: SigningCredentials, region: &str, now: Timestamp) -> Self {
        let day = now.strftime("%Y%m%d").to_string();
        let secret = format!("AWS4{}", credentials.secret_key);
        let key = mac(&mac(&mac(&mac(secret.as_bytes(), &day), region), "s3"), "aws4_request");
        Self { credentials, region: region.to_owned(), day, day_number: day_number(now), key: hmac(&key) }
    }

    /// True if `now` is on this key's day and the credentials have not expired.
    #[must_use]
    pub fn serves(&self, now: Timestamp) -> bool {
        self.day_number == day_number(now) && self.credentials.expires_at.is_none_or(|end| now < end)
    }

    /// Terms of a signature, without the request: scope, date and validity from `now`.
    fn terms(&self, now: Timestamp, ttl: Duration) -> UrlTerms<'_> {
        let left = self.credentials.expires_at.map(|end| end.duration_since(now));
        let left = left.map_or(MAX_URL_LIFETIME, |left| Duration::try_from(left).unwrap_or_default());
        let seconds = ttl.min(MAX_URL_LIFETIME).min(left).as_secs().max(1);
        let scope = format!("{}/{}/s3/aws4_request", self.day, self.region);
        let date = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let whole_second = Timestamp::from_second(now.as_second()).unwrap_or(now);
        UrlTerms { key: self, scope, date, seconds, expires_at: after(whole_second, Duration::from_secs(seconds)) }
    }
}

struct UrlTerms<'a> {
    key: &'a DayKey,
    scope: String,
    date: String,
    seconds: u64,
    expires_at: Timestamp,
}

impl UrlTerms<'_> {
    /// Query parameters `X-Amz-Algorithm` to `X-Amz-Expires`.
    fn query(&self) -> String {
        let mut credential = String::new();
        encode(&format!("{}/{}", self.key.credentials.access_key, self.scope), &mut credential, false);
        format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={}&X-Amz-Expires={}",
            self.date, self.seconds
        )
    }

    /// `&X-Amz-Security-Token=…`, or an empty text.
    fn token(&self) -> String {
        let mut out = String::new();
        if let Some(token) = &self.key.credentials.session_token {
            out.push_str("&X-Amz-Security-Token=");
            encode(token, &mut out, false);
        }
        out
    }

    /// HMAC of the string to sign up to the hash of the request.
    fn begun(&self) -> HmacSha256 {
        let head = format!("AWS4-HMAC-SHA256\n{}\n{}\n", self.date, self.scope);
        self.key.key.clone().chain_update(head.as_bytes())
    }
}

/// Characters to percent-encode: all but the unreserved ones of RFC 3986.
const RESERVED_CHARACTERS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const RESERVED_IN_PATHS: &AsciiSet = &RESERVED_CHARACTERS.remove(b'/');

fn encode(text: &str, out: &mut String, keep_slash: bool) {
    out.extend(utf8_percent_encode(text, if keep_slash { RESERVED_IN_PATHS } else { RESERVED_CHARACTERS }));
}

fn push_hex(bytes: &[u8; 32], out: &mut String) {
    let mut hex = [0; 64];
    if hex::encode_to_slice(bytes, &mut hex).is_ok() {
        out.push_str(std::str::from_utf8(&hex).unwrap_or_default());
    }
}

fn finish(begun: &HmacSha256, request_hash: &[u8; 32]) -> [u8; 32] {
    crate::metrics::blobs().record_presigned();
    let mut hex = [0; 64];
    let _ = hex::encode_to_slice(request_hash, &mut hex);
    begun.clone().chain_update(hex).finalize().into_bytes().into()
}

/// Request that a URL allows.
#[derive(Clone, Debug)]
pub struct PresignRequest<'a> {
    /// `GET` or `PUT`.
    pub method: &'static str,
    /// Object key.
    pub key: &'a str,
    /// Query parameters of the operation in the SDK's order, `x-id` first, not encoded.
    pub query: Vec<(&'static str, &'a str)>,
    /// Headers that the client must send unchanged: names in lower case, ascending, without `host`.
    pub headers: Vec<(&'static str, String)>,
}

/// Signs a request.
#[must_use]
pub fn presign(
    bucket: &BucketEndpoint,
    key: &DayKey,
    request: PresignRequest<'_>,
    now: Timestamp,
    ttl: Duration,
) -> SignedUrl {
    let terms = key.terms(now, ttl);
    let (amz, token) = (terms.query(), terms.token());
    let (names, lines) = signed_headers(bucket, &request.headers);
    let mut path = bucket.base_path.clone();
    path.push('/');
    encode(request.key, &mut path, true);

    let mut pairs: Vec<String> = request.query.iter().map(|(name, value)| pair(name, value)).collect();
    let operation = pairs.join("&");
    pairs.sort_unstable();
    let canonical = format!(
        "{}\n{path}\n{amz}{token}&X-Amz-SignedHeaders={}&{}\n{lines}\n{names}\nUNSIGNED-PAYLOAD",
        request.method,
        names.replace(';', "%3B"),
        pairs.join("&"),
    );
    let signature = finish(&terms.begun(), &Sha256::digest(canonical.as_bytes()).into());
    let mut url = format!(
        "{}://{}{path}?{operation}&{amz}&X-Amz-SignedHeaders={}&X-Amz-Signature=",
        bucket.scheme,
        bucket.host,
        names.replace(';', "%3B"),
    );
    push_hex(&signature, &mut url);
    url.push_str(&token);
    SignedUrl { url, headers: request.headers, expires_at: terms.expires_at }
}

fn pair(name: &str, value: &str) -> String {
    let mut out = format!("{name}=");
    encode(value, &mut out, false);
    out
}

/// Names of the signed headers, and their canonical lines.
fn signed_headers(bucket: &BucketEndpoint, headers: &[(&'static str, String)]) -> (String, String) {
    let mut all: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    all.push(("host", &bucket.host));
    all.sort_unstable_by_key(|(name, _)| *name);
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let lines = all.iter().fold(String::new(), |mut lines, (name, value)| {
        let _ = writeln!(lines, "{name}:{}", value.trim());
        lines
    });
    (names.join(";"), lines)
}

/// URLs of the parts of a multipart upload, each bound to part number, exact length and, if given, checksum.
pub struct PartUrls {
    shared: PartUrlBase,
    plain: PartUrlForm,
    /// Forms with a SHA-256, CRC-32C or CRC-64/NVME checksum, made on first use.
    checked: [OnceLock<PartUrlForm>; 3],
    begun: HmacSha256,
    /// URL up to the part number.
    url_head: String,
    expires_at: Timestamp,
}

/// Pieces that all URLs of a multipart upload share.
struct PartUrlBase {
    host: String,
    path: String,
    /// Upload id of the store, encoded.
    id: String,
    /// Query parameters `X-Amz-Algorithm` to `X-Amz-Expires`.
    amz: String,
    /// Session token, which follows the signature.
    token: String,
}

/// Constant texts for a set of signed headers.
struct PartUrlForm {
    /// Hash state of the canonical request up to the part number.
    hashed: Sha256,
    /// Canonical request from the part number to the length.
    middle: String,
    /// Canonical request from the length to the checksum, or to the end.
    tail: String,
    /// Canonical request from the checksum to the end.
    end: String,
    /// URL from the part number to the signature.
    url_tail: String,
}

impl PartUrls {
    /// Prepares the URLs of a multipart upload.
    #[must_use]
    pub fn new(
        bucket: &BucketEndpoint,
        key: &DayKey,
        object: &str,
        store_id: &str,
        now: Timestamp,
        ttl: Duration,
    ) -> Self {
        let terms = key.terms(now, ttl);
        let mut path = bucket.base_path.clone();
        path.push('/');
        encode(object, &mut path, true);
        let mut id = String::new();
        encode(store_id, &mut id, false);
        let url_head = format!("{}://{}{path}?x-id=UploadPart&partNumber=", bucket.scheme, bucket.host);
        let shared = PartUrlBase { host: bucket.host.clone(), path, id, amz: terms.query(), token: terms.token() };
        Self {
            plain: PartUrlForm::new(&shared, None),
            checked: Default::default(),
            begun: terms.begun(),
            url_head,
            expires_at: terms.expires_at,
            shared,
        }
    }

    fn form(&self, checksum: Option<&PartChecksum>) -> &PartUrlForm {
        let Some(PartChecksum { algorithm, .. }) = checksum else { return &self.plain };
        let [sha256, crc32c, crc64nvme] = &self.checked;
        let form = match algorithm {
            ChecksumAlgorithm::Sha256 => sha256,
            ChecksumAlgorithm::Crc32c => crc32c,
            ChecksumAlgorithm::Crc64Nvme => crc64nvme,
        };
        form.get_or_init(|| PartUrlForm::new(&self.shared, Some(*algorithm)))
    }

    /// Signature for a part, as it appears in the URL.
    fn signature(&self, form: &PartUrlForm, number: &str, len: u64, checksum: Option<&PartChecksum>) -> [u8; 32] {
        let mut digits = DecimalDigits::default();
        let mut hash = form.hashed.clone();
        hash.update(number);
        hash.update(&form.middle);
        hash.update(digits.of(len));
        hash.update(&form.tail);
        if let Some(checksum) = checksum {
            hash.update(&checksum.base64);
            hash.update(&form.end);
        }
        finish(&self.begun, &hash.finalize().into())
    }

    /// Appends the URL for a part of exactly `len` bytes. The client must send `content-length` and the checksum's
    /// header with the values given here.
    pub fn write(&self, part: PartNumber, len: u64, checksum: Option<&PartChecksum>, out: &mut String) {
        let (form, mut digits) = (self.form(checksum), DecimalDigits::default());
        let number = digits.of(u64::from(part.get()));
        out.push_str(&self.url_head);
        out.push_str(number);
        out.push_str(&form.url_tail);
        push_hex(&self.signature(form, number, len, checksum), out);
        out.push_str(&self.shared.token);
    }

    /// Appends the signature alone, to be inserted into [`Self::template`].
    pub fn write_signature(&self, part: PartNumber, len: u64, out: &mut String) {
        let mut digits = DecimalDigits::default();
        push_hex(&self.signature(&self.plain, digits.of(u64::from(part.get())), len, None), out);
    }

    /// URL of every part without a checksum, with the placeholders `{part}` and `{signature}`.
    #[must_use]
    pub fn template(&self) -> String {
        format!("{}{{part}}{}{{signature}}{}", self.url_head, self.plain.url_tail, self.shared.token)
    }

    /// Time at which the URLs expire.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

impl PartUrlForm {
    fn new(shared: &PartUrlBase, checksum: Option<ChecksumAlgorithm>) -> Self {
        let PartUrlBase { host, path, id, amz, token } = shared;
        let header = checksum.map(ChecksumAlgorithm::header);
        let names = header.map_or("content-length;host".to_owned(), |name| format!("content-length;host;{name}"));
        let signed = names.replace(';', "%3B");
        let head = format!("PUT\n{path}\n{amz}{token}&X-Amz-SignedHeaders={signed}&partNumber=");
        let last = format!("\n\n{names}\nUNSIGNED-PAYLOAD");
        let (tail, end) = match header {
            None => (format!("\nhost:{host}{last}"), String::new()),
            Some(name) => (format!("\nhost:{host}\n{name}:"), last),
        };
        Self {
            hashed: Sha256::new_with_prefix(head),
            middle: format!("&uploadId={id}&x-id=UploadPart\ncontent-length:"),
            tail,
            end,
            url_tail: format!("&uploadId={id}&{amz}&X-Amz-SignedHeaders={signed}&X-Amz-Signature="),
        }
    }
}

/// Buffer for decimal digits, without an allocation.
#[derive(Default)]
struct DecimalDigits([u8; 20]);

impl DecimalDigits {
    fn of(&mut self, mut number: u64) -> &str {
        let mut at = self.0.len();
        loop {
            at -= 1;
            self.0[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return std::str::from_utf8(&self.0[at..]).unwrap_or_default();
            }
        }
    }
}
