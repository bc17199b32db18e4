//! Answers of the administration API, from domain values. Pure.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::domain::event::EventCount;
use crate::domain::ids::{AssetId, JobId, UploadId};
use crate::domain::job::{JobEntry, JobState};
use crate::engine::{OperatorAlarm, ReprocessSummary};
use crate::http::time_text::SortableTime;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LogLevel")]
pub(super) struct LogLevelView {
    /// The filter that this process logs by.
    #[schemars(example = &"info,gantry::engine=debug")]
    pub(super) filter: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobPage")]
pub(super) struct JobPageView<'a> {
    /// Jobs of the page.
    jobs: Vec<JobView<'a>>,
    /// Cursor of the next page; null at the end of the list.
    next_after: Option<JobId>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Job")]
struct JobView<'a> {
    /// Id of the job.
    id: JobId,
    /// Kind of the job.
    #[schemars(example = &"process")]
    kind: &'static str,
    /// State: `ready` waits, `running` is taken by a worker, `dead` was given up.
    #[schemars(extend("enum" = JobState::ALL.map(JobState::name)), example = &"dead")]
    state: &'static str,
    /// Asset of the job; null for jobs without an asset.
    asset_id: Option<AssetId>,
    /// Number of times that a worker took the job.
    #[schemars(example = 8)]
    attempt: u32,
    /// Number of tries that count; tries that failed for causes outside the job are left out.
    #[schemars(example = 8)]
    tries: u32,
    /// Time at which the job is to run, or at which its lease ends.
    due_at: SortableTime,
    /// Time of creation.
    created_at: SortableTime,
    /// Reason why the last try failed; null if it did not.
    #[schemars(example = &"the storage did not answer")]
    last_error: Option<&'a str>,
    /// Steps of processing that need not be repeated; null for other jobs.
    #[schemars(with = "Value")]
    steps_done: Option<&'a Value>,
}

fn job_view(entry: &JobEntry) -> JobView<'_> {
    JobView {
        id: entry.job.id,
        kind: entry.job.work.kind().name(),
        state: entry.state.name(),
        asset_id: entry.job.work.asset(),
        attempt: entry.job.attempt,
        tries: entry.job.tries,
        due_at: entry.run_at.into(),
        created_at: entry.created_at.into(),
        last_error: entry.last_error.as_deref(),
        steps_done: entry.job.progress.as_ref().and_then(|kept| kept.get("done")),
    }
}

pub(super) fn job_page_view(jobs: &[JobEntry], next_after: Option<JobId>) -> JobPageView<'_> {
    JobPageView { jobs: jobs.iter().map(job_view).collect(), next_after }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ExtendedUpload")]
pub(super) struct ExtendedUploadView {
    /// Id of the upload.
    pub(super) upload: UploadId,
    /// Time at which the upload expires now.
    pub(super) expires_at: SortableTime,
    /// Grant that lives as long as the upload; grants that were made before keep their own expiry.
    #[schemars(example = &"gu_…")]
    pub(super) grant: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RetriedJobs")]
pub(super) struct RetriedJobsView {
    /// Number of jobs that are ready again.
    #[schemars(example = 12)]
    pub(super) retried: u32,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChoreList")]
pub(super) struct ChoreListView<'a> {
    /// Every chore.
    chores: Vec<ChoreView<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Chore")]
struct ChoreView<'a> {
    /// Name of the chore.
    #[schemars(example = &"sweep")]
    name: &'static str,
    /// State: `ready` waits, `running` is taken by a worker, `dead` was given up.
    #[schemars(extend("enum" = JobState::ALL.map(JobState::name)))]
    state: &'static str,
    /// Time of the next run.
    next_at: SortableTime,
    /// Time at which the last run ended; null if there was none.
    #[schemars(with = "Option<SortableTime>")]
    last_at: Option<&'a Value>,
    /// Duration of the last run in milliseconds.
    #[schemars(with = "Option<u64>")]
    last_millis: Option<&'a Value>,
    /// Counts of the last run; null if there was none.
    #[schemars(with = "Value")]
    last_report: Option<&'a Value>,
    /// Reason why the last try failed; null if it did not.
    last_error: Option<&'a str>,
}

fn chore_view(entry: &JobEntry) -> ChoreView<'_> {
    let last = entry.job.progress.as_ref();
    ChoreView {
        name: entry.job.work.kind().name(),
        state: entry.state.name(),
        next_at: entry.run_at.into(),
        last_at: last.and_then(|last| last.get("at")),
        last_millis: last.and_then(|last| last.get("millis")),
        last_report: last.and_then(|last| last.get("report")),
        last_error: entry.last_error.as_deref(),
    }
}

