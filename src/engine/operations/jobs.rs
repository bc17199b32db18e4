//! Administration of jobs: list, retry, discard, run a chore.
//!
//! A tenant's administrators manage the tenant's own jobs. Running chores concerns all tenants and is for administrators of the tenant `default`, the operators of the instance.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{OperationEngine, OperatorAlarm};
use crate::domain::access::{Action, Actor, may_ask};
use crate::domain::clock::Timestamp;
use crate::domain::event::EventCount;
use crate::domain::ids::{AssetId, JobId};
use crate::domain::job::{Chore, JobEntry, JobKind, JobState, JobSubject};
use crate::domain::job_attempt::{AttemptOutcome, JobAttempt};
use crate::engine::audit::AuditedAct;
use crate::engine::limits::check_page_limit;
use crate::engine::rows::tenant_of;
use crate::engine::{Error, Result};
use crate::store::{AuditQuery, JobQuery, RowChange, Tx};

/// Most dead jobs retried per request.
const MAX_RETRIED_JOBS: u32 = 1000;
/// Most attempts that are shown of a job.
const MAX_SHOWN_ATTEMPTS: u32 = 100;
/// Longest reason in characters for which a dead job is discarded.
const MAX_REASON_CHARS: usize = 500;
/// Audited action of a discarded job.
const DISCARD_ACTION: &str = "job.discard";
/// Most due rows that a dry run of the sweep counts.
const MAX_COUNTED_ROWS: u32 = 10_000;

/// Filter and page of a list of jobs.
#[derive(Clone, Debug, Default)]
pub struct ListJobs {
    /// Only jobs of this tenant, by name or id; `*`: of all tenants, for operators. `None`: of the caller's own tenant.
    pub tenant: Option<String>,
    /// Only jobs in this state.
    pub state: Option<JobState>,
    /// Only jobs of this kind.
    pub kind: Option<JobKind>,
    /// Last job of the previous page.
    pub after: Option<JobId>,
    /// Page size: 1 to 1000.
    pub limit: u32,
}

/// A job and its attempts.
#[derive(Clone, Debug, Default)]
pub struct JobHistory {
    /// The job; `None` if it is finished.
    pub entry: Option<JobEntry>,
    /// Attempts that have ended, in their order; at most the last 100, of the last 30 days.
    pub attempts: Vec<JobAttempt>,
    /// How an administrator discarded the dead job; `None` if none did.
    pub discard: Option<JobDiscard>,
}

/// End of a dead job by an administrator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobDiscard {
    /// Name of the administrator in the audit trail: `key:…`.
    pub actor: String,
    /// Time of the discard.
    pub at: Timestamp,
    /// Why, if the administrator said so.
    pub reason: Option<String>,
}

impl OperationEngine {
    /// A job of the tenant, or for an operator of any tenant, with its attempts. Finished jobs are found by their
    /// attempts.
    #[tracing::instrument(skip_all, fields(job = %id))]
    pub async fn load_job(&self, actor: &Actor, id: JobId) -> Result<JobHistory> {
        may_ask(actor, Action::Administer)?;
        let tenant = match self.tenants.require_operator(actor).await {
            Ok(()) => None,
            Err(Error::Forbidden) => Some(tenant_of(actor)?),
            Err(other) => return Err(other),
        };
        let entry = self.store.find_job_by_id(id, tenant).await?;
        let mut attempts = self.store.list_job_attempts(id, MAX_SHOWN_ATTEMPTS).await?;
        attempts.retain(|attempt| tenant.is_none_or(|tenant| attempt.tenant == tenant));
        if entry.is_none() && attempts.is_empty() {
            return Err(Error::NotFound);
        }
        self.with_discard(JobHistory { entry, attempts, discard: None }).await
    }

