//! Tenants and keys, for operators: needs rows only, so that it works while nothing else runs.

use std::sync::Arc;
use std::time::Duration;

use super::tenants::{PatchTenant, TenantStanding};
use super::{Error, Result};
use crate::domain::clock::{Entropy, after};
use crate::domain::ids::{self, KeyId, TenantId};
use crate::domain::key::{ApiKey, KeySecret, KeyToken, Scopes};
use crate::domain::quota::{Quota, Usage};
use crate::domain::tenant::{Tenant, is_tenant_name};
use crate::store::{Store, StoreError, TenancyWrite, Tx, Write};

/// The book of tenants and keys.
#[derive(Clone)]
pub struct Registry {
    store: Arc<dyn Store>,
    entropy: Arc<dyn Entropy>,
}

impl Registry {
    /// The book that is kept in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, entropy }
    }

    /// Makes a tenant.
    pub async fn create_tenant(&self, name: &str) -> Result<Tenant> {
        if !is_tenant_name(name) {
            return Err(Error::invalid("name", "1 to 63 of a-z, 0-9, '-', '_' and '.'"));
        }
        let id = TenantId(ids::mint(self.store.now(), &*self.entropy));
        let created_at = self.store.now();
        let tenant = Tenant { id, name: name.to_owned(), created_at, suspended_at: None, rate: None };
        match self.store.commit(Tx::new().with(Write::InsertTenant(tenant.clone()))).await {
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
        let mut tx = Tx::new().with(Write::Tenancy(TenancyWrite::UpdateTenant(changed)));
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
        let now = self.store.now();
        let token = KeyToken {
            id: KeyId(ids::mint(self.store.now(), &*self.entropy)),
            secret: KeySecret::mint(&*self.entropy),
        };
        let key = ApiKey {
            id: token.id,
            tenant,
            scopes,
            secret_hash: token.secret.hash(),
            created_at: now,
            expires_at: ttl.map(|ttl| after(now, ttl)),
            revoked_at: None,
        };
        self.store.commit(Tx::new().with(Write::InsertKey(key))).await?;
        Ok(token)
    }

    /// A tenant's keys without their secrets, oldest first, a page at a time.
    pub async fn keys(&self, tenant: TenantId, after: Option<KeyId>, limit: u32) -> Result<Vec<ApiKey>> {
        Ok(self.store.keys(tenant, after, limit).await?)
    }

    /// Withdraws a key; it stops working on every node within seconds.
    pub async fn revoke_key(&self, tenant: TenantId, key: KeyId) -> Result<()> {
        match self.store.commit(Tx::new().with(Write::RevokeKey(tenant, key, self.store.now()))).await {
            Ok(()) => Ok(()),
            Err(StoreError::Conflict) => Err(Error::Hidden),
            Err(other) => Err(other.into()),
        }
    }
}
