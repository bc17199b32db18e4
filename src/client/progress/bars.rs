//! Progress on a terminal: a line for each file under way, and a line for all when there are several.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::lines::{RecentFailures, event_line, is_usual, print_line};
use super::total::FileTotals;
use super::{FileTransfer, ProgressRenderer, TransferEvent, TransferPlan, bar_line, lock};

const REDRAW_INTERVAL: Duration = Duration::from_millis(120);
/// Width of a terminal that does not say how wide it is.
const USUAL_COLUMNS: usize = 80;
/// Size from which one file among many has a line of its own.
const MIN_SHOWN_BYTES: u64 = 8 << 20;

/// Draws progress.
pub(super) struct BarsRenderer {
    multi: MultiProgress,
    bars: Mutex<HashMap<u64, ProgressBar>>,
    total: Option<(ProgressBar, FileTotals)>,
    bulk: bool,
    recent_failures: RecentFailures,
}

impl BarsRenderer {
    pub(super) fn new(plan: TransferPlan) -> Self {
        let multi = MultiProgress::new();
        let total = (plan.files > 1).then(|| (multi.add(plain_line()), FileTotals::new(plan)));
        let (bars, recent_failures) = (Mutex::default(), RecentFailures::default());
        Self { multi, bars, total, bulk: plan.is_bulk(), recent_failures }
    }

    fn bar_of(&self, file: &FileTransfer) -> ProgressBar {
        let new = || match &self.total {
            Some((total, _)) => self.multi.insert_before(total, plain_line()),
            None => self.multi.add(plain_line()),
        };
        lock(&self.bars).entry(file.number).or_insert_with(new).clone()
    }
}

/// A line that shows its message and nothing else.
fn plain_line() -> ProgressBar {
    let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()).with_style(style)
}

/// Columns of the terminal on standard error.
fn terminal_columns() -> usize {
    match rustix::termios::tcgetwinsize(std::io::stderr()) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        Ok(_) | Err(_) => USUAL_COLUMNS,
    }
}

impl ProgressRenderer for BarsRenderer {
    fn show_event(&self, file: Option<&FileTransfer>, event: &TransferEvent<'_>) {
        if self.bulk && is_usual(event) {
            return;
        }
        if let Some(line) = event_line(file, event, &self.recent_failures) {
            self.multi.suspend(|| print_line(&line));
        }
    }

    fn tick(&self, active: &[Arc<FileTransfer>]) {
        let columns = terminal_columns();
        for file in active.iter().filter(|file| !self.bulk || file.size >= MIN_SHOWN_BYTES) {
            self.bar_of(file).set_message(bar_line::file_line(file, &file.snapshot(), columns));
        }
        if let Some((line, totals)) = &self.total {
            line.set_message(bar_line::total_line(&totals.describe(active), columns));
        }
    }

    fn tick_interval(&self) -> Option<Duration> {
        Some(REDRAW_INTERVAL)
    }

    fn suspend(&self, write: &mut dyn FnMut()) {
        self.multi.suspend(write);
    }

    fn remove_transfer(&self, file: &FileTransfer) {
        if let Some((_, totals)) = &self.total {
            totals.add(file);
        }
        if let Some(bar) = lock(&self.bars).remove(&file.number) {
            bar.finish_and_clear();
            self.multi.remove(&bar);
        }
    }

    fn count_result(&self) {
        if let Some((_, totals)) = &self.total {
            totals.count_result();
        }
    }
}

impl Drop for BarsRenderer {
    fn drop(&mut self) {
        let _ = self.multi.clear();
    }
}
