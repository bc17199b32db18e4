//! What a tenant may do at all: whether it is suspended, how fast it may ask, and what its policies let in.
//!
//! Tenants and policies are remembered for [`STALE`], so that a change is in force on every node within that time, and on
//! the node that makes it at once. Rates are counted per node. Quotas are not looked at here: the database refuses what is
//! over them, in the transaction itself.

use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota as Cells, RateLimiter};
use moka::future::Cache;

use super::create::{CreateUpload, Creator, Size};
use super::patterns::Patterns;
use super::recent::Recent;
use super::surroundings::{Allowance, Surroundings};
use super::{Engine, Error, Result};
use crate::domain::access::Actor;
use crate::domain::asset::Asset;
use crate::domain::ids::TenantId;
use crate::domain::name::FileName;
use crate::domain::policy::{DEFAULT_POLICY, Objection, Rules};
use crate::domain::quota::Usage;
use crate::domain::tenant::{Rate, Tenant};
use crate::domain::upload::Upload;
use crate::store::{Store, StoreError};

/// How long a change may go unnoticed.
const STALE: Duration = Duration::from_secs(3);
const MOST: u64 = 10_000;
/// How long a tenant that has no room is asked about before it may join a commit: one that is refused there undoes the
/// whole group, and everybody else in it has to commit alone.
const FULL: Duration = Duration::from_secs(1);

type Limiter = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// What is known of tenants on this node.
pub(super) struct Tenancy {
    store: Arc<dyn Store>,
    tenants: Recent<TenantId, Option<Arc<Tenant>>>,
    policies: Recent<(TenantId, String), Option<Arc<Rules>>>,
    /// Of all policies, sorted.
    origins: Recent<(), Arc<[String]>>,
    patterns: Patterns,
    /// Tenants that were told just now that they have no room.
    full: Cache<TenantId, ()>,
    /// Outlive the cached tenants: what a tenant has asked counts on.
    limiters: Cache<(TenantId, Rate), Arc<Limiter>>,
}

impl Tenancy {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            tenants: Recent::new(MOST, STALE),
            policies: Recent::new(MOST, STALE),
            origins: Recent::new(1, STALE),
            patterns: Patterns::new(),
            full: Cache::builder().max_capacity(MOST).time_to_live(FULL).build(),
            limiters: Cache::builder().max_capacity(MOST).time_to_idle(Duration::from_secs(3600)).build(),
        }
    }

    async fn tenant(&self, id: TenantId) -> Result<Option<Arc<Tenant>>> {
        let look = async { Ok(self.store.tenant(id).await?.map(Arc::new)) };
        self.tenants.get(&id, self.store.now(), look).await
    }

    pub(super) async fn rules(&self, tenant: TenantId, policy: &str) -> Result<Option<Arc<Rules>>> {
        let look = async { Ok(self.store.policy(tenant, policy).await?.map(|policy| Arc::new(policy.rules))) };
        let known = self.policies.get(&(tenant, policy.to_owned()), self.store.now(), look).await?;
        Ok(known.or_else(|| (policy == DEFAULT_POLICY).then(Arc::default)))
    }

    async fn origins(&self) -> Result<Arc<[String]>> {
        let look = async { Ok(Arc::from(self.store.policy_origins().await?)) };
        self.origins.get(&(), self.store.now(), look).await
    }

    /// Counts a request.
    async fn spend(&self, tenant: TenantId, rate: Rate) -> std::result::Result<Allowance, Allowance> {
        let cells = Cells::per_second(rate.per_second).allow_burst(rate.burst);
        let limiter = async { Arc::new(RateLimiter::direct(cells).with_middleware::<StateInformationMiddleware>()) };
        let limiter = self.limiters.get_with((tenant, rate), limiter).await;
        let (burst, window) = (rate.burst.get(), cells.burst_size_replenished_in());
        let outcome = limiter.check();
        match outcome {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                Ok(Allowance { burst, window, remaining, reset: Duration::ZERO })
            }
            Err(not_yet) => {
                let reset = not_yet.wait_time_from(DefaultClock::default().now());
                Err(Allowance { burst, window, remaining: 0, reset })
            }
        }
    }

    /// Forgets what is known of a tenant: it was changed on this node.
    pub(super) async fn forget(&self, tenant: TenantId) {
        self.tenants.forget(&tenant).await;
    }

    /// Forgets what is known of a policy: it was changed on this node.
    pub(super) async fn forget_policy(&self, tenant: TenantId, name: &str) {
        self.policies.forget(&(tenant, name.to_owned())).await;
        self.origins.forget(&()).await;
    }
}

impl From<Objection> for Error {
    fn from(objection: Objection) -> Self {
        Self::invalid(objection.field, objection.problem)
    }
}

impl Engine {
    /// Whether the tenant behind a credential may ask anything now; counts the request.
    ///
    /// # Errors
    /// [`Error::Suspended`], [`Error::RateLimited`].
    pub async fn admit(&self, actor: &Actor) -> Result<()> {
        let Some(tenant) = self.tenant_behind(actor).await? else { return Ok(()) };
        let Some(rate) = self.in_good_standing(tenant).await? else { return Ok(()) };
        let spent = self.0.tenancy.spend(tenant, rate).await;
        let (Ok(allowance) | Err(allowance)) = spent;
        let _ = Surroundings::here().allowance.set(allowance);
        spent.map(|_| ()).map_err(|none| Error::RateLimited { after: none.reset })
    }

