//! Requests of this service to the object store, and URLs for those of clients. Bytes that an embedded store reads in this process are no requests.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::buckets::request_histogram;
use super::labels::{LabelledHistogram, PairCounter, counter};

/// S3 operations that this service uses; these exist from the start.
const OPERATIONS: [&str; 12] = [
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CreateMultipartUpload",
    "DeleteObject",
    "GetObject",
    "HeadBucket",
    "HeadObject",
    "ListMultipartUploads",
    "ListObjectsV2",
    "ListParts",
    "PutObject",
    "UploadPart",
];

/// Outcome of a request to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum S3Outcome {
    /// 2xx.
    Succeeded,
    /// 404.
    NotFound,
    /// 409 or 412: a condition was not met.
    Precondition,
    /// 401 or 403.
    Denied,
    /// Any other 4xx.
    Refused,
    /// 429 or 503: the store asks to slow down.
    Throttled,
    /// Any other 5xx.
    ServerError,
    /// No answer in time.
    Timeout,
    /// No connection, or a connection that broke.
    Connection,
}

impl S3Outcome {
    /// All outcomes.
    pub const ALL: [Self; 9] = [
        Self::Succeeded,
        Self::NotFound,
        Self::Precondition,
        Self::Denied,
        Self::Refused,
        Self::Throttled,
        Self::ServerError,
        Self::Timeout,
        Self::Connection,
    ];
    /// Outcomes after which a request is sent again.
    const RETRIED: [Self; 4] = [Self::Throttled, Self::ServerError, Self::Timeout, Self::Connection];

    /// The outcome for the status of an answer.
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        match status {
            200..=399 => Self::Succeeded,
            401 | 403 => Self::Denied,
            404 => Self::NotFound,
            409 | 412 => Self::Precondition,
            429 | 503 => Self::Throttled,
            400..=499 => Self::Refused,
            _ => Self::ServerError,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "ok",
            Self::NotFound => "not_found",
            Self::Precondition => "precondition",
            Self::Denied => "denied",
            Self::Refused => "refused",
            Self::Throttled => "throttled",
            Self::ServerError => "server_error",
            Self::Timeout => "timeout",
            Self::Connection => "connection",
        }
    }
}

/// Metrics of the object store.
pub struct BlobMetrics {
    requests: PairCounter,
    seconds: LabelledHistogram,
    retries: PairCounter,
    presigned: Counter,
    refreshed: Counter,
}

impl BlobMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let pairs = |outcomes: &'static [S3Outcome]| {
            OPERATIONS.into_iter().flat_map(move |op| outcomes.iter().map(move |outcome| (op, outcome.name())))
        };
        Self {
            requests: PairCounter::register(
                registry,
                "s3_requests",
                "Requests of this node to the object store, by S3 operation and outcome; a request that was sent again \
                 counts once, with its last outcome",
                ["op", "outcome"],
                pairs(&S3Outcome::ALL),
            ),
            seconds: LabelledHistogram::register(
                registry,
                "s3_request",
                "Time until the object store answered, with retries, by S3 operation; of reads until the first byte",
                "op",
                OPERATIONS,
                request_histogram,
            ),
            retries: PairCounter::register(
                registry,
                "s3_retries",
                "Requests to the object store that were sent again, by S3 operation and reason",
                ["op", "reason"],
                pairs(&S3Outcome::RETRIED),
            ),
            presigned: counter(registry, "presign", "URLs that were signed for requests of clients to the store"),
            refreshed: counter(
                registry,
                "presign_refresh",
                "Requests for URLs of an open upload after those of its creation: the next parts, or expired URLs anew",
            ),
        }
    }

    /// Counts a request at its end. `op`: the name of the S3 operation.
    pub fn record_request(&self, op: &str, outcome: S3Outcome, took: Duration) {
        let op = known_operation(op);
        self.requests.increment(op, outcome.name());
        self.seconds.observe(op, took);
    }

    /// Counts a request that is sent again.
    pub fn record_retry(&self, op: &str, reason: S3Outcome) {
        self.retries.increment(known_operation(op), reason.name());
    }

    /// Counts a URL that was signed.
    pub fn record_presigned(&self) {
        self.presigned.inc();
    }

    /// Counts a request for further URLs.
    pub fn record_presign_refresh(&self) {
        self.refreshed.inc();
    }
}

/// The name as a label; operations that the service does not use share a label.
fn known_operation(op: &str) -> &'static str {
    OPERATIONS.into_iter().find(|known| *known == op).unwrap_or("other")
}
