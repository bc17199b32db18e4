//! Policies: a tenant's named rules for accepting, processing and delivering files.
//!
//! Every asset names the policy under which it was created. Rules for creation are checked once; later steps
//! (processing, delivery) follow the policy as it is at that time. Every tenant has the policy `default`, which
//! restricts nothing until the tenant changes it.

use std::time::Duration;

use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::TenantId;
use super::name::{FileName, MediaType, TypePattern};

/// The policy that every tenant has.
pub const DEFAULT_POLICY: &str = "default";
/// Entries in a list of a policy, at most.
const MAX_LIST_ENTRIES: usize = 200;
/// Longest time of a [`CacheRule`] in seconds: a year.
const MAX_CACHE_SECONDS: u64 = 31_536_000;

/// A named set of rules of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The tenant.
    pub tenant: TenantId,
    /// Name, unique within the tenant.
    pub name: String,
    /// The rules.
    pub rules: PolicyRules,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
}

/// The rules of a policy; an absent rule restricts nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Rules")]
pub struct PolicyRules {
    /// Largest file in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_size: Option<u64>,
    /// Accepted media types, checked against the declared type and against the bytes: `image/*`, `video/mp4`. Empty:
    /// all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub content_types: Vec<String>,
    /// Accepted file name extensions, in lower case without the dot. Empty: all, and names without an extension.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<String>,
    /// A regular expression that must match the whole file name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_pattern: Option<String>,
    /// Virus scan: skipped, if a scanner is configured, or required.
    #[serde(skip_serializing_if = "is_default")]
    pub scan: ScanRule,
    /// Treatment of files that the scanner could not read completely; by default as the settings say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scan_incomplete: Option<IncompleteScanRule>,
    /// False to skip facts and derivatives; they are made by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub derivatives: Option<bool>,
    /// False to skip the hand-off to the external processor; by default it takes place if it is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handoff: Option<bool>,
    /// Seconds after which an asset is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_for: Option<u64>,
    /// Seconds for which the bytes of a rejected asset are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<u64>,
    /// Permission to fetch a ready asset without a credential or link.
    #[serde(skip_serializing_if = "is_default")]
    pub visibility: Visibility,
    /// Time for which caches may keep the content of public assets without asking again; by default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheRule>,
    /// Mode of delivery: a value of `GANTRY_DELIVERY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
    /// Origins of web pages that may upload. Empty: all origins that the operator allows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Rule for virus scans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScanRule {
    /// Scan if a scanner is configured.
    #[default]
    IfConfigured,
    /// Assets become ready only after a scan.
    Required,
    /// Never scan.
    Skip,
}

/// Rule for files that the scanner could not read completely: encrypted files, and files beyond its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncompleteScanRule {
    /// The file fails with the code `scan_incomplete`: its bytes are kept, and processing can be requested again.
    Fail,
    /// The file becomes ready with the problem `scan_incomplete`.
    Accept,
}

/// Permission to fetch a ready asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Callers with a credential or a link.
    #[default]
    Private,
    /// Every caller that knows the id.
    Public,
}

/// Times in seconds for which caches may keep public content (RFC 9111 §5.2.2, RFC 5861 §3 and §4). Without `max_age` a
/// browser asks every time if its copy is still right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CacheRule {
    /// Every cache, that of a browser included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
    /// Shared caches alone, instead of `max_age`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s_maxage: Option<u64>,
    /// Time after that in which a cache may answer with its copy while it asks again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_while_revalidate: Option<u64>,
    /// Time after that in which a cache may answer with its copy if this service does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_if_error: Option<u64>,
}

impl CacheRule {
    /// Directives of the rule, by name.
    fn directives(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let all = [
            ("max-age", self.max_age),
            ("s-maxage", self.s_maxage),
            ("stale-while-revalidate", self.stale_while_revalidate),
            ("stale-if-error", self.stale_if_error),
        ];
        all.into_iter().filter_map(|(name, seconds)| Some((name, seconds?)))
    }

    /// The value of `Cache-Control` for public content.
    #[must_use]
    pub fn cache_control(&self) -> String {
        let mut text = "public".to_owned();
        if self.max_age.is_none() {
            // `s-maxage` still counts for shared caches (RFC 9111 §5.2.2.10).
            text += if self.s_maxage.is_some() { ", max-age=0" } else { ", no-cache" };
        }
        for (name, seconds) in self.directives() {
            text += &format!(", {name}={seconds}");
        }
        text + ", no-transform"
    }
}

/// An invalid rule, or a request that violates a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct PolicyViolation {
    /// The name of the field.
    pub field: &'static str,
    /// Description of the problem.
    pub problem: String,
}

fn objection(field: &'static str, problem: impl Into<String>) -> PolicyViolation {
    PolicyViolation { field, problem: problem.into() }
}

/// A compiled pattern for whole file names. Compiling is slow, and the result is large.
#[derive(Clone, Debug)]
pub struct NamePattern(Regex);

