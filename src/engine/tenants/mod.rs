//! Administration of tenants and policies. Operators (administrators of the tenant `default`) manage tenants; a
//! tenant's own administrators see their tenant and manage its policies.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use crate::domain::access::{Action, Actor, may_ask};
use crate::domain::audit::AuditEntry;
use crate::domain::clock::{Entropy, Timestamp};
use crate::domain::ids::TenantId;
use crate::domain::policy::{DEFAULT_POLICY, Policy, PolicyRules, is_policy_name};
use crate::domain::quota::{QuotaUsage, TenantQuota};
use crate::domain::tenant::{DEFAULT_TENANT, RateLimit, Tenant};
use crate::engine::audit::{AuditTrail, AuditedAct};
use crate::engine::idempotency::IdempotencyRecords;
use crate::engine::limits::check_page_limit;
use crate::engine::rows::{RowAccess, tenant_of};
use crate::engine::settings::EngineSettings;
use crate::engine::tokens::TokenSigner;
use crate::engine::{EnginePorts, Error, Result};
use crate::store::{AuditQuery, Store, TenancyWrite, Tx};

mod caller;
mod drop_boxes;
mod identity;
mod keys;
mod maintenance;
mod regex_cache;
mod registry;
mod request_rate;
pub(super) mod tenancy;

pub use caller::CallerIdentity;
pub use drop_boxes::{DropBoxWish, ListDropBoxes, MadeDropBox};
pub use identity::{KeySetFetcher, KeySetSettings, TrustedIssuers};
pub use keys::{KeyWish, MadeKey};
pub use registry::TenantRegistry;

/// Value of `tenant` that stands for all tenants; no tenant can have this name.
const ALL_TENANTS: &str = "*";

/// Changes of a tenant; fields that are `None` stay unchanged.
#[derive(Clone, Copy, Debug, Default)]
pub struct PatchTenant {
    /// True to suspend the tenant.
    pub suspended: Option<bool>,
    /// Rate limit; `Some(None)`: unlimited.
    pub rate: Option<Option<RateLimit>>,
    /// Quota.
    pub quota: Option<TenantQuota>,
}

/// A tenant with its limits and its usage; serialised as JSON in responses and in the command line's output.
#[derive(Clone, Debug, Serialize)]
pub struct TenantStanding {
    /// The tenant.
    #[serde(flatten)]
    pub tenant: Tenant,
    /// Quota.
    pub quota: TenantQuota,
    /// Usage.
    pub usage: QuotaUsage,
}

/// The room of tenants, their keys and their policies.
#[derive(Clone)]
pub struct TenantEngine {
    pub(super) store: Arc<dyn Store>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) tokens: Arc<TokenSigner>,
    pub(super) settings: Arc<EngineSettings>,
    pub(super) rows: Arc<RowAccess>,
    pub(super) audit: Arc<AuditTrail>,
    pub(super) idempotency: IdempotencyRecords,
    pub(super) tenancy: Arc<tenancy::TenancyCache>,
    pub(super) api_keys: Arc<identity::ApiKeyCache>,
    drop_boxes: Arc<drop_boxes::DropBoxCache>,
    pub(super) issuers: Arc<TrustedIssuers>,
}

impl TenantEngine {
    /// The room, from the engine's ports and the rooms that it uses.
    pub(super) fn new(ports: &EnginePorts, issuers: TrustedIssuers) -> Self {
        Self {
            store: ports.store.clone(),
            entropy: ports.entropy.clone(),
            tokens: ports.tokens.clone(),
            settings: ports.settings.clone(),
            rows: ports.rows.clone(),
            audit: ports.audit.clone(),
            idempotency: ports.idempotency.clone(),
            tenancy: Arc::new(tenancy::TenancyCache::new(ports.store.clone())),
            api_keys: Arc::new(identity::ApiKeyCache::new(ports.store.clone())),
            drop_boxes: Arc::new(drop_boxes::DropBoxCache::new(ports.store.clone())),
            issuers: Arc::new(issuers),
        }
    }

    pub(in crate::engine) fn registry(&self) -> TenantRegistry {
        TenantRegistry::new(self.store.clone(), self.entropy.clone())
    }

