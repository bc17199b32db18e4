//! How fast this process answers and what it has in memory: figures of calls and caches, which an operator reads and
//! clears. Other nodes have figures and caches of their own.

use super::OperationEngine;
use crate::domain::access::Actor;
use crate::engine::audit::AuditedAct;
use crate::engine::rows::tenant_of;
use crate::engine::{Result, ttl_cache};
use crate::metrics;
use crate::metrics::call_times::{self, CallTimes};
use crate::store::Tx;

/// Look-ups in a cache since the start of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLookups {
    /// What the cache has.
    pub cache: &'static str,
    /// Look-ups that were answered from memory.
    pub hits: u64,
    /// Look-ups that were not.
    pub misses: u64,
}

impl OperationEngine {
    /// How long requests, verbs, and calls of database and store took on this process, by kind, those with the most
    /// time first.
    #[tracing::instrument(skip_all)]
    pub async fn list_call_times(&self, actor: &Actor) -> Result<Vec<CallTimes>> {
        self.tenants.require_operator(actor).await?;
        Ok(call_times::list())
    }

    /// Begins the figures of [`Self::list_call_times`] anew, and tells the audit trail.
    #[tracing::instrument(skip_all)]
    pub async fn reset_call_times(&self, actor: &Actor) -> Result<()> {
        self.tell_of_instance_act(actor, "performance.reset").await?;
        call_times::reset();
        Ok(())
    }

    /// How often each cache of this process had what was asked for.
    #[tracing::instrument(skip_all)]
    pub async fn list_caches(&self, actor: &Actor) -> Result<Vec<CacheLookups>> {
        self.tenants.require_operator(actor).await?;
        let lookups = metrics::caches().list_lookups();
        Ok(lookups.map(|(cache, hits, misses)| CacheLookups { cache, hits, misses }).collect())
    }

    /// Forgets every row that this process has in memory, so that the next request reads it anew, and tells the audit
    /// trail. Bytes of objects stay: they never change.
    #[tracing::instrument(skip_all)]
    pub async fn clear_caches(&self, actor: &Actor) -> Result<()> {
        self.tell_of_instance_act(actor, "caches.clear").await?;
        ttl_cache::forget_all();
        Ok(())
    }

    /// Writes that an operator has changed this process.
    async fn tell_of_instance_act(&self, actor: &Actor, action: &'static str) -> Result<()> {
        self.tenants.require_operator(actor).await?;
        let act = AuditedAct::new(tenant_of(actor)?, actor, action, "instance".to_owned());
        self.rows.commit(Tx::new().with(self.audit.audited(act))).await?;
        Ok(())
    }
}
