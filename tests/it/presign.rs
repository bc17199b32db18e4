//! The presigner against its oracle: byte for byte what `aws-sdk-s3` makes, odd keys included.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials as SdkCredentials, Region, RequestChecksumCalculation};
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use gantry::blob::SignedUrl;
use gantry::blob::presign::{BucketEndpoint, DayKey, PartUrls, PresignRequest, SigningCredentials, presign};
use gantry::domain::checksum::{ChecksumAlgorithm, PartChecksum};
use gantry::domain::clock::{Timestamp, after, micros};
use gantry::domain::plan::PartNumber;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::support::seed;

const REGION: &str = "eu-central-1";

#[derive(Clone, Debug)]
struct Case {
    key: String,
    store_id: String,
    token: Option<String>,
    endpoint: usize,
    now: i64,
    seconds: u64,
    part: u16,
    len: u64,
    checksum: Option<PartChecksum>,
    shown: [Option<String>; 3],
}

/// Keys that have broken signers before, and any other text.
fn keys() -> impl Strategy<Value = String> {
    let odd = ["a b", "+%&=?#", "漢字/🦀", "a//b", "trailing/", "../up", "a\tb", "'(!*)~", "%2F", ";:@,$", "é\u{301}"];
    prop_oneof![proptest::sample::select(odd.map(str::to_owned).to_vec()), "[ -~]{1,60}", "\\PC{1,40}"]
        .prop_filter("the SDK refuses or normalises these itself", |key| {
            !key.starts_with('/') && !key.trim().is_empty()
        })
}

