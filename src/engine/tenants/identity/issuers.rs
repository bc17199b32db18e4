//! JSON Web Tokens (RFC 7519, RFC 8725) of the issuers that the operator trusts.
//!
//! The settings determine which issuers, audiences and algorithms are accepted. The token's header only selects among
//! the keys of its issuer: keys and key URLs in the header (`jwk`, `jku`, `x5c`, `x5u`) are ignored.

use std::sync::Arc;

use jsonwebtoken::{DecodingKey, Header, Validation, dangerous, decode, decode_header};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::CREDENTIAL_CACHE_TTL;
use super::keyring::{IssuerKeys, KeySetFetcher, KeySetSettings};
use crate::domain::access::Actor;
use crate::domain::clock::{Timestamp, after, before, micros};
use crate::domain::ids::{KeyId, TenantId};
use crate::domain::issuer::JwtIssuer;
use crate::domain::key::KeyScopes;
use crate::domain::reason::chain;
use crate::engine::ttl_cache::TtlCache;
use crate::engine::{Error, Result};
use crate::store::Store;

/// Most cached tokens, invalid tokens included.
const MAX_CACHED_TOKENS: u64 = 10_000;
/// Longest token in bytes.
const MAX_JWT_BYTES: usize = 16 << 10;
/// Longest subject in bytes.
const MAX_SUBJECT_BYTES: usize = 1024;
/// Most keys with the same id that are tried.
const MAX_KEYS_TRIED: usize = 3;

type JwtClaims = Map<String, Value>;

/// The trusted issuers, with caches of their keys and of recently verified tokens.
pub struct TrustedIssuers {
    rings: Vec<Arc<IssuerKeys>>,
    known: TtlCache<[u8; 32], Option<JwtSubject>>,
    tenants: TtlCache<String, Option<TenantId>>,
}

/// Subject of a verified token, with its period of validity.
#[derive(Clone, Debug, PartialEq)]
struct JwtSubject {
    id: KeyId,
    tenant: TenantId,
    scopes: KeyScopes,
    from: Timestamp,
    until: Timestamp,
}

