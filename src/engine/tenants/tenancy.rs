//! Limits of tenants: suspension, request rate, and the rules of policies.
//!
//! Tenants and policies are cached for [`TENANCY_CACHE_TTL`]: a change counts on every node within that time, and at
//! once on the node that makes it. Rates are counted for all nodes together ([`super::request_rate`]). Quotas are enforced
//! by the database, in the transaction itself.

use std::sync::Arc;
use std::time::Duration;

use super::TenantEngine;
use super::regex_cache::RegexCache;
use super::request_rate::RequestRates;
use crate::domain::access::{Action, Actor, may_ask};
use crate::domain::asset::Asset;
use crate::domain::ids::TenantId;
use crate::domain::maintenance::MaintenanceMode;
use crate::domain::name::FileName;
use crate::domain::policy::{DEFAULT_POLICY, PolicyRules, PolicyViolation};
use crate::domain::tenant::{RateLimit, Tenant};
use crate::engine::request_context::RequestContext;
use crate::engine::ttl_cache::TtlCache;
use crate::engine::{Error, Result};
use crate::metrics;
use crate::metrics::RateLimitScope;
use crate::store::Store;

/// Longest time until a change counts on other nodes.
const TENANCY_CACHE_TTL: Duration = Duration::from_secs(3);
const MAX_CACHED_TENANTS: u64 = 10_000;
/// Time for which a tenant with an exhausted quota is checked before its creations join a group commit. A refusal
/// within the group undoes all of it, and every other member has to commit alone.
const OVER_QUOTA_TTL: Duration = Duration::from_secs(1);

/// Tenants and policies as cached on this node.
pub(in crate::engine) struct TenancyCache {
    store: Arc<dyn Store>,
    tenants: TtlCache<TenantId, Option<Arc<Tenant>>>,
    policies: TtlCache<(TenantId, String), Option<Arc<PolicyRules>>>,
    /// Origins that any policy allows, sorted.
    origins: TtlCache<(), Arc<[String]>>,
    maintenance: TtlCache<(), Arc<[MaintenanceMode]>>,
    patterns: RegexCache,
    /// Tenants whose quota was exhausted a moment ago.
    full: TtlCache<TenantId, ()>,
    rates: RequestRates,
}

impl TenancyCache {
    pub(in crate::engine) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            rates: RequestRates::new(Arc::clone(&store), MAX_CACHED_TENANTS),
            store,
            tenants: TtlCache::new(MAX_CACHED_TENANTS, TENANCY_CACHE_TTL).with_name("tenants"),
            policies: TtlCache::new(MAX_CACHED_TENANTS, TENANCY_CACHE_TTL).with_name("policies"),
            origins: TtlCache::new(1, TENANCY_CACHE_TTL).with_name("policy_origins"),
            patterns: RegexCache::new(),
            maintenance: TtlCache::new(1, TENANCY_CACHE_TTL),
            full: TtlCache::new(MAX_CACHED_TENANTS, OVER_QUOTA_TTL),
        }
    }

    async fn tenant(&self, id: TenantId) -> Result<Option<Arc<Tenant>>> {
        let look = async { Ok(self.store.find_tenant(id).await?.map(Arc::new)) };
        self.tenants.get(&id, self.store.now(), look).await
    }

    pub(in crate::engine) async fn rules(&self, tenant: TenantId, policy: &str) -> Result<Option<Arc<PolicyRules>>> {
        let look = async { Ok(self.store.find_policy(tenant, policy).await?.map(|policy| Arc::new(policy.rules))) };
        let known = self.policies.get(&(tenant, policy.to_owned()), self.store.now(), look).await?;
        Ok(known.or_else(|| (policy == DEFAULT_POLICY).then(Arc::default)))
    }

    async fn origins(&self) -> Result<Arc<[String]>> {
        let look = async { Ok(Arc::from(self.store.list_policy_origins().await?)) };
        self.origins.get(&(), self.store.now(), look).await
    }

    /// The maintenance modes that are on, the instance's first.
    pub(super) async fn maintenance(&self) -> Result<Arc<[MaintenanceMode]>> {
        let look = async { Ok(Arc::from(self.store.list_maintenance_modes().await?)) };
        self.maintenance.get(&(), self.store.now(), look).await
    }

    /// Invalidates the maintenance modes, which were changed on this node.
    pub(super) async fn forget_maintenance(&self) {
        self.maintenance.invalidate(&()).await;
    }

    /// True if the tenant's quota was exhausted a moment ago.
    pub(in crate::engine) async fn was_full(&self, tenant: TenantId) -> bool {
        self.full.contains(&tenant, self.store.now()).await
    }

    /// Remembers that the tenant's quota is exhausted.
    pub(in crate::engine) async fn note_full(&self, tenant: TenantId) {
        self.full.insert(tenant, self.store.now(), ()).await;
    }

    /// Invalidates a tenant that was changed on this node.
    pub(in crate::engine) async fn forget(&self, tenant: TenantId) {
        self.tenants.invalidate(&tenant).await;
    }

    /// Invalidates a policy that was changed on this node.
    pub(in crate::engine) async fn forget_policy(&self, tenant: TenantId, name: &str) {
        self.policies.invalidate(&(tenant, name.to_owned())).await;
        self.origins.invalidate(&()).await;
    }
}

