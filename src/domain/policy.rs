//! Policies: a tenant's named sets of rules for what may come in and what becomes of it.
//!
//! Every asset names the policy under which it was created. What is checked at creation is checked once; what happens
//! later (processing, delivery) goes by the policy as it is then. Every tenant has the policy `default`, which forbids
//! nothing until somebody says otherwise.

use std::time::Duration;

use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::TenantId;
use super::name::{FileName, MediaType, TypePattern};

/// The policy that every tenant has.
pub const DEFAULT_POLICY: &str = "default";
/// Most entries of a list of a policy.
const MAX_LIST_ENTRIES: usize = 200;

/// A named set of rules of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whose.
    pub tenant: TenantId,
    /// Its name within the tenant.
    pub name: String,
    /// Its rules.
    pub rules: PolicyRules,
    /// When it was first written.
    pub created_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
}

/// The rules; each absent one forbids nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Rules")]
pub struct PolicyRules {
    /// Largest file in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_size: Option<u64>,
    /// Types that are welcome, as declared and as found in the bytes: `image/*`, `video/mp4`. Empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub content_types: Vec<String>,
    /// Extensions that names may have, in lower case without the dot. Empty: any, or none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<String>,
    /// A regular expression that the whole name has to match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_pattern: Option<String>,
    /// Whether a virus scan is skipped, made where a scanner is configured, or demanded.
    #[serde(skip_serializing_if = "is_default")]
    pub scan: ScanRule,
    /// What becomes of a file that the scanner did not see whole: as the settings say, unless this says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scan_incomplete: Option<IncompleteScanRule>,
    /// Whether facts are read and smaller forms made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub derivatives: Option<bool>,
    /// Whether the asset is offered to the user's own processor, where one is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handoff: Option<bool>,
    /// Seconds after which an asset is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_for: Option<u64>,
    /// Seconds for which the bytes of a rejected asset are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<u64>,
    /// Who may fetch a ready asset without a credential or link.
    #[serde(skip_serializing_if = "is_default")]
    pub visibility: Visibility,
    /// How its assets are delivered: one of the names of `GANTRY_DELIVERY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
    /// Origins of the pages that may upload. Empty: any that the operator lets in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What a policy says of virus scans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScanRule {
    /// Where a scanner is configured.
    #[default]
    IfConfigured,
    /// Nothing becomes ready that no scanner has seen.
    Required,
    /// Never.
    Skip,
}

/// What a policy says of files that the scanner did not see whole: encrypted ones, and those beyond its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncompleteScanRule {
    /// They fail with the code `scan_incomplete`: their bytes are kept, and they can be tried again.
    Fail,
    /// They become ready with the problem `scan_incomplete`.
    Accept,
}

/// Who may fetch a ready asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Whoever has a credential or a link.
    #[default]
    Private,
    /// Whoever knows its id.
    Public,
}

/// A rule that makes no sense, or a wish that a rule is against.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct PolicyViolation {
    /// The field that it is about.
    pub field: &'static str,
    /// What is wrong.
    pub problem: String,
}

fn objection(field: &'static str, problem: impl Into<String>) -> PolicyViolation {
    PolicyViolation { field, problem: problem.into() }
}

/// The form that a policy wants whole names to have. Compiling is dear, and what comes of it is large.
#[derive(Clone, Debug)]
pub struct NamePattern(Regex);

impl NamePattern {
    /// Most bytes of a compiled pattern, and of what matching remembers of it.
    const MAX_PATTERN_BYTES: usize = 1 << 20;
    const MAX_PATTERN_CACHE_BYTES: usize = 1 << 18;

    /// Compiles a pattern.
    pub fn new(pattern: &str) -> Result<Self, PolicyViolation> {
        let mut builder = RegexBuilder::new(&format!("^(?:{pattern})$"));
        let built = builder.size_limit(Self::MAX_PATTERN_BYTES).dfa_size_limit(Self::MAX_PATTERN_CACHE_BYTES).build();
        built.map(Self).map_err(|_| objection("name_pattern", "not a regular expression, or too large a one"))
    }
}

/// Whether a text is an origin as browsers write it into `Origin`: scheme and host in lower case, a port, no path.
fn is_page_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        let plain = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && !b"/?#@*\\".contains(&byte);
        !host.is_empty() && host.bytes().all(plain)
    })
}

