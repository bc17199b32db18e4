//! API keys of a tenant, for its administrators: create, list, rotate, revoke.
//!
//! A secret is shown once and not stored. If the response is lost, the same request with the same `Idempotency-Key`
//! shows the secret again: it is derived from the signing key and a salt, which is stored as long as the idempotency
//! record.

use std::time::Duration;

use serde_json::{Value, json};

use super::TenantEngine;
use crate::domain::access::Actor;
use crate::domain::clock::{after, random_hex};
use crate::domain::ids::{KeyId, TenantId};
use crate::domain::key::{ApiKey, KeyScopes, KeySecret, KeyToken};
use crate::engine::limits::check_page_limit;
use crate::engine::{Error, IdempotencyKey, Result};
use crate::store::{IdempotencyRecord, NewRow, StoreError, Tx};

/// Attempts of a rotation against concurrent changes.
const MAX_ROTATE_ATTEMPTS: u32 = 5;

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

/// A request that shows a secret, with the data that identifies its repeats.
struct KeyIdempotency<'a> {
    by: KeyId,
    route: String,
    idempotency: Option<&'a IdempotencyKey>,
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
        let showing = self.showing(*by, format!("POST /v1/keys of {tenant}"), idempotency.as_ref());
        if let Err(full) = registry.has_room(tenant).await {
            return self.recall_created_key(tenant, &showing).await?.ok_or(full);
        }
        if let Some(secret) = self.secret_of(&showing) {
            (made.key.secret_hash, made.token.secret) = (secret.hash(), secret);
        }
        match self.store.commit(self.recall(registry.writing(&made.key), &showing, made.key.id)).await {
            Ok(()) => Ok(made),
            Err(StoreError::Conflict) => {
                let shown = self.recall_created_key(tenant, &showing).await?;
                shown.ok_or_else(|| Error::busy("the same request is still running"))
            }
            Err(other) => Err(other.into()),
        }
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
        let showing = self.showing(*by, format!("POST /v1/keys/{id}/rotate of {tenant}"), idempotency.as_ref());
        let secret = self.secret_of(&showing).unwrap_or_else(|| KeySecret::mint(&*self.entropy));
        for _ in 0..MAX_ROTATE_ATTEMPTS {
            if let Some(shown) = self.recall_created_key(tenant, &showing).await? {
                return Ok(shown);
            }
            let tx = self.recall(Tx::new(), &showing, id);
            match self.registry().by(actor).rotate_to(tenant, id, overlap, &secret, tx).await {
                // A concurrent rotation, or a repeat of this request, came first.
                Err(Error::Taken(_)) => {}
                other => {
                    self.api_keys.forget(id).await;
                    return other;
                }
            }
        }
        Err(Error::busy("other requests keep changing the key"))
    }

    fn showing<'a>(&self, by: KeyId, route: String, idempotency: Option<&'a IdempotencyKey>) -> KeyIdempotency<'a> {
        KeyIdempotency { by, route, idempotency, salt: random_hex(&*self.entropy, 16) }
    }

    /// The secret to show, if a repeat may have to show it again.
    fn secret_of(&self, showing: &KeyIdempotency<'_>) -> Option<KeySecret> {
        showing.idempotency?;
        self.tokens.key_secrets(showing.salt.as_bytes()).next()
    }

    fn recall(&self, tx: Tx, showing: &KeyIdempotency<'_>, key: KeyId) -> Tx {
        let Some(IdempotencyKey { token, fingerprint }) = showing.idempotency else { return tx };
        tx.with(NewRow::Replay(IdempotencyRecord {
            key: showing.by,
            route: showing.route.clone(),
            token: token.clone(),
            fingerprint: *fingerprint,
            result: json!({ "key": key, "salt": showing.salt }),
            expires_at: after(self.store.now(), self.settings.replay_ttl),
        }))
    }

    /// The key that an earlier request with this `Idempotency-Key` has shown.
    ///
    /// # Errors
    /// [`Error::IdempotencyKeyReused`] for a different request with the same `Idempotency-Key`; [`Error::Taken`] when
    /// the key was rotated after that request.
    async fn recall_created_key(&self, tenant: TenantId, showing: &KeyIdempotency<'_>) -> Result<Option<MadeKey>> {
        let Some(IdempotencyKey { token, fingerprint }) = showing.idempotency else { return Ok(None) };
        let Some(replay) = self.store.find_idempotency_record(showing.by, &showing.route, token).await? else {
            return Ok(None);
        };
        if replay.fingerprint != *fingerprint {
            return Err(Error::IdempotencyKeyReused);
        }
        let text = |name: &str| replay.result.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let id = text("key").parse().map_err(|_| Error::Internal("a replay without a key".into()))?;
        let (key, salt) = (self.registry().key(tenant, id).await?, text("salt"));
        let secret = self.tokens.key_secrets(salt.as_bytes()).find(|secret| secret.hash() == key.secret_hash);
        let secret = secret.ok_or(Error::Taken("the key was rotated after that request"))?;
        Ok(Some(MadeKey { key, token: KeyToken { id, secret } }))
    }
}
