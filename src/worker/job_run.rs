//! Runs a job from its claim to its end.

use std::time::{Duration, Instant};

use tracing::Instrument as _;
use tracing::field::Empty;

use super::JobWorker;
use super::processors::StepError;
use crate::domain::clock::Timestamp;
use crate::domain::findings::StoredDamage;
use crate::domain::job::{Job, JobSubject, TryCount};
use crate::domain::reason::{FailureCause, chain};
use crate::engine::Error;
use crate::metrics;
use crate::metrics::AttemptOutcome;
use crate::traces;

/// Maximum pause before a job whose dependency was unavailable is tried again.
const MAX_UNAVAILABLE_PAUSE: Duration = Duration::from_secs(60);

/// Outcome of a try.
pub(super) enum JobOutcome {
    /// The job is finished, or this worker no longer holds it.
    Done(&'static str),
    /// The job has been put back already, with its progress.
    Deferred(&'static str),
    /// A dependency of the job is unavailable; the try does not count.
    Unavailable(FailureCause),
    /// The job failed; the try counts.
    Failed(FailureCause),
    /// Another worker holds the job, or it was cancelled.
    LeaseLost,
    /// The object store has lost the asset's bytes; the try counts.
    BytesMissing(FailureCause),
}

impl JobOutcome {
    /// The outcome for metrics; `None` for a lost lease, which is counted however it shows.
    fn attempt_outcome(&self) -> Option<AttemptOutcome> {
        match self {
            Self::Done(_) => Some(AttemptOutcome::Done),
            Self::Deferred(_) => Some(AttemptOutcome::Deferred),
            Self::Unavailable(_) => Some(AttemptOutcome::Unavailable),
            Self::Failed(_) => Some(AttemptOutcome::Failed),
            Self::BytesMissing(_) => Some(AttemptOutcome::BytesMissing),
            Self::LeaseLost => None,
        }
    }
}

impl From<Error> for JobOutcome {
    fn from(error: Error) -> Self {
        StepError::from(error).into()
    }
}

impl From<StepError> for JobOutcome {
    fn from(stop: StepError) -> Self {
        match stop {
            StepError::Unavailable(why) => Self::Unavailable(why),
            StepError::Failed(why) => Self::Failed(why),
            StepError::BytesMissing(why) => Self::BytesMissing(why),
            StepError::LeaseLost => Self::LeaseLost,
        }
    }
}

impl JobWorker {
    /// Runs a job for as long as its lease can be renewed.
    pub(super) async fn run_with_lease(&self, job: Job) {
        let kind = job.work.kind().name();
        let span = tracing::info_span!(
            "job",
            job = %job.id,
            kind,
            subject = %job.work.subject(),
            attempt = job.attempt,
            otel.name = Empty,
            otel.kind = Empty,
        );
        traces::describe_span(&span, &format!("job {kind}"), "consumer");
        traces::adopt_traceparent(&span, job.traceparent.as_deref());
        self.run_claimed(job).instrument(span).await;
    }

    async fn run_claimed(&self, job: Job) {
        let started = Instant::now();
        let kept = tokio::select! {
            // A job that has ended counts, even if its lease is found lost at the same moment.
            biased;
            kept = self.run_job(&job) => kept,
            () = self.renew_lease(&job) => false,
        };
        if kept {
            return;
        }
        metrics::jobs().record_attempt(job.work.kind(), AttemptOutcome::LeaseLost, started.elapsed());
        tracing::warn!(job = %job.id, "the lease was lost: another worker has the job, or it was cancelled");
        if let Err(error) = self.engine.processing().remove_withdrawn(&job).await {
            tracing::warn!(job = %job.id, error = %chain(&error), "derivatives may be left behind; the orphan search finds them");
        }
    }

    /// Runs a job and records its outcome. `false`: this worker no longer held the job at its end.
    async fn run_job(&self, job: &Job) -> bool {
        let started = Instant::now();
        // Tries are counted at the claim: a job that crashed its worker every time has used them up without ever
        // failing.
        let end = if job.is_poison() && !matches!(job.work, JobSubject::Chore(_)) {
            JobOutcome::Failed("every try crashed the worker".into())
        } else {
            self.execute_job(job).await
        };
        if let Some(outcome) = end.attempt_outcome() {
            metrics::jobs().record_attempt(job.work.kind(), outcome, started.elapsed());
        }
        let (kind, millis) = (job.work.kind().name(), u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
        match end {
            JobOutcome::Done(what) | JobOutcome::Deferred(what) if matches!(job.work, JobSubject::Chore(_)) => {
                tracing::debug!(kind, millis, what, "chore done");
            }
            JobOutcome::Done(what) | JobOutcome::Deferred(what) => {
                tracing::info!(job = %job.id, kind, about = %job.work.subject(), attempt = job.attempt, millis, what, "job done");
            }
            JobOutcome::LeaseLost => return false,
            JobOutcome::Unavailable(why) => {
                let why = chain(&why).to_string();
                tracing::warn!(job = %job.id, kind, about = %job.work.subject(), attempt = job.attempt, why, "job waits");
                let due = job.look_again(MAX_UNAVAILABLE_PAUSE, self.store.now(), &*self.entropy);
                return self.put_back_or_give_up(job, due, TryCount::Forgiven, &why, None).await;
            }
            JobOutcome::Failed(why) => {
                let why = chain(&why).to_string();
                tracing::warn!(job = %job.id, kind, about = %job.work.subject(), attempt = job.attempt, millis, why, "job failed");
                let due = job.next_try(self.store.now(), &*self.entropy);
                return self.put_back_or_give_up(job, due, TryCount::Counted, &why, None).await;
            }
            JobOutcome::BytesMissing(why) => {
                let why = chain(&why).to_string();
                tracing::error!(job = %job.id, kind, about = %job.work.subject(), attempt = job.attempt, why, "the store has lost the bytes");
                let due = job.next_try(self.store.now(), &*self.entropy);
                return self
                    .put_back_or_give_up(job, due, TryCount::Counted, &why, Some(StoredDamage::BytesMissing))
                    .await;
            }
        }
        true
    }

    async fn execute_job(&self, job: &Job) -> JobOutcome {
        match job.work {
            JobSubject::Process(_) | JobSubject::Recheck(_) | JobSubject::Rescan(_) => {
                self.pipeline.run(&self.engine, job).await.unwrap_or_else(JobOutcome::from)
            }
            JobSubject::Deliver(delivery) => self.run_delivery(job, delivery).await,
            JobSubject::Purge(asset) => self.run_purge(job, asset).await.unwrap_or_else(JobOutcome::from),
            JobSubject::Erase(tenant) => self.run_erasure(job, tenant).await.unwrap_or_else(JobOutcome::from),
            JobSubject::Chore(chore) => self.run_chore(job, chore).await,
        }
    }

    /// Puts the job back until `due`. With `None` gives it up, and records the `damage` of the bytes if that is the
    /// cause. `false`: this worker no longer holds the job.
    async fn put_back_or_give_up(
        &self,
        job: &Job,
        due: Option<Timestamp>,
        tries: TryCount,
        why: &str,
        damage: Option<StoredDamage>,
    ) -> bool {
        let engine = &self.engine;
        let outcome = match due {
            Some(due) => engine.processing().put_back(job, due, tries, why).await,
            None => match job.work {
                JobSubject::Deliver(delivery) => engine.webhooks().give_up_call(job, delivery).await.map(|()| true),
                _ => engine.processing().give_up(job, why, damage).await,
            },
        };
        outcome.unwrap_or_else(|error| {
            tracing::warn!(job = %job.id, error = %chain(&error), "not put back; its lease will end by itself");
            true
        })
    }
}