/// Whether a text can name a policy.
#[must_use]
pub fn is_policy_name(text: &str) -> bool {
    super::tenant::is_tenant_name(text)
}

impl PolicyRules {
    /// Refuses rules that make no sense. `deliveries`: the names of those that are offered here.
    pub fn check(&self, deliveries: &[&str]) -> Result<(), PolicyViolation> {
        for (field, len) in [
            ("content_types", self.content_types.len()),
            ("extensions", self.extensions.len()),
            ("origins", self.origins.len()),
        ] {
            if len > MAX_LIST_ENTRIES {
                return Err(objection(field, format!("at most {MAX_LIST_ENTRIES}")));
            }
        }
        self.patterns()?;
        self.name_pattern.as_deref().map(NamePattern::new).transpose()?;
        let plain =
            |text: &String| !text.is_empty() && text.len() <= 32 && !text.contains('.') && *text == text.to_lowercase();
        if !self.extensions.iter().all(plain) {
            return Err(objection("extensions", "in lower case, without the dot: \"jpg\""));
        }
        if !self.origins.iter().all(|text| is_page_origin(text)) {
            return Err(objection("origins", "written as browsers do: \"https://app.example.com\""));
        }
        if let Some(delivery) = &self.delivery
            && !deliveries.contains(&delivery.as_str())
        {
            return Err(objection("delivery", format!("one of {}", deliveries.join(", "))));
        }
        if self.scan == ScanRule::Required && self.scan_incomplete == Some(IncompleteScanRule::Accept) {
            return Err(objection("scan_incomplete", "fail, where scan is required"));
        }
        if self.keep_for == Some(0) || self.max_size == Some(0) {
            return Err(objection(if self.keep_for == Some(0) { "keep_for" } else { "max_size" }, "at least 1"));
        }
        Ok(())
    }

    fn patterns(&self) -> Result<Vec<TypePattern>, PolicyViolation> {
        let bad = |text: &String| objection("content_types", format!("{text:?} is neither a type nor image/*"));
        self.content_types.iter().map(|text| text.parse().map_err(|_| bad(text))).collect()
    }

    /// Whether a file of this name is welcome. `pattern`: what `name_pattern` says, compiled.
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

    /// Types that both the policy and a wish allow; an empty list means all.
    pub fn narrow(&self, wished: &[TypePattern]) -> Result<Vec<TypePattern>, PolicyViolation> {
        let ours = self.patterns()?;
        if ours.is_empty() || wished.is_empty() {
            return Ok(if ours.is_empty() { wished.to_vec() } else { ours });
        }
        let mut both: Vec<TypePattern> = Vec::new();
        let narrower = wished.iter().filter(|wish| ours.iter().any(|our| our.includes(wish)));
        let wider = ours.iter().filter(|our| wished.iter().any(|wish| wish.includes(our)));
        for pattern in narrower.chain(wider) {
            if !both.contains(pattern) {
                both.push(pattern.clone());
            }
        }
        if both.is_empty() {
            return Err(objection(
                "content_types",
                format!("the policy accepts {} only", self.content_types.join(", ")),
            ));
        }
        Ok(both)
    }

    /// Whether pages of this origin may upload.
    #[must_use]
    pub fn admits_origin(&self, origin: &str) -> bool {
        self.origins.is_empty() || self.origins.iter().any(|ours| ours == origin)
    }

    /// How long an asset is kept.
    #[must_use]
    pub fn keep_for(&self) -> Option<Duration> {
        self.keep_for.map(Duration::from_secs)
    }

    /// How long the bytes of a rejected asset are kept.
    #[must_use]
    pub fn quarantine(&self) -> Option<Duration> {
        self.quarantine.map(Duration::from_secs)
    }
}

impl TypePattern {
    /// Whether everything that `other` covers is covered by this one.
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
    fn nonsense_is_named() {
        for (json, field) in [
            (serde_json::json!({ "content_types": ["images"] }), "content_types"),
            (serde_json::json!({ "extensions": [".jpg"] }), "extensions"),
            (serde_json::json!({ "name_pattern": "(" }), "name_pattern"),
            (serde_json::json!({ "name_pattern": "(a{1000}){1000}" }), "name_pattern"),
            (serde_json::json!({ "origins": ["example.com"] }), "origins"),
            (serde_json::json!({ "delivery": "pigeon" }), "delivery"),
            (serde_json::json!({ "keep_for": 0 }), "keep_for"),
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
