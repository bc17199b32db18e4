//! Workers: claim · run · settle, on any number of nodes.
//!
//! A claim is a lease with a heartbeat; whoever loses it stops and writes nothing. A job that fails comes back later,
//! with growing pauses; one that keeps failing, or keeps killing its worker, is put among the dead and its asset
//! fails. Nothing here decides what an outcome means for rows: [`Engine`] writes it, fenced by the attempt.
//!
//! Must not speak HTTP or know concrete adapters.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::clock::Entropy;
use crate::domain::job::{Job, JobKind, MAX_ATTEMPTS};
use crate::engine::Engine;
use crate::store::{Store, Tx, Write};

pub mod handoff;
mod processors;

pub use processors::scan;

/// How a worker works.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Jobs at once.
    pub concurrency: usize,
    /// How long a claim lasts without a heartbeat.
    pub lease: Duration,
    /// How often to look for jobs that other nodes made owed.
    pub poll: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { concurrency: 4, lease: Duration::from_secs(30), poll: Duration::from_secs(1) }
    }
}

/// A worker, ready to run.
#[derive(Clone)]
pub struct Worker {
    engine: Engine,
    store: Arc<dyn Store>,
    entropy: Arc<dyn Entropy>,
    settings: Settings,
}

impl Worker {
    /// A worker on these foundations.
    #[must_use]
    pub fn new(engine: Engine, store: Arc<dyn Store>, entropy: Arc<dyn Entropy>, settings: Settings) -> Self {
        Self { engine, store, entropy, settings }
    }

    /// Works until `shutdown`, then finishes what it has begun. Jobs that are cut off come back when their lease ends.
    pub async fn run(&self, shutdown: CancellationToken) {
        let places = Arc::new(Semaphore::new(self.settings.concurrency));
        let jobs = TaskTracker::new();
        while !shutdown.is_cancelled() {
            let claimed = self.claim(&places, &jobs).await;
            if claimed == 0 {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = self.engine.changes().job() => {}
                    () = tokio::time::sleep(self.settings.poll) => {}
                }
            }
        }
        jobs.close();
        jobs.wait().await;
    }

    /// Claims as many due jobs as there are free places and starts them; how many.
    async fn claim(&self, places: &Arc<Semaphore>, jobs: &TaskTracker) -> usize {
        let Ok(first) = Arc::clone(places).acquire_owned().await else { return 0 };
        let mut free = vec![first];
        while let Ok(place) = Arc::clone(places).try_acquire_owned() {
            free.push(place);
        }
        let most = u32::try_from(free.len()).unwrap_or(u32::MAX);
        let claimed = match self.store.claim_jobs(JobKind::Inspect, self.settings.lease, most).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::warn!(%error, "no jobs could be claimed");
                return 0;
            }
        };
        let count = claimed.len();
        for (job, place) in claimed.into_iter().zip(free) {
            let worker = self.clone();
            jobs.spawn(async move {
                worker.run_leased(job).await;
                drop(place);
            });
        }
        count
    }

    /// Runs one job for as long as its lease can be kept.
    async fn run_leased(&self, job: Job) {
        let id = job.id;
        tokio::select! {
            () = self.run_job(&job) => {}
            () = self.keep_lease(&job) => tracing::warn!(job = %id, "the lease was lost; another worker has the job"),
        }
    }

    /// Returns when the lease is lost. A database that is away for a while is not a lost lease, until it would be.
    async fn keep_lease(&self, job: &Job) {
        let mut failures = 0;
        while failures < 3 {
            tokio::time::sleep(self.settings.lease / 3).await;
            match self.store.extend_job(job, self.settings.lease).await {
                Ok(true) => failures = 0,
                Ok(false) => return,
                Err(_) => failures += 1,
            }
        }
    }

    async fn run_job(&self, job: &Job) {
        let started = std::time::Instant::now();
        // Attempts are counted at the claim: a job that killed its workers is past the limit without having failed.
        let outcome = if job.attempt > MAX_ATTEMPTS {
            Err("it ended its worker every time".to_owned())
        } else {
            self.process(job).await
        };
        let millis = started.elapsed().as_millis();
        match outcome {
            Ok(what) => {
                tracing::info!(job = %job.id, asset = %job.asset, attempt = job.attempt, millis, what, "job done");
            }
            Err(error) => {
                tracing::warn!(job = %job.id, asset = %job.asset, attempt = job.attempt, millis, error, "job failed");
                self.put_back(job, &error).await;
            }
        }
    }

    async fn process(&self, job: &Job) -> Result<&'static str, String> {
        let text = |error: crate::engine::Error| error.to_string();
        let Some(asset) = self.engine.begin_inspection(job).await.map_err(text)? else {
            return Ok("nothing left to do");
        };
        let inspected = processors::inspect(&self.engine, &asset).await.map_err(text)?;
        let settled = self.engine.settle_inspection(job, asset, inspected).await.map_err(text)?;
        Ok(if settled { "settled" } else { "the lease was lost" })
    }

    /// Later again, or never.
    async fn put_back(&self, job: &Job, error: &str) {
        let outcome = match job.next_try(self.store.now(), &*self.entropy) {
            Some(later) => {
                let release = Write::ReleaseJob(job.clone(), Some(later), error.to_owned());
                self.store.commit(Tx::new().with(release)).await.map_err(|e| e.to_string())
            }
            None => self.engine.fail_inspection(job, error).await.map(|_| ()).map_err(|e| e.to_string()),
        };
        if let Err(error) = outcome {
            tracing::warn!(job = %job.id, error, "not put back; its lease will end by itself");
        }
    }
}
