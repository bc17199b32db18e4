//! Slots of a worker: how many jobs of each kind run at once.
//!
//! The number of a kind comes from the settings, unless an operator has set another for all workers. After it was lowered,
//! jobs under way continue, and none begins until fewer run.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::{JobWorker, WorkerSettings};
use crate::domain::job::{JobKind, QueueConcurrency};
use crate::domain::reason::chain;

/// Interval at which a worker reads what operators have set.
const CONCURRENCY_READ_INTERVAL: Duration = Duration::from_secs(2);

/// Slots per kind of job, and a wake-up when a slot is freed.
pub(super) struct JobSlots {
    by_kind: HashMap<JobKind, Arc<KindSlots>>,
    pub(super) slot_freed: Notify,
}

/// Slots of a kind.
struct KindSlots {
    /// Number by the settings.
    configured: usize,
    limit: AtomicUsize,
    taken: AtomicUsize,
}

/// A slot for a job; free again when dropped.
pub(super) struct SlotPermit(Arc<KindSlots>);

impl Drop for SlotPermit {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

impl KindSlots {
    fn new(places: usize) -> Self {
        Self { configured: places, limit: AtomicUsize::new(places), taken: AtomicUsize::new(0) }
    }

    fn is_full(&self) -> bool {
        self.taken.load(Ordering::Acquire) >= self.limit.load(Ordering::Acquire)
    }
}

impl JobSlots {
    /// The slots by the settings; a kind without any is not worked on. `sends`: this worker sends webhooks.
    pub(super) fn new(settings: &WorkerSettings, sends: bool) -> Self {
        let of = JobKind::ALL.into_iter().filter_map(|kind| {
            let places = match kind {
                JobKind::Process | JobKind::Recheck | JobKind::Rescan => settings.concurrency,
                JobKind::Purge => 2 * usize::from(sends),
                JobKind::Erase => 1,
                JobKind::Deliver => {
                    if sends {
                        settings.max_deliveries
                    } else {
                        0
                    }
                }
                JobKind::Chore(_) => usize::from(settings.chores.is_some()),
            };
            (places > 0).then(|| (kind, Arc::new(KindSlots::new(places))))
        });
        Self { by_kind: of.collect(), slot_freed: Notify::new() }
    }

    /// Kinds that have a free slot, in the order in which they are served.
    pub(super) fn free_kinds(&self) -> Vec<JobKind> {
        let has_room = |kind: &JobKind| self.by_kind.get(kind).is_some_and(|slots| !slots.is_full());
        JobKind::ALL.into_iter().filter(has_room).collect()
    }

    /// Takes every free slot of a kind. Only one caller takes slots; any may free them.
    pub(super) fn acquire_free(&self, kind: JobKind) -> Vec<SlotPermit> {
        let Some(slots) = self.by_kind.get(&kind) else { return Vec::new() };
        let mut permits = Vec::new();
        while !slots.is_full() {
            slots.taken.fetch_add(1, Ordering::AcqRel);
            permits.push(SlotPermit(Arc::clone(slots)));
        }
        permits
    }

    /// Applies what operators have set; other kinds have the number of the settings.
    fn apply(&self, set: &[QueueConcurrency]) {
        for (kind, slots) in &self.by_kind {
            let chosen = set.iter().find(|queue| queue.kind == *kind && kind.takes_concurrency());
            let places = chosen.and_then(|queue| usize::try_from(queue.concurrency).ok()).unwrap_or(slots.configured);
            if slots.limit.swap(places, Ordering::AcqRel) != places {
                tracing::info!(kind = kind.name(), places, "jobs of this kind at once in this worker");
            }
        }
    }

    fn limit_of(&self, kind: JobKind) -> Option<usize> {
        self.by_kind.get(&kind).map(|slots| slots.limit.load(Ordering::Acquire))
    }
}

impl JobWorker {
    /// Reads what operators have set if that was not done for a while. A failure keeps what was read before.
    pub(super) async fn refresh_concurrency(&self, slots: &JobSlots, read_at: &mut Option<Instant>) {
        if read_at.is_some_and(|at| at.elapsed() < CONCURRENCY_READ_INTERVAL) {
            return;
        }
        *read_at = Some(Instant::now());
        match self.store.list_queue_concurrency().await {
            Ok(set) => {
                slots.apply(&set);
                if let Some(places) = slots.limit_of(JobKind::Deliver) {
                    self.endpoint_limiter.resize(places);
                }
            }
            Err(error) => tracing::warn!(error = %chain(&error), "how many jobs run at once could not be read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(kind: JobKind, concurrency: u32) -> QueueConcurrency {
        QueueConcurrency { kind, concurrency }
    }

    #[test]
    fn an_operator_changes_how_many_run_at_once() {
        let settings = WorkerSettings { concurrency: 2, ..WorkerSettings::default() };
        let slots = JobSlots::new(&settings, false);
        let mut running = slots.acquire_free(JobKind::Process);
        assert!(running.len() == 2 && slots.acquire_free(JobKind::Process).is_empty());
        slots.apply(&[set(JobKind::Process, 3)]);
        running.extend(slots.acquire_free(JobKind::Process));
        assert_eq!((running.len(), slots.acquire_free(JobKind::Recheck).len()), (3, 2));
        // What runs goes on; the next begins when fewer run than may.
        slots.apply(&[set(JobKind::Process, 1)]);
        running.truncate(1);
        assert!(slots.acquire_free(JobKind::Process).is_empty() && !slots.free_kinds().contains(&JobKind::Process));
        running.clear();
        assert_eq!(slots.acquire_free(JobKind::Process).len(), 1);
        slots.apply(&[]);
        assert_eq!(slots.acquire_free(JobKind::Process).len(), 2);
    }

    #[test]
    fn what_this_worker_does_not_do_is_not_begun() {
        let slots = JobSlots::new(&WorkerSettings::default(), false);
        slots.apply(&[set(JobKind::Deliver, 5), set(JobKind::Erase, 5)]);
        assert!(slots.acquire_free(JobKind::Deliver).is_empty());
        assert_eq!(slots.acquire_free(JobKind::Erase).len(), 1);
    }
}
