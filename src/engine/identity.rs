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
use crate::domain::ids::{KeyId, TenantId};
use crate::domain::key::{ApiKey, KeySecret, KeyToken, Scopes};
use crate::domain::tenant::{Tenant, is_tenant_name};
use crate::store::{Store, StoreError, Tx, Write};

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

    /// Makes a tenant. For operators at the command line.
    pub async fn create_tenant(&self, name: &str) -> Result<Tenant> {
        if !is_tenant_name(name) {
            return Err(Error::invalid("name", "1 to 63 of a-z, 0-9, '-', '_' and '.'"));
        }
        let tenant = Tenant { id: TenantId(self.0.ids.mint()), name: name.to_owned(), created_at: self.0.store.now() };
        match self.0.store.commit(Tx::new().with(Write::InsertTenant(tenant.clone()))).await {
            Ok(()) => Ok(tenant),
            Err(StoreError::Conflict) => Err(Error::Taken("a tenant of this name exists")),
            Err(other) => Err(other.into()),
        }
    }

    /// Makes an API key and returns it with its secret, which nobody can read again. For operators.
    pub async fn create_key(&self, tenant: TenantId, scopes: Scopes, ttl: Option<Duration>) -> Result<KeyToken> {
        let now = self.0.store.now();
        let token = KeyToken { id: KeyId(self.0.ids.mint()), secret: KeySecret::mint(&*self.0.entropy) };
        let key = ApiKey {
            id: token.id,
            tenant,
            scopes,
            secret_hash: token.secret.hash(),
            created_at: now,
            expires_at: ttl.map(|ttl| crate::domain::clock::after(now, ttl)),
            revoked_at: None,
        };
        self.0.store.commit(Tx::new().with(Write::InsertKey(key))).await?;
        Ok(token)
    }
}
