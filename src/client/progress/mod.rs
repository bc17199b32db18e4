//! What people and programs see while bytes move: bars on a terminal, plain lines elsewhere, JSON on demand, or nothing.
//!
//! Transfers count into atomics and a ticker looks at them, so that showing costs nothing per byte. Bars and lines go to
//! standard error; JSON goes to standard output, one object a line. Never shown: signed URLs and keys.

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::Error;

mod bars;
mod json;
mod lines;
mod meter;

pub use json::error as error_as_json;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Bars, for terminals.
    Bars,
    /// A line now and then.
    Lines,
    /// One JSON object a line.
    Json,
    /// Nothing.
    Quiet,
}

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the server.
    Up,
    /// From the server.
    Down,
}

/// What happened to one file.
#[derive(Debug)]
pub enum Event<'a> {
    /// Bytes begin to move. `there`: bytes that were there before.
    Started {
        /// Bytes that an earlier run has moved.
        there: u64,
        /// The upload's id.
        upload: Option<&'a str>,
    },
    /// Something failed and is tried again.
    Retrying {
        /// What was tried.
        what: &'a str,
        /// Why it failed.
        why: &'a Error,
        /// When it is tried again.
        pause: Duration,
    },
    /// Something worth knowing, in words.
    Note(&'a str),
    /// Every byte is there.
    Completed {
        /// The asset's id.
        asset: &'a str,
    },
    /// The service has dealt with it.
    Settled {
        /// The asset's id.
        asset: &'a str,
        /// Its state.
        state: &'a str,
    },
    /// It is on disk and verified.
    Saved {
        /// Where.
        path: &'a str,
    },
    /// It failed.
    Failed(&'a Error),
}

/// Shows.
trait Render: Send + Sync {
    fn event(&self, file: Option<&Transfer>, event: &Event<'_>);
    /// Looks at what is under way.
    fn tick(&self, active: &[Arc<Transfer>]);
    /// How often to look.
    fn every(&self) -> Option<Duration>;
    /// A file is over.
    fn forget(&self, _: &Transfer) {}
    /// Writes past whatever is drawn.
    fn aside(&self, write: &mut dyn FnMut()) {
        write();
    }
}

/// One file on its way.
#[derive(Debug)]
struct Transfer {
    number: u64,
    name: String,
    direction: Direction,
    size: u64,
    moved: AtomicU64,
    confirmed: AtomicU64,
    begun: Instant,
    there: AtomicU64,
    meter: Mutex<meter::Meter>,
    doing: Mutex<&'static str>,
}

/// A transfer as it stands.
struct Snapshot {
    moved: u64,
    confirmed: u64,
    speed: Option<u64>,
    eta: Option<Duration>,
    doing: &'static str,
}

impl Snapshot {
    /// What counts: to the server, what it has; from the server, what is here.
    fn done(&self, direction: Direction) -> u64 {
        match direction {
            Direction::Up => self.confirmed,
            Direction::Down => self.moved,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Transfer {
    fn snapshot(&self) -> Snapshot {
        let moved = self.moved.load(Ordering::Relaxed).min(self.size);
        let mut meter = lock(&self.meter);
        meter.sample(Instant::now(), moved);
        let confirmed = self.confirmed.load(Ordering::Relaxed).min(self.size);
        let eta = meter.eta(self.size - moved);
        Snapshot { moved, confirmed, speed: meter.speed(), eta, doing: *lock(&self.doing) }
    }

    /// Bytes per second over the whole of this run.
    fn overall_speed(&self) -> u64 {
        let moved = self.moved.load(Ordering::Relaxed).saturating_sub(self.there.load(Ordering::Relaxed));
        let millis = self.begun.elapsed().as_millis().max(1);
        u64::try_from(u128::from(moved) * 1000 / millis).unwrap_or(u64::MAX)
    }
}

/// Where everything that is to be shown is told.
#[derive(Clone)]
pub struct Reporter(Arc<Shared>);

struct Shared {
    render: Box<dyn Render>,
    active: Mutex<Vec<Arc<Transfer>>>,
    count: AtomicU64,
}

/// Whoever wants to know that something is tried again.
pub trait Notices {
    /// `what` failed with `why` and is tried again after `pause`.
    fn retrying(&self, what: &str, why: &Error, pause: Duration);
}

impl Reporter {
    /// Shows in a style. `files`: how many there will be.
    #[must_use]
    pub fn new(style: Style, files: usize) -> Self {
        let render: Box<dyn Render> = match style {
            Style::Bars => Box::new(bars::Bars::new(files)),
            Style::Lines => Box::new(lines::Lines::new(true)),
            Style::Json => Box::new(json::Json),
            Style::Quiet => Box::new(lines::Lines::new(false)),
        };
        Self(Arc::new(Shared { render, active: Mutex::default(), count: AtomicU64::new(0) }))
    }

    /// Takes up a file.
    #[must_use]
    pub fn track(&self, name: &str, size: u64, direction: Direction) -> Track {
        let transfer = Arc::new(Transfer {
            number: self.0.count.fetch_add(1, Ordering::Relaxed),
            name: name.to_owned(),
            direction,
            size,
            moved: AtomicU64::new(0),
            confirmed: AtomicU64::new(0),
            begun: Instant::now(),
            there: AtomicU64::new(0),
            meter: Mutex::default(),
            doing: Mutex::new(""),
        });
        lock(&self.0.active).push(Arc::clone(&transfer));
        Track { reporter: self.clone(), transfer }
    }

    /// Says something that is about no file.
    pub fn note(&self, text: &str) {
        self.0.render.event(None, &Event::Note(text));
    }

    /// A line of the result, on standard output.
    pub fn result(&self, line: &str) -> Result<(), Error> {
        let mut written = Ok(());
        self.0.render.aside(&mut || written = writeln!(std::io::stdout(), "{line}"));
        written.map_err(Error::local("standard output".as_ref()))
    }

    /// A line for the person, on standard error, however little is to be shown.
    pub fn complain(&self, line: &str) {
        self.0.render.aside(&mut || lines::say(line));
    }

    /// Looks at what is under way, again and again; ends when dropped.
    pub async fn run(&self) {
        let Some(every) = self.0.render.every() else { return std::future::pending().await };
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // The first tick comes at once, when there is nothing to see.
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let active = lock(&self.0.active).clone();
            self.0.render.tick(&active);
        }
    }
}

impl Notices for Reporter {
    fn retrying(&self, what: &str, why: &Error, pause: Duration) {
        self.0.render.event(None, &Event::Retrying { what, why, pause });
    }
}

/// One file's progress; dropped when it is over.
pub struct Track {
    reporter: Reporter,
    transfer: Arc<Transfer>,
}

impl Track {
    /// Something happened.
    pub fn tell(&self, event: &Event<'_>) {
        if let Event::Started { there, .. } = event {
            self.transfer.there.store(*there, Ordering::Relaxed);
            self.transfer.moved.store(*there, Ordering::Relaxed);
            self.transfer.confirmed.store(*there, Ordering::Relaxed);
            lock(&self.transfer.meter).sample(Instant::now(), *there);
        }
        self.reporter.0.render.event(Some(&self.transfer), event);
    }

    /// What it is doing now, besides moving bytes.
    pub fn doing(&self, what: &'static str) {
        *lock(&self.transfer.doing) = what;
    }

    /// A counter for bytes that move but are not confirmed yet.
    #[must_use]
    pub fn attempt(&self) -> Attempt {
        Attempt { transfer: Arc::clone(&self.transfer), moved: AtomicU64::new(0) }
    }

    /// Bytes that are safe on the other side.
    #[must_use]
    pub fn confirmed(&self) -> u64 {
        self.transfer.confirmed.load(Ordering::Relaxed)
    }
}

impl Notices for Track {
    fn retrying(&self, what: &str, why: &Error, pause: Duration) {
        self.tell(&Event::Retrying { what, why, pause });
    }
}

impl Drop for Track {
    fn drop(&mut self) {
        lock(&self.reporter.0.active).retain(|active| active.number != self.transfer.number);
        self.reporter.0.render.forget(&self.transfer);
    }
}

/// Bytes of one try. Dropped without [`Self::confirm`], it takes them back.
#[derive(Debug)]
pub struct Attempt {
    transfer: Arc<Transfer>,
    moved: AtomicU64,
}

impl Attempt {
    /// So many bytes more have moved.
    pub fn add(&self, bytes: u64) {
        self.moved.fetch_add(bytes, Ordering::Relaxed);
        self.transfer.moved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// How many have moved.
    #[must_use]
    pub fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// They are safe: `bytes` of them, whatever was counted.
    pub fn confirm(&self, bytes: u64) {
        let counted = self.moved.swap(0, Ordering::Relaxed);
        self.transfer.moved.fetch_add(bytes.saturating_sub(counted), Ordering::Relaxed);
        self.transfer.confirmed.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.transfer.moved.fetch_sub(self.moved(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_a_failed_try_are_taken_back() {
        let track = Reporter::new(Style::Quiet, 1).track("a", 100, Direction::Up);
        track.tell(&Event::Started { there: 10, upload: None });
        let (first, second) = (track.attempt(), track.attempt());
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
