//! Administration of queues: how many jobs of each kind wait, run and end; pause a kind, and set how many of it run at once.
//!
//! A tenant's administrators see the tenant's own numbers. What concerns the jobs of all tenants is for administrators of
//! the tenant `default`, the operators of the instance.

use std::time::Duration;

use serde_json::json;

use super::OperationEngine;
use crate::domain::access::{Action, Actor, may_ask};
use crate::domain::clock::before;
use crate::domain::job::{JobCount, JobKind, MAX_CONCURRENCY, QueueConcurrency};
use crate::domain::job_attempt::AttemptMinute;
use crate::engine::audit::AuditedAct;
use crate::engine::rows::tenant_of;
use crate::engine::{Error, Result};
use crate::store::{RowChange, Tx};

/// Span of the throughput.
const THROUGHPUT_SPAN: Duration = Duration::from_secs(3600);
/// Most attempts that are counted for it, the newest first.
const MAX_COUNTED_ATTEMPTS: u32 = 200_000;

/// Numbers of jobs, and what operators have set for their kinds.
#[derive(Clone, Debug)]
pub struct JobQueues {
    /// Number of jobs by kind and state.
    pub counts: Vec<JobCount>,
    /// Kinds that no worker takes.
    pub paused: Vec<JobKind>,
    /// Kinds whose number at once an operator has set.
    pub concurrency: Vec<QueueConcurrency>,
    /// Ends of attempts in the last hour; minutes without any are left out.
    pub minutes: Vec<AttemptMinute>,
}

impl OperationEngine {
    /// Numbers of the tenant's jobs, and what operators have set for all jobs. Of the last hour at most the last 200 000
    /// attempts are counted.
    #[tracing::instrument(skip_all)]
    pub async fn count_queues(&self, actor: &Actor) -> Result<JobQueues> {
        may_ask(actor, Action::Administer)?;
        let tenant = Some(tenant_of(actor)?);
        let since = before(self.store.now(), THROUGHPUT_SPAN);
        Ok(JobQueues {
            counts: self.store.list_job_counts(tenant).await?,
            paused: self.store.list_paused_kinds().await?,
            concurrency: self.store.list_queue_concurrency().await?,
            minutes: self.store.count_attempt_minutes(tenant, since, MAX_COUNTED_ATTEMPTS).await?,
        })
    }

    /// Pauses a kind of jobs on all nodes, or resumes it. Jobs under way continue.
    #[tracing::instrument(skip_all)]
    pub async fn pause_jobs(&self, actor: &Actor, kind: JobKind, paused: bool) -> Result<()> {
        self.tenants.require_operator(actor).await?;
        let action = if paused { "queue.pause" } else { "queue.resume" };
        let told = self.audit.audited(AuditedAct::new(tenant_of(actor)?, actor, action, subject(kind)));
        self.rows.commit(Tx::new().with(RowChange::PauseJobs(kind, paused, self.store.now())).with(told)).await?;
        tracing::info!(kind = kind.name(), paused, "jobs of this kind");
        Ok(())
    }

    /// Sets how many jobs of a kind run at once in each worker; `None`: as many as the worker's setting says. Workers on
    /// all nodes take it up within seconds; jobs under way continue.
    ///
    /// # Errors
    /// [`Error::Invalid`] for 0 or more than [`MAX_CONCURRENCY`], and for kinds of which one job runs at a time.
    #[tracing::instrument(skip_all)]
    pub async fn set_queue_concurrency(&self, actor: &Actor, kind: JobKind, concurrency: Option<u32>) -> Result<()> {
        self.tenants.require_operator(actor).await?;
        if !kind.takes_concurrency() {
            return Err(Error::invalid("kind", "jobs of this kind run one at a time"));
        }
        if concurrency.is_some_and(|jobs| jobs == 0 || jobs > MAX_CONCURRENCY) {
            return Err(Error::invalid("concurrency", format!("must be 1 to {MAX_CONCURRENCY}, or null")));
        }
        let set = self.store.list_queue_concurrency().await?;
        let earlier = set.iter().find(|queue| queue.kind == kind).map(|queue| queue.concurrency);
        let deed = AuditedAct::new(tenant_of(actor)?, actor, "queue.concurrency", subject(kind))
            .before(json!({ "concurrency": earlier }))
            .after(json!({ "concurrency": concurrency }));
        let change = RowChange::SetConcurrency(kind, concurrency, self.store.now());
        self.rows.commit(Tx::new().with(change).with(self.audit.audited(deed))).await?;
        tracing::info!(kind = kind.name(), concurrency, "jobs of this kind at once");
        Ok(())
    }
}

/// Name of a queue in the audit trail.
fn subject(kind: JobKind) -> String {
    format!("queue:{}", kind.name())
}
