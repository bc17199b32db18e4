//! From a credential to an actor: API keys, tokens of other issuers, upload grants.
//!
//! A short memory for answers keeps busy credentials and wrong ones from reaching the database at every request; a revoked
//! one stops working within five seconds on every node.
//!
//! * `keys`: API keys, and when they were last used
//! * `issuers`: JSON Web Tokens; `keyring`: the keys of their issuers, fetched through [`KeySetFetcher`]
//!
//! Expiry is asked about at every use, whatever is remembered.

use std::time::Duration;

use super::{Engine, Error, RequestContext, Result};
use crate::crash;
use crate::domain::access::Actor;
use crate::domain::clock::Timestamp;
use crate::domain::key::KeyToken;

mod issuers;
mod keyring;
mod keys;

pub use issuers::TrustedIssuers;
pub use keyring::{KeySetFetcher, KeySetSettings};
pub(super) use keys::ApiKeyCache;

/// How old what is known of a credential may be. Below the five seconds within which a revocation counts on every node,
/// with a margin for the request that it is for.
const CREDENTIAL_CACHE_TTL: Duration = Duration::from_secs(4);

/// When a wrong API key is refused. Longer than the pause after which a key is asked about once more.
const REFUSAL_DELAY: Duration = Duration::from_millis(150);

impl Engine {
    /// The actor behind a bearer token: an API key `gk_…`, an upload grant `gu_…`, or a token of a trusted issuer.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for every token that is unknown, expired, revoked or malformed; [`Error::Busy`] when the
    /// token's issuer does not hand out its keys and none are known.
    pub async fn authenticate(&self, token: &str) -> Result<Actor> {
        let actor = self.identify(token).await?;
        RequestContext::log_ids().note_actor(&actor);
        Ok(actor)
    }

    async fn identify(&self, token: &str) -> Result<Actor> {
        let now = self.0.store.now();
        let (actor, kind) = if token.starts_with("gu_") {
            let grant = self.0.tokens.open_upload_grant(token);
            (grant.filter(|(_, until)| now < *until).map(|(upload, _)| Actor::Uploader { upload }), "grant")
        } else if token.starts_with("gk_") {
            return self.key_holder(token, now).await;
        } else {
            (self.0.issuers.subject(token, now, &*self.0.store).await?, "token")
        };
        if actor.is_none() {
            self.tell_of_wrong_credential(None, "auth.refused", kind.to_owned());
        }
        crash::point("after_auth");
        actor.ok_or(Error::Unauthenticated)
    }

    /// Who holds an API key. A key that does not exist and a wrong secret of one that does are refused after the same
    /// time, so that ids cannot be told apart.
    async fn key_holder(&self, token: &str, now: Timestamp) -> Result<Actor> {
        let came = tokio::time::Instant::now();
        let token = token.parse::<KeyToken>().ok();
        let key = match &token {
            Some(token) => self.0.api_keys.lookup_key(token, now).await?,
            None => None,
        };
        crash::point("after_auth");
        if let Some(key) = key {
            return Ok(Actor::Key { id: key.id, tenant: key.tenant, scopes: key.scopes });
        }
        let owner = match &token {
            Some(token) => self.0.api_keys.owner(token.id, now).await?,
            None => None,
        };
        let subject = owner.and(token).map_or_else(|| "key".to_owned(), |token| format!("key:{}", token.id));
        self.tell_of_wrong_credential(owner, "auth.refused", subject);
        tokio::time::sleep_until(came + REFUSAL_DELAY).await;
        Err(Error::Unauthenticated)
    }
}
