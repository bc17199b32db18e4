//! From a credential to an actor: API keys, tokens of trusted issuers, grants for one file and for many.
//!
//! Short-lived caches keep the credentials of busy and of misbehaving clients from reaching the database at every
//! request. A revoked credential stops working within five seconds on every node.
//!
//! * `keys`: API keys, and when they were last used
//! * `issuers`: JSON Web Tokens; `keyring`: the keys of their issuers, fetched through [`KeySetFetcher`]
//!
//! Expiry is checked at every use, also of cached credentials.

use std::time::Duration;

use crate::crash;
use crate::domain::access::Actor;
use crate::domain::clock::Timestamp;
use crate::domain::key::KeyToken;
use crate::engine::tenants::TenantEngine;
use crate::engine::{Error, RequestContext, Result};

mod issuers;
mod keyring;
mod keys;

pub use issuers::TrustedIssuers;
pub use keyring::{KeySetFetcher, KeySetSettings};
pub(in crate::engine) use keys::ApiKeyCache;

/// Longest age of cached credentials. Below the five seconds within which a revocation counts on every node, with a
/// margin for the request itself.
const CREDENTIAL_CACHE_TTL: Duration = Duration::from_secs(4);

/// Time from the arrival of a wrong API key to its refusal. Longer than the pause after which the key is read again.
const REFUSAL_DELAY: Duration = Duration::from_millis(150);

impl TenantEngine {
    /// The actor of a bearer token: an API key `gk_…`, an upload grant `gu_…`, or a token of a trusted issuer.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for every token that is unknown, expired, revoked or malformed; [`Error::Busy`] when
    /// the token's issuer does not hand out its keys and none are known.
    pub async fn authenticate(&self, token: &str) -> Result<Actor> {
        let actor = self.identify(token).await?;
        RequestContext::log_ids().note_actor(&actor);
        Ok(actor)
    }

    /// True for a grant of this service that has ended: its holder can be told so.
    #[must_use]
    pub fn is_ended_grant(&self, token: &str) -> bool {
        let is_over = |(_, until)| until <= self.store.now();
        self.tokens.open_upload_grant(token).is_some_and(is_over) || self.tokens.open_drop_box(token).is_some()
    }

    async fn identify(&self, token: &str) -> Result<Actor> {
        let now = self.store.now();
        let (actor, kind) = if token.starts_with("gu_") {
            let actor = match self.tokens.open_upload_grant(token) {
                Some((upload, until)) => (now < until).then_some(Actor::Uploader { upload }),
                None => self.identify_sender(token).await?,
            };
            (actor, "grant")
        } else if token.starts_with("gk_") {
            return self.key_holder(token, now).await;
        } else {
            (self.issuers.subject(token, now, &*self.store).await?, "token")
        };
        if actor.is_none() {
            self.audit.tell_of_wrong_credential(None, "auth.refused", kind.to_owned());
        }
        crash::point("after_auth");
        actor.ok_or(Error::Unauthenticated)
    }

    /// The actor of an API key. Unknown ids and wrong secrets are refused after the same time, so that callers cannot
    /// tell which ids exist.
    async fn key_holder(&self, token: &str, now: Timestamp) -> Result<Actor> {
        let came = tokio::time::Instant::now();
        let token = token.parse::<KeyToken>().ok();
        let key = match &token {
            Some(token) => self.api_keys.lookup_key(token, now).await?,
            None => None,
        };
        crash::point("after_auth");
        if let Some(key) = key {
            return Ok(Actor::Key { id: key.id, tenant: key.tenant, scopes: key.scopes });
        }
        let owner = match &token {
            Some(token) => self.api_keys.owner(token.id, now).await?,
            None => None,
        };
        let subject = owner.and(token).map_or_else(|| "key".to_owned(), |token| format!("key:{}", token.id));
        self.audit.tell_of_wrong_credential(owner, "auth.refused", subject);
        tokio::time::sleep_until(came + REFUSAL_DELAY).await;
        Err(Error::Unauthenticated)
    }
}
