//! Requests of tenants and their conversion to commands. Pure. Answers are in `view`.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::domain::quota::TenantQuota;
use crate::domain::tenant::RateLimit;
use crate::engine::PatchTenant;

/// A member that is present, null or not; `None` if absent.
fn double_option<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// `POST /v1/tenants`.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewTenant")]
pub(super) struct CreateTenantBody {
    /// The tenant's name: lower-case letters, digits and hyphens.
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) change: UpdateTenantBody,
}

/// `PATCH /v1/tenants/{id}`: members that are left out stay; null removes a limit.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "ChangeTenant")]
pub(super) struct UpdateTenantBody {
    /// True to suspend the tenant: its keys, grants and links then open nothing.
    suspended: Option<bool>,
    /// Request rate, of all nodes together; null for no limit.
    #[serde(deserialize_with = "double_option")]
    rate: Option<Option<TenantRateInput>>,
    /// Quota of what the tenant may store; null for no limit.
    #[serde(deserialize_with = "double_option")]
    quota: Option<Option<TenantQuotaInput>>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RateInput")]
struct TenantRateInput {
    /// Requests per second.
    per_second: NonZeroU32,
    /// Requests at once; as many as per second by default.
    burst: Option<NonZeroU32>,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "QuotaInput")]
struct TenantQuotaInput {
    /// Bytes of all files.
    bytes: Option<u64>,
    /// Number of files.
    files: Option<u64>,
    /// Number of uploads under way.
    open_uploads: Option<u64>,
}

impl UpdateTenantBody {
    pub(super) fn to_command(&self) -> PatchTenant {
        let rate = |rate: TenantRateInput| RateLimit {
            per_second: rate.per_second,
            burst: rate.burst.unwrap_or(rate.per_second),
        };
        let quota = |quota: Option<TenantQuotaInput>| {
            let TenantQuotaInput { bytes, files, open_uploads } = quota.unwrap_or_default();
            TenantQuota { bytes, files, uploads: open_uploads }
        };
        PatchTenant {
            suspended: self.suspended,
            rate: self.rate.map(|said| said.map(rate)),
            quota: self.quota.map(quota),
        }
    }
}
