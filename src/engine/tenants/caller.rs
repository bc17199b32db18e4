//! The holder of a key, described to itself.

use super::TenantEngine;
use crate::domain::access::Actor;
use crate::domain::ids::KeyId;
use crate::domain::key::KeyScopes;
use crate::domain::tenant::Tenant;
use crate::engine::rows::tenant_of;
use crate::engine::{Error, Result};

/// The key of a request, with its tenant and its scopes.
#[derive(Clone, Debug)]
pub struct CallerIdentity {
    /// The key; for the subject of a JSON Web Token, the id under which it owns what it makes.
    pub key: KeyId,
    /// The tenant.
    pub tenant: Tenant,
    /// The scopes.
    pub scopes: KeyScopes,
}

impl TenantEngine {
    /// Describes the caller to itself.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for the holder of a grant.
    #[tracing::instrument(skip_all)]
    pub async fn describe_caller(&self, actor: &Actor) -> Result<CallerIdentity> {
        let id = tenant_of(actor)?;
        let Actor::Key { id: key, scopes, .. } = actor else { return Err(Error::Forbidden) };
        let tenant = self.registry().tenant(&id.to_string()).await?.ok_or(Error::NotFound)?;
        Ok(CallerIdentity { key: *key, tenant, scopes: *scopes })
    }
}
