//! Downloads: the answers, the ranges and the bytes.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::labels::counter;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DownloadLabels {
    mode: &'static str,
    status: u16,
}

/// Modes with the statuses of their answers; these exist from the start.
const KNOWN_ANSWERS: [(&str, u16); 9] = [
    ("redirect", 302),
    ("stream", 200),
    ("stream", 206),
    ("stream", 304),
    ("stream", 412),
    ("stream", 416),
    ("accel", 200),
    ("sendfile", 200),
    ("cdn", 302),
];

/// Metrics of downloads.
pub struct DownloadMetrics {
    answers: Family<DownloadLabels, Counter>,
    ranges: Counter,
    bytes: Counter,
}

impl DownloadMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let answers = Family::<DownloadLabels, Counter>::default();
        for (mode, status) in KNOWN_ANSWERS {
            drop(answers.get_or_create(&DownloadLabels { mode, status }));
        }
        let about = "Answers to permitted GET requests for files, by the way in which the bytes go and by status; HEAD is \
                     not counted";
        registry.register("downloads", about, answers.clone());
        Self {
            answers,
            ranges: counter(registry, "range_requests", "Permitted GET requests for ranges of files"),
            bytes: counter(
                registry,
                "download_bytes",
                "Bytes of files that this node has handed to connections; bytes that a store, a proxy or a network \
                 delivers are not among them",
            ),
        }
    }

    /// Counts an answer. `mode`: the name of the delivery mode that was used.
    pub fn record_answer(&self, mode: &'static str, status: u16) {
        self.answers.get_or_create(&DownloadLabels { mode, status }).inc();
    }

    /// Counts a request for a range.
    pub fn record_range(&self) {
        self.ranges.inc();
    }

    /// Counts bytes on their way to a connection.
    pub fn record_bytes(&self, bytes: u64) {
        self.bytes.inc_by(bytes);
    }
}
