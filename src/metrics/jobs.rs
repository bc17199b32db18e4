//! Jobs as workers run them, and the scans among their steps. The numbers of waiting jobs are the instance's.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::buckets::job_histogram;
use super::labels::{LabelledCounter, LabelledHistogram, PairCounter};
use crate::domain::clock::{Clock as _, SystemClock, Timestamp};
use crate::domain::job::JobKind;

/// Outcome of an attempt at a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The job is done.
    Done,
    /// The job was put back, to go on later.
    Deferred,
    /// A dependency was unavailable; the attempt uses up no try.
    Unavailable,
    /// The job failed.
    Failed,
    /// Another worker has the job, or it was cancelled.
    LeaseLost,
    /// The store has lost the bytes.
    BytesMissing,
}

impl AttemptOutcome {
    const ALL: [Self; 6] =
        [Self::Done, Self::Deferred, Self::Unavailable, Self::Failed, Self::LeaseLost, Self::BytesMissing];

    fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Deferred => "deferred",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
            Self::LeaseLost => "lease_lost",
            Self::BytesMissing => "bytes_missing",
        }
    }
}

/// Result of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanVerdict {
    /// Nothing was found.
    Clean,
    /// A virus was found.
    Infected,
    /// The scanner could not see all of the file.
    Incomplete,
    /// The scanner did not answer, or not as it should.
    Error,
}

impl ScanVerdict {
    const ALL: [Self; 4] = [Self::Clean, Self::Infected, Self::Incomplete, Self::Error];

    fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Infected => "infected",
            Self::Incomplete => "incomplete",
            Self::Error => "error",
        }
    }
}

/// Metrics of jobs and scans.
pub struct JobMetrics {
    seconds: LabelledHistogram,
    attempts: PairCounter,
    scans: LabelledCounter,
    scanner_age: Gauge,
    /// Time of the scanner's signatures, in seconds since 1970; 0: unknown.
    signatures_at: AtomicI64,
}

impl JobMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let kinds = || JobKind::ALL.into_iter().map(JobKind::name);
        let pairs = kinds().flat_map(|kind| AttemptOutcome::ALL.map(|outcome| (kind, outcome.name())));
        let scanner_age = Gauge::default();
        let about = "Age of the virus scanner's signatures, as it last told; 0 until it was asked";
        registry.register_with_unit("scan_engine_age", about, Unit::Seconds, scanner_age.clone());
        Self {
            seconds: LabelledHistogram::register(
                registry,
                "job",
                "Time of an attempt at a job on this node, by kind of job",
                "kind",
                kinds(),
                job_histogram,
            ),
            attempts: PairCounter::register(
                registry,
                "job_attempts",
                "Attempts at jobs that ended on this node, by kind of job and outcome",
                ["kind", "outcome"],
                pairs,
            ),
            scans: LabelledCounter::register(
                registry,
                "scan_results",
                "Scans for viruses on this node, by result",
                "verdict",
                ScanVerdict::ALL.map(ScanVerdict::name),
            ),
            scanner_age,
            signatures_at: AtomicI64::new(0),
        }
    }

    /// Counts an attempt at its end.
    pub fn record_attempt(&self, kind: JobKind, outcome: AttemptOutcome, took: Duration) {
        self.seconds.observe(kind.name(), took);
        self.attempts.increment(kind.name(), outcome.name());
    }

    /// Counts a scan.
    pub fn record_scan(&self, verdict: ScanVerdict) {
        self.scans.increment(verdict.name());
    }

    /// Notes the time of the scanner's signatures.
    pub fn set_signature_time(&self, made_at: Timestamp) {
        self.signatures_at.store(made_at.as_second(), Ordering::Relaxed);
    }

    /// Sets the age of the scanner's signatures as it is now.
    pub(super) fn measure_scanner_age(&self) {
        let now = SystemClock.now().as_second();
        let made_at = self.signatures_at.load(Ordering::Relaxed);
        self.scanner_age.set(if made_at == 0 { 0 } else { now.saturating_sub(made_at).max(0) });
    }
}
