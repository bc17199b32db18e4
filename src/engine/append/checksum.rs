//! The checksum of an append, computed while its bytes arrive. The client sends the expected value before the bytes,
//! after them (as a trailer), or not at all.

use super::AppendChecksum;
use super::digest::{AppendDigestAlgorithm, ExpectedDigest, RunningDigest};

/// Computes and verifies the checksum of an append.
pub(super) struct ChecksumVerifier {
    expected: Option<ExpectedDigest>,
    running: Option<RunningDigest>,
    /// A running digest per algorithm, while the client has not named its algorithm.
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

    /// Sets a checksum that came after the bytes. The announced algorithm decides, whatever else is sent.
    pub(super) fn set_trailing(&mut self, expected: ExpectedDigest) {
        if let Some(at) = self.candidates.iter().position(|(algorithm, _)| *algorithm == expected.algorithm) {
            self.running = Some(self.candidates.swap_remove(at).1);
            self.expected = Some(expected);
            self.candidates.clear();
        }
    }

    /// True if the bytes count only when the checksum matches.
    pub(super) fn is_required(&self) -> bool {
        !self.candidates.is_empty() || self.expected.is_some()
    }

    pub(super) fn verify(self) -> bool {
        match (self.expected, self.running) {
            (Some(expected), Some(running)) => running.finish() == expected.value,
            // The checksum was announced and did not come.
            _ => self.candidates.is_empty(),
        }
    }
}
