//! The rows of `tenant`, `quota`, `policy` and `audit`.

use std::num::NonZeroU32;

use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use crate::domain::audit::AuditEntry;
use crate::domain::clock::micros;
use crate::domain::ids::TenantId;
use crate::domain::policy::{Policy, PolicyRules};
use crate::domain::quota::{QuotaUsage, TenantQuota};
use crate::domain::tenant::{RateLimit, Tenant};

#[derive(sqlx::FromRow)]
pub(in crate::store) struct TenantRow {
    id: Uuid,
    name: String,
    created_at: i64,
    suspended_at: Option<i64>,
    rate_per_second: Option<i64>,
    rate_burst: Option<i64>,
}

fn positive(value: Option<i64>) -> Option<NonZeroU32> {
    NonZeroU32::new(u32::try_from(value?).ok()?)
}

impl From<TenantRow> for Tenant {
    fn from(row: TenantRow) -> Self {
        let rate = positive(row.rate_per_second)
            .map(|per_second| RateLimit { per_second, burst: positive(row.rate_burst).unwrap_or(per_second) });
        Self {
            id: TenantId(row.id),
            name: row.name,
            created_at: micros(row.created_at),
            suspended_at: row.suspended_at.map(micros),
            rate,
        }
    }
}

#[derive(sqlx::FromRow)]
pub(in crate::store) struct UsageRow {
    bytes: i64,
    files: i64,
    uploads: i64,
}

impl From<UsageRow> for QuotaUsage {
    fn from(row: UsageRow) -> Self {
        Self { bytes: row.bytes, files: row.files, uploads: row.uploads }
    }
}

#[derive(sqlx::FromRow)]
pub(in crate::store) struct QuotaRow {
    max_bytes: Option<i64>,
    max_files: Option<i64>,
    max_uploads: Option<i64>,
    #[sqlx(flatten)]
    used: UsageRow,
}

impl QuotaRow {
    pub(in crate::store) fn decode(self) -> (TenantQuota, QuotaUsage) {
        let most = |most: Option<i64>| most.and_then(|most| u64::try_from(most).ok());
        let quota =
            TenantQuota { bytes: most(self.max_bytes), files: most(self.max_files), uploads: most(self.max_uploads) };
        (quota, self.used.into())
    }
}

#[derive(sqlx::FromRow)]
pub(in crate::store) struct PolicyRow {
    tenant_id: Uuid,
    name: String,
    rules: Json<PolicyRules>,
    created_at: i64,
    changed_at: i64,
}

impl From<PolicyRow> for Policy {
    fn from(row: PolicyRow) -> Self {
        Self {
            tenant: TenantId(row.tenant_id),
            name: row.name,
            rules: row.rules.0,
            created_at: micros(row.created_at),
            changed_at: micros(row.changed_at),
        }
    }
}

#[derive(sqlx::FromRow)]
pub(in crate::store) struct AuditRow {
    id: Uuid,
    tenant_id: Uuid,
    at: i64,
    actor: String,
    action: String,
    subject: String,
    before: Option<Json<Value>>,
    after: Option<Json<Value>>,
    peer: Option<String>,
    request: Option<String>,
}

impl From<AuditRow> for AuditEntry {
    fn from(row: AuditRow) -> Self {
        Self {
            id: row.id,
            tenant: TenantId(row.tenant_id),
            at: micros(row.at),
            actor: row.actor,
            action: row.action,
            subject: row.subject,
            before: row.before.map(|json| json.0),
            after: row.after.map(|json| json.0),
            peer: row.peer,
            request: row.request,
        }
    }
}
