//! Workers: claim · run · settle, on any number of nodes.
//!
//! A claim is a lease with a heartbeat; whoever loses it stops and writes nothing. Every kind of job has places of its
//! own, so that a flood of one kind never keeps another waiting. A job that fails comes back later, with growing
//! pauses; one that keeps failing, or keeps killing its worker, is put among the dead. Nothing here decides what an
//! outcome means for rows: [`Engine`] writes it, fenced by the attempt.
//!
//! Must not speak HTTP or know concrete adapters.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::clock::Entropy;
use crate::domain::ids::{JobId, TenantId};
use crate::domain::job::{Chore, Job, JobKind, NewJob, Priority, Work};
use crate::engine::Engine;
use crate::store::Store;

mod chores;
mod edge;
pub mod handoff;
mod processors;
mod run;
mod webhooks;

pub use chores::{Schedule, Timetable};
pub use processors::scan;
pub use processors::{Counter, Equipment, Pipeline, ScannerSettings, Screening, Studio, WhenIncomplete};
pub use webhooks::Sender;

/// How a worker works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Assets processed at once, and as many looked at again.
    pub concurrency: usize,
    /// Webhook deliveries at once.
    pub deliveries: usize,
    /// How long a claim lasts without a heartbeat.
    pub lease: Duration,
    /// How often to look for jobs that nobody told us of.
    pub poll: Duration,
    /// When chores come round; `None`: this worker does none.
    pub chores: Option<Timetable>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency: 4,
            deliveries: 16,
            lease: Duration::from_secs(30),
            poll: Duration::from_secs(1),
            chores: None,
        }
    }
}

/// A chore whose node dies is taken over after this.
const CHORE_LEASE: Duration = Duration::from_secs(5);
/// So is a delivery: its receiver waits for it.
const DELIVERY_LEASE: Duration = Duration::from_secs(10);

/// A worker, ready to run.
#[derive(Clone)]
pub struct Worker {
    engine: Engine,
    store: Arc<dyn Store>,
    entropy: Arc<dyn Entropy>,
    pipeline: Arc<Pipeline>,
    settings: Arc<Settings>,
    /// `None`: this worker sends no webhooks.
    sender: Option<Sender>,
    gate: webhooks::Gate,
    /// A delivery was tried.
    tried: Arc<Notify>,
}

/// The places for each kind of job, and the word that one became free.
struct Places {
    of: HashMap<JobKind, Arc<Semaphore>>,
    freed: Notify,
}

impl Places {
    fn new(settings: &Settings, sends: bool) -> Self {
        let of = JobKind::ALL.into_iter().filter_map(|kind| {
            let places = match kind {
                JobKind::Process | JobKind::Recheck | JobKind::Rescan => settings.concurrency,
                JobKind::Purge => 2 * usize::from(sends),
                JobKind::Deliver => {
                    if sends {
                        settings.deliveries
                    } else {
                        0
                    }
                }
                JobKind::Chore(_) => usize::from(settings.chores.is_some()),
            };
            (places > 0).then(|| (kind, Arc::new(Semaphore::new(places))))
        });
        Self { of: of.collect(), freed: Notify::new() }
    }

    /// Kinds that have a free place, in the order in which they are served.
    fn open(&self) -> Vec<JobKind> {
        let has_room = |kind: &JobKind| self.of.get(kind).is_some_and(|places| places.available_permits() > 0);
        JobKind::ALL.into_iter().filter(has_room).collect()
    }

    /// Every free place of a kind.
    fn take(&self, kind: JobKind) -> Vec<OwnedSemaphorePermit> {
        let Some(places) = self.of.get(&kind) else { return Vec::new() };
        std::iter::from_fn(|| Arc::clone(places).try_acquire_owned().ok()).collect()
    }
}

