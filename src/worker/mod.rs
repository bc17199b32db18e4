//! Workers: claim, run and settle jobs, on any number of nodes.
//!
//! A claim is a lease that the worker renews; a worker that loses the lease stops and writes nothing. Every kind of job
//! has its own slots, so that many jobs of a kind never delay another kind. A failed job is retried after growing
//! pauses; a job that keeps failing, or keeps crashing its worker, becomes dead. This module does not decide what an
//! outcome means for rows: [`Engine`] writes it, fenced by the attempt.
//!
//! Must not speak HTTP or know concrete adapters.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::clock::Entropy;
use crate::domain::ids::{JobId, TenantId};
use crate::domain::job::{Chore, Job, JobKind, JobSubject, NewJob, Priority};
use crate::domain::reason::chain;
use crate::engine::Engine;
use crate::store::Store;

mod cdn_purge;
mod chores;
mod erasure;
pub mod handoff;
mod job_run;
mod processors;
mod slots;
mod webhooks;

pub use chores::{ChoreSchedule, ChoreTimetable};
pub use processors::clamd;
pub use processors::{
    HandoffStep, IncompleteScanAction, MediaStep, ProcessingPipeline, ScanStep, ScannerSettings, Steps,
};
use slots::JobSlots;
pub use webhooks::WebhookSender;

/// Settings of a worker.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// Maximum number of concurrent jobs of each of the kinds process, recheck and rescan.
    pub concurrency: usize,
    /// Maximum number of concurrent webhook deliveries.
    pub max_deliveries: usize,
    /// Duration of a lease without renewal.
    pub lease: Duration,
    /// Interval at which the worker polls for due jobs, in case a notification was lost.
    pub poll_interval: Duration,
    /// Schedules of the chores; `None`: this worker runs none.
    pub chores: Option<ChoreTimetable>,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            concurrency: 4,
            max_deliveries: 16,
            lease: Duration::from_secs(30),
            poll_interval: Duration::from_secs(1),
            chores: None,
        }
    }
}

/// Maximum lease of a chore: if its node dies, another node takes over after this.
const MAX_CHORE_LEASE: Duration = Duration::from_secs(5);
/// Maximum lease of a delivery or purge: short, because a receiver waits for it.
const MAX_DELIVERY_LEASE: Duration = Duration::from_secs(10);

/// A worker of jobs and webhook deliveries.
#[derive(Clone)]
pub struct JobWorker {
    engine: Engine,
    store: Arc<dyn Store>,
    entropy: Arc<dyn Entropy>,
    pipeline: Arc<ProcessingPipeline>,
    settings: Arc<WorkerSettings>,
    /// `None`: this worker sends no webhooks.
    sender: Option<WebhookSender>,
    endpoint_limiter: webhooks::EndpointLimiter,
    /// Notified after each try of a delivery.
    delivery_tried: Arc<Notify>,
}

impl JobWorker {
    /// Creates a worker that sends no webhooks.
    #[must_use]
    pub fn new(
        engine: Engine,
        store: Arc<dyn Store>,
        entropy: Arc<dyn Entropy>,
        pipeline: ProcessingPipeline,
        settings: WorkerSettings,
    ) -> Self {
        let (gate, settings) = (webhooks::EndpointLimiter::new(settings.max_deliveries), Arc::new(settings));
        let (sender, tried) = (None, Arc::default());
        Self {
            engine,
            store,
            entropy,
            pipeline: Arc::new(pipeline),
            settings,
            sender,
            endpoint_limiter: gate,
            delivery_tried: tried,
        }
    }

    /// Enables webhook deliveries and purge calls.
    #[must_use]
    pub fn with_sender(self, sender: WebhookSender) -> Self {
        Self { sender: Some(sender), ..self }
    }

    /// Runs until `shutdown`, then finishes the running jobs. Interrupted jobs become due again when their lease ends.
    pub async fn run(&self, shutdown: CancellationToken) {
        self.seed_chores().await;
        tokio::join!(self.run_dispatcher(&shutdown), self.run_jobs(&shutdown));
    }

