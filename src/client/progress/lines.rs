//! Progress as plain lines on standard error: a start, a line now and then, an end.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::total::FileTotals;
use super::{FileTransfer, ProgressRenderer, TransferDirection, TransferEvent, TransferPlan, TransferSnapshot, lock};
use crate::client::format;

const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// Writes lines, or none in quiet mode.
pub(super) struct LinesRenderer {
    show: bool,
    /// Counts of many files, which have no lines of their own.
    total: Option<FileTotals>,
    recent_failures: RecentFailures,
}

/// Failures that were reported lately: an outage affects every part at once and is reported once.
#[derive(Default)]
pub(super) struct RecentFailures(Mutex<HashMap<String, Instant>>);

impl RecentFailures {
    /// True if this reason was not reported lately.
    pub(super) fn is_news(&self, why: &str) -> bool {
        let (mut told, now) = (lock(&self.0), Instant::now());
        told.retain(|_, at| now.duration_since(*at) < PROGRESS_INTERVAL);
        let news = !told.contains_key(why);
        if news {
            told.insert(why.to_owned(), now);
        }
        news
    }
}

impl LinesRenderer {
    pub(super) fn new(show: bool, plan: TransferPlan) -> Self {
        let total = plan.is_bulk().then(|| FileTotals::new(plan));
        Self { show, total, recent_failures: RecentFailures::default() }
    }
}

/// Prints a line on standard error. A closed standard error is ignored.
pub(super) fn print_line(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// An event as a line, if it is worth reporting.
pub(super) fn event_line(
    file: Option<&FileTransfer>,
    event: &TransferEvent<'_>,
    told: &RecentFailures,
) -> Option<String> {
    let text = match event {
        TransferEvent::Started { there: 0, .. } => return None,
        TransferEvent::Started { there, .. } => {
            let size = file.map_or(0, |file| file.size);
            format!("resuming: {} of {} are already uploaded", format::size(*there), format::size(size))
        }
        TransferEvent::Retrying { what, why, pause } => {
            let why = why.to_string();
            if !told.is_news(&why) {
                return None;
            }
            format!("{what}: {why}; trying again in {}", format::pause(*pause))
        }
        TransferEvent::Note(note) => (*note).to_owned(),
        TransferEvent::Completed { .. } | TransferEvent::Failed(_) => return None,
        TransferEvent::Settled { asset, state } => {
            format!("{state} as {asset}{}", file.map(pace_suffix).unwrap_or_default())
        }
        TransferEvent::Saved { path } => format!("saved as {path}{}", file.map(pace_suffix).unwrap_or_default()),
    };
    Some(match file {
        Some(file) => format!("{}: {text}", format::shown(&file.name)),
        None => text,
    })
}

/// True for events of every file, which many files do not each report.
pub(super) fn is_usual(event: &TransferEvent<'_>) -> bool {
    matches!(event, TransferEvent::Settled { .. } | TransferEvent::Saved { .. } | TransferEvent::Started { .. })
}

fn pace_suffix(file: &FileTransfer) -> String {
    let (size, speed) = (format::size(file.total()), format::speed(file.overall_speed()));
    format!(" ({size} in {}, {speed})", format::time(file.started_at.elapsed()))
}

/// Progress of a transfer in words.
pub(super) fn progress_line(file: &FileTransfer, now: &TransferSnapshot) -> String {
    let mut line = match file.known_size() {
        Some(size) => format!("{} % of {}", format::percent(now.done(file.direction), size), format::size(size)),
        None => "size not known".to_owned(),
    };
    match file.direction {
        TransferDirection::Up => {
            let (confirmed, sent) = (format::size(now.confirmed), format::size(now.moved));
            line.push_str(&format!(", {confirmed} confirmed, {sent} sent"));
        }
        TransferDirection::Down => line.push_str(&format!(", {} received", format::size(now.moved))),
    }
    if let Some(speed) = now.speed {
        line.push_str(&format!(", {}", format::speed(speed)));
    }
    match now.eta {
        Some(eta) if now.moved < file.size => line.push_str(&format!(", {} left", format::time(eta))),
        _ => {}
    }
    if !now.activity.is_empty() {
        line.push_str(&format!(", {}", now.activity));
    }
    line
}

impl ProgressRenderer for LinesRenderer {
    fn show_event(&self, file: Option<&FileTransfer>, event: &TransferEvent<'_>) {
        let hidden = !self.show || (self.total.is_some() && is_usual(event));
        if let Some(line) = (!hidden).then(|| event_line(file, event, &self.recent_failures)).flatten() {
            print_line(&line);
        }
    }

    fn tick(&self, active: &[Arc<FileTransfer>]) {
        if let Some(total) = &self.total {
            print_line(&total.describe(active).join(", "));
            return;
        }
        for file in active {
            print_line(&format!("{}: {}", format::shown(&file.name), progress_line(file, &file.snapshot())));
        }
    }

    fn tick_interval(&self) -> Option<Duration> {
        self.show.then_some(PROGRESS_INTERVAL)
    }

    fn remove_transfer(&self, file: &FileTransfer) {
        if let Some(total) = &self.total {
            total.add(file);
        }
    }

    fn count_result(&self) {
        if let Some(total) = &self.total {
            total.count_result();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::error::Error;

    #[test]
    fn an_outage_is_told_once_although_every_part_suffers() {
        let told = RecentFailures::default();
        let why = Error::network("no connection: refused");
        let event = |what| TransferEvent::Retrying { what, why: &why, pause: Duration::from_millis(500) };
        let first = event_line(None, &event("part 1"), &told);
        assert_eq!(first.unwrap(), "part 1: no connection: refused; trying again in 0.5 s");
        assert_eq!(event_line(None, &event("part 2"), &told), None);
    }
}
