//! Registry of tenants and API keys, for operators: needs rows only, so that it works while nothing else runs.
//!
//! A registry with a named actor ([`TenantRegistry::by`], [`TenantRegistry::by_hand`]) writes an audit entry for every
//! action, in the same transaction. Must not check permissions: the engine checks those of its callers, and the command
//! line's user owns the database.

use std::sync::Arc;

use crate::domain::access::Actor;
use crate::domain::clock::Entropy;
use crate::domain::ids::{self, TenantId};
use crate::engine::audit::{self, AuditedAct};
use crate::store::{NewRow, Store, Tx};

mod keys;
mod maintenance;
mod tenants;

/// Registry of tenants and API keys.
#[derive(Clone)]
pub struct TenantRegistry {
    store: Arc<dyn Store>,
    entropy: Arc<dyn Entropy>,
    /// Name of the actor in the audit trail; `None`: no entries.
    by: Option<String>,
}

impl TenantRegistry {
    /// A registry in `store` that writes no audit entries.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, entropy, by: None }
    }

    /// For the command line, whose user owns the database: the audit trail names the `operator`.
    #[must_use]
    pub fn by_hand(self) -> Self {
        Self { by: Some("operator".to_owned()), ..self }
    }

    /// On behalf of this actor, whose permission has been checked already.
    pub(in crate::engine) fn by(self, actor: &Actor) -> Self {
        Self { by: Some(audit::name_of(actor)), ..self }
    }

    fn deed(&self, tenant: TenantId, action: &'static str, subject: String) -> AuditedAct {
        AuditedAct::by(self.by.clone().unwrap_or_default(), tenant, action, subject)
    }

    /// Adds the audit entry of this action to the transaction.
    fn telling(&self, tx: Tx, deed: AuditedAct) -> Tx {
        if self.by.is_none() {
            return tx;
        }
        let now = self.store.now();
        tx.with(NewRow::Audit(Box::new(deed.entry(ids::mint(now, &*self.entropy), now))))
    }
}