    /// Every job about an asset with its attempts, finished jobs too, oldest first. Attempts are kept for 30 days.
    #[tracing::instrument(skip_all, fields(asset = %id))]
    pub async fn list_asset_jobs(&self, actor: &Actor, id: AssetId) -> Result<Vec<JobHistory>> {
        may_ask(actor, Action::Administer)?;
        let asset = self.store.find_asset(id).await?.ok_or(Error::NotFound)?;
        self.tenants.load_administered_tenant(actor, Some(&asset.tenant.to_string())).await?;
        let attempts = self.store.list_asset_attempts(id, MAX_SHOWN_ATTEMPTS).await?;
        let mut histories = Vec::new();
        for history in group_by_job(attempts, self.store.list_asset_jobs(id).await?) {
            histories.push(self.with_discard(history).await?);
        }
        Ok(histories)
    }

    /// Adds what the audit trail says of the end of a job that was dead and is gone.
    async fn with_discard(&self, mut history: JobHistory) -> Result<JobHistory> {
        let last = history.attempts.last().filter(|last| last.outcome == AttemptOutcome::Dead);
        let Some(last) = last.filter(|_| history.entry.is_none()) else { return Ok(history) };
        let query = AuditQuery {
            subject: Some(format!("job:{}", last.job)),
            action: Some(DISCARD_ACTION.to_owned()),
            limit: 1,
            ..AuditQuery::default()
        };
        let entries = self.store.list_audit_entries(Some(last.tenant), &query).await?;
        history.discard = entries.into_iter().next().map(|entry| JobDiscard {
            actor: entry.actor,
            at: entry.at,
            reason: entry.after.as_ref().and_then(|after| after["reason"].as_str()).map(ToOwned::to_owned),
        });
        Ok(history)
    }

    /// A page of jobs.
    #[tracing::instrument(skip_all)]
    pub async fn list_jobs(&self, actor: &Actor, list: ListJobs) -> Result<Vec<JobEntry>> {
        may_ask(actor, Action::Administer)?;
        check_page_limit(list.limit)?;
        let ListJobs { tenant, state, kind, after, limit } = list;
        let tenant = self.tenants.load_listed_tenant(actor, tenant.as_deref()).await?;
        Ok(self.store.list_jobs(&JobQuery { tenant, state, kind, after, limit }).await?)
    }

    /// Makes a dead job due again, with all its attempts ahead.
    #[tracing::instrument(skip_all)]
    pub async fn retry_job(&self, actor: &Actor, id: JobId) -> Result<()> {
        may_ask(actor, Action::Administer)?;
        let tenant = tenant_of(actor)?;
        let told = self.audit.audited(AuditedAct::new(tenant, actor, "job.retry", format!("job:{id}")));
        self.commit_dead_job_change(Tx::new().with(RowChange::RetryJob(id, tenant, self.store.now())).with(told)).await
    }

    /// Removes a dead job. The asset stays unchanged. The audit trail keeps the reason; an empty one counts as none.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a reason of more than 500 characters; [`Error::NotFound`] if the tenant has no such dead job.
    #[tracing::instrument(skip_all)]
    pub async fn discard_job(&self, actor: &Actor, id: JobId, reason: Option<&str>) -> Result<()> {
        may_ask(actor, Action::Administer)?;
        let tenant = tenant_of(actor)?;
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
        if reason.is_some_and(|reason| reason.chars().count() > MAX_REASON_CHARS) {
            return Err(Error::invalid("reason", format!("must be at most {MAX_REASON_CHARS} characters")));
        }
        let deed = AuditedAct::new(tenant, actor, DISCARD_ACTION, format!("job:{id}"));
        let deed = match reason {
            Some(reason) => deed.after(json!({ "reason": reason })),
            None => deed,
        };
        let told = self.audit.audited(deed);
        self.commit_dead_job_change(Tx::new().with(RowChange::DiscardJob(id, tenant)).with(told)).await
    }

    async fn commit_dead_job_change(&self, tx: Tx) -> Result<()> {
        // Unknown, of another tenant, not dead, or pending again: in each case the tenant has no such dead job.
        if self.rows.commit_if_unchanged(tx).await? { Ok(()) } else { Err(Error::NotFound) }
    }

