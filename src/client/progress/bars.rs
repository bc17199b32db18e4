//! Bars on a terminal: one for each file under way, and one line for all when there are several.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::lines::{Told, line};
use super::{Direction, Event, Render, Snapshot, Transfer, lock};
use crate::client::text;

const EVERY: Duration = Duration::from_millis(120);
/// Characters of a file's name.
const NAME: usize = 28;

/// Bars.
pub(super) struct Bars {
    multi: MultiProgress,
    bars: Mutex<HashMap<u64, ProgressBar>>,
    total: Option<ProgressBar>,
    files: usize,
    ended: AtomicUsize,
    told: Told,
}

impl Bars {
    pub(super) fn new(files: usize) -> Self {
        let multi = MultiProgress::new();
        let total = (files > 1).then(|| {
            let bar = multi.add(ProgressBar::no_length());
            bar.set_style(style("{msg}"));
            bar
        });
        let (bars, ended, told) = (Mutex::default(), AtomicUsize::new(0), Told::default());
        Self { multi, bars, total, files, ended, told }
    }

    fn bar_of(&self, file: &Transfer) -> ProgressBar {
        let new = || {
            let bar = ProgressBar::new(file.size.max(1));
            let bar = match &self.total {
                Some(total) => self.multi.insert_before(total, bar),
                None => self.multi.add(bar),
            };
            bar.set_style(style("{prefix} {bar:24} {msg}").progress_chars("━╸─"));
            bar.set_prefix(format!("{:NAME$}", text::shortened(&file.name, NAME)));
            bar
        };
        lock(&self.bars).entry(file.number).or_insert_with(new).clone()
    }

    fn say(&self, text: &str) {
        let _ = self.multi.println(text);
    }
}

/// Templates are literals; should one be wrong, the plain style says enough.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// What stands behind the bar: confirmed and sent, speed, time left.
fn message(file: &Transfer, now: &Snapshot) -> String {
    let mut parts = vec![format!("{:>3} %", text::percent(now.done(file.direction), file.size))];
    parts.push(match file.direction {
        Direction::Up if now.moved > now.confirmed => {
            let in_flight = text::size(now.moved - now.confirmed);
            format!("{} of {} (+{in_flight} sent)", text::size(now.confirmed), text::size(file.size))
        }
        Direction::Up => format!("{} of {}", text::size(now.confirmed), text::size(file.size)),
        Direction::Down => format!("{} of {}", text::size(now.moved), text::size(file.size)),
    });
    if now.doing.is_empty() {
        parts.extend(now.speed.map(text::speed));
        parts.extend(now.eta.map(|eta| format!("{} left", text::time(eta))));
    } else {
        parts.push(now.doing.to_owned());
    }
    parts.join("  ")
}

impl Render for Bars {
    fn event(&self, file: Option<&Transfer>, event: &Event<'_>) {
        if let Some(line) = line(file, event, &self.told) {
            self.say(&line);
        }
    }

    fn tick(&self, active: &[Arc<Transfer>]) {
        let mut speed = 0;
        for file in active {
            let (bar, now) = (self.bar_of(file), file.snapshot());
            bar.set_position(if file.size == 0 { 1 } else { now.moved });
            bar.set_message(message(file, &now));
            speed += now.speed.unwrap_or(0);
        }
        if let Some(total) = &self.total {
            let ended = self.ended.load(Ordering::Relaxed);
            total.set_message(format!("{ended} of {} files  {}", self.files, text::speed(speed)));
        }
    }

    fn every(&self) -> Option<Duration> {
        Some(EVERY)
    }

    fn aside(&self, write: &mut dyn FnMut()) {
        self.multi.suspend(write);
    }

    fn forget(&self, file: &Transfer) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        if let Some(bar) = lock(&self.bars).remove(&file.number) {
            bar.finish_and_clear();
            self.multi.remove(&bar);
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        let _ = self.multi.clear();
    }
}
