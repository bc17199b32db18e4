//! The part of the port for tenants' rules: quotas, policies, and the audit trail.
//!
//! The usage of a tenant with limits is summed in the transaction that changes it, and a sum over the limit is refused
//! there ([`super::StoreError::OverQuota`]): concurrent requests cannot exceed the limit together. A tenant without
//! limits has no sum, and so no cost.

use std::time::Duration;

use async_trait::async_trait;

use super::Result;
use crate::domain::asset::Asset;
use crate::domain::audit::AuditEntry;
use crate::domain::clock::Timestamp;
use crate::domain::drop_box::DropBox;
use crate::domain::ids::{GrantId, KeyId, TenantId};
use crate::domain::maintenance::MaintenanceMode;
use crate::domain::policy::Policy;
use crate::domain::quota::{QuotaUsage, TenantQuota};
use crate::domain::tenant::{RateLimit, Tenant};
use crate::domain::tenant_deletion::{TenantContents, TenantDeletion};

/// Filter and page of the audit trail. Newest first.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Only entries by this actor: `key:…`.
    pub actor: Option<String>,
    /// Only this action; with a trailing dot, every action with this prefix.
    pub action: Option<String>,
    /// Only entries about this subject: `asset:…`.
    pub subject: Option<String>,
    /// Only entries at this time or later.
    pub since: Option<Timestamp>,
    /// Only entries before this time.
    pub until: Option<Timestamp>,
    /// Cursor: the last entry of the previous page. The page holds older entries.
    pub after: Option<uuid::Uuid>,
    /// Maximum number of entries.
    pub limit: u32,
}

/// Requests that a node has taken from a tenant's rate, and what is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLease {
    /// Requests that this node may admit; 0: none are left.
    pub granted: u32,
    /// Requests that any node may take next.
    pub available: u32,
    /// Time until another request is available; zero if some are.
    pub wait: Duration,
}

impl RequestLease {
    /// The lease after which the whole burst is available again in `debt` microseconds.
    pub(super) fn after_debt(granted: u32, debt: u64, rate: RateLimit) -> Self {
        let (per_second, burst) = (u64::from(rate.per_second.get()), u64::from(rate.burst.get()));
        let spent = debt.saturating_mul(per_second).div_ceil(1_000_000);
        let available = u32::try_from(burst.saturating_sub(spent)).unwrap_or_default();
        let first = (burst - 1).saturating_mul(1_000_000) / per_second;
        let wait = if available > 0 { 0 } else { debt.saturating_sub(first).max(1) };
        Self { granted, available, wait: Duration::from_micros(wait) }
    }
}

/// A write to tenants' rules.
#[derive(Clone, Debug)]
pub enum TenancyWrite {
    /// Replaces the mutable fields of a tenant.
    UpdateTenant(Tenant),
    /// Sets a tenant's limits and computes its usage again.
    SetQuota(TenantId, TenantQuota),
    /// Inserts or replaces a policy.
    PutPolicy(Box<Policy>),
    /// Inserts a grant for many files.
    InsertDropBox(Box<DropBox>),
    /// Revokes a grant for many files of this tenant. No change if it is revoked already; a conflict if it is unknown.
    RevokeDropBox(TenantId, GrantId, Timestamp),
    /// Deletes a policy; a conflict if it is unknown.
    DropPolicy(TenantId, String),
    /// Switches a maintenance mode on, or gives it another message.
    BeginMaintenance(MaintenanceMode),
    /// Switches a maintenance mode off, of a tenant or of the instance. No such mode is no error.
    EndMaintenance(Option<TenantId>),
    /// Inserts the row of a tenant's deletion; a conflict if there is one.
    BeginDeletion(Box<TenantDeletion>),
    /// Writes how far a deletion is; a conflict if it has ended.
    NoteDeletion(Box<TenantDeletion>),
    /// Deletes a tenant that has no other rows, with the row of its deletion; a conflict if there is none.
    EndDeletion(TenantId),
}

/// Reads the rows of tenants' rules.
#[async_trait]
pub trait TenancyStore: Send + Sync {
    /// A tenant's limits and its current usage; `None`: the tenant has no limits.
    async fn find_quota(&self, tenant: TenantId) -> Result<Option<(TenantQuota, QuotaUsage)>>;
    /// A tenant's usage, summed over its rows now. Takes time in proportion to their number.
    async fn sum_usage(&self, tenant: TenantId) -> Result<QuotaUsage>;
    /// A tenant's usage from sums that every transaction keeps: in a time that does not depend on the number of assets.
    async fn read_usage(&self, tenant: TenantId) -> Result<QuotaUsage>;
    /// A policy by its name.
    async fn find_policy(&self, tenant: TenantId, name: &str) -> Result<Option<Policy>>;
    /// A tenant's policies by name, at most `limit`, starting after the name `after`.
    async fn list_policies(&self, tenant: TenantId, after: &str, limit: u32) -> Result<Vec<Policy>>;
    /// A grant for many files by its id; revoked and expired grants are returned too.
    async fn find_drop_box(&self, id: GrantId) -> Result<Option<DropBox>>;
    /// A tenant's grants for many files, newest first, at most `limit`, starting before the grant `before`; only those
    /// of a key if `maker` names one.
    async fn list_drop_boxes(
        &self,
        tenant: TenantId,
        maker: Option<KeyId>,
        before: Option<GrantId>,
        limit: u32,
    ) -> Result<Vec<DropBox>>;
    /// The origins that the policies of all tenants name.
    async fn list_policy_origins(&self) -> Result<Vec<String>>;
    /// The maintenance modes that are on.
    async fn list_maintenance_modes(&self) -> Result<Vec<MaintenanceMode>>;
    /// A page of a tenant's audit trail; `None`: of all tenants'.
    async fn list_audit_entries(&self, tenant: Option<TenantId>, query: &AuditQuery) -> Result<Vec<AuditEntry>>;
    /// Numbers of what a tenant has. Takes time in proportion to its rows.
    async fn count_tenant_contents(&self, tenant: TenantId) -> Result<TenantContents>;
    /// The deletion of a tenant that is under way.
    async fn find_tenant_deletion(&self, tenant: TenantId) -> Result<Option<TenantDeletion>>;
    /// Writes: deletes rows of a tenant whose deletion is under way, at most `limit` of each kind. Returns how many; 0: no
    /// row is left but those that [`TenancyWrite::EndDeletion`] deletes.
    async fn erase_tenant_rows(&self, tenant: TenantId, limit: u32) -> Result<u64>;
    /// Writes: takes at most `wanted` requests of a tenant's rate, which all processes share. `None`: no other process
    /// serves this database, and the caller counts by itself.
    async fn lease_requests(&self, tenant: TenantId, rate: RateLimit, wanted: u32) -> Result<Option<RequestLease>>;
    /// Assets whose deletion time by policy has passed, most overdue first.
    async fn list_assets_to_delete(&self, now: Timestamp, limit: u32) -> Result<Vec<Asset>>;
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn what_is_left_of_a_rate() {
        let number = |number| NonZeroU32::new(number).unwrap();
        let rate = RateLimit { per_second: number(4), burst: number(8) };
        let after = |debt| {
            let lease = RequestLease::after_debt(1, debt, rate);
            (lease.available, lease.wait.as_millis())
        };
        assert_eq!(after(0), (8, 0));
        assert_eq!(after(250_000), (7, 0));
        assert_eq!(after(250_001), (6, 0));
        assert_eq!(after(1_750_000), (1, 0));
        assert_eq!(after(2_000_000), (0, 250));
        assert_eq!(after(1_900_000), (0, 150));
    }
}
