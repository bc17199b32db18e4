//! CORS: origins whose pages may use the store, by the settings and by PutBucketCors.
//!
//! The settings apply to every bucket; a bucket's own rules can only allow more.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use serde::{Deserialize, Serialize};

/// Response headers that a page may read.
const EXPOSED_HEADERS: &[&str] = &[
    "ETag",
    "Content-Length",
    "Content-Range",
    "Accept-Ranges",
    "Last-Modified",
    "x-amz-request-id",
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "x-amz-checksum-type",
    "x-amz-mp-parts-count",
];
/// Methods that the settings allow.
const ALLOWED_METHODS: &[&str] = &["GET", "PUT", "POST", "HEAD", "DELETE"];
/// Time for which a browser may cache a preflight response, in seconds.
const PREFLIGHT_MAX_AGE_SECONDS: i32 = 3600;

/// CORS rule in the terms of PutBucketCors. `*` matches any run of characters in origins and headers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CorsRule {
    /// `AllowedOrigin`.
    pub(super) origins: Vec<String>,
    /// `AllowedMethod`.
    pub(super) methods: Vec<String>,
    /// `AllowedHeader`.
    pub(super) headers: Vec<String>,
    /// `ExposeHeader`.
    pub(super) expose: Vec<String>,
    /// `MaxAgeSeconds`.
    pub(super) max_age: Option<i32>,
    /// `ID`.
    pub(super) id: Option<String>,
}

/// All rules, in memory.
pub(super) struct CorsRules {
    settings: Option<CorsRule>,
    buckets: RwLock<HashMap<String, Arc<Vec<CorsRule>>>>,
}

impl CorsRules {
    /// Rules of the settings, and the stored rules by bucket.
    pub(super) fn new(origins: Vec<String>, buckets: HashMap<String, Arc<Vec<CorsRule>>>) -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let settings = (!origins.is_empty()).then(|| CorsRule {
            origins,
            methods: owned(ALLOWED_METHODS),
            headers: vec!["*".to_owned()],
            expose: owned(EXPOSED_HEADERS),
            max_age: Some(PREFLIGHT_MAX_AGE_SECONDS),
            id: None,
        });
        Self { settings, buckets: RwLock::new(buckets) }
    }

    /// Rules for GetBucketCors: those of the bucket only. The rules of the settings apply as well but cannot be changed
    /// here: a tool that reads, adds and writes back must not copy them into the bucket.
    pub(super) fn rules(&self, bucket: &str) -> Vec<CorsRule> {
        let stored = self.buckets.read().unwrap_or_else(PoisonError::into_inner).get(bucket).cloned();
        stored.iter().flat_map(|rules| rules.iter()).cloned().collect()
    }

    /// Rules in force for a bucket: its own, then those of the settings.
    fn rules_in_force(&self, bucket: &str) -> Vec<CorsRule> {
        self.rules(bucket).into_iter().chain(self.settings.clone()).collect()
    }

    /// Replaces or removes a bucket's own rules.
    pub(super) fn set(&self, bucket: &str, rules: Option<Vec<CorsRule>>) {
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        match rules {
            Some(rules) => buckets.insert(bucket.to_owned(), Arc::new(rules)),
            None => buckets.remove(bucket),
        };
    }

    /// CORS headers of a response to the request's origin; `None` without an origin, or if the origin is not allowed.
    pub(super) fn answer(&self, request: &Parts) -> Option<HeaderMap> {
        let origin = request.headers.get(header::ORIGIN)?.to_str().ok()?;
        let (rule, any) = self.find(bucket(request), origin, request.method.as_str(), &[])?;
        let mut headers = allow(origin, any)?;
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, rule.expose.join(", ").parse().ok()?);
        Some(headers)
    }

    /// Headers of a preflight response; `None` if the request is not allowed.
    pub(super) fn preflight(&self, request: &Parts) -> Option<HeaderMap> {
        let text = |name| request.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let origin = text(header::ORIGIN)?;
        let asked = text(header::ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
        let names: Vec<&str> = asked.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        let method = text(header::ACCESS_CONTROL_REQUEST_METHOD)?;
        let (rule, any) = self.find(bucket(request), origin, method, &names)?;
        let mut headers = allow(origin, any)?;
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, rule.methods.join(", ").parse().ok()?);
        if !names.is_empty() {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.parse().ok()?);
        }
        if let Some(max_age) = rule.max_age {
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, max_age.into());
        }
        Some(headers)
    }

    /// First rule that allows the request, and true if that rule allows every origin.
    fn find(&self, bucket: &str, origin: &str, method: &str, headers: &[&str]) -> Option<(CorsRule, bool)> {
        let allows = |rule: &CorsRule| {
            let header = |name: &&str| rule.headers.iter().any(|pattern| matches(pattern, name));
            rule.origins.iter().any(|pattern| matches(pattern, origin))
                && rule.methods.iter().any(|allowed| allowed == method)
                && headers.iter().all(header)
        };
        let rule = self.rules_in_force(bucket).into_iter().find(allows)?;
        let any = rule.origins.iter().any(|origin| origin == "*");
        Some((rule, any))
    }
}

