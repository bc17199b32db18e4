//! Uploads from creation to their end.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::buckets::upload_histogram;
use super::labels::{LabelledCounter, counter};
use crate::domain::upload::UploadProtocol;

/// Code of uploads whose stored object is not what was declared.
const CONTENT_MISMATCH_CODE: &str = "content_mismatch";

/// Reason why an upload ended without a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortReason {
    /// A client or an administrator asked for it.
    Client,
    /// A rule of the service did, as when a body has more bytes than the file.
    Service,
    /// The upload's time was over.
    Expired,
}

impl AbortReason {
    const ALL: [Self; 3] = [Self::Client, Self::Service, Self::Expired];

    fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Service => "service",
            Self::Expired => "expired",
        }
    }
}

/// End of a completion whose request to the store had no certain outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoubtOutcome {
    /// The object is there, and this upload's.
    Completed,
    /// The object is another upload's, or has another size.
    Failed,
    /// The store did not tell in time: the next caller or the sweeper asks again.
    Unresolved,
}

impl DoubtOutcome {
    const ALL: [Self; 3] = [Self::Completed, Self::Failed, Self::Unresolved];

    fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Unresolved => "unresolved",
        }
    }
}

/// Metrics of uploads.
pub struct UploadMetrics {
    created: LabelledCounter,
    completed: Counter,
    failed: LabelledCounter,
    aborted: LabelledCounter,
    seconds: Histogram,
    received: Counter,
    resent: Counter,
    resumed: Counter,
    doubts: LabelledCounter,
}

/// Families of uploads that end without a file: failed and aborted.
fn register_ends(registry: &mut Registry) -> (LabelledCounter, LabelledCounter) {
    let failed = LabelledCounter::register(
        registry,
        "uploads_failed",
        "Uploads whose stored object is provably not the file that was declared, by problem code",
        "code",
        [CONTENT_MISMATCH_CODE],
    );
    let aborted = LabelledCounter::register(
        registry,
        "uploads_aborted",
        "Uploads that ended without a file: by request of a client, by a rule of the service, or expired",
        "reason",
        AbortReason::ALL.map(AbortReason::name),
    );
    (failed, aborted)
}

impl UploadMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let seconds = upload_histogram();
        let about = "Time from the creation of an upload until its file was complete, with all pauses of the client";
        registry.register_with_unit("upload", about, Unit::Seconds, seconds.clone());
        let (failed, aborted) = register_ends(registry);
        let protocols = UploadProtocol::ALL.map(UploadProtocol::name);
        Self {
            created: LabelledCounter::register(
                registry,
                "uploads_created",
                "Uploads that were created, by the protocol of the client",
                "protocol",
                protocols,
            ),
            completed: counter(registry, "uploads_completed", "Uploads whose file is complete"),
            failed,
            aborted,
            seconds,
            received: counter(
                registry,
                "upload_bytes_received",
                "Bytes of files that clients sent to this node itself (tus, IETF resumable uploads, forms); bytes that \
                 go to the store by signed URLs are not among them",
            ),
            resent: counter(
                registry,
                "upload_bytes_resent",
                "Bytes that clients sent again although they were stored: a whole file that had arrived, or a part of \
                 the embedded store that was replaced",
            ),
            resumed: counter(
                registry,
                "upload_resume",
                "Times that a client came back to an upload that had begun: it asked for the offset to go on from, or \
                 repeated the creation",
            ),
            doubts: LabelledCounter::register(
                registry,
                "complete_ambiguous",
                "Completions whose request to the store had no certain outcome, by what was found out",
                "outcome",
                DoubtOutcome::ALL.map(DoubtOutcome::name),
            ),
        }
    }

    /// Counts a new upload; called where rows are committed.
    pub fn record_created(&self, protocol: UploadProtocol) {
        self.created.increment(protocol.name());
    }

    /// Counts a complete upload and its time since creation; called where rows are committed.
    pub fn record_completed(&self, took: Duration) {
        self.completed.inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// Counts an upload whose object is not what was declared; called where rows are committed.
    pub fn record_failed(&self) {
        self.failed.increment(CONTENT_MISMATCH_CODE);
    }

    /// Counts an upload that ended without a file; called where rows are committed.
    pub fn record_aborted(&self, reason: AbortReason) {
        self.aborted.increment(reason.name());
    }

    /// Counts bytes that arrived at this node.
    pub fn record_received(&self, bytes: u64) {
        self.received.inc_by(bytes);
    }

    /// Counts bytes that were stored before.
    pub fn record_resent(&self, bytes: u64) {
        self.resent.inc_by(bytes);
    }

    /// Counts a client that came back to an upload.
    pub fn record_resumed(&self) {
        self.resumed.inc();
    }

    /// Counts a completion that was in doubt, at its end.
    pub fn record_doubt(&self, outcome: DoubtOutcome) {
        self.doubts.increment(outcome.name());
    }
}
