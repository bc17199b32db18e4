//! The checksum that covers one append, while the bytes come: said before them, behind them, or not at all.

use super::AppendChecksum;
use super::digest::{AppendDigestAlgorithm, ExpectedDigest, RunningDigest};

/// The checksum of an append, as it is computed.
pub(super) struct ChecksumVerifier {
    expected: Option<ExpectedDigest>,
    running: Option<RunningDigest>,
    /// Every algorithm, while nobody has named one.
    candidates: Vec<(AppendDigestAlgorithm, RunningDigest)>,
}

impl ChecksumVerifier {
    pub(super) fn new(checksum: AppendChecksum) -> Self {
        match checksum {
            AppendChecksum::None => Self { expected: None, running: None, candidates: Vec::new() },
            AppendChecksum::Given(expected) => Self {
                running: Some(expected.algorithm.new_digest()),
                expected: Some(expected),
                candidates: Vec::new(),
            },
            AppendChecksum::Trailing => {
                let open = AppendDigestAlgorithm::ALL.into_iter().map(|algorithm| (algorithm, algorithm.new_digest()));
                Self { expected: None, running: None, candidates: open.collect() }
            }
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        let open = self.candidates.iter_mut().map(|(_, running)| running);
        open.chain(&mut self.running).for_each(|running| running.update(bytes));
    }

    /// A checksum that came behind the bytes. One that was announced counts, whatever else is said.
    pub(super) fn set_trailing(&mut self, expected: ExpectedDigest) {
        if let Some(at) = self.candidates.iter().position(|(algorithm, _)| *algorithm == expected.algorithm) {
            self.running = Some(self.candidates.swap_remove(at).1);
            self.expected = Some(expected);
            self.candidates.clear();
        }
    }

    /// Whether the bytes count only if it holds.
    pub(super) fn is_required(&self) -> bool {
        !self.candidates.is_empty() || self.expected.is_some()
    }

    pub(super) fn verify(self) -> bool {
        match (self.expected, self.running) {
            (Some(expected), Some(running)) => running.finish() == expected.value,
            // It was announced and did not come.
            _ => self.candidates.is_empty(),
        }
    }
}