impl NamePattern {
    /// Limits for a compiled pattern and for the cache of its matcher, in bytes.
    const MAX_PATTERN_BYTES: usize = 1 << 20;
    const MAX_PATTERN_CACHE_BYTES: usize = 1 << 18;

    /// Compiles a pattern.
    pub fn new(pattern: &str) -> Result<Self, PolicyViolation> {
        let mut builder = RegexBuilder::new(&format!("^(?:{pattern})$"));
        let built = builder.size_limit(Self::MAX_PATTERN_BYTES).dfa_size_limit(Self::MAX_PATTERN_CACHE_BYTES).build();
        built.map(Self).map_err(|_| objection("name_pattern", "must be a regular expression of limited size"))
    }
}

/// True if the text is an origin as browsers send it in `Origin`: scheme and host in lower case, optional port, no
/// path.
fn is_page_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        let plain = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && !b"/?#@*\\".contains(&byte);
        !host.is_empty() && host.bytes().all(plain)
    })
}

/// True if the text is a valid name of a policy.
#[must_use]
pub fn is_policy_name(text: &str) -> bool {
    super::tenant::is_tenant_name(text)
}

impl PolicyRules {
    /// Refuses invalid rules. `deliveries`: the names of the modes that this service offers.
    pub fn check(&self, deliveries: &[&str]) -> Result<(), PolicyViolation> {
        for (field, len) in [
            ("content_types", self.content_types.len()),
            ("extensions", self.extensions.len()),
            ("origins", self.origins.len()),
        ] {
            if len > MAX_LIST_ENTRIES {
                return Err(objection(field, format!("at most {MAX_LIST_ENTRIES} entries")));
            }
        }
        self.patterns()?;
        self.name_pattern.as_deref().map(NamePattern::new).transpose()?;
        let plain =
            |text: &String| !text.is_empty() && text.len() <= 32 && !text.contains('.') && *text == text.to_lowercase();
        if !self.extensions.iter().all(plain) {
            return Err(objection("extensions", "must be in lower case, without the dot: \"jpg\""));
        }
        if !self.origins.iter().all(|text| is_page_origin(text)) {
            return Err(objection("origins", "must be origins like \"https://app.example.com\""));
        }
        if let Some(delivery) = &self.delivery
            && !deliveries.contains(&delivery.as_str())
        {
            return Err(objection("delivery", format!("must be one of {}", deliveries.join(", "))));
        }
        if self.scan == ScanRule::Required && self.scan_incomplete == Some(IncompleteScanRule::Accept) {
            return Err(objection("scan_incomplete", "must be fail if scan is required"));
        }
        if self.cache.is_some() && self.visibility != Visibility::Public {
            return Err(objection(
                "cache",
                "needs the visibility public: private content is never kept without asking",
            ));
        }
        if self.cache.is_some_and(|cache| cache.directives().any(|(_, seconds)| seconds > MAX_CACHE_SECONDS)) {
            return Err(objection("cache", format!("has times of at most {MAX_CACHE_SECONDS} seconds, a year")));
        }
        if self.keep_for == Some(0) || self.max_size == Some(0) {
            return Err(objection(
                if self.keep_for == Some(0) { "keep_for" } else { "max_size" },
                "must be at least 1",
            ));
        }
        Ok(())
    }

    fn patterns(&self) -> Result<Vec<TypePattern>, PolicyViolation> {
        let bad =
            |text: &String| objection("content_types", format!("\"{text}\" is not a type like image/png or image/*"));
        self.content_types.iter().map(|text| text.parse().map_err(|_| bad(text))).collect()
    }

    /// Checks a file name against the rules. `pattern`: the compiled `name_pattern`.
    pub fn admits_name(&self, name: &FileName, pattern: Option<&NamePattern>) -> Result<(), PolicyViolation> {
        let extension = name.as_str().rsplit_once('.').map(|(_, extension)| extension.to_lowercase());
        if !self.extensions.is_empty() && !extension.is_some_and(|extension| self.extensions.contains(&extension)) {
            let problem = format!("only names ending in .{} are accepted", self.extensions.join(", ."));
            return Err(objection("filename", problem));
        }
        if pattern.is_some_and(|pattern| !pattern.0.is_match(name.as_str())) {
            return Err(objection("filename", "the policy does not allow this name"));
        }
        Ok(())
    }

    /// Patterns of types that both the policy and the request allow; an empty list means all.
    pub fn narrow(&self, wished: &[TypePattern]) -> Result<Vec<TypePattern>, PolicyViolation> {
        narrow_types(&self.patterns()?, wished).ok_or_else(|| {
            objection("content_types", format!("the policy accepts {} only", self.content_types.join(", ")))
        })
    }

    /// True if web pages of this origin may upload.
    #[must_use]
    pub fn admits_origin(&self, origin: &str) -> bool {
        self.origins.is_empty() || self.origins.iter().any(|ours| ours == origin)
    }

    /// Retention of assets.
    #[must_use]
    pub fn keep_for(&self) -> Option<Duration> {
        self.keep_for.map(Duration::from_secs)
    }