    /// The tenant that an administrator names, by name or id: their own, or for the operator any tenant.
    pub(in crate::engine) async fn load_administered_tenant(
        &self,
        actor: &Actor,
        named: Option<&str>,
    ) -> Result<TenantId> {
        may_ask(actor, Action::Administer)?;
        let own = tenant_of(actor)?;
        let Some(named) = named else { return Ok(own) };
        let found = self.registry().tenant(named).await?.map(|tenant| tenant.id);
        let tenant = found.ok_or(Error::NotFound)?;
        if tenant == own {
            return Ok(tenant);
        }
        match self.require_operator(actor).await {
            Ok(()) => Ok(tenant),
            // Callers of other tenants must not learn that this tenant exists.
            Err(Error::Forbidden) => Err(Error::NotFound),
            Err(other) => Err(other),
        }
    }

    /// The tenants whose rows a list shows: the caller's own tenant; a tenant named by an administrator; or `None`, all
    /// tenants, for `*` by an operator of the instance.
    pub(in crate::engine) async fn load_listed_tenant(
        &self,
        actor: &Actor,
        named: Option<&str>,
    ) -> Result<Option<TenantId>> {
        match named {
            None => tenant_of(actor).map(Some),
            Some(ALL_TENANTS) => self.require_operator(actor).await.map(|()| None),
            Some(_) => self.load_administered_tenant(actor, named).await.map(Some),
        }
    }

    /// Refuses all actors except administrators of the tenant `default`.
    pub(in crate::engine) async fn require_operator(&self, actor: &Actor) -> Result<()> {
        may_ask(actor, Action::Administer)?;
        let tenant = tenant_of(actor)?;
        let operators = self.store.find_tenant_by_name(DEFAULT_TENANT).await?;
        if operators.is_some_and(|operators| operators.id == tenant) { Ok(()) } else { Err(Error::Forbidden) }
    }

    /// A page of a tenant's audit trail, or with `*` of all tenants', newest first.
    #[tracing::instrument(skip_all)]
    pub async fn audit_trail(&self, actor: &Actor, tenant: Option<&str>, query: AuditQuery) -> Result<Vec<AuditEntry>> {
        may_ask(actor, Action::Administer)?;
        let tenant = self.load_listed_tenant(actor, tenant).await?;
        check_page_limit(query.limit)?;
        Ok(self.store.list_audit_entries(tenant, &query).await?)
    }

    /// The name of a tenant; the id of a tenant that is gone.
    #[tracing::instrument(skip_all)]
    pub async fn tenant_name(&self, id: TenantId) -> Result<String> {
        self.registry().tenant_name(id).await
    }

    /// Creates a tenant.
    #[tracing::instrument(skip_all)]
    pub async fn create_tenant(&self, actor: &Actor, name: &str, patch: PatchTenant) -> Result<TenantStanding> {
        self.require_operator(actor).await?;
        self.registry().by(actor).open_tenant(name, patch).await
    }

    /// A page of tenants, by name.
    #[tracing::instrument(skip_all)]
    pub async fn list_tenants(&self, actor: &Actor, after: &str, limit: u32) -> Result<Vec<Tenant>> {
        self.require_operator(actor).await?;
        check_page_limit(limit)?;
        Ok(self.store.list_tenants(after, limit).await?)
    }

    /// A tenant with its limits and its usage.
    #[tracing::instrument(skip_all)]
    pub async fn tenant(&self, actor: &Actor, named: &str) -> Result<TenantStanding> {
        let id = self.load_administered_tenant(actor, Some(named)).await?;
        self.registry().standing(id).await
    }

    /// Changes a tenant's limits or suspends it. Quotas count at once, the rest on every node within seconds.
    #[tracing::instrument(skip_all)]
    pub async fn patch_tenant(&self, actor: &Actor, named: &str, patch: PatchTenant) -> Result<TenantStanding> {
        let tenant = self.load_operated_tenant(actor, named).await?;
        let standing = self.registry().by(actor).patch_tenant(&tenant, patch).await?;
        self.tenancy.forget(tenant.id).await;
        Ok(standing)
    }

    /// Recomputes a tenant's usage from its rows. Returns the earlier usage, if there was a sum, and the new usage.
    #[tracing::instrument(skip_all)]
    pub async fn recompute(&self, actor: &Actor, named: &str) -> Result<(Option<QuotaUsage>, QuotaUsage)> {
        let tenant = self.load_operated_tenant(actor, named).await?;
        self.registry().recompute(tenant.id).await
    }

    /// The tenant that an operator names, by name or id.
    async fn load_operated_tenant(&self, actor: &Actor, named: &str) -> Result<Tenant> {
        self.require_operator(actor).await?;
        self.registry().tenant(named).await?.ok_or(Error::NotFound)
    }

