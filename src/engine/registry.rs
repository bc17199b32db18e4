//! Tenants and keys, for operators: needs rows only, so that it works while nothing else runs.

use std::sync::Arc;
use std::time::Duration;

use super::tenants::{PatchTenant, TenantStanding};
use super::{Error, KeyWish, MadeKey, Result};
use crate::domain::audit::AuditEntry;
use crate::domain::clock::{Entropy, after};
use crate::domain::ids::{self, KeyId, TenantId};
use crate::domain::key::{ApiKey, KeySecret, KeyToken, Scopes};
use crate::domain::quota::{Quota, Usage};
use crate::domain::tenant::{Tenant, is_tenant_name};
use crate::store::{KeyRotation, Store, StoreError, TenancyWrite, Tx, Write};

/// Longest name of a key, in bytes.
const LONGEST_NAME: usize = 200;
/// Longest life of a key that ends.
const LONGEST_LIFE: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// How long the old secret works as well unless said otherwise, and at most.
const OVERLAP: Duration = Duration::from_secs(24 * 3600);
const LONGEST_OVERLAP: Duration = Duration::from_secs(7 * 24 * 3600);

/// The book of tenants and keys.
#[derive(Clone)]
pub struct Registry {
    store: Arc<dyn Store>,
    entropy: Arc<dyn Entropy>,
    /// Whoever keeps it by hand tells the audit trail; callers of the engine are told of by that.
    by_hand: bool,
}