fn bucket(request: &Parts) -> &str {
    request.uri.path().split('/').nth(1).unwrap_or_default()
}

fn allow(origin: &str, any: bool) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    let allowed = if any { HeaderValue::from_static("*") } else { origin.parse().ok()? };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    let varies = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
    headers.insert(header::VARY, HeaderValue::from_static(varies));
    Some(headers)
}

/// True if `text` matches `pattern`, in which the first `*` matches any text; case does not matter.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.len() >= head.len() + tail.len() && text.starts_with(head) && text.ends_with(tail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, headers: &[(&str, &str)]) -> Parts {
        let request = http::Request::builder().method(method).uri("/photos/a/b?x=1");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    fn cors(origins: &[&str]) -> CorsRules {
        CorsRules::new(origins.iter().map(|origin| (*origin).to_owned()).collect(), HashMap::new())
    }

    #[test]
    fn a_preflight_mirrors_what_it_asks_for() {
        let asks = [
            ("origin", "https://app.example"),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "content-type, x-amz-checksum-sha256"),
        ];
        let answer = cors(&["https://app.example"]).preflight(&request("OPTIONS", &asks)).unwrap();
        assert_eq!(answer["access-control-allow-origin"], "https://app.example");
        assert_eq!(answer["access-control-allow-headers"], "content-type, x-amz-checksum-sha256");
        assert_eq!(answer["access-control-max-age"], "3600");
        assert!(cors(&["https://other.example"]).preflight(&request("OPTIONS", &asks)).is_none());
        assert!(cors(&[]).preflight(&request("OPTIONS", &asks)).is_none());
    }

    #[test]
    fn answers_name_the_origin_and_expose_the_etag() {
        let get = request("GET", &[("origin", "https://app.example")]);
        let answer = cors(&["https://app.example"]).answer(&get).unwrap();
        assert!(answer["access-control-expose-headers"].to_str().unwrap().starts_with("ETag, "));
        assert_eq!(cors(&["*"]).answer(&get).unwrap()["access-control-allow-origin"], "*");
        assert!(cors(&["*"]).answer(&request("GET", &[])).is_none());
    }

    #[test]
    fn a_bucket_can_allow_more() {
        let cors = cors(&["https://app.example"]);
        let get = request("GET", &[("origin", "https://cdn.example")]);
        assert!(cors.answer(&get).is_none());
        let rule = CorsRule {
            origins: vec!["https://*.example".to_owned()],
            methods: vec!["GET".to_owned()],
            ..CorsRule::default()
        };
        cors.set("photos", Some(vec![rule]));
        assert!(cors.answer(&get).is_some());
        assert!(cors.answer(&request("PUT", &[("origin", "https://cdn.example")])).is_none());
        cors.set("photos", None);
        assert!(cors.answer(&get).is_none());
    }

    #[test]
    fn stars_do_not_overlap() {
        assert!(matches("x-amz-*", "X-Amz-Meta-A"));
        assert!(!matches("aa*aa", "aaa"));
    }
}
