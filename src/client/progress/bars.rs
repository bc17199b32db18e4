//! Progress bars on a terminal: a bar for each file under way, and a line for all when there are several.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::lines::{RecentFailures, event_line};
use super::{FileTransfer, ProgressRenderer, TransferDirection, TransferEvent, TransferSnapshot, lock};
use crate::client::format;

const REDRAW_INTERVAL: Duration = Duration::from_millis(120);
/// Maximum width of a file's name in characters.
const NAME_WIDTH_CHARS: usize = 28;

/// Draws progress bars.
pub(super) struct BarsRenderer {
    multi: MultiProgress,
    bars: Mutex<HashMap<u64, ProgressBar>>,
    total: Option<ProgressBar>,
    files: usize,
    ended: AtomicUsize,
    recent_failures: RecentFailures,
}

impl BarsRenderer {
    pub(super) fn new(files: usize) -> Self {
        let multi = MultiProgress::new();
        let total = (files > 1).then(|| {
            let bar = multi.add(ProgressBar::no_length());
            bar.set_style(style("{msg}"));
            bar
        });
        let (bars, ended, told) = (Mutex::default(), AtomicUsize::new(0), RecentFailures::default());
        Self { multi, bars, total, files, ended, recent_failures: told }
    }

    fn bar_of(&self, file: &FileTransfer) -> ProgressBar {
        let new = || {
            let bar = ProgressBar::new(file.size.max(1));
            let bar = match &self.total {
                Some(total) => self.multi.insert_before(total, bar),
                None => self.multi.add(bar),
            };
            bar.set_style(style("{prefix} {bar:24} {msg}").progress_chars("━╸─"));
            bar.set_prefix(format!("{:NAME_WIDTH_CHARS$}", format::shortened(&file.name, NAME_WIDTH_CHARS)));
            bar
        };
        lock(&self.bars).entry(file.number).or_insert_with(new).clone()
    }

    fn print_line(&self, text: &str) {
        let _ = self.multi.println(text);
    }
}

/// A bar style from a template. Templates are literals; should a template be invalid, the plain style is used.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Text behind the bar: confirmed and sent bytes, speed, time left.
fn message(file: &FileTransfer, now: &TransferSnapshot) -> String {
    let mut parts = vec![format!("{:>3} %", format::percent(now.done(file.direction), file.size))];
    parts.push(match file.direction {
        TransferDirection::Up if now.moved > now.confirmed => {
            let in_flight = format::size(now.moved - now.confirmed);
            format!("{} of {} (+{in_flight} sent)", format::size(now.confirmed), format::size(file.size))
        }
        TransferDirection::Up => format!("{} of {}", format::size(now.confirmed), format::size(file.size)),
        TransferDirection::Down => format!("{} of {}", format::size(now.moved), format::size(file.size)),
    });
    if now.activity.is_empty() {
        parts.extend(now.speed.map(format::speed));
        parts.extend(now.eta.map(|eta| format!("{} left", format::time(eta))));
    } else {
        parts.push(now.activity.to_owned());
    }
    parts.join("  ")
}

impl ProgressRenderer for BarsRenderer {
    fn show_event(&self, file: Option<&FileTransfer>, event: &TransferEvent<'_>) {
        if let Some(line) = event_line(file, event, &self.recent_failures) {
            self.print_line(&line);
        }
    }

    fn tick(&self, active: &[Arc<FileTransfer>]) {
        let mut speed = 0;
        for file in active {
            let (bar, now) = (self.bar_of(file), file.snapshot());
            bar.set_position(if file.size == 0 { 1 } else { now.moved });
            bar.set_message(message(file, &now));
            speed += now.speed.unwrap_or(0);
        }
        if let Some(total) = &self.total {
            let ended = self.ended.load(Ordering::Relaxed);
            total.set_message(format!("{ended} of {} files  {}", self.files, format::speed(speed)));
        }
    }

    fn tick_interval(&self) -> Option<Duration> {
        Some(REDRAW_INTERVAL)
    }

    fn suspend(&self, write: &mut dyn FnMut()) {
        self.multi.suspend(write);
    }

    fn remove_transfer(&self, file: &FileTransfer) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        if let Some(bar) = lock(&self.bars).remove(&file.number) {
            bar.finish_and_clear();
            self.multi.remove(&bar);
        }
    }
}

impl Drop for BarsRenderer {
    fn drop(&mut self) {
        let _ = self.multi.clear();
    }
}