fn checksums() -> impl Strategy<Value = Option<PartChecksum>> {
    let all = [
        None,
        Some((ChecksumAlgorithm::Sha256, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")),
        Some((ChecksumAlgorithm::Crc32c, "yZRlqg==")),
        Some((ChecksumAlgorithm::Crc64Nvme, "rosUhgp5mIg=")),
    ];
    proptest::sample::select(all.to_vec())
        .prop_map(|c| c.map(|(algorithm, base64)| PartChecksum { algorithm, base64: base64.to_owned() }))
}

fn cases() -> impl Strategy<Value = Case> {
    let where_and_when = (0usize..3, 1_600_000_000i64..2_000_000_000, 1u64..=604_800);
    let what = (keys(), "[A-Za-z0-9._~+/=-]{1,120}", proptest::option::of("[A-Za-z0-9+/=]{1,700}"));
    let shown = proptest::array::uniform3(proptest::option::of("[ -~é漢]{0,40}"));
    (what, where_and_when, 1u16..=10_000, 0u64..5_368_709_120, checksums(), shown).prop_map(
        |((key, store_id, token), (endpoint, seconds_since, seconds), part, len, checksum, shown)| {
            let now = seconds_since * 1_000_000;
            Case { key, store_id, token, endpoint, now, seconds, part, len, checksum, shown }
        },
    )
}

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

impl Case {
    fn now(&self) -> Timestamp {
        micros(self.now)
    }

    fn bucket(&self) -> BucketEndpoint {
        let (scheme, host, base_path) = [
            ("https", "my-bucket.s3.eu-central-1.amazonaws.com", ""),
            ("http", "127.0.0.1:8081", "/my-bucket"),
            ("https", "store.example", "/my-bucket"),
        ][self.endpoint];
        BucketEndpoint { scheme: scheme.into(), host: host.into(), base_path: base_path.into(), region: REGION.into() }
    }

    fn client(&self) -> Client {
        let who = SdkCredentials::new("AKIDEXAMPLE", SECRET, self.token.clone(), None, "test");
        let mut config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .credentials_provider(who);
        let endpoint = [None, Some("http://127.0.0.1:8081"), Some("https://store.example")][self.endpoint];
        if let Some(endpoint) = endpoint {
            config = config.endpoint_url(endpoint).force_path_style(true);
        }
        Client::from_conf(config.build())
    }

    fn day_key(&self) -> DayKey {
        let who = SigningCredentials {
            access_key: "AKIDEXAMPLE".to_owned(),
            secret_key: SECRET.to_owned(),
            session_token: self.token.clone(),
            expires_at: None,
        };
        DayKey::derive(who, REGION, self.now())
    }

    fn ttl(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    fn sdk_terms(&self) -> PresigningConfig {
        let start = SystemTime::UNIX_EPOCH + Duration::from_micros(self.now.cast_unsigned());
        PresigningConfig::builder().start_time(start).expires_in(self.ttl()).build().unwrap()
    }

    fn sdk_checksum(&self, algorithm: ChecksumAlgorithm) -> Option<String> {
        self.checksum.as_ref().filter(|c| c.algorithm == algorithm).map(|c| c.base64.clone())
    }
}

/// The SDK leaves `host` to the HTTP client; everything else it signs it also names.
fn sdk_headers(request: &PresignedRequest) -> Vec<(String, String)> {
    let mut headers: Vec<_> = request.headers().map(|(n, v)| (n.to_lowercase(), v.to_owned())).collect();
    headers.retain(|(name, _)| name != "host");
    headers.sort();
    headers
}

fn ours(signed: &SignedUrl) -> Vec<(String, String)> {
    signed.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

async fn part(case: &Case) {
    let request = case.client().upload_part().bucket("my-bucket").key(&case.key).upload_id(&case.store_id);
    let request = request
        .part_number(i32::from(case.part))
        .content_length(case.len.cast_signed())
        .set_checksum_sha256(case.sdk_checksum(ChecksumAlgorithm::Sha256))
        .set_checksum_crc32_c(case.sdk_checksum(ChecksumAlgorithm::Crc32c))
        .set_checksum_crc64_nvme(case.sdk_checksum(ChecksumAlgorithm::Crc64Nvme));
    let theirs = request.presigned(case.sdk_terms()).await.unwrap();
    let (bucket, key) = (case.bucket(), case.day_key());
    let urls = PartUrls::new(&bucket, &key, &case.key, &case.store_id, case.now(), case.ttl());
    let (number, mut url) = (PartNumber::new(u64::from(case.part)).unwrap(), String::new());
    urls.write(number, case.len, case.checksum.as_ref(), &mut url);
    assert_eq!(url, theirs.uri(), "{case:?}");
    assert_eq!(urls.expires_at(), after(case.now(), case.ttl()));
    if case.checksum.is_none() {
        let mut signature = String::new();
        urls.write_signature(number, case.len, &mut signature);
        let filled = urls.template().replace("{signature}", &signature).replace("{part}", &case.part.to_string());
        assert_eq!(filled, url);
    }
}

async fn put(case: &Case) {
    let request = case.client().put_object().bucket("my-bucket").key(&case.key).if_none_match("*");
    let request = request
        .content_length(case.len.cast_signed())
        .set_checksum_sha256(case.sdk_checksum(ChecksumAlgorithm::Sha256))
        .set_checksum_crc32_c(case.sdk_checksum(ChecksumAlgorithm::Crc32c))
        .set_checksum_crc64_nvme(case.sdk_checksum(ChecksumAlgorithm::Crc64Nvme));
    let theirs = request.presigned(case.sdk_terms()).await.unwrap();
    let mut headers = vec![("content-length", case.len.to_string()), ("if-none-match", "*".to_owned())];
    headers.extend(case.checksum.as_ref().map(|c| (c.algorithm.header(), c.base64.clone())));
    let request = PresignRequest { method: "PUT", key: &case.key, query: vec![("x-id", "PutObject")], headers };
    let signed = presign(&case.bucket(), &case.day_key(), request, case.now(), case.ttl());
    assert_eq!(signed.url, theirs.uri(), "{case:?}");
    assert_eq!(ours(&signed), sdk_headers(&theirs));
}

async fn get(case: &Case) {
    let [cache, disposition, content_type] = case.shown.clone();
    let request = case.client().get_object().bucket("my-bucket").key(&case.key);
    let request = request
        .set_response_cache_control(cache.clone())
        .set_response_content_disposition(disposition.clone())
        .set_response_content_type(content_type.clone());
    let theirs = request.presigned(case.sdk_terms()).await.unwrap();
    let mut query = vec![("x-id", "GetObject")];
    let shown = [
        ("response-cache-control", &cache),
        ("response-content-disposition", &disposition),
        ("response-content-type", &content_type),
    ];
    query.extend(shown.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
    let request = PresignRequest { method: "GET", key: &case.key, query, headers: Vec::new() };
    let signed = presign(&case.bucket(), &case.day_key(), request, case.now(), case.ttl());
    assert_eq!(signed.url, theirs.uri(), "{case:?}");
}

#[test]
fn every_url_is_the_sdks_byte_for_byte() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rng_seed = RngSeed::Fixed(seed::fresh("every_url_is_the_sdks_byte_for_byte"));
    let config = ProptestConfig { cases: 1500, failure_persistence: None, rng_seed, ..ProptestConfig::default() };
    proptest!(config, |(case in cases())| {
        runtime.block_on(async {
            part(&case).await;
            put(&case).await;
            get(&case).await;
        });
    });
}

#[test]
fn no_url_outlives_its_credentials_or_a_week() {
    let now = micros(1_700_000_000_500_000);
    let mut who = SigningCredentials {
        access_key: "AK".to_owned(),
        secret_key: SECRET.to_owned(),
        session_token: Some("token".to_owned()),
        expires_at: Some(after(now, Duration::from_secs(90))),
    };
    let bucket =
        BucketEndpoint { scheme: "http".into(), host: "h".into(), base_path: String::new(), region: REGION.into() };
    let sign = |who: &SigningCredentials, ttl| {
        let key = DayKey::derive(who.clone(), REGION, now);
        let request =
            PresignRequest { method: "GET", key: "k", query: vec![("x-id", "GetObject")], headers: Vec::new() };
        presign(&bucket, &key, request, now, ttl)
    };
    let hour = sign(&who, Duration::from_secs(3600));
    assert!(hour.url.contains("X-Amz-Expires=90&"), "{}", hour.url);
    assert!(hour.expires_at <= after(now, Duration::from_secs(90)));
    who.expires_at = None;
    assert!(sign(&who, Duration::from_secs(30 * 24 * 3600)).url.contains("X-Amz-Expires=604800&"));
    assert!(!format!("{who:?}").contains(SECRET));
}

#[test]
fn a_day_key_is_for_its_day_and_until_its_credentials_end() {
    let noon = micros(1_700_049_600_000_000);
    let who = |expires_at| SigningCredentials {
        access_key: "AK".to_owned(),
        secret_key: SECRET.to_owned(),
        session_token: None,
        expires_at,
    };
    let key = DayKey::derive(who(None), REGION, noon);
    assert!(key.serves(noon) && !key.serves(after(noon, Duration::from_secs(24 * 3600))));
    let short = DayKey::derive(who(Some(after(noon, Duration::from_secs(1)))), REGION, noon);
    assert!(short.serves(noon) && !short.serves(after(noon, Duration::from_secs(1))));
}
