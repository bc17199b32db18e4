//! export: rows of assets, page by page; memory does not grow with their number.

use super::{EXPORT_FORMAT, ExportLine, ExportedAsset, ExportedPolicy, ExportedTenant};
use crate::domain::asset::AssetState;
use crate::domain::asset_order::SortDirection;
use crate::domain::clock::Timestamp;
use crate::domain::tenant::Tenant;
use crate::engine::operations::OperationEngine;
use crate::engine::{Error, Result};
use crate::store::AssetQuery;

/// Rows that are read at a time.
const ROWS_PER_PAGE: u32 = 500;

/// Assets that an export has.
#[derive(Clone, Debug, Default)]
pub struct ExportFilter {
    /// Only those of this tenant, by name or id.
    pub tenant: Option<String>,
    /// Only those in this state.
    pub state: Option<String>,
    /// Only those created at this time or later.
    pub created_after: Option<Timestamp>,
    /// Only those created before this time.
    pub created_before: Option<Timestamp>,
}

impl OperationEngine {
    /// Hands the lines of an export to `each`: the instance, then each tenant with its assets, oldest first. Returns the
    /// number of assets.
    ///
    /// # Errors
    /// The first error of `each`; an unknown tenant or state.
    #[tracing::instrument(skip_all)]
    pub async fn export_rows(
        &self,
        filter: &ExportFilter,
        mut each: impl FnMut(ExportLine) -> Result<()> + Send,
    ) -> Result<u64> {
        if let Some(state) = &filter.state
            && !AssetState::NAMES.contains(&state.as_str())
        {
            return Err(Error::invalid("state", format!("must be one of {}", AssetState::NAMES.join(", "))));
        }
        let only = self.find_tenant_named(filter.tenant.as_deref()).await?;
        each(ExportLine::Instance { format: EXPORT_FORMAT, id: self.instance_id.to_string(), at: self.store.now() })?;
        let (mut assets, mut after) = (0, String::new());
        loop {
            let tenants = match &only {
                Some(tenant) => vec![tenant.clone()],
                None => self.store.list_tenants(&after, ROWS_PER_PAGE).await?,
            };
            for tenant in &tenants {
                each(ExportLine::Tenant(Box::new(self.describe_tenant(tenant).await?)))?;
                assets += self.export_assets_of(tenant, filter, &mut each).await?;
            }
            match tenants.last() {
                Some(last) if only.is_none() => last.name.clone_into(&mut after),
                _ => return Ok(assets),
            }
        }
    }

    /// The tenant of this name or id, if there is a name.
    pub(in crate::engine::operations) async fn find_tenant_named(&self, name: Option<&str>) -> Result<Option<Tenant>> {
        let Some(name) = name else { return Ok(None) };
        let by_name = self.store.find_tenant_by_name(name).await?;
        let found = match (by_name, name.parse()) {
            (None, Ok(id)) => self.store.find_tenant(id).await?,
            (by_name, _) => by_name,
        };
        found.map(Some).ok_or_else(|| Error::invalid("tenant", format!("there is no tenant {name:?}")))
    }

    async fn describe_tenant(&self, tenant: &Tenant) -> Result<ExportedTenant> {
        let quota = self.store.find_quota(tenant.id).await?.map(|(quota, _)| quota).unwrap_or_default();
        let (mut policies, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.store.list_policies(tenant.id, &after, ROWS_PER_PAGE).await?;
            let Some(last) = page.last() else { break };
            last.name.clone_into(&mut after);
            policies.extend(page.into_iter().map(|policy| ExportedPolicy {
                name: policy.name,
                rules: policy.rules,
                created_at: policy.created_at,
                changed_at: policy.changed_at,
            }));
        }
        Ok(ExportedTenant { tenant: tenant.clone(), quota, policies })
    }

    async fn export_assets_of(
        &self,
        tenant: &Tenant,
        filter: &ExportFilter,
        each: &mut (impl FnMut(ExportLine) -> Result<()> + Send),
    ) -> Result<u64> {
        let mut query = AssetQuery {
            tenant: Some(tenant.id),
            state: filter.state.clone(),
            created_after: filter.created_after,
            created_before: filter.created_before,
            direction: SortDirection::Ascending,
            limit: ROWS_PER_PAGE,
            ..AssetQuery::default()
        };
        let mut exported = 0;
        loop {
            let page = self.store.list_assets(&query).await?;
            for asset in &page.assets {
                exported += 1;
                each(ExportLine::Asset(Box::new(ExportedAsset::of(asset))))?;
            }
            query.after = page.next;
            if query.after.is_none() {
                return Ok(exported);
            }
        }
    }
}
