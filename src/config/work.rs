//! Stage two for workers: what happens to a finished upload, and what comes round.
//!
//! Must not connect to anything: that a broker or a scanner is away is no mistake in the settings.

use std::time::Duration;

use super::check::Checker;
use crate::media::{Limits, Size};
use crate::worker::handoff::Address;
use crate::worker::scan::{ScanLimits, Scanner};
use crate::worker::{Schedule, Screening, Settings, Timetable, WhenIncomplete};

/// Most sizes of derivatives.
const MOST_SIZES: usize = 8;
/// Longest side of a derivative, in pixels.
const LARGEST: u32 = 8192;

/// What the pipeline is made of.
#[derive(Clone, Debug)]
pub struct Processing {
    /// Who scans; nobody unless there is a scanner.
    pub screening: Option<Screening>,
    /// What one file may cost to decode.
    pub limits: Limits,
    /// The derivatives to make.
    pub sizes: Vec<Size>,
    /// The broker of somebody else's processor; `None`: the builtin steps have the last word.
    pub handoff: Option<Address>,
}

/// Reads what the pipeline is made of.
pub(super) fn processing(c: &mut Checker) -> Processing {
    Processing {
        screening: screening(c),
        limits: Limits {
            pixels: c.number("processing.max_pixels"),
            memory: c.size("processing.decoder_memory"),
            wall: c.time("processing.decoder_time"),
            ..Limits::default()
        },
        sizes: c.value("processing.derivatives", "a list like thumb-256=256, large=2048", Vec::new(), sizes),
        handoff: handoff(c),
    }
}

fn screening(c: &mut Checker) -> Option<Screening> {
    let limits = ScanLimits {
        largest: c.size("processing.scan_up_to"),
        whole: c.time("processing.scan_time"),
        ..ScanLimits::default()
    };
    let incomplete = c.value("processing.scan_incomplete", "fail or accept", WhenIncomplete::Fail, |text| match text {
        "fail" => Some(WhenIncomplete::Fail),
        "accept" => Some(WhenIncomplete::Accept),
        _ => None,
    });
    let text = c.optional("clamd")?;
    match text.parse() {
        Ok(address) => Some(Screening::new(Scanner { address, limits }, incomplete)),
        Err(problem) => {
            c.complain("clamd", problem);
            None
        }
    }
}

fn handoff(c: &mut Checker) -> Option<Address> {
    let text = c.text("handoff");
    if text == "builtin" {
        return None;
    }
    text.parse().map_err(|problem| c.complain("handoff", problem)).ok()
}

/// `name=pixels`, several with commas.
fn sizes(text: &str) -> Option<Vec<Size>> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let size = |item: &str| {
        let (name, edge) = item.split_once('=')?;
        let (name, edge) = (name.trim(), edge.trim().parse().ok()?);
        let sound =
            !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (sound && (1..=LARGEST).contains(&edge)).then(|| Size { name: name.to_owned(), edge })
    };
    let mut sizes: Vec<Size> = items.map(size).collect::<Option<_>>()?;
    sizes.sort_by_key(|size| std::cmp::Reverse(size.edge));
    (sizes.len() <= MOST_SIZES).then_some(sizes)
}

/// Reads what workers go by. `takeover`: sweeps come round at least three times within it.
pub(super) fn worker(c: &mut Checker, takeover: Duration) -> Settings {
    Settings {
        concurrency: c.number("processing.concurrency"),
        lease: c.time("processing.lease"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_largest_first() {
        let names =
            |text: &str| sizes(text).map(|all| all.into_iter().map(|it| (it.name, it.edge)).collect::<Vec<_>>());
        assert_eq!(names(" a=10, b = 20,").unwrap(), [("b".to_owned(), 20), ("a".to_owned(), 10)]);
        assert_eq!(names("").unwrap(), []);
        for nonsense in ["a", "a=0", "a=x", "=5", "a b=5", "a=9000", "../x=5", "a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1"] {
            assert_eq!(names(nonsense), None, "{nonsense}");
        }
    }
}
