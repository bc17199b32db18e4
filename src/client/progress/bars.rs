//! Progress on a terminal: a line for each file under way, and a line for all when there are several.
//!
//! The lines stand below everything else that is written. They are erased before any other output and at the end, and
//! leave room for the `^C` that a terminal echoes: nothing of them stays.

use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::lines::{RecentFailures, event_line, is_usual, print_line};
use super::total::FileTotals;
use super::{FileTransfer, ProgressRenderer, TransferEvent, TransferPlan, bar_line, lock};
use crate::client::format;

const REDRAW_INTERVAL: Duration = Duration::from_millis(120);
/// Width of a terminal that does not say how wide it is.
const USUAL_COLUMNS: usize = 80;
/// Columns that stay empty behind each line.
const MARGIN_COLUMNS: usize = 2;
/// Number of files that have a line at once.
const MAX_FILE_LINES: usize = 10;
/// Size from which one file among many has a line of its own.
const MIN_SHOWN_BYTES: u64 = 8 << 20;

/// Draws progress.
pub(super) struct BarsRenderer {
    drawn: Mutex<DrawnLines>,
    total: Option<FileTotals>,
    bulk: bool,
    recent_failures: RecentFailures,
}

/// Lines at the end of what the terminal shows.
#[derive(Default)]
struct DrawnLines {
    /// Each with the number of its file; the total has none.
    lines: Vec<(Option<u64>, String)>,
}

impl DrawnLines {
    /// Sequence that erases the lines, for a terminal of `columns`: one that became narrower has wrapped them.
    fn erase(&self, columns: usize) -> String {
        let rows = |(_, line): &(Option<u64>, String)| format::columns(line).div_ceil(columns.max(1)).max(1);
        match self.lines.iter().map(rows).sum::<usize>() {
            0 => String::new(),
            1 => "\r\x1b[J".to_owned(),
            rows => format!("\r\x1b[{}A\x1b[J", rows - 1),
        }
    }

    /// Draws other lines in their place.
    fn replace(&mut self, lines: Vec<(Option<u64>, String)>, columns: usize) {
        let texts: Vec<&str> = lines.iter().map(|(_, line)| line.as_str()).collect();
        let text = self.erase(columns) + &texts.join("\n");
        self.lines = lines;
        write_to_terminal(&text);
    }
}

/// Writes in a single call; a terminal that is gone is ignored.
fn write_to_terminal(text: &str) {
    let mut terminal = std::io::stderr().lock();
    let _ = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
}

impl BarsRenderer {
    pub(super) fn new(plan: TransferPlan) -> Self {
        let total = (plan.files > 1).then(|| FileTotals::new(plan));
        let (drawn, recent_failures) = (Mutex::default(), RecentFailures::default());
        Self { drawn, total, bulk: plan.is_bulk(), recent_failures }
    }
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
            self.suspend(&mut || print_line(&line));
        }
    }

    fn tick(&self, active: &[Arc<FileTransfer>]) {
        let columns = terminal_columns();
        let room = columns.saturating_sub(MARGIN_COLUMNS);
        let shown = active.iter().filter(|file| !self.bulk || file.size >= MIN_SHOWN_BYTES).take(MAX_FILE_LINES);
        let line = |file: &Arc<FileTransfer>| (Some(file.number), bar_line::file_line(file, &file.snapshot(), room));
        let mut lines: Vec<_> = shown.map(line).collect();
        lines.extend(self.total.as_ref().map(|totals| (None, bar_line::total_line(&totals.describe(active), room))));
        lock(&self.drawn).replace(lines, columns);
    }

    fn tick_interval(&self) -> Option<Duration> {
        Some(REDRAW_INTERVAL)
    }

    fn suspend(&self, write: &mut dyn FnMut()) {
        let mut drawn = lock(&self.drawn);
        let (columns, lines) = (terminal_columns(), std::mem::take(&mut drawn.lines));
        write_to_terminal(&DrawnLines { lines: lines.clone() }.erase(columns));
        write();
        drawn.replace(lines, columns);
    }

    fn remove_transfer(&self, file: &FileTransfer) {
        if let Some(totals) = &self.total {
            totals.add(file);
        }
        let mut drawn = lock(&self.drawn);
        if drawn.lines.iter().any(|(number, _)| *number == Some(file.number)) {
            let left = drawn.lines.iter().filter(|(number, _)| *number != Some(file.number)).cloned().collect();
            drawn.replace(left, terminal_columns());
        }
    }

    fn count_result(&self) {
        if let Some(totals) = &self.total {
            totals.count_result();
        }
    }
}

impl Drop for BarsRenderer {
    fn drop(&mut self) {
        lock(&self.drawn).replace(Vec::new(), terminal_columns());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_erased_as_the_terminal_shows_them() {
        let lines =
            |lines: &[&str]| DrawnLines { lines: lines.iter().map(|line| (None, (*line).to_owned())).collect() };
        assert_eq!(lines(&[]).erase(80), "");
        assert_eq!(lines(&["one"]).erase(80), "\r\x1b[J");
        assert_eq!(lines(&["one", "two", ""]).erase(80), "\r\x1b[2A\x1b[J");
        assert_eq!(lines(&["12345678901", "two"]).erase(10), "\r\x1b[2A\x1b[J", "a narrower terminal has wrapped it");
    }
}
