//! Queues of jobs as an answer. Pure.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::job::{JobKind, JobState};
use crate::domain::job_attempt::AttemptMinute;
use crate::engine::JobQueues;
use crate::http::time_text::SortableTime;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "QueueList")]
pub(super) struct QueueListView {
    /// Every kind of job.
    queues: Vec<QueueView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Queue")]
struct QueueView {
    /// Kind of the jobs.
    #[schemars(example = &"process")]
    kind: &'static str,
    /// True if no worker takes jobs of this kind.
    #[schemars(example = false)]
    paused: bool,
    /// Jobs at once in each worker as an operator has set it; null: as many as the worker's setting says.
    #[schemars(example = 8)]
    concurrency: Option<u32>,
    /// Number of jobs that wait, for a worker or for their time.
    #[schemars(example = 3)]
    ready: u64,
    /// Number of jobs among these that were not tried yet and are not due yet.
    #[schemars(example = 1)]
    scheduled: u64,
    /// Number of jobs among these that were tried, and wait for the time of the next try.
    #[schemars(example = 2)]
    retrying: u64,
    /// Number of jobs that run.
    #[schemars(example = 2)]
    running: u64,
    /// Number of jobs that were given up.
    #[schemars(example = 0)]
    dead: u64,
    /// Time at which the oldest job that waits was due; null if none waits.
    oldest_due_at: Option<SortableTime>,
    /// Throughput of the last hour, oldest minute first; minutes in which no attempt ended are absent. Of all kinds
    /// together the last 200 000 attempts are counted.
    minutes: Vec<QueueMinuteView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "QueueMinute")]
struct QueueMinuteView {
    /// Start of the minute.
    at: SortableTime,
    /// Number of jobs that were finished.
    #[schemars(example = 12)]
    finished: u64,
    /// Number of attempts that failed, also if the job is tried again.
    #[schemars(example = 1)]
    failed: u64,
}

fn minute_view(count: &AttemptMinute) -> QueueMinuteView {
    QueueMinuteView { at: count.minute.into(), finished: count.finished, failed: count.failed }
}

pub(super) fn queue_list_view(queues: &JobQueues) -> QueueListView {
    let kinds = JobKind::ALL.into_iter().filter(|kind| !matches!(kind, JobKind::Chore(_)));
    QueueListView { queues: kinds.map(|kind| queue_view(queues, kind)).collect() }
}

fn queue_view(queues: &JobQueues, kind: JobKind) -> QueueView {
    let counted = |state| queues.counts.iter().find(|counted| counted.kind == kind && counted.state == state);
    let count = |state| counted(state).map_or(0, |counted| counted.count);
    let waiting = counted(JobState::Ready);
    QueueView {
        kind: kind.name(),
        paused: queues.paused.contains(&kind),
        concurrency: queues.concurrency.iter().find(|queue| queue.kind == kind).map(|queue| queue.concurrency),
        ready: count(JobState::Ready),
        scheduled: waiting.map_or(0, |counted| counted.scheduled),
        retrying: waiting.map_or(0, |counted| counted.retrying),
        running: count(JobState::Running),
        dead: count(JobState::Dead),
        oldest_due_at: waiting.map(|counted| counted.oldest.into()),
        minutes: queues.minutes.iter().filter(|count| count.kind == kind).map(minute_view).collect(),
    }
}
