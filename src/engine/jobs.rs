//! Jobs as operators see them: list, retry, discard, pause, run a chore by hand.
//!
//! A tenant's administrators see and settle the tenant's own jobs. What concerns all tenants, pausing a kind and running
//! chores, is for administrators of the tenant `default`, who run the instance.

use serde_json::{Value, json};

use super::audit::AuditedAct;
use super::limits::check_page_limit;
use super::{Engine, Error, OperatorAlarm, Result, tenant_of};
use crate::domain::access::{Action, Actor, may_ask};
use crate::domain::clock::Timestamp;
use crate::domain::event::EventCount;
use crate::domain::ids::JobId;
use crate::domain::job::{Chore, JobCount, JobEntry, JobKind, JobState, JobSubject};
use crate::domain::tenant::DEFAULT_TENANT;
use crate::store::{JobQuery, StoreError, Tx, Write};

/// Most dead jobs retried at once.
const MAX_RETRIED_JOBS: u32 = 1000;
/// Due rows that a dry run of the sweep counts.
const MAX_COUNTED_ROWS: u32 = 10_000;

/// Which jobs to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListJobs {
    /// In this state only.
    pub state: Option<JobState>,
    /// Of this kind only.
    pub kind: Option<JobKind>,
    /// The last job of the page before.
    pub after: Option<JobId>,
    /// Page size: 1 to 1000.
    pub limit: u32,
}

/// Kinds of jobs, and how many of each there are.
#[derive(Clone, Debug)]
pub struct JobQueues {
    /// By kind and state.
    pub counts: Vec<JobCount>,
    /// Kinds that no worker takes.
    pub paused: Vec<JobKind>,
}

impl Engine {
    /// A page of the tenant's jobs.
    #[tracing::instrument(skip_all)]
    pub async fn list_jobs(&self, actor: &Actor, list: ListJobs) -> Result<Vec<JobEntry>> {
        may_ask(actor, Action::Administer)?;
        check_page_limit(list.limit)?;
        let ListJobs { state, kind, after, limit } = list;
        Ok(self.0.store.list_jobs(&JobQuery { tenant: tenant_of(actor)?, state, kind, after, limit }).await?)
    }

    /// Makes a dead job due once more, with all its tries before it.
    #[tracing::instrument(skip_all)]
    pub async fn retry_job(&self, actor: &Actor, id: JobId) -> Result<()> {
        may_ask(actor, Action::Administer)?;
        let tenant = tenant_of(actor)?;
        let told = self.audited(AuditedAct::new(tenant, actor, "job.retry", format!("job:{id}")));
        self.commit_dead_job_change(Tx::new().with(Write::RetryJob(id, tenant, self.0.store.now())).with(told)).await
    }

    /// Removes a dead job. Its asset stays as it is.
    #[tracing::instrument(skip_all)]
    pub async fn discard_job(&self, actor: &Actor, id: JobId) -> Result<()> {
        may_ask(actor, Action::Administer)?;
        let tenant = tenant_of(actor)?;
        let told = self.audited(AuditedAct::new(tenant, actor, "job.discard", format!("job:{id}")));
        self.commit_dead_job_change(Tx::new().with(Write::DiscardJob(id, tenant)).with(told)).await
    }

    async fn commit_dead_job_change(&self, tx: Tx) -> Result<()> {
        match self.0.store.commit(tx).await {
            Ok(()) => Ok(()),
            // Unknown, of another tenant, not dead, or owed again already: none of them is a dead job of this tenant's.
            Err(StoreError::Conflict) => Err(Error::NotFound),
            Err(other) => Err(other.into()),
        }
    }

