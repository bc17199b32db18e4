//! Tenants and keys, for operators: needs rows only, so that it works while nothing else runs.
//!
//! Whoever keeps the book in a name ([`TenantRegistry::by`], [`TenantRegistry::by_hand`]) tells the audit trail of every deed, in the
//! transaction that does it. Must not decide who may: callers of the engine are asked there, and the command line's user
//! owns the database.

use std::sync::Arc;

use super::audit::{self, AuditedAct};
use crate::domain::access::Actor;
use crate::domain::clock::Entropy;
use crate::domain::ids::{self, TenantId};
use crate::store::{Store, Tx, Write};

mod keys;
mod tenants;

/// The book of tenants and keys.
#[derive(Clone)]
pub struct TenantRegistry {
    store: Arc<dyn Store>,
    entropy: Arc<dyn Entropy>,
    /// Whom the audit trail names; `None`: nothing is told.
    by: Option<String>,
}

impl TenantRegistry {
    /// The book that is kept in `store`, in nobody's name.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, entropy, by: None }
    }

    /// As the command line keeps it, whose user owns the database: the audit trail names the `operator`.
    #[must_use]
    pub fn by_hand(self) -> Self {
        Self { by: Some("operator".to_owned()), ..self }
    }

    /// In the name of this actor, who has been asked for it elsewhere.
    pub(super) fn by(self, actor: &Actor) -> Self {
        Self { by: Some(audit::name_of(actor)), ..self }
    }

    fn deed(&self, tenant: TenantId, action: &'static str, subject: String) -> AuditedAct {
        AuditedAct::by(self.by.clone().unwrap_or_default(), tenant, action, subject)
    }

    /// The same transaction, which tells of this deed as well.
    fn telling(&self, tx: Tx, deed: AuditedAct) -> Tx {
        if self.by.is_none() {
            return tx;
        }
        let now = self.store.now();
        tx.with(Write::InsertAudit(Box::new(deed.entry(ids::mint(now, &*self.entropy), now))))
    }
}
