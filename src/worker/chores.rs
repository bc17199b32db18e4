//! Chores: what comes round again and again, once per cluster. Each is a row among the jobs, leased like any other; its
//! last report and its next time are in that row, for operators to see.

use std::str::FromStr;
use std::time::Duration;

use croner::Cron;
use serde_json::json;

use super::Worker;
use super::run::End;
use crate::domain::clock::{Timestamp, after, parse_duration};
use crate::domain::job::{Chore, Job, Release, Tries};
use crate::store::{Tx, Write};

/// When a chore comes round: after a pause, or by a cron expression in UTC.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// This long after its end.
    Every(Duration),
    /// `minute hour day month weekday`.
    Cron(Box<Cron>),
}

/// Neither a time nor a cron expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a time like 10s nor a cron expression like \"30 3 * * *\"")]
pub struct NoSchedule;

impl FromStr for Schedule {
    type Err = NoSchedule;
    fn from_str(text: &str) -> Result<Self, NoSchedule> {
        if let Some(every) = parse_duration(text).filter(|every| !every.is_zero()) {
            return Ok(Self::Every(every));
        }
        let cron = Cron::from_str(text).map_err(|_| NoSchedule)?;
        Ok(Self::Cron(Box::new(cron)))
    }
}

impl Schedule {
    /// The next time after `now`; far away if the expression never comes true.
    pub(super) fn next(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::Every(pause) => after(now, *pause),
            Self::Cron(cron) => {
                let next = cron.find_next_occurrence(&now.to_zoned(jiff::tz::TimeZone::UTC), false);
                next.map_or_else(|_| after(now, Duration::from_secs(366 * 24 * 3600)), |at| at.timestamp())
            }
        }
    }
}

/// When each chore comes round, and what it may do.
#[derive(Clone, Debug)]
pub struct Timetable {
    /// See [`Chore::Sweep`].
    pub sweep: Schedule,
    /// See [`Chore::Retention`].
    pub retention: Schedule,
    /// See [`Chore::Orphans`].
    pub orphans: Schedule,
    /// See [`Chore::Rollup`].
    pub rollup: Schedule,
    /// See [`Chore::Alarms`].
    pub alarms: Schedule,
    /// Whether orphans are removed, and not only counted.
    pub remove_orphans: bool,
}

impl Timetable {
    fn of(&self, chore: Chore) -> &Schedule {
        match chore {
            Chore::Sweep => &self.sweep,
            Chore::Retention => &self.retention,
            Chore::Orphans => &self.orphans,
            Chore::Rollup => &self.rollup,
            Chore::Alarms => &self.alarms,
        }
    }
}

impl Worker {
    pub(super) async fn do_chore(&self, job: &Job, chore: Chore) -> End {
        let Some(timetable) = &self.settings.chores else { return End::Failed("no chores here".to_owned()) };
        let began = self.store.now();
        let (what, report, why) = match self.engine.carry_out(chore, timetable.remove_orphans).await {
            Ok(report) => ("done", report, None),
            Err(error) => {
                tracing::warn!(chore = job.work.kind().name(), %error, "the chore broke off; the next time it goes on");
                ("broke off", json!({ "error": "it broke off; see the log" }), Some(error.to_string()))
            }
        };
        let now = self.store.now();
        let millis = now.duration_since(began).as_millis();
        let release = Release {
            job: job.clone(),
            due: Some(timetable.of(chore).next(now)),
            tries: Tries::Anew,
            why,
            progress: Some(json!({ "at": now, "millis": millis, "report": report })),
        };
        match self.store.commit(Tx::new().with(Write::ReleaseJob(Box::new(release)))).await {
            Ok(()) => End::Waits(what),
            Err(error) => {
                tracing::warn!(chore = job.work.kind().name(), %error, "not written down; its lease will end by itself");
                End::Waits("not written down")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(schedule: &str, now: &str) -> String {
        schedule.parse::<Schedule>().unwrap().next(now.parse().unwrap()).to_string()
    }

    #[test]
    fn times_and_cron_expressions() {
        assert_eq!(next("10s", "2026-01-01T00:00:00Z"), "2026-01-01T00:00:10Z");
        assert_eq!(next("30 3 * * *", "2026-01-01T03:30:00Z"), "2026-01-02T03:30:00Z");
        assert_eq!(next("0 0 29 2 *", "2026-01-01T00:00:00Z"), "2028-02-29T00:00:00Z");
        for nonsense in ["", "0s", "often", "61 * * * *", "* * *"] {
            assert!(nonsense.parse::<Schedule>().is_err(), "{nonsense}");
        }
    }
}
