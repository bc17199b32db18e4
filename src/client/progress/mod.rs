//! Progress reports for people and programs: bars on a terminal, plain lines elsewhere, JSON on demand, or nothing.
//!
//! Transfers count into atomics that a ticker reads, so that reporting costs nothing per byte. Bars and lines are
//! written to standard error; JSON is written to standard output, an object per line. Signed URLs and keys are never
//! shown.

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::Error;

mod bar_line;
mod bars;
mod json;
mod lines;
mod meter;
mod total;
mod transfer;

pub use json::error as error_as_json;
pub use transfer::TransferAttempt;
use transfer::{FileTransfer, TransferSnapshot};

/// Style of progress reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputStyle {
    /// Bars, for terminals.
    Bars,
    /// A line now and then.
    Lines,
    /// A JSON object per line.
    Json,
    /// Nothing.
    Quiet,
}

/// Size of a transfer whose end is not known.
const UNKNOWN_SIZE: u64 = u64::MAX;
/// Number of files above which each has no line of its own.
const MAX_SHOWN_FILES: usize = 8;

/// Files of a command.
#[derive(Clone, Copy, Debug, Default)]
pub struct TransferPlan {
    /// Number of files to come.
    pub files: usize,
    /// Their bytes, if that is known.
    pub bytes: u64,
}

impl TransferPlan {
    /// True for so many files that only their total is shown.
    fn is_bulk(self) -> bool {
        self.files > MAX_SHOWN_FILES
    }
}

/// Direction of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferDirection {
    /// To the server.
    Up,
    /// From the server.
    Down,
}

