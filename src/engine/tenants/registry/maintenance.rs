//! Maintenance modes in the registry.

use serde_json::json;

use super::TenantRegistry;
use crate::domain::ids::TenantId;
use crate::domain::maintenance::{MaintenanceMode, check_message};
use crate::domain::tenant::DEFAULT_TENANT;
use crate::engine::audit::AuditedAct;
use crate::engine::{Error, Result};
use crate::store::{TenancyWrite, Tx};

impl TenantRegistry {
    /// The maintenance modes that are on, the instance's first.
    pub async fn list_maintenance_modes(&self) -> Result<Vec<MaintenanceMode>> {
        Ok(self.store.list_maintenance_modes().await?)
    }

    /// Switches a maintenance mode on, or gives it another message. `tenant`: a name or an id; `None`: the instance.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown tenant, [`Error::Invalid`] for a message that is too long.
    pub async fn begin_maintenance(&self, tenant: Option<&str>, message: Option<&str>) -> Result<MaintenanceMode> {
        let message = check_message(message).map_err(|problem| Error::invalid("message", problem))?;
        let tenant = self.find_concerned(tenant).await?;
        let since = self.find_mode(tenant).await?.map_or(self.store.now(), |mode| mode.since);
        let mode = MaintenanceMode { tenant, message, since };
        let deed =
            self.build_maintenance_deed(tenant, "maintenance.on").await?.after(json!({ "message": mode.message }));
        let tx = Tx::new().with(TenancyWrite::BeginMaintenance(mode.clone()));
        self.store.commit(self.telling(tx, deed)).await?;
        Ok(mode)
    }

    /// Switches a maintenance mode off. Returns `false` if it was not on.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown tenant.
    pub async fn end_maintenance(&self, tenant: Option<&str>) -> Result<bool> {
        let tenant = self.find_concerned(tenant).await?;
        let Some(mode) = self.find_mode(tenant).await? else { return Ok(false) };
        let deed =
            self.build_maintenance_deed(tenant, "maintenance.off").await?.before(json!({ "message": mode.message }));
        let tx = Tx::new().with(TenancyWrite::EndMaintenance(tenant));
        self.store.commit(self.telling(tx, deed)).await?;
        Ok(true)
    }

    async fn find_mode(&self, tenant: Option<TenantId>) -> Result<Option<MaintenanceMode>> {
        Ok(self.store.list_maintenance_modes().await?.into_iter().find(|mode| mode.tenant == tenant))
    }

    async fn find_concerned(&self, tenant: Option<&str>) -> Result<Option<TenantId>> {
        let Some(named) = tenant else { return Ok(None) };
        Ok(Some(self.tenant(named).await?.ok_or(Error::NotFound)?.id))
    }

    /// The audited act. Acts about the instance are in the trail of its operators, the tenant `default`.
    async fn build_maintenance_deed(&self, tenant: Option<TenantId>, action: &'static str) -> Result<AuditedAct> {
        let (trail, subject) = match tenant {
            Some(tenant) => (tenant, format!("tenant:{tenant}")),
            None => {
                let operators = self.store.find_tenant_by_name(DEFAULT_TENANT).await?;
                (operators.ok_or(Error::NotFound)?.id, "instance".to_owned())
            }
        };
        Ok(self.deed(trail, action, subject))
    }
}
