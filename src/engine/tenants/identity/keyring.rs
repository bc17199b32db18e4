//! Public keys of an issuer: fetched on demand, by a single request at a time, and kept for a bounded time while the
//! issuer is unreachable.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use crate::domain::clock::{Timestamp, after};
use crate::domain::issuer::{JwtIssuer, KeySource};
use crate::domain::reason::{FailureCause, chain};
use crate::engine::{Error, Result};

/// Most keys of a set that are read.
const MAX_ISSUER_KEYS: usize = 100;
/// Pause between requests to an issuer without known keys.
const REFETCH_INTERVAL: Duration = Duration::from_secs(5);

/// Source of issuers' key sets.
#[async_trait]
pub trait KeySetFetcher: Send + Sync {
    /// Fetches the JWK set (RFC 7517 §5) of an issuer, unparsed. Bounded in size and time.
    ///
    /// # Errors
    /// The cause of the failure, for logs; it holds no secret.
    async fn fetch(&self, issuer: &JwtIssuer) -> std::result::Result<Vec<u8>, FailureCause>;
}

/// Life of fetched keys, and limits on requests to the issuer.
#[derive(Clone, Copy, Debug)]
pub struct KeySetSettings {
    /// Age after which keys in use are fetched again.
    pub refresh: Duration,
    /// Shortest time between requests to an issuer because of keys that its set does not have.
    pub pause: Duration,
    /// Time for which keys are used while their issuer is unreachable.
    pub keep: Duration,
}

/// A key that can verify signatures.
struct VerifyingKey {
    id: Option<String>,
    algorithm: Option<String>,
    key: DecodingKey,
}

#[derive(Default)]
struct CachedIssuerKeys {
    keys: Arc<Vec<VerifyingKey>>,
    /// Time at which `keys` were fetched; `None`: never.
    at: Option<Timestamp>,
    /// Time of the last attempt to fetch, successful or not.
    tried: Option<Timestamp>,
}

/// Keys of an issuer.
pub(super) struct IssuerKeys {
    pub(super) issuer: JwtIssuer,
    settings: KeySetSettings,
    sets: Arc<dyn KeySetFetcher>,
    known: Mutex<CachedIssuerKeys>,
    /// Held during a request to the issuer.
    asking: tokio::sync::Mutex<()>,
}

impl IssuerKeys {
    pub(super) fn new(issuer: JwtIssuer, settings: KeySetSettings, sets: Arc<dyn KeySetFetcher>) -> Self {
        Self { issuer, settings, sets, known: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// Keys with which a token with this algorithm and key id may be signed; mostly a single key.
    ///
    /// # Errors
    /// [`Error::Busy`] when no keys are known and the issuer does not respond.
    pub(super) async fn candidates(
        self: &Arc<Self>,
        algorithm: Algorithm,
        id: Option<&str>,
        now: Timestamp,
    ) -> Result<Vec<DecodingKey>> {
        if let KeySource::Secret(secret) = &self.issuer.keys {
            return Ok(vec![DecodingKey::from_secret(secret)]);
        }
        let (good, old, tried) = self.glance(now);
        let found = good.as_ref().map(|keys| matching(keys, algorithm, id));
        let pause = if good.is_some() { self.settings.pause } else { REFETCH_INTERVAL };
        match found {
            Some(found) if !found.is_empty() => {
                if old && may_ask(tried, now, REFETCH_INTERVAL) {
                    tokio::spawn(Arc::clone(self).ask(tried, now));
                }
                return Ok(found);
            }
            Some(_) | None if may_ask(tried, now, pause) => {
                // A task of its own: the waiting request may be cancelled while further requests wait for the same
                // keys.
                let asked = tokio::spawn(Arc::clone(self).ask(tried, now)).await;
                asked.map_err(Error::internal)?;
            }
            // Wait for the request to the issuer that is under way.
            Some(_) | None => drop(self.asking.lock().await),
        }
        match self.glance(now).0 {
            Some(keys) => Ok(matching(&keys, algorithm, id)),
            None => {
                let why = format!("the keys of issuer {} are not available", self.issuer.name).into();
                Err(Error::Busy { why, after: REFETCH_INTERVAL })
            }
        }
    }

    /// Keys that are not too old to be used, whether they should be fetched again, and the time of the last attempt.
    fn glance(&self, now: Timestamp) -> (Option<Arc<Vec<VerifyingKey>>>, bool, Option<Timestamp>) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let good = known.at.is_some_and(|at| now < after(at, self.settings.keep));
        let old = known.at.is_some_and(|at| now >= after(at, self.settings.refresh));
        (good.then(|| Arc::clone(&known.keys)), old, known.tried)
    }

    /// Fetches the keys, unless there was an attempt since `tried`.
    async fn ask(self: Arc<Self>, tried: Option<Timestamp>, now: Timestamp) {
        let _asking = self.asking.lock().await;
        {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.tried != tried {
                return;
            }
            known.tried = Some(now);
        }
        let fetched = self.sets.fetch(&self.issuer).await.and_then(|text| read(&text));
        match fetched {
            Ok(keys) => {
                tracing::info!(issuer = self.issuer.name, keys = keys.len(), "fetched the keys of an issuer");
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                (known.keys, known.at) = (Arc::new(keys), Some(now));
            }
            Err(why) => {
                tracing::warn!(issuer = self.issuer.name, why = %chain(&why), "the keys of an issuer cannot be fetched");
            }
        }
    }
}

fn may_ask(tried: Option<Timestamp>, now: Timestamp, pause: Duration) -> bool {
    tried.is_none_or(|tried| now >= after(tried, pause) || now < tried)
}

fn matching(keys: &[VerifyingKey], algorithm: Algorithm, id: Option<&str>) -> Vec<DecodingKey> {
    let name = format!("{algorithm:?}");
    let suits = |key: &&VerifyingKey| {
        key.key.family() == algorithm.family()
            && key.algorithm.as_ref().is_none_or(|own| *own == name)
            && id.is_none_or(|id| key.id.as_deref() == Some(id))
    };
    let found: Vec<_> = keys.iter().filter(suits).map(|key| key.key.clone()).collect();
    // A token without a key id is not tried with several keys.
    if id.is_none() && found.len() > 1 { Vec::new() } else { found }
}

/// The usable keys of a JWK set; unusable keys are skipped.
fn read(text: &[u8]) -> std::result::Result<Vec<VerifyingKey>, FailureCause> {
    #[derive(Deserialize)]
    struct JwkSet {
        keys: Vec<Value>,
    }
    let set: JwkSet =
        serde_json::from_slice(text).map_err(|error| FailureCause::with("not a JWK set: {error}", error))?;
    Ok(set.keys.into_iter().take(MAX_ISSUER_KEYS).filter_map(|key| usable(serde_json::from_value(key).ok()?)).collect())
}

fn usable(jwk: Jwk) -> Option<VerifyingKey> {
    // Everybody can fetch the set, so a symmetric key in it is no secret.
    let public = !matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_) | AlgorithmParameters::Other(_));
    let signs = jwk.common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    let operations = jwk.common.key_operations.as_ref();
    let verifies = operations.is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    let key = DecodingKey::from_jwk(&jwk).ok().filter(|_| public && signs && verifies)?;
    Some(VerifyingKey { key, algorithm: jwk.common.key_algorithm.map(|own| own.to_string()), id: jwk.common.key_id })
}
