//! Stage two for workers: processing of a finished upload, and periodic chores.
//!
//! No connection is made: an unavailable broker or scanner is no error in the settings.

use std::time::Duration;

use super::check::ConfigParser;
use crate::media::{DecodeLimits, DerivativeSize};
use crate::worker::clamd::{ClamdClient, ScanLimits};
use crate::worker::handoff::BrokerAddress;
use crate::worker::{ChoreSchedule, ChoreTimetable, IncompleteScanAction, ScanStep, WorkerSettings};

/// Maximum number of derivative sizes.
const MAX_DERIVATIVE_SIZES: usize = 8;
/// Maximum longest side of a derivative, in pixels.
const MAX_DERIVATIVE_EDGE_PIXELS: u32 = 8192;

/// Settings of the processing pipeline.
#[derive(Clone, Debug)]
pub struct ProcessingConfig {
    /// The virus scanner; `None`: files are not scanned.
    pub screening: Option<ScanStep>,
    /// Limits of decoding a file.
    pub limits: DecodeLimits,
    /// The derivatives to make.
    pub sizes: Vec<DerivativeSize>,
    /// The broker of an external processor; `None`: the built-in steps decide.
    pub handoff: Option<BrokerAddress>,
}

/// Parses the settings of the pipeline.
pub(super) fn processing(c: &mut ConfigParser) -> ProcessingConfig {
    ProcessingConfig {
        screening: screening(c),
        limits: DecodeLimits {
            max_pixels: c.number("processing.max_pixels"),
            max_memory_bytes: c.size("processing.decoder_memory"),
            max_wall_time: c.time("processing.decoder_time"),
            ..DecodeLimits::default()
        },
        sizes: c.parse_value("processing.derivatives", "a list like thumb-256=256, large=2048", Vec::new(), sizes),
        handoff: handoff(c),
    }
}

fn screening(c: &mut ConfigParser) -> Option<ScanStep> {
    let limits = ScanLimits {
        max_file_bytes: c.size("processing.scan_up_to"),
        total: c.time("processing.scan_time"),
        ..ScanLimits::default()
    };
    let incomplete =
        c.parse_value("processing.scan_incomplete", "fail or accept", IncompleteScanAction::Fail, |text| match text {
            "fail" => Some(IncompleteScanAction::Fail),
            "accept" => Some(IncompleteScanAction::Accept),
            _ => None,
        });
    let text = c.optional_text("clamd")?;
    match text.parse() {
        Ok(address) => Some(ScanStep::new(ClamdClient { address, limits }, incomplete)),
        Err(problem) => {
            c.add_error("clamd", problem);
            None
        }
    }
}

fn handoff(c: &mut ConfigParser) -> Option<BrokerAddress> {
    let text = c.text("handoff");
    if text == "builtin" {
        return None;
    }
    let address = text.parse::<BrokerAddress>().and_then(|address| match address.check_support() {
        Ok(()) => Ok(address),
        Err(unsupported) => Err(unsupported.to_string()),
    });
    address.map_err(|problem| c.add_error("handoff", problem)).ok()
}

/// Parses `name=pixels` pairs, separated by commas.
fn sizes(text: &str) -> Option<Vec<DerivativeSize>> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let size = |item: &str| {
        let (name, edge) = item.split_once('=')?;
        let (name, edge) = (name.trim(), edge.trim().parse().ok()?);
        let sound =
            !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (sound && (1..=MAX_DERIVATIVE_EDGE_PIXELS).contains(&edge))
            .then(|| DerivativeSize { name: name.to_owned(), edge })
    };
    let mut sizes: Vec<DerivativeSize> = items.map(size).collect::<Option<_>>()?;
    sizes.sort_by_key(|size| std::cmp::Reverse(size.edge));
    (sizes.len() <= MAX_DERIVATIVE_SIZES).then_some(sizes)
}

/// Parses the settings of workers. `takeover`: sweeps run at least three times within it.
pub(super) fn worker(c: &mut ConfigParser, takeover: Duration) -> WorkerSettings {
    WorkerSettings {
        concurrency: c.number("processing.concurrency"),
        lease: c.time("processing.lease"),
        max_deliveries: c.number("webhooks.deliveries"),
        chores: Some(timetable(c, takeover)),
        ..WorkerSettings::default()
    }
}

fn timetable(c: &mut ConfigParser, takeover: Duration) -> ChoreTimetable {
    let sweep = match schedule(c, "chores.sweep") {
        ChoreSchedule::Every(pause) => ChoreSchedule::Every(pause.min(takeover / 3).max(Duration::from_millis(200))),
        cron @ ChoreSchedule::Cron(_) => cron,
    };
    ChoreTimetable {
        sweep,
        retention: schedule(c, "chores.retention"),
        orphans: schedule(c, "chores.orphans"),
        rollup: schedule(c, "chores.rollup"),
        alarms: schedule(c, "chores.alarms"),
        remove_orphans: c.flag("cleanup.remove_orphans"),
    }
}

fn schedule(c: &mut ConfigParser, name: &str) -> ChoreSchedule {
    let expected = "a time like 10s or a cron expression like \"30 3 * * *\"";
    c.parse_value(name, expected, ChoreSchedule::Every(Duration::from_secs(60)), |text| text.parse().ok())
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