    /// Reads a policy. `default` exists even if it was never written.
    #[tracing::instrument(skip_all)]
    pub async fn policy(&self, actor: &Actor, tenant: Option<&str>, name: &str) -> Result<Policy> {
        let tenant = self.load_administered_tenant(actor, tenant).await?;
        match self.store.find_policy(tenant, name).await? {
            Some(policy) => Ok(policy),
            None if name == DEFAULT_POLICY => Ok(unwritten(tenant, self.store.now())),
            None => Err(Error::NotFound),
        }
    }

    /// A page of a tenant's written policies, by name.
    #[tracing::instrument(skip_all)]
    pub async fn policies(&self, actor: &Actor, tenant: Option<&str>, after: &str, limit: u32) -> Result<Vec<Policy>> {
        let tenant = self.load_administered_tenant(actor, tenant).await?;
        check_page_limit(limit)?;
        Ok(self.store.list_policies(tenant, after, limit).await?)
    }

    /// Creates or replaces a policy.
    #[tracing::instrument(skip_all)]
    pub async fn put_policy(
        &self,
        actor: &Actor,
        tenant: Option<&str>,
        name: &str,
        rules: PolicyRules,
    ) -> Result<Policy> {
        let tenant = self.load_administered_tenant(actor, tenant).await?;
        if !is_policy_name(name) {
            return Err(Error::invalid("name", "must be 1 to 63 characters of a-z, 0-9, '-', '_' and '.'"));
        }
        rules.check(&self.settings.deliveries_offered())?;
        let (now, before) = (self.store.now(), self.store.find_policy(tenant, name).await?);
        let created_at = before.as_ref().map_or(now, |policy| policy.created_at);
        let policy = Policy { tenant, name: name.to_owned(), rules, created_at, changed_at: now };
        let mut deed =
            AuditedAct::new(tenant, actor, "policy.put", format!("policy:{name}")).after(json!(policy.rules));
        deed.before = before.map(|policy| json!(policy.rules));
        let put = TenancyWrite::PutPolicy(Box::new(policy.clone()));
        self.rows.commit(Tx::new().with(put).with(self.audit.audited(deed))).await?;
        self.tenancy.forget_policy(tenant, name).await;
        Ok(policy)
    }

    /// Deletes a policy. Assets with this policy keep its name, but no rules apply to them; `default` becomes empty.
    #[tracing::instrument(skip_all)]
    pub async fn drop_policy(&self, actor: &Actor, tenant: Option<&str>, name: &str) -> Result<()> {
        let tenant = self.load_administered_tenant(actor, tenant).await?;
        let before = self.store.find_policy(tenant, name).await?.ok_or(Error::NotFound)?;
        let deed = AuditedAct::new(tenant, actor, "policy.drop", format!("policy:{name}")).before(json!(before.rules));
        let gone = TenancyWrite::DropPolicy(tenant, name.to_owned());
        if !self.rows.commit_if_unchanged(Tx::new().with(gone).with(self.audit.audited(deed))).await? {
            return Err(Error::NotFound);
        }
        self.tenancy.forget_policy(tenant, name).await;
        Ok(())
    }
}

fn unwritten(tenant: TenantId, now: Timestamp) -> Policy {
    let rules = PolicyRules::default();
    Policy { tenant, name: DEFAULT_POLICY.to_owned(), rules, created_at: now, changed_at: now }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::domain::clock::micros;
    use crate::domain::tenant::RateLimit;

    #[test]
    fn a_standing_as_json() {
        let (id, some) = (TenantId(uuid::Uuid::from_u128(7)), NonZeroU32::new(5).unwrap());
        let rate = Some(RateLimit { per_second: some, burst: some });
        let tenant = Tenant { id, name: "acme".to_owned(), created_at: micros(1_500_000), suspended_at: None, rate };
        let quota = TenantQuota { bytes: Some(9), ..TenantQuota::default() };
        let standing = TenantStanding { tenant, quota, usage: QuotaUsage { bytes: 1, files: 2, uploads: 3 } };
        let shown = json!({
            "id": "00000000-0000-0000-0000-000000000007",
            "name": "acme",
            "created_at": "1970-01-01T00:00:01.5Z",
            "suspended_at": null,
            "rate": { "per_second": 5, "burst": 5 },
            "quota": { "bytes": 9, "files": null, "open_uploads": null },
            "usage": { "bytes": 1, "files": 2, "open_uploads": 3 },
        });
        assert_eq!(json!(standing), shown);
    }
}