pub(super) fn chore_list_view(chores: &[JobEntry]) -> ChoreListView<'_> {
    ChoreListView { chores: chores.iter().map(chore_view).collect() }
}

/// Answer to a chore that is only tried.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChoreDryRun")]
pub(super) struct ChoreDryRunView {
    /// Always true: nothing was changed.
    pub(super) dry_run: bool,
    /// Counts of the changes that the chore would make.
    pub(super) would: Value,
}

/// Answer to a chore that begins.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChoreStart")]
pub(super) struct ChoreStartView {
    /// True if the chore begins on one of the nodes; false if it runs already or was never started.
    pub(super) begins: bool,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ReprocessSummary")]
pub(super) struct ReprocessSummaryView<'a> {
    /// Number of assets that will be processed again.
    #[schemars(example = 12)]
    enqueued: u32,
    /// Number of assets that are processed already, or are in a state that forbids it.
    #[schemars(example = 0)]
    skipped: u32,
    /// Cursor of the next request; null when every asset was looked at.
    next_cursor: Option<&'a str>,
}

pub(super) fn reprocess_view(summary: &ReprocessSummary) -> ReprocessSummaryView<'_> {
    let ReprocessSummary { enqueued, skipped, next } = summary;
    ReprocessSummaryView { enqueued: *enqueued, skipped: *skipped, next_cursor: next.as_deref() }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "HourlyStats")]
pub(super) struct HourlyStatsView<'a> {
    /// An entry for each hour and type of event; hours without events are absent.
    hours: Vec<HourView<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Hour")]
struct HourView<'a> {
    /// Start of the hour.
    hour: SortableTime,
    /// Type of event.
    #[schemars(example = &"asset.ready")]
    r#type: &'a str,
    /// Number of events.
    #[schemars(example = 17)]
    count: u64,
    /// Bytes of the files of these events.
    #[schemars(example = 734_003_200)]
    bytes: u64,
}

pub(super) fn hourly_stats_view(hours: &[EventCount]) -> HourlyStatsView<'_> {
    let hours = hours.iter().map(|counted| HourView {
        hour: counted.hour.into(),
        r#type: &counted.kind,
        count: counted.count,
        bytes: counted.bytes,
    });
    HourlyStatsView { hours: hours.collect() }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AlarmList")]
pub(super) struct AlarmListView {
    /// Conditions that need an operator's attention now; empty if there are none.
    alarms: Vec<AlarmView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Alarm")]
struct AlarmView {
    /// Code for programs.
    #[schemars(example = &"dead_letters")]
    code: &'static str,
    /// Sentence for people.
    #[schemars(example = &"2 jobs are dead.")]
    sentence: String,
    /// Ids of the uploads, assets, jobs or deliveries concerned; at most five of them.
    ids: Vec<String>,
}

pub(super) fn alarm_list_view(alarms: Vec<OperatorAlarm>) -> AlarmListView {
    let view = |OperatorAlarm { code, sentence, ids }| AlarmView { code, sentence, ids };
    AlarmListView { alarms: alarms.into_iter().map(view).collect() }
}