    /// Retries up to a thousand dead jobs, of a kind or of all kinds. Returns their number; there may be more until it
    /// is 0.
    #[tracing::instrument(skip_all)]
    pub async fn retry_dead_jobs(&self, actor: &Actor, kind: Option<JobKind>) -> Result<u32> {
        let list = ListJobs { state: Some(JobState::Dead), kind, limit: MAX_RETRIED_JOBS, ..ListJobs::default() };
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

    /// Every chore, with its last report and its next time.
    #[tracing::instrument(skip_all)]
    pub async fn list_chores(&self, actor: &Actor) -> Result<Vec<JobEntry>> {
        self.tenants.require_operator(actor).await?;
        let mut chores = Vec::new();
        for chore in Chore::ALL {
            chores.extend(self.store.find_job(JobSubject::Chore(chore)).await?);
        }
        Ok(chores)
    }

    /// Makes a chore due now. `false` if the chore is under way, or was never started.
    #[tracing::instrument(skip_all)]
    pub async fn hurry_chore(&self, actor: &Actor, chore: Chore) -> Result<bool> {
        self.tenants.require_operator(actor).await?;
        let kind = JobKind::Chore(chore);
        let told = self.audit.audited(AuditedAct::new(tenant_of(actor)?, actor, "chore.run", kind.name().to_owned()));
        self.rows.commit_if_unchanged(Tx::new().with(RowChange::HurryJobs(kind, self.store.now())).with(told)).await
    }

    /// Runs a chore and returns its report as JSON. Concurrent runs do no harm. Actors call [`Self::hurry_chore`]; this
    /// is for workers, and for the command line, whose user owns the database.
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
                self.look_at_idle_uploads().await?;
                let alarms = self.collect_alarms().await?;
                for alarm in &alarms {
                    tracing::warn!(code = alarm.code, "{}", alarm.sentence);
                }
                json!(alarms)
            }
        })
    }

    /// Preview of a chore: counts what it would do, without doing it.
    #[tracing::instrument(skip_all)]
    pub async fn dry_run_chore(&self, actor: &Actor, chore: Chore) -> Result<Value> {
        self.tenants.require_operator(actor).await?;
        self.preview_chore(chore).await
    }

    /// As [`Self::dry_run_chore`], for the command line, whose user owns the database.
    #[tracing::instrument(skip_all)]
    pub async fn preview_chore(&self, chore: Chore) -> Result<Value> {
        let now = self.store.now();
        Ok(match chore {
            Chore::Sweep => json!({
                "uploads_due": self.store.list_uploads_to_check(now, MAX_COUNTED_ROWS).await?.len(),
                "objects_due": self.store.list_assets_to_purge(now, MAX_COUNTED_ROWS).await?.len(),
            }),
            Chore::Retention => json!({ "due": self.store.count_expired(now, self.oldest_event()).await? }),
            Chore::Orphans => json!(self.scan_orphans(false, |_| {}).await?),
            Chore::Rollup => json!({ "events_due": self.store.count_events_to_roll_up().await? }),
            Chore::Alarms => json!(self.collect_alarms().await?),
        })
    }

    /// The alarms that are raised now.
    #[tracing::instrument(skip_all)]
    pub async fn list_alarms(&self, actor: &Actor) -> Result<Vec<OperatorAlarm>> {
        self.tenants.require_operator(actor).await?;
        self.collect_alarms().await
    }

    /// Numbers of the tenant's events, by hour and kind.
    #[tracing::instrument(skip_all)]
    pub async fn list_hourly_counts(&self, actor: &Actor, from: Timestamp, to: Timestamp) -> Result<Vec<EventCount>> {
        may_ask(actor, Action::Administer)?;
        Ok(self.store.list_event_counts(tenant_of(actor)?, from, to).await?)
    }
}

/// Jobs with their attempts, in the order in which they were created.
fn group_by_job(attempts: Vec<JobAttempt>, entries: Vec<JobEntry>) -> Vec<JobHistory> {
    let mut histories = BTreeMap::<JobId, JobHistory>::new();
    for attempt in attempts {
        histories.entry(attempt.job).or_default().attempts.push(attempt);
    }
    for entry in entries {
        let id = entry.job.id;
        histories.entry(id).or_default().entry = Some(entry);
    }
    histories.into_values().collect()
}
