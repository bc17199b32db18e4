//! AWS Signature Version 4 in the query string ("presigning"), byte for byte as `aws-sdk-s3` 1.157 makes it.
//!
//! One derived key serves a day, a region and an access key. The URLs of one multipart upload differ in the part number
//! and the length only, so everything before them is hashed once ([`PartUrls`]).
//!
//! Facts that had to be met: the canonical query is sorted, the URL keeps the SDK's order, and the session token stands
//! after the signature although it is signed; S3 paths are encoded once and never normalised; the payload is
//! `UNSIGNED-PAYLOAD`; a header that is signed must be sent. Expiry never exceeds that of the credentials.

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

/// Signature Version 4 knows no longer life.
pub const MAX_URL_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// Who signs. `Debug` never shows the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningCredentials {
    /// Access key id; public.
    pub access_key: String,
    /// The secret.
    pub secret_key: String,
    /// Token of temporary credentials.
    pub session_token: Option<String>,
    /// When temporary credentials end. No URL outlives them.
    pub expires_at: Option<Timestamp>,
}

impl std::fmt::Debug for SigningCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// Where the bucket is, as the SDK's endpoint rules have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketEndpoint {
    /// `https` or `http`.
    pub scheme: String,
    /// The `Host` header, with a port that is not the scheme's own.
    pub host: String,
    /// What precedes the key's slash: empty, or `/bucket` for path style. Encoded.
    pub base_path: String,
    /// The region that is signed for.
    pub region: String,
}

/// Credentials with the key derived from them for one day and region.
#[derive(Clone)]
pub struct DayKey {
    credentials: SigningCredentials,
    region: String,
    day: String,
    /// The same day, counted from 1970.
    day_number: i64,
    key: HmacSha256,
}

fn hmac(key: &[u8]) -> HmacSha256 {
    // HMAC takes keys of any length; the error type is the trait's, not SHA-256's.
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

    /// Whether `now` is still this key's day and the credentials behind it have not ended.
    #[must_use]
    pub fn serves(&self, now: Timestamp) -> bool {
        self.day_number == day_number(now) && self.credentials.expires_at.is_none_or(|end| now < end)
    }

    /// Everything about a signature but what is signed: the validity that starts at `now`.
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
    /// `X-Amz-Algorithm` to `X-Amz-Expires`.
    fn query(&self) -> String {
        let mut credential = String::new();
        encode(&format!("{}/{}", self.key.credentials.access_key, self.scope), &mut credential, false);
        format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={}&X-Amz-Expires={}",
            self.date, self.seconds
        )
    }

    /// `&X-Amz-Security-Token=…`, or nothing.
    fn token(&self) -> String {
        let mut out = String::new();
        if let Some(token) = &self.key.credentials.session_token {
            out.push_str("&X-Amz-Security-Token=");
            encode(token, &mut out, false);
        }
        out
    }

    /// The signature's HMAC after everything of the string to sign but the request's hash.
    fn begun(&self) -> HmacSha256 {
        let head = format!("AWS4-HMAC-SHA256\n{}\n{}\n", self.date, self.scope);
        self.key.key.clone().chain_update(head.as_bytes())
    }
}

/// RFC 3986: unreserved characters stay, everything else is `%XX`.
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
    let mut hex = [0; 64];
    let _ = hex::encode_to_slice(request_hash, &mut hex);
    begun.clone().chain_update(hex).finalize().into_bytes().into()
}

/// What a URL allows.
#[derive(Clone, Debug)]
pub struct PresignRequest<'a> {
    /// `GET` or `PUT`.
    pub method: &'static str,
    /// The object.
    pub key: &'a str,
    /// Query parameters of the operation in the SDK's order, `x-id` first, not encoded.
    pub query: Vec<(&'static str, &'a str)>,
    /// Headers that the caller must send exactly so: lower case, ascending, without `host`.
    pub headers: Vec<(&'static str, String)>,
}

/// Signs one request.
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

/// The list of signed header names, and their canonical lines.
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

/// The URLs of one multipart upload's parts: each bound to its number, its exact length and, when given, its checksum.
pub struct PartUrls {
    shared: PartUrlBase,
    plain: PartUrlForm,
    /// With SHA-256, CRC-32C, CRC-64/NVME: made when the first such part comes.
    checked: [OnceLock<PartUrlForm>; 3],
    begun: HmacSha256,
    /// What precedes the part number in the URL.
    url_head: String,
    expires_at: Timestamp,
}

/// What every URL of one multipart upload has in common.
struct PartUrlBase {
    host: String,
    path: String,
    /// The store's id of the upload, encoded.
    id: String,
    /// `X-Amz-Algorithm` to `X-Amz-Expires`.
    amz: String,
    /// The session token, which follows the signature.
    token: String,
}

/// The constant texts for one set of signed headers.
struct PartUrlForm {
    /// The canonical request up to the part number, hashed.
    hashed: Sha256,
    /// From the part number to the length.
    middle: String,
    /// From the length to the checksum, or to the end.
    tail: String,
    /// From the checksum to the end.
    end: String,
    /// The URL from the part number to the signature.
    url_tail: String,
}

impl PartUrls {
    /// Prepares the URLs of one multipart upload.
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

    /// The signature for one part, as it stands in the URL.
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

    /// Appends the URL for a part of exactly `len` bytes. The caller must send `content-length` and the checksum's
    /// header as given here.
    pub fn write(&self, part: PartNumber, len: u64, checksum: Option<&PartChecksum>, out: &mut String) {
        let (form, mut digits) = (self.form(checksum), DecimalDigits::default());
        let number = digits.of(u64::from(part.get()));
        out.push_str(&self.url_head);
        out.push_str(number);
        out.push_str(&form.url_tail);
        push_hex(&self.signature(form, number, len, checksum), out);
        out.push_str(&self.shared.token);
    }

    /// Appends the signature alone, to be put into [`Self::template`].
    pub fn write_signature(&self, part: PartNumber, len: u64, out: &mut String) {
        let mut digits = DecimalDigits::default();
        push_hex(&self.signature(&self.plain, digits.of(u64::from(part.get())), len, None), out);
    }

    /// The URL of every part without a checksum, with `{part}` and `{signature}` where those go.
    #[must_use]
    pub fn template(&self) -> String {
        format!("{}{{part}}{}{{signature}}{}", self.url_head, self.plain.url_tail, self.shared.token)
    }

    /// When the URLs stop working.
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

/// Decimal digits without an allocation.
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
