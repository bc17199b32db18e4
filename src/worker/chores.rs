//! Chores: recurring work, once per cluster. Each chore is a row among the jobs and is leased like any other job; its
//! last report and its next run are in that row, where operators can see them.

use std::str::FromStr;
use std::time::Duration;

use croner::Cron;
use serde_json::json;

use super::JobWorker;
use super::job_run::JobOutcome;
use crate::domain::clock::{Timestamp, after, parse_duration};
use crate::domain::job::{Chore, Job, JobRelease, TryCount};
use crate::domain::reason::chain;
use crate::store::{RowChange, Tx};

/// Schedule of a chore: an interval, or a cron expression in UTC.
#[derive(Clone, Debug)]
pub enum ChoreSchedule {
    /// Time from the end of a run to the next run.
    Every(Duration),
    /// `minute hour day month weekday`.
    Cron(Box<Cron>),
}

/// The text is neither a duration nor a cron expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a time like 10s nor a cron expression like \"30 3 * * *\"")]
pub struct InvalidSchedule;

impl FromStr for ChoreSchedule {
    type Err = InvalidSchedule;
    fn from_str(text: &str) -> Result<Self, InvalidSchedule> {
        if let Some(every) = parse_duration(text).filter(|every| !every.is_zero()) {
            return Ok(Self::Every(every));
        }
        let cron = Cron::from_str(text).map_err(|_| InvalidSchedule)?;
        Ok(Self::Cron(Box::new(cron)))
    }
}

impl ChoreSchedule {
    /// The next run after `now`; 366 days ahead if the expression never matches.
    pub(super) fn next_after(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::Every(pause) => after(now, *pause),
            Self::Cron(cron) => {
                let next = cron.find_next_occurrence(&now.to_zoned(jiff::tz::TimeZone::UTC), false);
                next.map_or_else(|_| after(now, Duration::from_secs(366 * 24 * 3600)), |at| at.timestamp())
            }
        }
    }
}

/// Schedules of the chores, and what they may do.
#[derive(Clone, Debug)]
pub struct ChoreTimetable {
    /// Schedule of [`Chore::Sweep`].
    pub sweep: ChoreSchedule,
    /// Schedule of [`Chore::Retention`].
    pub retention: ChoreSchedule,
    /// Schedule of [`Chore::Orphans`].
    pub orphans: ChoreSchedule,
    /// Schedule of [`Chore::Rollup`].
    pub rollup: ChoreSchedule,
    /// Schedule of [`Chore::Alarms`].
    pub alarms: ChoreSchedule,
    /// True if orphans are removed; false if they are only counted.
    pub remove_orphans: bool,
}

impl ChoreTimetable {
    fn schedule_of(&self, chore: Chore) -> &ChoreSchedule {
        match chore {
            Chore::Sweep => &self.sweep,
            Chore::Retention => &self.retention,
            Chore::Orphans => &self.orphans,
            Chore::Rollup => &self.rollup,
            Chore::Alarms => &self.alarms,
        }
    }
}

impl JobWorker {
    pub(super) async fn run_chore(&self, job: &Job, chore: Chore) -> JobOutcome {
        let Some(timetable) = &self.settings.chores else {
            return JobOutcome::Failed("this node runs no chores".into());
        };
        let began = self.store.now();
        let (what, report, why) = match self.engine.operations().run_chore(chore, timetable.remove_orphans).await {
            Ok(report) => ("done", report, None),
            Err(error) => {
                tracing::warn!(chore = job.work.kind().name(), error = %chain(&error), "the chore broke off; the next time it goes on");
                ("broke off", json!({ "error": "the run failed; see the log" }), Some(chain(&error).to_string()))
            }
        };
        let now = self.store.now();
        let millis = now.duration_since(began).as_millis();
        let release = JobRelease {
            job: job.clone(),
            due: Some(timetable.schedule_of(chore).next_after(now)),
            tries: TryCount::Anew,
            why,
            progress: Some(json!({ "at": now, "millis": millis, "report": report })),
        };
        match self.store.commit(Tx::new().with(RowChange::ReleaseJob(Box::new(release)))).await {
            Ok(()) => JobOutcome::Deferred(what),
            Err(error) => {
                tracing::warn!(chore = job.work.kind().name(), error = %chain(&error), "not written down; its lease will end by itself");
                JobOutcome::Deferred("the run was not recorded")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(schedule: &str, now: &str) -> String {
        schedule.parse::<ChoreSchedule>().unwrap().next_after(now.parse().unwrap()).to_string()
    }

    #[test]
    fn times_and_cron_expressions() {
        assert_eq!(next("10s", "2026-01-01T00:00:00Z"), "2026-01-01T00:00:10Z");
        assert_eq!(next("30 3 * * *", "2026-01-01T03:30:00Z"), "2026-01-02T03:30:00Z");
        assert_eq!(next("0 0 29 2 *", "2026-01-01T00:00:00Z"), "2028-02-29T00:00:00Z");
        for nonsense in ["", "0s", "often", "61 * * * *", "* * *"] {
            assert!(nonsense.parse::<ChoreSchedule>().is_err(), "{nonsense}");
        }
    }
}
