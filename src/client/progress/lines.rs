//! Progress as plain lines on standard error: a start, a line now and then, an end.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::{FileTransfer, ProgressRenderer, TransferDirection, TransferEvent, TransferSnapshot, lock};
use crate::client::format;

const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// Writes lines, or none in quiet mode.
pub(super) struct LinesRenderer {
    show: bool,
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
    pub(super) fn new(show: bool) -> Self {
        Self { show, recent_failures: RecentFailures::default() }
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

fn pace_suffix(file: &FileTransfer) -> String {
    let (size, speed) = (format::size(file.size), format::speed(file.overall_speed()));
    format!(" ({size} in {}, {speed})", format::time(file.started_at.elapsed()))
}

/// Progress of a transfer in words.
pub(super) fn progress_line(file: &FileTransfer, now: &TransferSnapshot) -> String {
    let mut line = format!("{} % of {}", format::percent(now.done(file.direction), file.size), format::size(file.size));
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
        if let Some(line) = self.show.then(|| event_line(file, event, &self.recent_failures)).flatten() {
            print_line(&line);
        }
    }

    fn tick(&self, active: &[Arc<FileTransfer>]) {
        for file in active {
            print_line(&format!("{}: {}", format::shown(&file.name), progress_line(file, &file.snapshot())));
        }
    }

    fn tick_interval(&self) -> Option<Duration> {
        self.show.then_some(PROGRESS_INTERVAL)
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
