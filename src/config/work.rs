//! Stage two for workers: what happens to a finished upload, and what comes round.

use std::time::Duration;

use super::check::Checker;
use crate::worker::{Schedule, Settings, Timetable};

/// Reads what workers go by. `takeover`: sweeps come round at least three times within it.
pub(super) fn worker(c: &mut Checker, takeover: Duration) -> Settings {
    Settings {
        concurrency: c.number("processing.concurrency"),
        deliveries: c.number("webhooks.deliveries"),
        chores: Some(timetable(c, takeover)),
        ..Settings::default()
    }
}

fn timetable(c: &mut Checker, takeover: Duration) -> Timetable {
    let sweep = match schedule(c, "chores.sweep") {
        Schedule::Every(pause) => Schedule::Every(pause.min(takeover / 3).max(Duration::from_millis(200))),
        cron @ Schedule::Cron(_) => cron,
    };
    Timetable {
        sweep,
        retention: schedule(c, "chores.retention"),
        orphans: schedule(c, "chores.orphans"),
        rollup: schedule(c, "chores.rollup"),
        alarms: schedule(c, "chores.alarms"),
        remove_orphans: c.flag("cleanup.remove_orphans"),
    }
}

fn schedule(c: &mut Checker, name: &str) -> Schedule {
    let expected = "a time like 10s or a cron expression like \"30 3 * * *\"";
    c.value(name, expected, Schedule::Every(Duration::from_secs(60)), |text| text.parse().ok())
}
