//! Tenants in the registry.

use serde_json::{Value, json};

use super::TenantRegistry;
use crate::domain::audit::AuditEntry;
use crate::domain::ids::{self, TenantId};
use crate::domain::quota::{QuotaUsage, TenantQuota};
use crate::domain::tenant::{DEFAULT_TENANT, Tenant, is_tenant_name};
use crate::engine::tenants::{PatchTenant, TenantStanding};
use crate::engine::{Error, Result};
use crate::store::{AuditQuery, RowChange, StoreError, TenancyWrite, Tx};

impl TenantRegistry {
    /// Creates a tenant without limits.
    pub async fn create_tenant(&self, name: &str) -> Result<Tenant> {
        Ok(self.open_tenant(name, PatchTenant::default()).await?.tenant)
    }

    /// Creates a tenant with these limits.
    pub(in crate::engine) async fn open_tenant(&self, name: &str, patch: PatchTenant) -> Result<TenantStanding> {
        if !is_tenant_name(name) {
            return Err(Error::invalid("name", "must be 1 to 63 characters of a-z, 0-9, '-', '_' and '.'"));
        }
        let (now, name) = (self.store.now(), name.to_owned());
        let id = TenantId(ids::mint(now, &*self.entropy));
        let bare = Tenant { id, name, created_at: now, suspended_at: None, rate: None };
        let bare = TenantStanding { tenant: bare, quota: TenantQuota::default(), usage: QuotaUsage::default() };
        let made = self.changed(&bare, patch);
        let tx = Tx::new().with(RowChange::InsertTenant(bare.tenant));
        let deed = self.deed(id, "tenant.create", format!("tenant:{id}")).after(facts(&made));
        match self.store.commit(self.telling(change(tx, &made, patch), deed)).await {
            Ok(()) => Ok(made),
            Err(StoreError::Conflict) => Err(Error::Taken("a tenant with this name exists already")),
            Err(other) => Err(other.into()),
        }
    }

    /// Finds a tenant by name or id.
    pub async fn tenant(&self, name_or_id: &str) -> Result<Option<Tenant>> {
        if let Some(tenant) = self.store.find_tenant_by_name(name_or_id).await? {
            return Ok(Some(tenant));
        }
        match name_or_id.parse() {
            Ok(id) => Ok(self.store.find_tenant(id).await?),
            Err(_) => Ok(None),
        }
    }

    /// The name of a tenant; the id of a tenant that is gone.
    pub async fn tenant_name(&self, id: TenantId) -> Result<String> {
        Ok(self.store.find_tenant(id).await?.map_or_else(|| id.to_string(), |tenant| tenant.name))
    }

    /// A page of the audit trail of a tenant, or of all tenants, newest first.
    pub async fn audit_entries(&self, tenant: Option<TenantId>, query: &AuditQuery) -> Result<Vec<AuditEntry>> {
        Ok(self.store.list_audit_entries(tenant, query).await?)
    }

    /// A page of tenants in the order of their names.
    pub async fn tenants(&self, after: &str, limit: u32) -> Result<Vec<Tenant>> {
        Ok(self.store.list_tenants(after, limit).await?)
    }

    /// A tenant with its limits and its usage.
    pub async fn standing(&self, id: TenantId) -> Result<TenantStanding> {
        let tenant = self.store.find_tenant(id).await?.ok_or(Error::NotFound)?;
        self.standing_of(tenant).await
    }

    async fn standing_of(&self, tenant: Tenant) -> Result<TenantStanding> {
        let (quota, usage) = match self.store.find_quota(tenant.id).await? {
            Some(kept) => kept,
            None => (TenantQuota::default(), self.store.read_usage(tenant.id).await?),
        };
        Ok(TenantStanding { tenant, quota, usage })
    }

    /// Changes a tenant's limits, or suspends it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a suspension of the tenant `default`, whose administrators operate the instance.
    pub async fn patch_tenant(&self, tenant: &Tenant, patch: PatchTenant) -> Result<TenantStanding> {
        if patch.suspended == Some(true) && tenant.name == DEFAULT_TENANT {
            return Err(Error::invalid(
                "suspended",
                "this tenant cannot be suspended: its administrators run the instance",
            ));
        }
        let id = tenant.id;
        self.refuse_during_deletion(id).await?;
        let before = self.standing_of(tenant.clone()).await?;
        let changed = self.changed(&before, patch);
        let deed = self.deed(id, "tenant.change", format!("tenant:{id}")).before(facts(&before)).after(facts(&changed));
        self.store.commit(self.telling(change(Tx::new(), &changed, patch), deed)).await?;
        // The usage was recomputed together with the change of limits.
        self.standing_of(changed.tenant).await
    }

    /// Refuses a change of a tenant that is being deleted.
    pub(in crate::engine) async fn refuse_during_deletion(&self, id: TenantId) -> Result<()> {
        match self.store.find_tenant_deletion(id).await? {
            Some(_) => Err(Error::Taken("the tenant is being deleted")),
            None => Ok(()),
        }
    }

    fn changed(&self, standing: &TenantStanding, patch: PatchTenant) -> TenantStanding {
        let mut changed = standing.clone();
        if let Some(suspended) = patch.suspended {
            let since = standing.tenant.suspended_at.unwrap_or(self.store.now());
            changed.tenant.suspended_at = suspended.then_some(since);
        }
        changed.tenant.rate = patch.rate.unwrap_or(standing.tenant.rate);
        changed.quota = patch.quota.unwrap_or(standing.quota);
        changed
    }

    /// Recomputes a tenant's usage from its rows. Returns the earlier usage, if there was a sum, and the new usage.
    pub async fn recompute(&self, id: TenantId) -> Result<(Option<QuotaUsage>, QuotaUsage)> {
        self.store.find_tenant(id).await?.ok_or(Error::NotFound)?;
        let Some((quota, before)) = self.store.find_quota(id).await? else {
            return Ok((None, self.store.sum_usage(id).await?));
        };
        self.store.commit(Tx::new().with(TenancyWrite::SetQuota(id, quota))).await?;
        Ok((Some(before), self.standing(id).await?.usage))
    }
}

/// Adds the change of a tenant to the state `to` to the transaction; the quota only if the patch changes it.
fn change(tx: Tx, to: &TenantStanding, patch: PatchTenant) -> Tx {
    let tx = tx.with(TenancyWrite::UpdateTenant(to.tenant.clone()));
    match patch.quota {
        Some(quota) => tx.with(TenancyWrite::SetQuota(to.tenant.id, quota)),
        None => tx,
    }
}

/// The tenant's state for the audit trail.
fn facts(standing: &TenantStanding) -> Value {
    let TenantStanding { tenant, quota, .. } = standing;
    json!({
        "name": tenant.name,
        "suspended": tenant.suspended_at.is_some(),
        "rate": tenant.rate,
        "quota": quota,
    })
}
