//! Audit entries for refusals, in summary: of each kind and address, an entry is written for the first, the tenth, the
//! hundredth refusal and so on, with the count so far. Entries do not depend on whether the requested object exists.
//!
//! Bounded in the number of kinds that are counted, and in the entries per tenant and minute.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use serde_json::json;

use super::{AuditTrail, AuditedAct};
use crate::domain::access::Actor;
use crate::domain::clock::{Timestamp, after};
use crate::domain::ids::TenantId;
use crate::domain::reason::chain;
use crate::domain::tenant::DEFAULT_TENANT;
use crate::engine::Error;
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

/// Counts of this node. The caches bound their number; the counts age by the injected clock.
pub(in crate::engine) struct RefusalCounts {
    kinds: Cache<RefusalKind, Arc<Mutex<DatedCount>>>,
    entries: Cache<Option<TenantId>, Arc<Mutex<DatedCount>>>,
}

/// A count that restarts when its time has passed.
#[derive(Default)]
struct DatedCount {
    count: u64,
    /// End of the count's time; `None` before the first.
    until: Option<Timestamp>,
}

impl DatedCount {
    fn restart_if_over(&mut self, now: Timestamp, time: Duration) {
        // A clock that was set far back ends the count as well.
        if self.until.is_none_or(|until| until <= now || after(now, time * 2) < until) {
            *self = Self { count: 0, until: Some(after(now, time)) };
        }
    }
}

impl Default for RefusalCounts {
    fn default() -> Self {
        Self { kinds: Cache::new(MAX_REFUSAL_KINDS), entries: Cache::new(MAX_REFUSAL_KINDS) }
    }
}

impl RefusalCounts {
    /// Counts a refusal. `Some(count)` if an entry is to be written.
    fn count(&self, kind: RefusalKind, now: Timestamp) -> Option<u64> {
        let tenant = kind.tenant;
        let count = update(&self.kinds.get_with(kind, Arc::default), |kind| {
            kind.restart_if_over(now, REFUSAL_IDLE_TTL);
            kind.until = Some(after(now, REFUSAL_IDLE_TTL));
            kind.count += 1;
            kind.count
        });
        if 10u64.checked_pow(count.ilog10()) != Some(count) {
            return None;
        }
        let entries = update(&self.entries.get_with(tenant, Arc::default), |entries| {
            entries.restart_if_over(now, ENTRY_WINDOW);
            entries.count += 1;
            entries.count
        });
        (entries <= MAX_ENTRIES_PER_WINDOW).then_some(count)
    }
}

fn update<T>(count: &Mutex<DatedCount>, change: impl FnOnce(&mut DatedCount) -> T) -> T {
    change(&mut count.lock().unwrap_or_else(PoisonError::into_inner))
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
        let Some(count) = self.refusal_counts.count(kind, self.store.now()) else { return };
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
                tracing::warn!(error = %chain(&error), "a refusal is missing from the audit trail");
            }
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::micros;

    #[test]
    fn the_first_the_tenth_and_the_hundredth_are_told() {
        let counts = RefusalCounts::default();
        let kind = |actor: &str| RefusalKind { tenant: None, actor: actor.to_owned(), action: "a", peer: None };
        let told: Vec<_> = (0..400).filter_map(|_| counts.count(kind("x"), micros(0))).collect();
        assert_eq!(told, [1, 10, 100]);
        assert_eq!(counts.count(kind("y"), micros(0)), Some(1), "kinds are counted apart");
        let later = after(micros(0), REFUSAL_IDLE_TTL - Duration::from_micros(1));
        assert_eq!(counts.count(kind("x"), later), None, "the count goes on");
        let idle = after(later, REFUSAL_IDLE_TTL);
        assert_eq!(counts.count(kind("x"), idle), Some(1), "it restarts after an hour without refusals");
    }

    #[test]
    fn a_trail_is_not_flooded() {
        let counts = RefusalCounts::default();
        let kind = |n: u32| RefusalKind { tenant: None, actor: n.to_string(), action: "a", peer: None };
        let told = (0..1000).filter_map(|n| counts.count(kind(n), micros(0))).count();
        assert_eq!(told as u64, MAX_ENTRIES_PER_WINDOW);
        assert_eq!(counts.count(kind(1001), after(micros(0), ENTRY_WINDOW)), Some(1), "the next window");
    }
}