impl Registry {
    /// The book that is kept in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, entropy, by_hand: false }
    }

    /// As the command line keeps it, whose user owns the database: the audit trail names the `operator`.
    #[must_use]
    pub fn by_hand(self) -> Self {
        Self { by_hand: true, ..self }
    }

    /// A transaction that tells of a deed by hand, to which the deed is added.
    fn telling(&self, tenant: TenantId, action: &str, subject: String) -> Tx {
        if !self.by_hand {
            return Tx::new();
        }
        let now = self.store.now();
        Tx::new().with(Write::InsertAudit(Box::new(AuditEntry {
            id: ids::mint(now, &*self.entropy),
            tenant,
            at: now,
            actor: "operator".to_owned(),
            action: action.to_owned(),
            subject,
            before: None,
            after: None,
            peer: None,
            request: None,
        })))
    }

    /// Makes a tenant.
    pub async fn create_tenant(&self, name: &str) -> Result<Tenant> {
        if !is_tenant_name(name) {
            return Err(Error::invalid("name", "1 to 63 of a-z, 0-9, '-', '_' and '.'"));
        }
        let id = TenantId(ids::mint(self.store.now(), &*self.entropy));
        let created_at = self.store.now();
        let tenant = Tenant { id, name: name.to_owned(), created_at, suspended_at: None, rate: None };
        let tx = self.telling(id, "tenant.create", format!("tenant:{id}"));
        match self.store.commit(tx.with(Write::InsertTenant(tenant.clone()))).await {
            Ok(()) => Ok(tenant),
            Err(StoreError::Conflict) => Err(Error::Taken("a tenant of this name exists")),
            Err(other) => Err(other.into()),
        }
    }

    /// A tenant by name or id.
    pub async fn tenant(&self, name_or_id: &str) -> Result<Option<Tenant>> {
        if let Some(tenant) = self.store.tenant_named(name_or_id).await? {
            return Ok(Some(tenant));
        }
        match name_or_id.parse() {
            Ok(id) => Ok(self.store.tenant(id).await?),
            Err(_) => Ok(None),
        }
    }

    /// Tenants in the order of their names, a page at a time.
    pub async fn tenants(&self, after: &str, limit: u32) -> Result<Vec<Tenant>> {
        Ok(self.store.tenants(after, limit).await?)
    }

    /// A tenant with its limits and what it takes up.
    pub async fn standing(&self, id: TenantId) -> Result<TenantStanding> {
        let tenant = self.store.tenant(id).await?.ok_or(Error::Hidden)?;
        let (quota, usage) = match self.store.quota(id).await? {
            Some(kept) => kept,
            None => (Quota::default(), self.store.usage(id).await?),
        };
        Ok(TenantStanding { tenant, quota, usage })
    }

    /// Changes a tenant's limits, or suspends it.
    pub async fn patch_tenant(&self, tenant: &Tenant, patch: PatchTenant) -> Result<TenantStanding> {
        let mut changed = tenant.clone();
        if let Some(suspended) = patch.suspended {
            changed.suspended_at = suspended.then(|| tenant.suspended_at.unwrap_or(self.store.now()));
        }
        changed.rate = patch.rate.unwrap_or(tenant.rate);
        let mut tx = self.telling(tenant.id, "tenant.change", format!("tenant:{}", tenant.id));
        tx = tx.with(Write::Tenancy(TenancyWrite::UpdateTenant(changed)));
        if let Some(quota) = patch.quota {
            tx = tx.with(Write::Tenancy(TenancyWrite::SetQuota(tenant.id, quota)));
        }
        self.store.commit(tx).await?;
        self.standing(tenant.id).await
    }

    /// Sums what a tenant takes up anew, from its rows; what the sum was before, where one was kept.
    pub async fn recompute(&self, id: TenantId) -> Result<(Option<Usage>, Usage)> {
        self.store.tenant(id).await?.ok_or(Error::Hidden)?;
        let Some((quota, before)) = self.store.quota(id).await? else { return Ok((None, self.store.usage(id).await?)) };
        self.store.commit(Tx::new().with(Write::Tenancy(TenancyWrite::SetQuota(id, quota)))).await?;
        Ok((Some(before), self.standing(id).await?.usage))
    }

    /// Makes an API key and returns it with its secret, which nobody can read again.
    pub async fn create_key(&self, tenant: TenantId, scopes: Scopes, ttl: Option<Duration>) -> Result<KeyToken> {
        let wish = KeyWish { name: None, scopes, expires_in: ttl };
        Ok(self.make_key(tenant, wish).await?.token)
    }

    /// As [`Self::create_key`], with everything that a key may have.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wish that makes no sense.
    pub async fn make_key(&self, tenant: TenantId, wish: KeyWish) -> Result<MadeKey> {
        let made = self.blank_key(tenant, wish)?;
        let tx = self.telling(tenant, "key.create", format!("key:{}", made.key.id));
        self.store.commit(tx.with(Write::InsertKey(made.key.clone()))).await?;
        Ok(made)
    }

    /// A key that is not written yet.
    pub(super) fn blank_key(&self, tenant: TenantId, wish: KeyWish) -> Result<MadeKey> {
        let KeyWish { name, scopes, expires_in } = wish;
        let unfit = |name: &String| !(1..=LONGEST_NAME).contains(&name.len()) || name.chars().any(char::is_control);
        if name.as_ref().is_some_and(unfit) {
            return Err(Error::invalid("name", format!("1 to {LONGEST_NAME} bytes without control characters")));
        }
        if expires_in.is_some_and(|life| life.is_zero() || life > LONGEST_LIFE) {
            return Err(Error::invalid("expires_in", "more than nothing, and 100 years at most"));
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

    /// Gives a key a new secret and returns it, which nobody can read again. The old one works as well for `overlap`; the
    /// one before that does not.
    ///
    /// # Errors
    /// [`Error::Hidden`] for a key that the tenant does not have; [`Error::WrongState`] for a revoked one; [`Error::Taken`]
    /// when somebody else has just changed it.
    pub async fn rotate_key(&self, tenant: TenantId, id: KeyId, overlap: Option<Duration>) -> Result<MadeKey> {
        let secret = KeySecret::mint(&*self.entropy);
        self.rotate_to(tenant, id, overlap, &secret, self.telling(tenant, "key.rotate", format!("key:{id}"))).await
    }

    /// Gives a key this secret, together with what `tx` says.
    pub(super) async fn rotate_to(
        &self,
        tenant: TenantId,
        id: KeyId,
        overlap: Option<Duration>,
        secret: &KeySecret,
        tx: Tx,
    ) -> Result<MadeKey> {
        let overlap = overlap.unwrap_or(OVERLAP);
        if overlap > LONGEST_OVERLAP {
            return Err(Error::invalid("overlap", "7 days at most"));
        }
        let mut key = self.key(tenant, id).await?;
        if key.revoked_at.is_some() {
            return Err(Error::WrongState { what: "key", state: "revoked" });
        }
        let (seen, secret_hash, old_until) = (key.secret_hash, secret.hash(), after(self.store.now(), overlap));
        let rotation = KeyRotation { tenant, key: id, seen, secret_hash, old_until };
        match self.store.commit(tx.with(Write::RotateKey(Box::new(rotation)))).await {
            Ok(()) => {}
            Err(StoreError::Conflict) => return Err(Error::Taken("the key was changed meanwhile")),
            Err(other) => return Err(other.into()),
        }
        (key.secret_hash, key.old_secret) = (secret_hash, Some((seen, old_until)));
        Ok(MadeKey { key, token: KeyToken { id, secret: secret.clone() } })
    }

    /// One of a tenant's keys.
    ///
    /// # Errors
    /// [`Error::Hidden`] for a key that the tenant does not have.
    pub async fn key(&self, tenant: TenantId, id: KeyId) -> Result<ApiKey> {
        self.store.key(id).await?.filter(|key| key.tenant == tenant).ok_or(Error::Hidden)
    }

    /// A tenant's keys without their secrets, oldest first, a page at a time.
    pub async fn keys(&self, tenant: TenantId, after: Option<KeyId>, limit: u32) -> Result<Vec<ApiKey>> {
        Ok(self.store.keys(tenant, after, limit).await?)
    }

    /// Withdraws a key; it stops working on every node within seconds.
    pub async fn revoke_key(&self, tenant: TenantId, key: KeyId) -> Result<()> {
        self.withdraw_key(tenant, key, self.telling(tenant, "key.revoke", format!("key:{key}"))).await
    }

    /// As [`Self::revoke_key`], together with `tx`.
    pub(super) async fn withdraw_key(&self, tenant: TenantId, key: KeyId, tx: Tx) -> Result<()> {
        match self.store.commit(tx.with(Write::RevokeKey(tenant, key, self.store.now()))).await {
            Ok(()) => Ok(()),
            Err(StoreError::Conflict) => Err(Error::Hidden),
            Err(other) => Err(other.into()),
        }
    }
}
