//! The part of the port for tenants' rules: quotas, policies, and the audit trail.
//!
//! The usage of a tenant with limits is summed in the transaction that changes it, and a sum over the limit is refused
//! there ([`super::StoreError::OverQuota`]): concurrent requests cannot exceed the limit together. A tenant without
//! limits has no sum, and so no cost.

use async_trait::async_trait;

use super::Result;
use crate::domain::asset::Asset;
use crate::domain::audit::AuditEntry;
use crate::domain::clock::Timestamp;
use crate::domain::ids::TenantId;
use crate::domain::maintenance::MaintenanceMode;
use crate::domain::policy::Policy;
use crate::domain::quota::{QuotaUsage, TenantQuota};
use crate::domain::tenant::Tenant;
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

/// A write to tenants' rules.
#[derive(Clone, Debug)]
pub enum TenancyWrite {
    /// Replaces the mutable fields of a tenant.
    UpdateTenant(Tenant),
    /// Sets a tenant's limits and computes its usage again.
    SetQuota(TenantId, TenantQuota),
    /// Inserts or replaces a policy.
    PutPolicy(Box<Policy>),
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
    /// A policy by its name.
    async fn find_policy(&self, tenant: TenantId, name: &str) -> Result<Option<Policy>>;
    /// A tenant's policies by name, at most `limit`, starting after the name `after`.
    async fn list_policies(&self, tenant: TenantId, after: &str, limit: u32) -> Result<Vec<Policy>>;
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
    /// Assets whose deletion time by policy has passed, most overdue first.
    async fn list_assets_to_delete(&self, now: Timestamp, limit: u32) -> Result<Vec<Asset>>;
}