/// An event of a file's transfer.
#[derive(Debug)]
pub enum TransferEvent<'a> {
    /// The transfer begins.
    Started {
        /// Bytes that an earlier run has transferred.
        there: u64,
        /// The upload's id.
        upload: Option<&'a str>,
    },
    /// An operation failed and is retried.
    Retrying {
        /// The operation.
        what: &'a str,
        /// Reason of the failure.
        why: &'a Error,
        /// Delay before the retry.
        pause: Duration,
    },
    /// Information for the user, in words.
    Note(&'a str),
    /// All bytes are transferred.
    Completed {
        /// The asset's id.
        asset: &'a str,
    },
    /// The service has finished processing.
    Settled {
        /// The asset's id.
        asset: &'a str,
        /// Its state.
        state: &'a str,
    },
    /// The file is on disk and verified.
    Saved {
        /// Path of the file.
        path: &'a str,
    },
    /// The transfer failed.
    Failed(&'a Error),
}

/// Renders progress.
trait ProgressRenderer: Send + Sync {
    fn show_event(&self, file: Option<&FileTransfer>, event: &TransferEvent<'_>);
    /// Renders the transfers under way.
    fn tick(&self, active: &[Arc<FileTransfer>]);
    /// Interval of [`Self::tick`].
    fn tick_interval(&self) -> Option<Duration>;
    /// A file's transfer has ended.
    fn remove_transfer(&self, _: &FileTransfer) {}
    /// The result of a file is known, if it was waited for apart from its transfer.
    fn count_result(&self) {}
    /// Writes output without disturbing the bars.
    fn suspend(&self, write: &mut dyn FnMut()) {
        write();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reporter of progress, shared by all transfers.
#[derive(Clone)]
pub struct ProgressReporter(Arc<ReporterState>);

struct ReporterState {
    render: Box<dyn ProgressRenderer>,
    active: Mutex<Vec<Arc<FileTransfer>>>,
    count: AtomicU64,
}

/// Observer of retries.
pub trait RetryObserver {
    /// `what` failed with `why` and is retried after `pause`.
    fn on_retry(&self, what: &str, why: &Error, pause: Duration);
}

impl ProgressReporter {
    /// A reporter in a style. `files`: number of files to come.
    #[must_use]
    pub fn new(style: OutputStyle, files: usize) -> Self {
        Self::for_plan(style, TransferPlan { files, bytes: 0 })
    }

    /// A reporter in a style for these files.
    #[must_use]
    pub fn for_plan(style: OutputStyle, plan: TransferPlan) -> Self {
        let render: Box<dyn ProgressRenderer> = match style {
            OutputStyle::Bars => Box::new(bars::BarsRenderer::new(plan)),
            OutputStyle::Lines => Box::new(lines::LinesRenderer::new(true, plan)),
            OutputStyle::Json => Box::new(json::JsonRenderer),
            OutputStyle::Quiet => Box::new(lines::LinesRenderer::new(false, plan)),
        };
        Self(Arc::new(ReporterState { render, active: Mutex::default(), count: AtomicU64::new(0) }))
    }

    /// Starts to track bytes that are sent, and whose number is not known.
    #[must_use]
    pub fn track_stream(&self, name: &str) -> TransferTracker {
        self.track(name, UNKNOWN_SIZE, TransferDirection::Up)
    }

    /// Starts to track a file.
    #[must_use]
    pub fn track(&self, name: &str, size: u64, direction: TransferDirection) -> TransferTracker {
        let transfer = Arc::new(self.transfer(name, size, direction));
        lock(&self.0.active).push(Arc::clone(&transfer));
        TransferTracker { reporter: self.clone(), transfer }
    }

    /// Reports the result of a file that is not tracked any more.
    pub fn report_settled(&self, name: &str, size: u64, asset: &str, state: &str) {
        let file = self.transfer(name, size, TransferDirection::Up);
        self.0.render.show_event(Some(&file), &TransferEvent::Settled { asset, state });
    }

    /// Counts a file whose end was reported.
    pub fn count_result(&self) {
        self.0.render.count_result();
    }

    fn transfer(&self, name: &str, size: u64, direction: TransferDirection) -> FileTransfer {
        FileTransfer {
            number: self.0.count.fetch_add(1, Ordering::Relaxed),
            name: name.to_owned(),
            direction,
            size,
            moved: AtomicU64::new(0),
            confirmed: AtomicU64::new(0),
            started_at: Instant::now(),
            resumed_from: AtomicU64::new(0),
            meter: Mutex::default(),
            activity: Mutex::new(""),
        }
    }

    /// Reports information that concerns no file.
    pub fn note(&self, text: &str) {
        self.0.render.show_event(None, &TransferEvent::Note(text));
    }

    /// Prints a line of the result on standard output.
    pub fn print_result(&self, line: &str) -> Result<(), Error> {
        let mut written = Ok(());
        self.0.render.suspend(&mut || written = writeln!(std::io::stdout(), "{line}"));
        written.map_err(Error::local("standard output".as_ref()))
    }

    /// Prints a line for the user on standard error, in every style.
    pub fn print_error_line(&self, line: &str) {
        self.0.render.suspend(&mut || lines::print_line(line));
    }

    /// Renders the transfers under way at intervals; ends when dropped.
    pub async fn run_ticker(&self) {
        let Some(every) = self.0.render.tick_interval() else { return std::future::pending().await };
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // The first tick is immediate, when there is nothing to show.
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let active = lock(&self.0.active).clone();
            self.0.render.tick(&active);
        }
    }
}

impl RetryObserver for ProgressReporter {
    fn on_retry(&self, what: &str, why: &Error, pause: Duration) {
        self.0.render.show_event(None, &TransferEvent::Retrying { what, why, pause });
    }
}

/// Tracker of a file's progress; dropped at the end.
pub struct TransferTracker {
    reporter: ProgressReporter,
    transfer: Arc<FileTransfer>,
}

impl TransferTracker {
    /// Reports an event.
    pub fn report(&self, event: &TransferEvent<'_>) {
        if let TransferEvent::Started { there, .. } = event {
            self.transfer.resumed_from.store(*there, Ordering::Relaxed);
            self.transfer.moved.store(*there, Ordering::Relaxed);
            self.transfer.confirmed.store(*there, Ordering::Relaxed);
            lock(&self.transfer.meter).sample(Instant::now(), *there);
        }
        self.reporter.0.render.show_event(Some(&self.transfer), event);
    }

    /// Sets the current activity, apart from moving bytes.
    pub fn set_activity(&self, what: &'static str) {
        *lock(&self.transfer.activity) = what;
    }

    /// A counter for bytes that are sent but not confirmed yet.
    #[must_use]
    pub fn start_attempt(&self) -> TransferAttempt {
        TransferAttempt { transfer: Arc::clone(&self.transfer), moved: AtomicU64::new(0) }
    }

    /// Bytes that are safe on the other side.
    #[must_use]
    pub fn confirmed(&self) -> u64 {
        self.transfer.confirmed.load(Ordering::Relaxed)
    }
}

impl RetryObserver for TransferTracker {
    fn on_retry(&self, what: &str, why: &Error, pause: Duration) {
        self.report(&TransferEvent::Retrying { what, why, pause });
    }
}

impl Drop for TransferTracker {
    fn drop(&mut self) {
        lock(&self.reporter.0.active).retain(|active| active.number != self.transfer.number);
        self.reporter.0.render.remove_transfer(&self.transfer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_a_failed_try_are_taken_back() {
        let track = ProgressReporter::new(OutputStyle::Quiet, 1).track("a", 100, TransferDirection::Up);
        track.report(&TransferEvent::Started { there: 10, upload: None });
        let (first, second) = (track.start_attempt(), track.start_attempt());
        first.add(30);
        second.add(20);
        assert_eq!(track.transfer.snapshot().moved, 60);
        drop(first);
        second.confirm(20);
        drop(second);
        let snapshot = track.transfer.snapshot();
        assert_eq!((snapshot.moved, snapshot.confirmed), (30, 30));
    }
}