    async fn run_jobs(&self, shutdown: &CancellationToken) {
        let places = Arc::new(JobSlots::new(&self.settings, self.sender.is_some()));
        let jobs = TaskTracker::new();
        let mut concurrency_read_at = None;
        while !shutdown.is_cancelled() {
            self.refresh_concurrency(&places, &mut concurrency_read_at).await;
            if self.claim_due_jobs(&places, &jobs).await == 0 {
                tokio::select! {
                    // In a fixed order, so that a simulated run can be repeated.
                    biased;
                    () = shutdown.cancelled() => {}
                    () = self.store.wait_for_jobs() => {}
                    () = places.slot_freed.notified() => {}
                    () = tokio::time::sleep(self.settings.poll_interval) => {}
                }
            }
        }
        jobs.close();
        jobs.wait().await;
    }

    /// Claims as many due jobs as there are free slots and starts them. Returns how many.
    async fn claim_due_jobs(&self, places: &Arc<JobSlots>, jobs: &TaskTracker) -> usize {
        let due = match self.store.list_due_kinds(&places.free_kinds()).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "no jobs could be looked for");
                return 0;
            }
        };
        let mut claimed = 0;
        for kind in due {
            claimed += self.claim_kind(kind, places, jobs).await;
        }
        claimed
    }

    async fn claim_kind(&self, kind: JobKind, places: &Arc<JobSlots>, jobs: &TaskTracker) -> usize {
        let free = places.acquire_free(kind);
        let most = u32::try_from(free.len()).unwrap_or(u32::MAX);
        let claimed = match self.store.claim_jobs(kind, self.lease_duration(kind), most).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::warn!(error = %chain(&error), kind = kind.name(), "no jobs could be claimed");
                return 0;
            }
        };
        let count = claimed.len();
        for (job, place) in claimed.into_iter().zip(free) {
            let (worker, places) = (self.clone(), Arc::clone(places));
            jobs.spawn(async move {
                worker.run_with_lease(job).await;
                drop(place);
                places.slot_freed.notify_one();
            });
        }
        count
    }

    fn lease_duration(&self, kind: JobKind) -> Duration {
        match kind {
            JobKind::Chore(_) => MAX_CHORE_LEASE.min(self.settings.lease),
            JobKind::Deliver | JobKind::Purge => MAX_DELIVERY_LEASE.min(self.settings.lease),
            JobKind::Process | JobKind::Recheck | JobKind::Rescan | JobKind::Erase => self.settings.lease,
        }
    }

    /// Inserts the chores' rows, which exist permanently; a no-op if another node has inserted them.
    async fn seed_chores(&self) {
        let Some(timetable) = &self.settings.chores else { return };
        let now = self.store.now();
        let chore = |chore: Chore| NewJob {
            id: JobId(crate::domain::ids::mint(now, &*self.entropy)),
            work: JobSubject::Chore(chore),
            tenant: TenantId(uuid::Uuid::nil()),
            priority: Priority::Normal,
            // Run at once what a stopped cluster has missed; only the orphan search keeps its schedule.
            run_at: if chore == Chore::Orphans { timetable.orphans.next_after(now) } else { now },
            traceparent: None,
        };
        if let Err(error) = self.store.seed_jobs(&Chore::ALL.map(chore)).await {
            tracing::warn!(error = %chain(&error), "chores could not be written down; another node or the next start will");
        }
    }

    /// Renews the lease; returns when it is lost. A database that is unavailable counts as a lost lease only after
    /// three failed renewals in a row, when the lease would have expired.
    async fn renew_lease(&self, job: &Job) {
        let lease = self.lease_duration(job.work.kind());
        let mut failures = 0;
        while failures < 3 {
            tokio::time::sleep(lease / 3).await;
            match self.store.extend_job(job, lease).await {
                Ok(true) => failures = 0,
                Ok(false) => return,
                Err(_) => failures += 1,
            }
        }
    }
}
