//! From a credential to an actor.
//!
//! Keys are cached for [`STALE`], unknown ones too, so that neither a busy key nor a wrong one reaches the database
//! at every request; a revoked key stops working within that time on every node.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use super::{Engine, Error, Result};
use crate::crash;
use crate::domain::access::Actor;
use crate::domain::clock::Timestamp;
use crate::domain::ids::KeyId;
use crate::domain::key::{ApiKey, KeyToken};
use crate::store::{Store, StoreError};

const STALE: Duration = Duration::from_secs(5);

pub(super) struct Keys {
    store: Arc<dyn Store>,
    known: Cache<KeyId, Option<Arc<ApiKey>>>,
}

impl Keys {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, known: Cache::builder().max_capacity(10_000).time_to_live(STALE).build() }
    }

    async fn key(&self, id: KeyId) -> Result<Option<Arc<ApiKey>>> {
        let look = async { self.store.key(id).await.map(|key| key.map(Arc::new)) };
        self.known.try_get_with(id, look).await.map_err(|error: Arc<StoreError>| (*error).clone().into())
    }
}

impl Engine {
    /// The actor behind a bearer token: an API key `gk_…` or an upload grant `gu_…`.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for every token that is unknown, expired, revoked or malformed.
    pub async fn authenticate(&self, token: &str) -> Result<Actor> {
        let now = self.0.store.now();
        let actor = if token.starts_with("gu_") {
            let grant = self.0.tokens.open_upload_grant(token);
            grant.filter(|(_, until)| now < *until).map(|(upload, _)| Actor::Uploader { upload })
        } else {
            self.key_holder(token, now).await?
        };
        crash::point("after_auth");
        actor.ok_or(Error::Unauthenticated)
    }

    async fn key_holder(&self, token: &str, now: Timestamp) -> Result<Option<Actor>> {
        let Ok(token) = token.parse::<KeyToken>() else { return Ok(None) };
        let key = self.0.keys.key(token.id).await?;
        let key = key.filter(|key| key.opens(&token.secret, now));
        Ok(key.map(|key| Actor::Key { id: key.id, tenant: key.tenant, scopes: key.scopes }))
    }
}