/// Reason why a token is refused. For the operator's log, not for the caller.
#[derive(Debug, thiserror::Error)]
enum JwtError {
    #[error("it is not a readable JSON Web Token")]
    Unreadable,
    #[error("its issuer is not trusted")]
    Issuer,
    #[error("its algorithm is not allowed for the issuer")]
    Algorithm,
    #[error("its header requires an unsupported extension")]
    Header,
    #[error("the issuer has no such key")]
    UnknownKey,
    #[error("the signature or a claim is invalid: {0}")]
    Invalid(#[source] jsonwebtoken::errors::Error),
    #[error("its times are not numbers")]
    Times,
    #[error("it has no subject")]
    Subject,
    #[error("its claims name no tenant")]
    Tenant,
    /// The token cannot be verified at the moment.
    #[error(transparent)]
    Later(#[from] Error),
}

impl TrustedIssuers {
    /// Trusts these issuers; `sets` fetches their keys.
    #[must_use]
    pub fn new(issuers: Vec<JwtIssuer>, settings: KeySetSettings, sets: &Arc<dyn KeySetFetcher>) -> Self {
        let ring = |issuer| Arc::new(IssuerKeys::new(issuer, settings, Arc::clone(sets)));
        Self { rings: issuers.into_iter().map(ring).collect(), ..Self::none() }
    }

    /// Trusts no issuer.
    #[must_use]
    pub fn none() -> Self {
        Self {
            rings: Vec::new(),
            known: TtlCache::new(MAX_CACHED_TOKENS, CREDENTIAL_CACHE_TTL).with_name("tokens"),
            tenants: TtlCache::new(MAX_CACHED_TOKENS, CREDENTIAL_CACHE_TTL).with_name("issuer_tenants"),
        }
    }

    /// The actor of a token that is valid at `now`.
    pub(super) async fn subject(&self, token: &str, now: Timestamp, store: &dyn Store) -> Result<Option<Actor>> {
        if self.rings.is_empty()
            || token.len() > MAX_JWT_BYTES
            || token.bytes().filter(|byte| *byte == b'.').count() != 2
        {
            return Ok(None);
        }
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let subject = self.known.get(&digest, now, Box::pin(self.resolve_subject(token, now, store))).await?;
        let subject = subject.filter(|subject| subject.from <= now && now < subject.until);
        Ok(subject.map(|JwtSubject { id, tenant, scopes, .. }| Actor::Key { id, tenant, scopes }))
    }

    /// Verifies a token apart from its times, for the cache. `None` if the token is refused.
    async fn resolve_subject(&self, token: &str, now: Timestamp, store: &dyn Store) -> Result<Option<JwtSubject>> {
        let (issuer, said) = match self.ring(token) {
            Ok((ring, header)) => (ring.issuer.name.as_str(), self.speaks_for(ring, &header, token, now, store).await),
            Err(refused) => ("?", Err(refused)),
        };
        match said {
            Ok(subject) => Ok(Some(subject)),
            Err(JwtError::Later(error)) => Err(error),
            Err(refused) => {
                tracing::info!(issuer, refused = %chain(&refused), "a token was refused");
                Ok(None)
            }
        }
    }

    /// The issuer that a token names, if it is trusted, with this algorithm and header.
    fn ring(&self, token: &str) -> std::result::Result<(&Arc<IssuerKeys>, Header), JwtError> {
        let header = decode_header(token).map_err(|_| JwtError::Unreadable)?;
        let unproven: JwtClaims = dangerous::insecure_decode_claims(token).map_err(|_| JwtError::Unreadable)?;
        let said = unproven.get("iss").and_then(Value::as_str);
        let ring = self.rings.iter().find(|ring| said == Some(&ring.issuer.issuer)).ok_or(JwtError::Issuer)?;
        let name = format!("{:?}", header.alg);
        if !ring.issuer.algorithms.iter().any(|algorithm| algorithm.name() == name) {
            return Err(JwtError::Algorithm);
        }
        if !understood(&header) {
            return Err(JwtError::Header);
        }
        Ok((ring, header))
    }

    /// Verifies signature, issuer and audience, and maps the claims to a tenant, a subject and scopes.
    async fn speaks_for(
        &self,
        ring: &Arc<IssuerKeys>,
        header: &Header,
        token: &str,
        now: Timestamp,
        store: &dyn Store,
    ) -> std::result::Result<JwtSubject, JwtError> {
        let issuer = &ring.issuer;
        let claims = verified(token, &ring.candidates(header.alg, header.kid.as_deref(), now).await?, issuer, header)?;
        let (from, until) = times(&claims).ok_or(JwtError::Times)?;
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        if !(1..=MAX_SUBJECT_BYTES).contains(&subject.len()) {
            return Err(JwtError::Subject);
        }
        let name = issuer.tenant(&claims).ok_or(JwtError::Tenant)?;
        let look = async { Ok(store.find_tenant_by_name(&name).await?.map(|tenant| tenant.id)) };
        let tenant = self.tenants.get(&name, now, look).await?.ok_or(JwtError::Tenant)?;
        Ok(JwtSubject {
            id: issuer.subject_id(subject, tenant),
            tenant,
            scopes: issuer.scopes(&claims),
            from: from.map_or(Timestamp::MIN, |from| before(from, issuer.leeway)),
            until: after(until, issuer.leeway),
        })
    }
}

/// The claims of a token that is signed with any of these keys for an accepted audience.
fn verified(
    token: &str,
    keys: &[DecodingKey],
    issuer: &JwtIssuer,
    header: &Header,
) -> std::result::Result<JwtClaims, JwtError> {
    let validation = validation(issuer, header);
    let mut last = JwtError::UnknownKey;
    for key in keys.iter().take(MAX_KEYS_TRIED) {
        match decode::<JwtClaims>(token, key, &validation) {
            Ok(verified) => return Ok(verified.claims),
            Err(error) => last = JwtError::Invalid(error),
        }
    }
    Err(last)
}

/// True if the header asks for nothing unsupported, and the token is not for another purpose (RFC 8725 §3.11).
fn understood(header: &Header) -> bool {
    let typ = header.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
    let typ = typ.strip_prefix("application/").unwrap_or(&typ);
    matches!(typ, "jwt" | "at+jwt") && header.crit.is_none() && header.enc.is_none() && header.zip.is_none()
}

/// Checks made by the library. Times are excluded: it would use the machine's clock, whereas we check them by our clock
/// at every use.
fn validation(issuer: &JwtIssuer, header: &Header) -> Validation {
    let mut validation = Validation::new(header.alg);
    // A claim that cannot be parsed counts as missing (CVE-2026-25537).
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    validation.set_issuer(&[&issuer.issuer]);
    validation.set_audience(&issuer.audiences);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation
}

/// The claims `nbf` and `exp`. Many issuers omit `nbf`; if present, it must be a number.
fn times(claims: &JwtClaims) -> Option<(Option<Timestamp>, Timestamp)> {
    let time = |value: &Value| {
        let seconds = value.as_f64().filter(|seconds| (0.0..1e12).contains(seconds))?;
        Some(micros((seconds * 1e6) as i64))
    };
    let from = match claims.get("nbf") {
        Some(value) => Some(time(value)?),
        None => None,
    };
    Some((from, time(claims.get("exp")?)?))
}
