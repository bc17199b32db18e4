//! Audit entries for refusals, in summary: of each kind and address, an entry is written for the first, the tenth, the
//! hundredth refusal and so on, with the count so far. Entries do not depend on whether the requested object exists.
//!
//! Bounded in the number of kinds that are counted, and in the entries per tenant and minute.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::sync::Cache;
use serde_json::json;

use super::AuditedAct;
use crate::domain::access::Actor;
use crate::domain::ids::TenantId;
use crate::domain::tenant::DEFAULT_TENANT;
use crate::engine::Error;
use crate::engine::audit::AuditTrail;
use crate::engine::request_context::RequestContext;
use crate::store::Tx;

/// Most kinds of refusals that are counted at a time.
const MAX_REFUSAL_KINDS: u64 = 10_000;
/// Time without refusals of a kind after which its count restarts.
const REFUSAL_IDLE_TTL: Duration = Duration::from_secs(3600);
/// Most entries about refusals in a tenant's audit trail within [`ENTRY_WINDOW`].
const MAX_ENTRIES_PER_WINDOW: u64 = 100;
const ENTRY_WINDOW: Duration = Duration::from_secs(60);

/// Kind of refusals that are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RefusalKind {
    /// Tenant whose audit trail gets the entries; `None`: the tenant `default`, whose administrators operate the
    /// instance.
    tenant: Option<TenantId>,
    actor: String,
    action: &'static str,
    peer: Option<IpAddr>,
}

/// Counts of this node.
pub(in crate::engine) struct RefusalCounts {
    kinds: Cache<RefusalKind, Arc<AtomicU64>>,
    entries: Cache<Option<TenantId>, Arc<AtomicU64>>,
}

impl Default for RefusalCounts {
    fn default() -> Self {
        Self {
            kinds: Cache::builder().max_capacity(MAX_REFUSAL_KINDS).time_to_idle(REFUSAL_IDLE_TTL).build(),
            entries: Cache::builder().max_capacity(MAX_REFUSAL_KINDS).time_to_live(ENTRY_WINDOW).build(),
        }
    }
}

impl RefusalCounts {
    /// Counts a refusal. `Some(count)` if an entry is to be written.
    fn count(&self, kind: RefusalKind) -> Option<u64> {
        let tenant = kind.tenant;
        let count = self.kinds.get_with(kind, Arc::default).fetch_add(1, Ordering::Relaxed) + 1;
        if 10u64.checked_pow(count.ilog10()) != Some(count) {
            return None;
        }
        let entries = self.entries.get_with(tenant, Arc::default).fetch_add(1, Ordering::Relaxed);
        (entries < MAX_ENTRIES_PER_WINDOW).then_some(count)
    }
}

impl AuditTrail {
    /// Records the use of an invalid credential, link or grant. `tenant`: its tenant, if known.
    pub(in crate::engine) fn tell_of_wrong_credential(
        &self,
        tenant: Option<TenantId>,
        action: &'static str,
        subject: String,
    ) {
        self.tell_of_refusal(tenant, "anybody".to_owned(), action, subject, "unknown");
    }

    /// Records that a key was denied something: unknown, of another tenant, or outside of its scopes.
    pub(in crate::engine) fn tell_of_denial(&self, actor: &Actor, subject: impl FnOnce() -> String, error: &Error) {
        let why = match error {
            Error::NotFound => "not_found",
            Error::Forbidden => "forbidden",
            _ => return,
        };
        if let Actor::Key { tenant, .. } = actor {
            self.tell_of_refusal(Some(*tenant), super::name_of(actor), "access.refused", subject(), why);
        }
    }

    fn tell_of_refusal(
        &self,
        tenant: Option<TenantId>,
        actor: String,
        action: &'static str,
        subject: String,
        why: &'static str,
    ) {
        let peer = RequestContext::current().peer_ip;
        let kind = RefusalKind { tenant, actor: actor.clone(), action, peer };
        let Some(count) = self.refusal_counts.count(kind) else { return };
        tracing::warn!(action, actor, subject, count, peer = peer.map(|peer| peer.to_string()), "refused");
        let deed =
            move |tenant| AuditedAct::by(actor, tenant, action, subject).after(json!({ "count": count, "why": why }));
        let (engine, here) = (self.clone(), RequestContext::current());
        // In a task, so that the response takes the same time with and without an entry.
        self.tasks.spawn(here.run_within(async move {
            let tenant = match tenant {
                Some(tenant) => Ok(Some(tenant)),
                None => {
                    engine.store.find_tenant_by_name(DEFAULT_TENANT).await.map(|tenant| tenant.map(|known| known.id))
                }
            };
            let told = match tenant {
                Ok(Some(tenant)) => engine.store.commit(Tx::new().with(engine.audited(deed(tenant)))).await,
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = told {
                tracing::warn!(%error, "a refusal is missing from the audit trail");
            }
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_the_tenth_and_the_hundredth_are_told() {
        let counts = RefusalCounts::default();
        let kind = |actor: &str| RefusalKind { tenant: None, actor: actor.to_owned(), action: "a", peer: None };
        let told: Vec<_> = (0..400).filter_map(|_| counts.count(kind("x"))).collect();
        assert_eq!(told, [1, 10, 100]);
        assert_eq!(counts.count(kind("y")), Some(1), "kinds are counted apart");
    }

    #[test]
    fn a_trail_is_not_flooded() {
        let counts = RefusalCounts::default();
        let kind = |n: u32| RefusalKind { tenant: None, actor: n.to_string(), action: "a", peer: None };
        let told = (0..1000).filter_map(|n| counts.count(kind(n))).count();
        assert_eq!(told as u64, MAX_ENTRIES_PER_WINDOW);
    }
}