impl Worker {
    /// A worker on these foundations.
    #[must_use]
    pub fn new(
        engine: Engine,
        store: Arc<dyn Store>,
        entropy: Arc<dyn Entropy>,
        pipeline: Pipeline,
        settings: Settings,
    ) -> Self {
        let (gate, settings) = (webhooks::Gate::new(settings.deliveries), Arc::new(settings));
        let (sender, tried) = (None, Arc::default());
        Self { engine, store, entropy, pipeline: Arc::new(pipeline), settings, sender, gate, tried }
    }

    /// Sends webhooks, too.
    #[must_use]
    pub fn with_sender(self, sender: Sender) -> Self {
        Self { sender: Some(sender), ..self }
    }

    /// Works until `shutdown`, then finishes what it has begun. Jobs that are cut off come back when their lease ends.
    pub async fn run(&self, shutdown: CancellationToken) {
        self.seed_chores().await;
        tokio::join!(self.dispatch(&shutdown), self.work(&shutdown));
    }

    async fn work(&self, shutdown: &CancellationToken) {
        let places = Arc::new(Places::new(&self.settings, self.sender.is_some()));
        let jobs = TaskTracker::new();
        while !shutdown.is_cancelled() {
            if self.claim(&places, &jobs).await == 0 {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = self.store.job_news() => {}
                    () = places.freed.notified() => {}
                    () = tokio::time::sleep(self.settings.poll) => {}
                }
            }
        }
        jobs.close();
        jobs.wait().await;
    }

    /// Claims as many due jobs as there are free places and starts them; how many.
    async fn claim(&self, places: &Arc<Places>, jobs: &TaskTracker) -> usize {
        let due = match self.store.due_kinds(&places.open()).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(%error, "no jobs could be looked for");
                return 0;
            }
        };
        let mut claimed = 0;
        for kind in due {
            claimed += self.claim_kind(kind, places, jobs).await;
        }
        claimed
    }

    async fn claim_kind(&self, kind: JobKind, places: &Arc<Places>, jobs: &TaskTracker) -> usize {
        let free = places.take(kind);
        let most = u32::try_from(free.len()).unwrap_or(u32::MAX);
        let claimed = match self.store.claim_jobs(kind, self.lease(kind), most).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::warn!(%error, kind = kind.name(), "no jobs could be claimed");
                return 0;
            }
        };
        let count = claimed.len();
        for (job, place) in claimed.into_iter().zip(free) {
            let (worker, places) = (self.clone(), Arc::clone(places));
            jobs.spawn(async move {
                worker.run_leased(job).await;
                drop(place);
                places.freed.notify_one();
            });
        }
        count
    }

    fn lease(&self, kind: JobKind) -> Duration {
        match kind {
            JobKind::Chore(_) => CHORE_LEASE.min(self.settings.lease),
            JobKind::Deliver | JobKind::Purge => DELIVERY_LEASE.min(self.settings.lease),
            JobKind::Process | JobKind::Recheck | JobKind::Rescan => self.settings.lease,
        }
    }

    /// Chores are rows that are always there; whoever comes first writes them.
    async fn seed_chores(&self) {
        let Some(timetable) = &self.settings.chores else { return };
        let now = self.store.now();
        let chore = |chore: Chore| NewJob {
            id: JobId(crate::domain::ids::mint(now, &*self.entropy)),
            work: Work::Chore(chore),
            tenant: TenantId(uuid::Uuid::nil()),
            priority: Priority::Normal,
            // What a stopped cluster has missed is looked after at once; the bucket is searched when it is its time.
            run_at: if chore == Chore::Orphans { timetable.orphans.next(now) } else { now },
        };
        if let Err(error) = self.store.seed_jobs(&Chore::ALL.map(chore)).await {
            tracing::warn!(%error, "chores could not be written down; another node or the next start will");
        }
    }

    /// Returns when the lease is lost. A database that is away for a while is not a lost lease, until it would be.
    async fn keep_lease(&self, job: &Job) {
        let lease = self.lease(job.work.kind());
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
