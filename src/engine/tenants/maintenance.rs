//! Maintenance modes, of the instance or of a tenant: new uploads are refused, uploads under way finish, downloads work.
//!
//! A mode is a row. Nodes read the rows at most every few seconds, so a mode acts on every node within that time, and
//! at once on the node that switches it. Administrators pass: they try the service before it is opened again.

use super::TenantEngine;
use crate::domain::access::Actor;
use crate::domain::ids::TenantId;
use crate::domain::key::KeyScope;
use crate::domain::maintenance::MaintenanceMode;
use crate::engine::{Error, Result};

impl TenantEngine {
    /// Refuses a new upload of this tenant while a maintenance mode concerns the tenant.
    ///
    /// # Errors
    /// [`Error::Maintenance`], with the operator's message: that of the instance before that of the tenant.
    pub(in crate::engine) async fn refuse_during_maintenance(&self, actor: &Actor, tenant: TenantId) -> Result<()> {
        let modes = self.tenancy.maintenance().await?;
        let Some(mode) = modes.iter().find(|mode| mode.concerns(tenant)) else { return Ok(()) };
        if matches!(actor, Actor::Key { scopes, .. } if scopes.allow(KeyScope::Admin)) {
            return Ok(());
        }
        Err(Error::Maintenance { message: mode.message.clone() })
    }

    /// The maintenance modes that are on, the instance's first. The rows themselves, not what this node remembers.
    #[tracing::instrument(skip_all)]
    pub async fn list_maintenance_modes(&self, actor: &Actor) -> Result<Vec<MaintenanceMode>> {
        self.require_operator(actor).await?;
        self.registry().list_maintenance_modes().await
    }

    /// True while new uploads of the whole instance are refused.
    #[tracing::instrument(skip_all)]
    pub async fn is_in_maintenance(&self) -> Result<bool> {
        Ok(self.tenancy.maintenance().await?.iter().any(|mode| mode.tenant.is_none()))
    }

    /// Switches a maintenance mode on, or gives it another message. `tenant`: a name or an id; `None`: the instance.
    #[tracing::instrument(skip_all)]
    pub async fn begin_maintenance(
        &self,
        actor: &Actor,
        tenant: Option<&str>,
        message: Option<&str>,
    ) -> Result<MaintenanceMode> {
        self.require_operator(actor).await?;
        let mode = self.registry().by(actor).begin_maintenance(tenant, message).await?;
        self.tenancy.forget_maintenance().await;
        Ok(mode)
    }

    /// Switches a maintenance mode off. Returns `false` if it was not on.
    #[tracing::instrument(skip_all)]
    pub async fn end_maintenance(&self, actor: &Actor, tenant: Option<&str>) -> Result<bool> {
        self.require_operator(actor).await?;
        let was_on = self.registry().by(actor).end_maintenance(tenant).await?;
        self.tenancy.forget_maintenance().await;
        Ok(was_on)
    }
}
