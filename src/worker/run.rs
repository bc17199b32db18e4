//! One job from its claim to its end.

use std::time::Duration;

use super::Worker;
use super::processors::Stop;
use crate::domain::clock::Timestamp;
use crate::domain::findings::StoredDamage;
use crate::domain::job::{Job, Tries, Work};
use crate::engine::Error;

/// The longest pause before somebody who is away is looked for again.
const AWAY: Duration = Duration::from_secs(60);

/// How one try ended.
pub(super) enum End {
    /// The job is finished, or no longer ours.
    Done(&'static str),
    /// Put back already, with whatever was kept.
    Waits(&'static str),
    /// Somebody whom it needs is away; the try does not count.
    Away(String),
    /// It failed; the try counts.
    Failed(String),
    /// Another worker has the job, or it was cancelled.
    Lost,
    /// The store has lost the bytes that it needs; the try counts.
    BytesMissing(String),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        match error {
            Error::Busy { .. } | Error::Full => Self::Away(error.to_string()),
            Error::BytesMissing(why) => Self::BytesMissing(why),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Away(why) => Self::Away(why),
            Stop::Failed(why) => Self::Failed(why),
            Stop::BytesMissing(why) => Self::BytesMissing(why),
            Stop::Lost => Self::Lost,
        }
    }
}

impl Worker {
    /// Runs one job for as long as its lease can be kept.
    pub(super) async fn run_leased(&self, job: Job) {
        let kept = tokio::select! {
            kept = self.run_job(&job) => kept,
            () = self.keep_lease(&job) => false,
        };
        if kept {
            return;
        }
        tracing::warn!(job = %job.id, "the lease was lost: another worker has the job, or it was cancelled");
        if let Err(error) = self.engine.remove_withdrawn(&job).await {
            tracing::warn!(job = %job.id, %error, "derivatives may be left behind; the orphan search finds them");
        }
    }

    /// Whether the job was still this worker's when it ended.
    async fn run_job(&self, job: &Job) -> bool {
        let started = std::time::Instant::now();
        // Tries are counted at the claim: a job that killed its workers is past the limit without having failed.
        let end = if job.is_poison() && !matches!(job.work, Work::Chore(_)) {
            End::Failed("it ended its worker every time".to_owned())
        } else {
            self.attempt(job).await
        };
        let (kind, millis) = (job.work.kind().name(), started.elapsed().as_millis());
        match end {
            End::Done(what) | End::Waits(what) if matches!(job.work, Work::Chore(_)) => {
                tracing::debug!(kind, millis, what, "chore done");
            }
            End::Done(what) | End::Waits(what) => {
                tracing::info!(job = %job.id, kind, about = %job.work.subject(), attempt = job.attempt, millis, what, "job done");
            }
            End::Lost => return false,
            End::Away(why) => {
                tracing::warn!(job = %job.id, kind, about = %job.work.subject(), attempt = job.attempt, why, "job waits");
                let due = job.look_again(AWAY, self.store.now(), &*self.entropy);
                return self.release(job, due, Tries::Forgiven, &why, None).await;
            }
            End::Failed(why) => {
                tracing::warn!(job = %job.id, kind, about = %job.work.subject(), attempt = job.attempt, millis, why, "job failed");
                let due = job.next_try(self.store.now(), &*self.entropy);
                return self.release(job, due, Tries::Counted, &why, None).await;
            }
            End::BytesMissing(why) => {
                tracing::error!(job = %job.id, kind, about = %job.work.subject(), attempt = job.attempt, why, "the store has lost the bytes");
                let due = job.next_try(self.store.now(), &*self.entropy);
                return self.release(job, due, Tries::Counted, &why, Some(StoredDamage::BytesMissing)).await;
            }
        }
        true
    }

    async fn attempt(&self, job: &Job) -> End {
        match job.work {
            Work::Process(_) | Work::Recheck(_) | Work::Rescan(_) => {
                self.pipeline.run(&self.engine, job).await.unwrap_or_else(End::from)
            }
            Work::Deliver(delivery) => self.deliver(job, delivery).await,
            Work::Purge(asset) => self.purge(job, asset).await.unwrap_or_else(End::from),
            Work::Chore(chore) => self.do_chore(job, chore).await,
        }
    }

    /// Later again, or never: then with the `damage` that kept it from being done. `false`: the job is no longer this
    /// worker's.
    async fn release(
        &self,
        job: &Job,
        due: Option<Timestamp>,
        tries: Tries,
        why: &str,
        damage: Option<StoredDamage>,
    ) -> bool {
        let engine = &self.engine;
        let outcome = match due {
            Some(due) => engine.put_back(job, due, tries, why).await,
            None => match job.work {
                Work::Deliver(delivery) => engine.give_up_call(job, delivery).await.map(|()| true),
                _ => engine.give_up(job, why, damage).await,
            },
        };
        outcome.unwrap_or_else(|error| {
            tracing::warn!(job = %job.id, %error, "not put back; its lease will end by itself");
            true
        })
    }
}
