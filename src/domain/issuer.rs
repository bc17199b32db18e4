//! Issuers of JSON Web Tokens (RFC 7519) that the operator trusts, and the mapping of their claims to tenants and
//! scopes.
//!
//! Signatures are not checked here: claims must be verified before.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::ids::{KeyId, TenantId};
use super::key::{KeyScope, KeyScopes};
use super::tenant::DEFAULT_TENANT;

/// Signature algorithm of a token. The settings say which of them an issuer uses, never the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwtAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

impl JwtAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 12] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
    ];

    /// Name in `alg` (RFC 7518 §3.1, RFC 8037 §3.1).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// True if the key that verifies can also sign.
    #[must_use]
    pub fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }
}

impl FromStr for JwtAlgorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name() == text);
        found.ok_or_else(|| format!("\"{text}\" is none of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// Source of an issuer's keys.
#[derive(Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A JWK set (RFC 7517) at this URL.
    Jwks(String),
    /// A JWK set at the `jwks_uri` of the issuer's OpenID configuration.
    Discovery,
    /// A secret shared by the issuer and this service.
    Secret(Vec<u8>),
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jwks(url) => write!(f, "Jwks({url:?})"),
            Self::Discovery => f.write_str("Discovery"),
            Self::Secret(_) => f.write_str("Secret(…)"),
        }
    }
}

/// Rule for the tenant of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantOf {
    /// The same tenant for every token, by name.
    Fixed(String),
    /// The tenant that a claim names.
    Claim {
        /// The claim.
        claim: String,
        /// Tenant names by value of the claim; empty: the value is the tenant's name.
        names: Vec<(String, String)>,
    },
}

/// Rule for the scopes of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopesOf {
    /// The claim: a string of space-separated words, or a list of strings.
    pub claim: String,
    /// Scopes by word; empty: words are names of scopes, `admin` excluded.
    pub names: Vec<(String, KeyScope)>,
}

/// An issuer that the operator trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtIssuer {
    /// Name in the settings.
    pub name: String,
    /// Exact value of `iss`.
    pub issuer: String,
    /// Source of the keys.
    pub keys: KeySource,
    /// Accepted audiences: `aud` of a token must contain at least 1 of these.
    pub audiences: Vec<String>,
    /// Accepted signature algorithms.
    pub algorithms: Vec<JwtAlgorithm>,
    /// Rule for the tenant of a token.
    pub tenant: TenantOf,
    /// Rule for the scopes of a token.
    pub scopes: ScopesOf,
    /// Tolerated difference between clocks.
    pub leeway: Duration,
}

impl JwtIssuer {
    /// The name of the tenant that verified claims select.
    #[must_use]
    pub fn tenant(&self, claims: &Map<String, Value>) -> Option<String> {
        let (claim, names) = match &self.tenant {
            TenantOf::Fixed(name) => return Some(name.clone()),
            TenantOf::Claim { claim, names } => (claim, names),
        };
        let value = find(claims, claim)?.as_str()?;
        if names.is_empty() {
            // A claim selects the tenant of the instance's administrators only if the settings map a value to it.
            return Some(value.to_owned()).filter(|name| !name.is_empty() && name != DEFAULT_TENANT);
        }
        names.iter().find(|(theirs, _)| theirs == value).map(|(_, ours)| ours.clone())
    }

