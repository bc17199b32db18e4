//! API keys of a tenant, for its administrators: create, list, rotate, revoke.
//!
//! A secret is shown once and not stored. If the response is lost, the same request with the same `Idempotency-Key`
//! shows the secret again: it is derived from the signing key and a salt, which is stored as long as the idempotency
//! record.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::TenantEngine;
use crate::domain::access::Actor;
use crate::domain::clock::random_hex;
use crate::domain::ids::{KeyId, TenantId};
use crate::domain::key::{ApiKey, KeyScopes, KeySecret, KeyToken};
use crate::engine::idempotency::RepeatableRequest;
use crate::engine::limits::check_page_limit;
use crate::engine::rows::update::retry_on_conflict;
use crate::engine::{Error, IdempotencyKey, Result};
use crate::store::Tx;

/// A request for a new key.
#[derive(Clone, Debug)]
pub struct KeyWish {
    /// Name for people; 1 to 200 bytes.
    pub name: Option<String>,
    /// Scopes of the key.
    pub scopes: KeyScopes,
    /// Life of the key; `None`: without end.
    pub expires_in: Option<Duration>,
}

/// A key with its new secret.
#[derive(Clone, Debug)]
pub struct MadeKey {
    /// The stored key.
    pub key: ApiKey,
    /// The token that the key's holder sends. Shown once.
    pub token: KeyToken,
}

/// Remembered result of a request that showed the secret of a key.
#[derive(Serialize, Deserialize)]
struct ShownKey {
    key: KeyId,
    /// Salt from which the secret is derived, so that a repeat can show it again.
    salt: String,
}

impl TenantEngine {
    /// Creates a key in the caller's tenant, or for the operator in the tenant with this name or id. The secret is
    /// shown only in this response and in those to repeats with the same `Idempotency-Key`.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for scopes that the caller does not have; [`Error::Invalid`] for invalid parameters;
    /// [`Error::Taken`] when the tenant has its most keys.
    #[tracing::instrument(skip_all)]
    pub async fn create_key(
        &self,
        actor: &Actor,
        tenant: Option<&str>,
        wish: KeyWish,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<MadeKey> {
        let tenant = self.load_administered_tenant(actor, tenant).await?;
        let Actor::Key { id: by, scopes, .. } = actor else { return Err(Error::Forbidden) };
        if !wish.scopes.within(*scopes) {
            return Err(Error::Forbidden);
        }
        let registry = self.registry().by(actor);
        let mut made = registry.blank_key(tenant, wish)?;
        let route = format!("POST /v1/keys of {tenant}");
        let request = RepeatableRequest { by: *by, route: &route, idempotency: idempotency.as_ref() };
        if let Err(full) = registry.has_room(tenant).await {
            let shown = self.idempotency.recall(&request).await?.ok_or(full)?;
            return self.show_key_again(tenant, shown).await;
        }
        let (salt, secret) = self.new_secret(&request);
        (made.key.secret_hash, made.token.secret) = (secret.hash(), secret);
        let tx =
            self.idempotency.remember(registry.writing(&made.key), &request, &ShownKey { key: made.key.id, salt })?;
        if self.rows.commit_if_unchanged(tx).await? {
            return Ok(made);
        }
        self.show_key_again(tenant, self.idempotency.recall_rival(&request).await?).await
    }

    /// A page of a tenant's keys, oldest first, including revoked and expired keys.
    #[tracing::instrument(skip_all)]
    pub async fn list_keys(
        &self,
        actor: &Actor,
        tenant: Option<&str>,
        after: Option<KeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKey>> {
        let tenant = self.load_administered_tenant(actor, tenant).await?;
        check_page_limit(limit)?;
        self.registry().keys(tenant, after, limit).await
    }

    /// Reads a key of a tenant.
    #[tracing::instrument(skip_all)]
    pub async fn key(&self, actor: &Actor, tenant: Option<&str>, id: KeyId) -> Result<ApiKey> {
        let tenant = self.load_administered_tenant(actor, tenant).await?;
        self.registry().key(tenant, id).await
    }

    /// Revokes a key: on this node at once, on every other node within five seconds. Idempotent.
    #[tracing::instrument(skip_all)]
    pub async fn revoke_key(&self, actor: &Actor, tenant: Option<&str>, id: KeyId) -> Result<()> {
        let tenant = self.load_administered_tenant(actor, tenant).await?;
        self.registry().by(actor).revoke_key(tenant, id).await?;
        self.api_keys.forget(id).await;
        Ok(())
    }

    /// Gives a key a new secret, shown once as by [`Self::create_key`]. The old secret stays valid for `overlap`: a day
    /// by default, at most a week. Older secrets become invalid.
    ///
    /// # Errors
    /// [`Error::WrongState`] for a revoked key.
    #[tracing::instrument(skip_all)]
    pub async fn rotate_key(
        &self,
        actor: &Actor,
        tenant: Option<&str>,
        id: KeyId,
        overlap: Option<Duration>,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<MadeKey> {
        let tenant = self.load_administered_tenant(actor, tenant).await?;
        let Actor::Key { id: by, .. } = actor else { return Err(Error::Forbidden) };
        let route = format!("POST /v1/keys/{id}/rotate of {tenant}");
        let request = &RepeatableRequest { by: *by, route: &route, idempotency: idempotency.as_ref() };
        let (salt, secret) = self.new_secret(request);
        let (registry, shown, secret) = (&self.registry().by(actor), &ShownKey { key: id, salt }, &secret);
        let rotated = retry_on_conflict(&*self.entropy, || async move {
            if let Some(shown) = self.idempotency.recall(request).await? {
                return Ok(self.show_key_again(tenant, shown).await?);
            }
            let tx = self.idempotency.remember(Tx::new(), request, shown)?;
            // A conflict: another rotation, or a repeat of this request, came first.
            registry.rotate_to(tenant, id, overlap, secret, tx).await
        });
        let rotated = rotated.await;
        self.api_keys.forget(id).await;
        rotated
    }

    /// A secret to show, and the salt from which it is derived if a repeat may have to show it again.
    fn new_secret(&self, request: &RepeatableRequest<'_>) -> (String, KeySecret) {
        let salt = random_hex(&*self.entropy, 16);
        let derived = request.idempotency.and_then(|_| self.tokens.key_secrets(salt.as_bytes()).into_iter().next());
        let secret = derived.unwrap_or_else(|| KeySecret::mint(&*self.entropy));
        (salt, secret)
    }

    /// The key that an earlier request has shown.
    ///
    /// # Errors
    /// [`Error::Taken`] when the key was rotated after that request.
    async fn show_key_again(&self, tenant: TenantId, ShownKey { key: id, salt }: ShownKey) -> Result<MadeKey> {
        let key = self.registry().key(tenant, id).await?;
        let secret =
            self.tokens.key_secrets(salt.as_bytes()).into_iter().find(|secret| secret.hash() == key.secret_hash);
        let secret = secret.ok_or(Error::Taken("the key was rotated after that request"))?;
        Ok(MadeKey { key, token: KeyToken { id, secret } })
    }
}