impl From<PolicyViolation> for Error {
    fn from(objection: PolicyViolation) -> Self {
        Self::invalid(objection.field, objection.problem)
    }
}

impl TenantEngine {
    /// Admits a request of the tenant behind a credential, and counts the request.
    ///
    /// # Errors
    /// [`Error::Suspended`], [`Error::RateLimited`].
    #[tracing::instrument(skip_all)]
    pub async fn admit(&self, actor: &Actor) -> Result<()> {
        let Some(tenant) = self.tenant_behind(actor).await? else { return Ok(()) };
        let Some(rate) = self.in_good_standing(tenant).await? else { return Ok(()) };
        let spent = self.tenancy.rates.spend(tenant, rate).await;
        let (Ok(allowance) | Err(allowance)) = spent;
        let _ = RequestContext::current().rate_limit.set(allowance);
        spent.map(|_| ()).map_err(|none| {
            metrics::http().record_rate_limited(RateLimitScope::Tenant);
            Error::RateLimited { after: none.reset }
        })
    }

    /// Checks that the caller's credential can permit an action on any asset.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], [`Error::Forbidden`].
    pub fn check_scope(&self, actor: &Actor, action: Action) -> Result<()> {
        Ok(may_ask(actor, action)?)
    }

    /// Checks that the tenant behind an admitted credential is still not suspended; counts nothing.
    ///
    /// # Errors
    /// [`Error::Suspended`].
    #[tracing::instrument(skip_all)]
    pub async fn keep_admitted(&self, actor: &Actor) -> Result<()> {
        match self.tenant_behind(actor).await? {
            Some(tenant) => self.in_good_standing(tenant).await.map(|_| ()),
            None => Ok(()),
        }
    }

    async fn tenant_behind(&self, actor: &Actor) -> Result<Option<TenantId>> {
        Ok(match actor {
            Actor::Nobody => None,
            Actor::Key { tenant, .. } | Actor::Sender { tenant, .. } => Some(*tenant),
            Actor::Uploader { upload } => self.rows.load_recent_upload(*upload).await?.map(|upload| upload.tenant),
        })
    }

    /// True if any policy of any tenant allows this origin. The policy that applies is checked with the request itself.
    #[tracing::instrument(skip_all)]
    pub async fn admits_origin(&self, origin: &str) -> Result<bool> {
        let known = self.tenancy.origins().await?;
        Ok(known.binary_search_by(|known| known.as_str().cmp(origin)).is_ok())
    }

    /// The tenant's rate limit; [`Error::Suspended`] for a suspended tenant.
    pub(in crate::engine) async fn in_good_standing(&self, tenant: TenantId) -> Result<Option<RateLimit>> {
        match self.tenancy.tenant(tenant).await? {
            Some(known) if known.suspended_at.is_some() => Err(Error::Suspended),
            Some(known) => Ok(known.rate),
            None => Ok(None),
        }
    }

    /// The rules of an asset's policy; empty rules if that policy is gone.
    #[tracing::instrument(skip_all, fields(asset = %asset.id))]
    pub async fn rules_of(&self, asset: &Asset) -> Result<Arc<PolicyRules>> {
        Ok(self.tenancy.rules(asset.tenant, &asset.policy).await?.unwrap_or_default())
    }

    /// Refuses a file name that these rules do not allow.
    #[tracing::instrument(skip_all)]
    pub async fn admit_name(&self, rules: &PolicyRules, name: &FileName) -> Result<()> {
        let pattern = match &rules.name_pattern {
            Some(pattern) => Some(self.tenancy.patterns.get_or_compile(pattern).await?),
            None => None,
        };
        Ok(rules.admits_name(name, pattern.as_deref())?)
    }
}
