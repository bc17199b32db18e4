//! Answers of tenants, policies and the audit trail, from domain values. Pure.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::audit::AuditEntry;
use crate::domain::ids::TenantId;
use crate::domain::policy::{Policy, PolicyRules};
use crate::domain::quota::{QuotaUsage, TenantQuota};
use crate::domain::tenant::{RateLimit, Tenant};
use crate::engine::TenantStanding;
use crate::http::time_text::SortableTime;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Tenant")]
struct TenantView<'a> {
    /// Id of the tenant.
    id: TenantId,
    /// Name of the tenant.
    #[schemars(example = &"acme")]
    name: &'a str,
    /// Time of creation.
    created_at: SortableTime,
    /// Time of suspension; null while the tenant is not suspended.
    suspended_at: Option<SortableTime>,
    /// Request rate, of all nodes together; null for no limit.
    rate: Option<RateLimitView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Rate")]
struct RateLimitView {
    /// Requests per second.
    #[schemars(example = 50)]
    per_second: u32,
    /// Requests at once.
    #[schemars(example = 200)]
    burst: u32,
}

fn tenant_view(tenant: &Tenant) -> TenantView<'_> {
    let rate = |rate: RateLimit| RateLimitView { per_second: rate.per_second.get(), burst: rate.burst.get() };
    TenantView {
        id: tenant.id,
        name: &tenant.name,
        created_at: tenant.created_at.into(),
        suspended_at: tenant.suspended_at.map(Into::into),
        rate: tenant.rate.map(rate),
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TenantPage")]
pub(super) struct TenantPageView<'a> {
    /// Tenants, by name.
    tenants: Vec<TenantView<'a>>,
    /// Cursor of the next page; null at the end of the list.
    next_after: Option<String>,
}

pub(super) fn tenant_page_view(tenants: &[Tenant], next_after: Option<String>) -> TenantPageView<'_> {
    TenantPageView { tenants: tenants.iter().map(tenant_view).collect(), next_after }
}

/// A tenant with its limits and its usage.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Standing")]
pub(super) struct TenantStandingView<'a> {
    #[serde(flatten)]
    tenant: TenantView<'a>,
    /// Quota of what the tenant may store.
    quota: TenantQuotaView,
    /// Usage of the tenant.
    usage: QuotaUsageView,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Quota")]
struct TenantQuotaView {
    /// Bytes of all files; null for no limit.
    #[schemars(example = 500_000_000_000_u64)]
    bytes: Option<u64>,
    /// Number of files; null for no limit.
    files: Option<u64>,
    /// Number of uploads under way; null for no limit.
    #[schemars(example = 100)]
    open_uploads: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Usage")]
struct QuotaUsageView {
    /// Bytes of all files, including those that are reserved for uploads under way.
    #[schemars(example = 1200)]
    bytes: i64,
    /// Number of files.
    #[schemars(example = 3)]
    files: i64,
    /// Number of uploads under way.
    #[schemars(example = 0)]
    open_uploads: i64,
}

fn usage_view(QuotaUsage { bytes, files, uploads }: QuotaUsage) -> QuotaUsageView {
    QuotaUsageView { bytes, files, open_uploads: uploads }
}

pub(super) fn standing_view(standing: &TenantStanding) -> TenantStandingView<'_> {
    let TenantQuota { bytes, files, uploads } = standing.quota;
    TenantStandingView {
        tenant: tenant_view(&standing.tenant),
        quota: TenantQuotaView { bytes, files, open_uploads: uploads },
        usage: usage_view(standing.usage),
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RecomputedUsage")]
pub(super) struct RecomputedUsageView {
    /// Sum that was kept before; null if there was none.
    before: Option<QuotaUsageView>,
    /// Usage as it is now.
    usage: QuotaUsageView,
}

pub(super) fn recomputed_view(before: Option<QuotaUsage>, usage: QuotaUsage) -> RecomputedUsageView {
    RecomputedUsageView { before: before.map(usage_view), usage: usage_view(usage) }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Policy")]
pub(super) struct PolicyView<'a> {
    /// Name of the policy within the tenant.
    #[schemars(example = &"photos")]
    name: &'a str,
    /// Tenant of the policy.
    tenant: TenantId,
    /// Rules of the policy; an absent rule forbids nothing.
    #[schemars(example = json!({ "max_size": 50_000_000 }))]
    rules: &'a PolicyRules,
    /// Time of creation.
    created_at: SortableTime,
    /// Time of the last change.
    changed_at: SortableTime,
}

pub(super) fn policy_view(policy: &Policy) -> PolicyView<'_> {
    PolicyView {
        name: &policy.name,
        tenant: policy.tenant,
        rules: &policy.rules,
        created_at: policy.created_at.into(),
        changed_at: policy.changed_at.into(),
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PolicyPage")]
pub(super) struct PolicyPageView<'a> {
    /// Policies, by name.
    policies: Vec<PolicyView<'a>>,
    /// Cursor of the next page; null at the end of the list.
    next_after: Option<String>,
}

pub(super) fn policy_page_view(policies: &[Policy], next_after: Option<String>) -> PolicyPageView<'_> {
    PolicyPageView { policies: policies.iter().map(policy_view).collect(), next_after }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditEntry")]
pub(super) struct AuditEntryView<'a> {
    /// Id of the entry.
    id: uuid::Uuid,
    /// Time of the action.
    at: SortableTime,
    /// Tenant of the subject.
    tenant: TenantId,
    /// Actor: a key, a link, a grant, the system.
    #[schemars(example = &"key:019aa3c1-7c40-7d2e-9f31-0b5f6f0c2a11")]
    actor: &'a str,
    /// Action, like `asset.delete`.
    #[schemars(example = &"asset.delete")]
    action: &'a str,
    /// Subject of the action, like `asset:019aa3c1-…`.
    #[schemars(example = &"asset:019aa3c1-7c40-7d2e-9f31-0b5f6f0c2a11")]
    subject: &'a str,
    /// Values that were changed, before the action.
    #[schemars(with = "Value")]
    before: Option<&'a Value>,
    /// Values that were changed, after the action.
    #[schemars(with = "Value")]
    after: Option<&'a Value>,
    /// Address from which the request came.
    #[schemars(example = &"192.0.2.7")]
    peer: Option<&'a str>,
    /// Id of the request, as logs name it.
    #[schemars(example = &"9f1c2a7be04d5513")]
    request_id: Option<&'a str>,
}

pub(super) fn audit_entry_view(entry: &AuditEntry) -> AuditEntryView<'_> {
    AuditEntryView {
        id: entry.id,
        at: entry.at.into(),
        tenant: entry.tenant,
        actor: &entry.actor,
        action: &entry.action,
        subject: &entry.subject,
        before: entry.before.as_ref(),
        after: entry.after.as_ref(),
        peer: entry.peer.as_deref(),
        request_id: entry.request.as_deref(),
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditPage")]
pub(super) struct AuditPageView<'a> {
    /// Entries, newest first.
    entries: Vec<AuditEntryView<'a>>,
    /// Cursor of the next page; null at the end of the list.
    next_after: Option<uuid::Uuid>,
}

pub(super) fn audit_page_view(entries: &[AuditEntry], next_after: Option<uuid::Uuid>) -> AuditPageView<'_> {
    AuditPageView { entries: entries.iter().map(audit_entry_view).collect(), next_after }
}
