//! API keys in the registry.

use std::time::Duration;

use serde_json::json;

use super::TenantRegistry;
use crate::domain::clock::after;
use crate::domain::ids::{self, KeyId, TenantId};
use crate::domain::key::{ApiKey, KeyScopes, KeySecret, KeyToken};
use crate::engine::audit::AuditedAct;
use crate::engine::rows::update::{UpdateError, UpdateResult};
use crate::engine::tenants::{KeyWish, MadeKey};
use crate::engine::{Error, Result};
use crate::store::{KeyRotation, RowChange, StoreError, Tx};

/// Longest name of a key in bytes.
const MAX_KEY_NAME_BYTES: usize = 200;
/// Longest life of a key with an end.
const MAX_KEY_LIFETIME: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// Most valid keys of a tenant.
const MAX_LIVE_KEYS: u64 = 1000;
/// Default and longest overlap, during which the old secret stays valid.
const DEFAULT_KEY_OVERLAP: Duration = Duration::from_secs(24 * 3600);
const MAX_KEY_OVERLAP: Duration = Duration::from_secs(7 * 24 * 3600);

impl TenantRegistry {
    /// Creates an API key and returns it with its secret, which cannot be read again.
    pub async fn create_key(&self, tenant: TenantId, scopes: KeyScopes, ttl: Option<Duration>) -> Result<KeyToken> {
        let wish = KeyWish { name: None, scopes, expires_in: ttl };
        Ok(self.make_key(tenant, wish).await?.token)
    }

    /// As [`Self::create_key`], with name, scopes and life from `wish`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for invalid parameters; [`Error::Taken`] when the tenant has its most keys.
    pub async fn make_key(&self, tenant: TenantId, wish: KeyWish) -> Result<MadeKey> {
        let made = self.blank_key(tenant, wish)?;
        self.has_room(tenant).await?;
        self.store.commit(self.writing(&made.key)).await?;
        Ok(made)
    }

    /// Refuses another key for a tenant with the most valid keys. Concurrent creations may exceed the limit slightly.
    pub(in crate::engine) async fn has_room(&self, tenant: TenantId) -> Result<()> {
        self.refuse_during_deletion(tenant).await?;
        let live = self.store.count_live_keys(tenant, self.store.now()).await?;
        if live < MAX_LIVE_KEYS {
            Ok(())
        } else {
            Err(Error::Taken("the tenant has the highest number of keys: revoke a key first"))
        }
    }

    /// The transaction that writes a new key.
    pub(in crate::engine) fn writing(&self, key: &ApiKey) -> Tx {
        let facts = json!({
            "name": key.name,
            "scopes": key.scopes.to_string(),
            "expires_at": key.expires_at.map(|at| at.to_string()),
        });
        let deed = self.deed_about(key.tenant, "key.create", key.id).after(facts);
        self.telling(Tx::new().with(RowChange::InsertKey(key.clone())), deed)
    }

    fn deed_about(&self, tenant: TenantId, action: &'static str, key: KeyId) -> AuditedAct {
        self.deed(tenant, action, format!("key:{key}"))
    }

    /// Builds a key that is not written yet.
    pub(in crate::engine) fn blank_key(&self, tenant: TenantId, wish: KeyWish) -> Result<MadeKey> {
        let KeyWish { name, scopes, expires_in } = wish;
        let unfit =
            |name: &String| !(1..=MAX_KEY_NAME_BYTES).contains(&name.len()) || name.chars().any(char::is_control);
        if name.as_ref().is_some_and(unfit) {
            return Err(Error::invalid(
                "name",
                format!("must be 1 to {MAX_KEY_NAME_BYTES} bytes without control characters"),
            ));
        }
        if expires_in.is_some_and(|life| life.is_zero() || life > MAX_KEY_LIFETIME) {
            return Err(Error::invalid("expires_in", "must be more than 0 and at most 100 years"));
        }
        let now = self.store.now();
        let token = KeyToken { id: KeyId(ids::mint(now, &*self.entropy)), secret: KeySecret::mint(&*self.entropy) };
        let key = ApiKey {
            id: token.id,
            tenant,
            name,
            scopes,
            secret_hash: token.secret.hash(),
            old_secret: None,
            created_at: now,
            expires_at: expires_in.map(|life| after(now, life)),
            revoked_at: None,
            last_used_at: None,
        };
        Ok(MadeKey { key, token })
    }

    /// Gives a key a new secret and returns it; the secret cannot be read again. The old secret stays valid for
    /// `overlap`; older secrets become invalid.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a key that the tenant does not have; [`Error::WrongState`] for a revoked key;
    /// [`Error::Taken`] after a concurrent change of the key.
    pub async fn rotate_key(&self, tenant: TenantId, id: KeyId, overlap: Option<Duration>) -> Result<MadeKey> {
        let secret = KeySecret::mint(&*self.entropy);
        self.rotate_to(tenant, id, overlap, &secret, Tx::new()).await.map_err(|error| match error {
            UpdateError::LostRace => Error::Taken("the key was changed by another request"),
            UpdateError::Refused(error) => error,
        })
    }

    /// Gives a key this secret, in a transaction with the writes of `tx`.
    pub(in crate::engine) async fn rotate_to(
        &self,
        tenant: TenantId,
        id: KeyId,
        overlap: Option<Duration>,
        secret: &KeySecret,
        tx: Tx,
    ) -> UpdateResult<MadeKey> {
        let overlap = overlap.unwrap_or(DEFAULT_KEY_OVERLAP);
        if overlap > MAX_KEY_OVERLAP {
            return Err(Error::invalid("overlap", "must be at most 7 days").into());
        }
        let mut key = self.key(tenant, id).await?;
        if key.revoked_at.is_some() {
            return Err(Error::WrongState { what: "key", state: "revoked" }.into());
        }
        let (seen, secret_hash, old_until) = (key.secret_hash, secret.hash(), after(self.store.now(), overlap));
        let rotation = KeyRotation { tenant, key: id, seen, secret_hash, old_until };
        let tx = self.telling(tx, self.deed_about(tenant, "key.rotate", id));
        self.store.commit(tx.with(RowChange::RotateKey(Box::new(rotation)))).await?;
        (key.secret_hash, key.old_secret) = (secret_hash, Some((seen, old_until)));
        Ok(MadeKey { key, token: KeyToken { id, secret: secret.clone() } })
    }

    /// Reads a key of a tenant.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a key that the tenant does not have.
    pub async fn key(&self, tenant: TenantId, id: KeyId) -> Result<ApiKey> {
        self.store.find_key(id).await?.filter(|key| key.tenant == tenant).ok_or(Error::NotFound)
    }

    /// A page of a tenant's keys without their secrets, oldest first.
    pub async fn keys(&self, tenant: TenantId, after: Option<KeyId>, limit: u32) -> Result<Vec<ApiKey>> {
        Ok(self.store.list_keys(tenant, after, limit).await?)
    }

    /// Revokes a key on every node within seconds. Idempotent.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a key that the tenant does not have.
    pub async fn revoke_key(&self, tenant: TenantId, key: KeyId) -> Result<()> {
        let tx = self.telling(Tx::new(), self.deed_about(tenant, "key.revoke", key));
        match self.store.commit(tx.with(RowChange::RevokeKey(tenant, key, self.store.now()))).await {
            Ok(()) => Ok(()),
            Err(StoreError::Conflict) => Err(Error::NotFound),
            Err(other) => Err(other.into()),
        }
    }
}