    /// The scopes that verified claims grant. Unknown words are ignored.
    #[must_use]
    pub fn scopes(&self, claims: &Map<String, Value>) -> KeyScopes {
        let ScopesOf { claim, names } = &self.scopes;
        let words: Vec<&str> = match find(claims, claim) {
            Some(Value::String(text)) => text.split_ascii_whitespace().collect(),
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let mean = |word: &str| -> Vec<KeyScope> {
            if names.is_empty() {
                return word.parse().ok().filter(|scope| *scope != KeyScope::Admin).into_iter().collect();
            }
            names.iter().filter(|(theirs, _)| theirs == word).map(|(_, scope)| *scope).collect()
        };
        words.into_iter().flat_map(mean).collect()
    }

    /// Id of the token's subject for columns that refer to keys. The same for the same subject in the same tenant
    /// (UUIDv8, RFC 9562 §5.8, from a SHA-256); never the id of a key, which is a UUIDv7.
    #[must_use]
    pub fn subject_id(&self, subject: &str, tenant: TenantId) -> KeyId {
        let mut hash = Sha256::new();
        for text in [self.issuer.as_bytes(), subject.as_bytes(), tenant.0.as_bytes()] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        let mut id = [0; 16];
        id.copy_from_slice(&hash.finalize()[..16]);
        KeyId(uuid::Builder::from_custom_bytes(id).into_uuid())
    }
}

/// Finds a claim by its name, which may contain dots (`https://app.example/tenant`), or by its path
/// (`realm_access.roles`).
fn find<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let mut steps = name.split('.');
    let first = claims.get(steps.next()?)?;
    steps.try_fold(first, |value, step| value.get(step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use uuid::Uuid;

    fn issuer(tenant: TenantOf, names: &[(&str, KeyScope)]) -> JwtIssuer {
        JwtIssuer {
            name: "example".to_owned(),
            issuer: "https://login.example".to_owned(),
            keys: KeySource::Discovery,
            audiences: vec!["gantry".to_owned()],
            algorithms: vec![JwtAlgorithm::Rs256],
            tenant,
            scopes: ScopesOf {
                claim: "realm_access.roles".to_owned(),
                names: names.iter().map(|(name, scope)| ((*name).to_owned(), *scope)).collect(),
            },
            leeway: Duration::ZERO,
        }
    }

    fn claims(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn words_become_scopes_and_admin_only_when_the_settings_say_so() {
        let own = issuer(TenantOf::Fixed("acme".to_owned()), &[]);
        let said = claims(&json!({"realm_access": {"roles": ["read", "admin", "root", 5, "upload"]}}));
        assert_eq!(own.scopes(&said).to_string(), "upload,read");
        let words = claims(&json!({"realm_access.roles": "  link  read "}));
        assert_eq!(own.scopes(&words).to_string(), "read,link");
        let names = [("files:all", KeyScope::Upload), ("files:all", KeyScope::Read), ("boss", KeyScope::Admin)];
        let mapped = issuer(TenantOf::Fixed("acme".to_owned()), &names);
        let said = |roles: &Value| claims(&json!({"realm_access": {"roles": roles}}));
        assert_eq!(mapped.scopes(&said(&json!(["files:all", "link"]))).to_string(), "upload,read");
        assert_eq!(mapped.scopes(&said(&json!(["boss"]))), KeyScopes::ADMIN);
        for nothing in [json!(null), json!(5), json!({}), json!([["boss"]])] {
            assert_eq!(mapped.scopes(&said(&nothing)).to_string(), "");
        }
    }

    #[test]
    fn a_claim_leads_to_a_tenant_and_never_unasked_to_the_operators() {
        let by = |names: &[(&str, &str)]| {
            let names = names.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
            issuer(TenantOf::Claim { claim: "https://app.example/org".to_owned(), names }, &[])
        };
        let said = |org: Value| claims(&json!({"https://app.example/org": org}));
        assert_eq!(by(&[]).tenant(&said(json!("acme"))).as_deref(), Some("acme"));
        for nobody in [json!("default"), json!(""), json!(5), json!(["acme"])] {
            assert_eq!(by(&[]).tenant(&said(nobody)), None);
        }
        let mapped = by(&[("org-1", "acme"), ("ops", "default")]);
        assert_eq!(mapped.tenant(&said(json!("org-1"))).as_deref(), Some("acme"));
        assert_eq!(mapped.tenant(&said(json!("ops"))).as_deref(), Some("default"));
        assert_eq!(mapped.tenant(&said(json!("acme"))), None);
    }

    #[test]
    fn a_subject_is_somebody_else_at_another_issuer_and_in_another_tenant() {
        let (a, tenant) = (issuer(TenantOf::Fixed("acme".to_owned()), &[]), TenantId(Uuid::from_u128(1)));
        let b = JwtIssuer { issuer: "https://login.example/".to_owned(), ..a.clone() };
        let id = a.subject_id("alice", tenant);
        assert_eq!(id, a.subject_id("alice", tenant));
        assert_eq!(id.0.get_version_num(), 8);
        for other in [a.subject_id("bob", tenant), b.subject_id("alice", tenant), b.subject_id("/alice", tenant)] {
            assert_ne!(other, id);
        }
        assert_ne!(a.subject_id("alice", TenantId(Uuid::from_u128(2))), id);
    }

    #[test]
    fn algorithms_have_their_registered_names() {
        for algorithm in JwtAlgorithm::ALL {
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
        }
        assert!("none".parse::<JwtAlgorithm>().is_err() && "rs256".parse::<JwtAlgorithm>().is_err());
        assert!(!format!("{:?}", KeySource::Secret(b"hush".to_vec())).contains("104"));
    }
}