    /// Retries up to a thousand dead jobs, of one kind or of all; how many. Until it says 0 there may be more.
    #[tracing::instrument(skip_all)]
    pub async fn retry_dead_jobs(&self, actor: &Actor, kind: Option<JobKind>) -> Result<u32> {
        let list = ListJobs { state: Some(JobState::Dead), kind, after: None, limit: MAX_RETRIED_JOBS };
        let mut retried = 0;
        for entry in self.list_jobs(actor, list).await? {
            match self.retry_job(actor, entry.job.id).await {
                Ok(()) => retried += 1,
                Err(Error::NotFound) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(retried)
    }

    /// The tenant's jobs, counted.
    #[tracing::instrument(skip_all)]
    pub async fn count_queues(&self, actor: &Actor) -> Result<JobQueues> {
        may_ask(actor, Action::Administer)?;
        let counts = self.0.store.list_job_counts(Some(tenant_of(actor)?)).await?;
        Ok(JobQueues { counts, paused: self.0.store.list_paused_kinds().await? })
    }

    /// Has no worker take jobs of this kind, on any node, or takes that back. Those under way go on.
    #[tracing::instrument(skip_all)]
    pub async fn pause_jobs(&self, actor: &Actor, kind: JobKind, paused: bool) -> Result<()> {
        self.require_operator(actor).await?;
        let action = if paused { "queue.pause" } else { "queue.resume" };
        let told = self.audited(AuditedAct::new(tenant_of(actor)?, actor, action, format!("queue:{}", kind.name())));
        self.0.store.commit(Tx::new().with(Write::PauseJobs(kind, paused, self.0.store.now())).with(told)).await?;
        tracing::info!(kind = kind.name(), paused, "jobs of this kind");
        Ok(())
    }

    /// Every chore: its last report and its next time.
    #[tracing::instrument(skip_all)]
    pub async fn list_chores(&self, actor: &Actor) -> Result<Vec<JobEntry>> {
        self.require_operator(actor).await?;
        let mut chores = Vec::new();
        for chore in Chore::ALL {
            chores.extend(self.0.store.find_job(JobSubject::Chore(chore)).await?);
        }
        Ok(chores)
    }

    /// Has a chore come round now. `false`: it is under way, or nobody ever began it.
    #[tracing::instrument(skip_all)]
    pub async fn hurry_chore(&self, actor: &Actor, chore: Chore) -> Result<bool> {
        self.require_operator(actor).await?;
        let kind = JobKind::Chore(chore);
        let told = self.audited(AuditedAct::new(tenant_of(actor)?, actor, "chore.run", kind.name().to_owned()));
        match self.0.store.commit(Tx::new().with(Write::HurryJobs(kind, self.0.store.now())).with(told)).await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(other) => Err(other.into()),
        }
    }

    /// Carries a chore out and says what it came to, as JSON. Twice at once does no harm. Actors ask for
    /// [`Self::hurry_chore`]; this is for workers, and for the command line, whose user owns the database.
    #[tracing::instrument(skip_all)]
    pub async fn run_chore(&self, chore: Chore, remove_orphans: bool) -> Result<Value> {
        Ok(match chore {
            Chore::Sweep => {
                let report = self.run_sweep().await?;
                if !report.is_empty() {
                    tracing::info!(report = %serde_json::json!(report), "swept");
                }
                json!(report)
            }
            Chore::Retention => json!(self.run_retention().await?),
            Chore::Orphans => {
                let report = self.scan_orphans(remove_orphans, |_| {}).await?;
                if report.orphans > report.removed {
                    tracing::warn!(report = %serde_json::json!(report), "the bucket holds what belongs to nobody: gantry cleanup");
                }
                json!(report)
            }
            Chore::Rollup => json!({ "events": self.roll_up_events().await? }),
            Chore::Alarms => {
                let alarms = self.collect_alarms().await?;
                for alarm in &alarms {
                    tracing::warn!(code = alarm.code, "{}", alarm.sentence);
                }
                json!(alarms)
            }
        })
    }

    /// What a chore would do now, without doing it.
    #[tracing::instrument(skip_all)]
    pub async fn dry_run_chore(&self, actor: &Actor, chore: Chore) -> Result<Value> {
        self.require_operator(actor).await?;
        self.preview_chore(chore).await
    }

    /// See [`Self::dry_run_chore`]; for the command line, whose user owns the database.
    #[tracing::instrument(skip_all)]
    pub async fn preview_chore(&self, chore: Chore) -> Result<Value> {
        let now = self.0.store.now();
        Ok(match chore {
            Chore::Sweep => json!({
                "uploads_due": self.0.store.list_uploads_to_check(now, MAX_COUNTED_ROWS).await?.len(),
                "objects_due": self.0.store.list_assets_to_purge(now, MAX_COUNTED_ROWS).await?.len(),
            }),
            Chore::Retention => json!({ "due": self.0.store.count_expired(now, self.oldest_event()).await? }),
            Chore::Orphans => json!(self.scan_orphans(false, |_| {}).await?),
            Chore::Rollup => json!({ "events_due": self.0.store.list_uncounted_events().await? }),
            Chore::Alarms => json!(self.collect_alarms().await?),
        })
    }

    /// Jobs of all tenants, by kind and state; names nobody.
    #[tracing::instrument(skip_all)]
    pub async fn count_all_jobs(&self) -> Result<Vec<JobCount>> {
        Ok(self.0.store.list_job_counts(None).await?)
    }

    /// What an operator should look at.
    #[tracing::instrument(skip_all)]
    pub async fn list_alarms(&self, actor: &Actor) -> Result<Vec<OperatorAlarm>> {
        self.require_operator(actor).await?;
        self.collect_alarms().await
    }

    /// What happened to the tenant's assets, by hour and kind.
    #[tracing::instrument(skip_all)]
    pub async fn list_hourly_counts(&self, actor: &Actor, from: Timestamp, to: Timestamp) -> Result<Vec<EventCount>> {
        may_ask(actor, Action::Administer)?;
        Ok(self.0.store.list_event_counts(tenant_of(actor)?, from, to).await?)
    }

    /// Refuses everybody but those who run the instance.
    pub(super) async fn require_operator(&self, actor: &Actor) -> Result<()> {
        may_ask(actor, Action::Administer)?;
        let tenant = tenant_of(actor)?;
        let operators = self.0.store.find_tenant_by_name(DEFAULT_TENANT).await?;
        if operators.is_some_and(|operators| operators.id == tenant) { Ok(()) } else { Err(Error::Forbidden) }
    }
}