    /// Whether the tenant behind a credential that was admitted is in good standing still; counts nothing.
    ///
    /// # Errors
    /// [`Error::Suspended`].
    pub async fn keep_admitted(&self, actor: &Actor) -> Result<()> {
        match self.tenant_behind(actor).await? {
            Some(tenant) => self.in_good_standing(tenant).await.map(|_| ()),
            None => Ok(()),
        }
    }

    async fn tenant_behind(&self, actor: &Actor) -> Result<Option<TenantId>> {
        Ok(match actor {
            Actor::Nobody => None,
            Actor::Key { tenant, .. } => Some(*tenant),
            Actor::Uploader { upload } => self.recent_upload(*upload).await?.map(|upload| upload.tenant),
        })
    }

    /// Whether some policy of some tenant lets pages of this origin in. Which of them it is turns out when they ask.
    pub async fn admits_origin(&self, origin: &str) -> Result<bool> {
        let known = self.0.tenancy.origins().await?;
        Ok(known.binary_search_by(|known| known.as_str().cmp(origin)).is_ok())
    }

    /// Refuses at once what a tenant has no room for that was told so just now.
    pub(super) async fn still_has_room(&self, tenant: TenantId, wish: &CreateUpload) -> Result<()> {
        // What may be a repeat has its room already.
        let new = wish.idempotency.is_none() && wish.external_id.is_none();
        if new && self.0.tenancy.full.contains_key(&tenant) { self.has_room(tenant, wish).await } else { Ok(()) }
    }

    /// Remembers that a tenant has no room, if that is what a commit was refused for.
    pub(super) async fn note_refusal(&self, tenant: TenantId, error: &StoreError) {
        if matches!(error, StoreError::OverQuota(_)) {
            self.0.tenancy.full.insert(tenant, ()).await;
        }
    }

    /// Whether a tenant has room for this; only the database's word at creation counts.
    pub(super) async fn has_room(&self, tenant: TenantId, wish: &CreateUpload) -> Result<()> {
        let Some((quota, mut used)) = self.0.store.quota(tenant).await? else { return Ok(()) };
        let (Size::Exact(size) | Size::AtMost(size)) = wish.size;
        used += Usage { bytes: i64::try_from(size).unwrap_or(i64::MAX), files: 1, uploads: 1 };
        quota.exceeded_by(used).map_or(Ok(()), |limit| Err(Error::OverQuota { limit: limit.name() }))
    }

    /// Refuses what belongs to a suspended tenant; otherwise how fast the tenant may ask.
    pub(super) async fn in_good_standing(&self, tenant: TenantId) -> Result<Option<Rate>> {
        match self.0.tenancy.tenant(tenant).await? {
            Some(known) if known.suspended_at.is_some() => Err(Error::Suspended),
            Some(known) => Ok(known.rate),
            None => Ok(None),
        }
    }

    /// The rules of the policy under which an asset was created; none, if that policy is gone.
    pub async fn rules_of(&self, asset: &Asset) -> Result<Arc<Rules>> {
        Ok(self.0.tenancy.rules(asset.tenant, &asset.policy).await?.unwrap_or_default())
    }

    /// Checks a wish against its policy, and narrows it to what that allows.
    pub(super) async fn by_policy(&self, by: Creator, wish: &mut CreateUpload, partial: bool) -> Result<()> {
        let rules = self.0.tenancy.rules(by.tenant, &wish.policy).await?;
        let rules = rules.ok_or_else(|| Error::invalid("policy", "there is no such policy"))?;
        let (Size::Exact(size) | Size::AtMost(size)) = wish.size;
        if let Some(limit) = rules.max_size
            && size > limit
        {
            return Err(Error::TooLarge { limit });
        }
        if let Some(origin) = Surroundings::here().origin
            && !rules.admits_origin(&origin)
        {
            return Err(Error::Forbidden);
        }
        if partial {
            return Ok(());
        }
        if !wish.name.is_nameless() {
            self.admit_name(&rules, &wish.name).await?;
        }
        wish.allowed = rules.narrow(&wish.allowed)?;
        Ok(())
    }

    /// Refuses a name that these rules do not let in.
    pub async fn admit_name(&self, rules: &Rules, name: &FileName) -> Result<()> {
        let pattern = match &rules.name_pattern {
            Some(pattern) => Some(self.0.tenancy.patterns.compiled(pattern).await?),
            None => None,
        };
        Ok(rules.admits_name(name, pattern.as_deref())?)
    }

    /// Most bytes that an upload may have. Where its grant does not say, only a door that knows no other policy can have
    /// left its length open.
    pub(super) async fn most(&self, upload: &Upload) -> Result<u64> {
        let most = match upload.most {
            Some(most) => Some(most),
            None => self.0.tenancy.rules(upload.tenant, DEFAULT_POLICY).await?.and_then(|rules| rules.max_size),
        };
        Ok(most.unwrap_or(u64::MAX).min(self.limits().max_size))
    }
}
