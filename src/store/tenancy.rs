//! The part of the port that is about tenants' rules: quotas, policies, and the audit trail.
//!
//! The charges of a limited tenant are summed in the transaction that changes them, and a sum over the limit is refused
//! there ([`super::StoreError::OverQuota`]): however many create at once, nobody overshoots. A tenant without limits has
//! no sum, and costs nothing.

use async_trait::async_trait;

use super::Result;
use crate::domain::asset::Asset;
use crate::domain::audit::AuditEntry;
use crate::domain::clock::Timestamp;
use crate::domain::ids::TenantId;
use crate::domain::policy::Policy;
use crate::domain::quota::{QuotaUsage, TenantQuota};
use crate::domain::tenant::Tenant;

/// Which entries of the audit trail to list. Newest first.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// By this actor only: `key:…`.
    pub actor: Option<String>,
    /// This action, or with a trailing dot every action that begins so.
    pub action: Option<String>,
    /// About this subject only: `asset:…`.
    pub subject: Option<String>,
    /// Done then or later.
    pub since: Option<Timestamp>,
    /// Done before.
    pub until: Option<Timestamp>,
    /// Older than this entry: the last of the page before.
    pub after: Option<uuid::Uuid>,
    /// At most this many.
    pub limit: u32,
}

/// A write about tenants' rules.
#[derive(Clone, Debug)]
pub enum TenancyWrite {
    /// Replaces what may change of a tenant.
    UpdateTenant(Tenant),
    /// Sets a tenant's limits and sums its charges anew.
    SetQuota(TenantId, TenantQuota),
    /// Writes a policy or replaces it.
    PutPolicy(Box<Policy>),
    /// Removes a policy; unknown is a conflict.
    DropPolicy(TenantId, String),
}

/// Rows about tenants' rules.
#[async_trait]
pub trait TenancyStore: Send + Sync {
    /// A tenant's limits, and the sum that is kept; `None`: it has none.
    async fn find_quota(&self, tenant: TenantId) -> Result<Option<(TenantQuota, QuotaUsage)>>;
    /// What a tenant's rows are charged with, summed now: takes as long as it has rows.
    async fn sum_usage(&self, tenant: TenantId) -> Result<QuotaUsage>;
    /// A policy.
    async fn find_policy(&self, tenant: TenantId, name: &str) -> Result<Option<Policy>>;
    /// A tenant's policies by name, at most `limit` after `after`.
    async fn list_policies(&self, tenant: TenantId, after: &str, limit: u32) -> Result<Vec<Policy>>;
    /// The origins that any policy of any tenant names.
    async fn list_policy_origins(&self) -> Result<Vec<String>>;
    /// A page of a tenant's audit trail.
    async fn list_audit_entries(&self, tenant: TenantId, query: &AuditQuery) -> Result<Vec<AuditEntry>>;
    /// Assets whose policy wants them deleted by now, most overdue first.
    async fn list_assets_to_delete(&self, now: Timestamp, limit: u32) -> Result<Vec<Asset>>;
}