    /// Retention of the bytes of rejected assets.
    #[must_use]
    pub fn quarantine(&self) -> Option<Duration> {
        self.quarantine.map(Duration::from_secs)
    }
}

/// Patterns of types that both lists allow; an empty list means all. `None`: no type is in both.
#[must_use]
pub fn narrow_types(ours: &[TypePattern], wished: &[TypePattern]) -> Option<Vec<TypePattern>> {
    if ours.is_empty() || wished.is_empty() {
        return Some(if ours.is_empty() { wished } else { ours }.to_vec());
    }
    let mut both: Vec<TypePattern> = Vec::new();
    let narrower = wished.iter().filter(|wish| ours.iter().any(|our| our.includes(wish)));
    let wider = ours.iter().filter(|our| wished.iter().any(|wish| wish.includes(our)));
    for pattern in narrower.chain(wider) {
        if !both.contains(pattern) {
            both.push(pattern.clone());
        }
    }
    (!both.is_empty()).then_some(both)
}

impl TypePattern {
    /// True if this pattern covers everything that `other` covers.
    fn includes(&self, other: &Self) -> bool {
        self == other
            || self.as_str() == "*/*"
            || other.as_str().parse::<MediaType>().is_ok_and(|named| self.covers(&named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(json: serde_json::Value) -> PolicyRules {
        serde_json::from_value(json).unwrap()
    }

    fn narrowed(ours: &[&str], wished: &[&str]) -> Option<String> {
        let rules = rules(serde_json::json!({ "content_types": ours }));
        let wished: Vec<TypePattern> = wished.iter().map(|text| text.parse().unwrap()).collect();
        let both = rules.narrow(&wished).ok()?;
        Some(both.iter().map(TypePattern::as_str).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn two_lists_of_types_leave_what_both_allow() {
        assert_eq!(narrowed(&[], &[]).unwrap(), "");
        assert_eq!(narrowed(&["image/*"], &[]).unwrap(), "image/*");
        assert_eq!(narrowed(&[], &["image/png"]).unwrap(), "image/png");
        assert_eq!(narrowed(&["image/*"], &["image/png", "video/mp4"]).unwrap(), "image/png");
        assert_eq!(narrowed(&["image/png", "text/plain"], &["image/*"]).unwrap(), "image/png");
        assert_eq!(narrowed(&["image/*"], &["*/*"]).unwrap(), "image/*");
        assert_eq!(narrowed(&["image/*"], &["video/*"]), None);
    }

    #[test]
    fn names_have_the_extension_and_the_form_that_are_asked_for() {
        let rules = rules(serde_json::json!({ "extensions": ["jpg", "gz"], "name_pattern": "[a-z.]+" }));
        let pattern = NamePattern::new(rules.name_pattern.as_deref().unwrap()).unwrap();
        let admits = |name: &str| rules.admits_name(&name.parse().unwrap(), Some(&pattern)).is_ok();
        assert!(admits("a.jpg") && admits("b.tar.gz"));
        assert!(!admits("a.exe") && !admits("jpg") && !admits("A.jpg") && !admits("a.jpg.exe") && !admits("a b.jpg"));
    }

    #[test]
    fn caches_are_told_what_they_may_keep() {
        let told = |json| serde_json::from_value::<CacheRule>(json).unwrap().cache_control();
        assert_eq!(told(serde_json::json!({})), "public, no-cache, no-transform");
        assert_eq!(told(serde_json::json!({ "s_maxage": 9 })), "public, max-age=0, s-maxage=9, no-transform");
        let all = serde_json::json!({ "max_age": 1, "s_maxage": 2, "stale_while_revalidate": 3, "stale_if_error": 4 });
        let text = "public, max-age=1, s-maxage=2, stale-while-revalidate=3, stale-if-error=4, no-transform";
        assert_eq!(told(all), text);
    }

    #[test]
    fn nonsense_is_named() {
        for (json, field) in [
            (serde_json::json!({ "content_types": ["images"] }), "content_types"),
            (serde_json::json!({ "extensions": [".jpg"] }), "extensions"),
            (serde_json::json!({ "name_pattern": "(" }), "name_pattern"),
            (serde_json::json!({ "name_pattern": "(a{1000}){1000}" }), "name_pattern"),
            (serde_json::json!({ "origins": ["example.com"] }), "origins"),
            (serde_json::json!({ "delivery": "pigeon" }), "delivery"),
            (serde_json::json!({ "keep_for": 0 }), "keep_for"),
            (serde_json::json!({ "cache": { "max_age": 60 } }), "cache"),
            (serde_json::json!({ "visibility": "public", "cache": { "max_age": 31_536_001 } }), "cache"),
            (serde_json::json!({ "scan": "required", "scan_incomplete": "accept" }), "scan_incomplete"),
        ] {
            assert_eq!(rules(json.clone()).check(&["redirect"]).unwrap_err().field, field, "{json}");
        }
        assert!(
            rules(serde_json::json!({ "delivery": "redirect", "origins": ["https://a.example"] }))
                .check(&["redirect"])
                .is_ok()
        );
    }
}
