//! The checksum that covers one append, while the bytes come: said before them, behind them, or not at all.

use super::Checksum;
use super::digest::{AppendDigest, Expected, Running};

/// The checksum of an append, as it is computed.
pub(super) struct Sum {
    expected: Option<Expected>,
    running: Option<Running>,
    /// Every algorithm, while nobody has named one.
    open: Vec<(AppendDigest, Running)>,
}

impl Sum {
    pub(super) fn new(checksum: Checksum) -> Self {
        match checksum {
            Checksum::None => Self { expected: None, running: None, open: Vec::new() },
            Checksum::Given(expected) => {
                Self { running: Some(expected.algorithm.begin()), expected: Some(expected), open: Vec::new() }
            }
            Checksum::Trailing => {
                let open = AppendDigest::ALL.into_iter().map(|algorithm| (algorithm, algorithm.begin()));
                Self { expected: None, running: None, open: open.collect() }
            }
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        let open = self.open.iter_mut().map(|(_, running)| running);
        open.chain(&mut self.running).for_each(|running| running.update(bytes));
    }

    /// A checksum that came behind the bytes. One that was announced counts, whatever else is said.
    pub(super) fn said(&mut self, expected: Expected) {
        if let Some(at) = self.open.iter().position(|(algorithm, _)| *algorithm == expected.algorithm) {
            self.running = Some(self.open.swap_remove(at).1);
            self.expected = Some(expected);
            self.open.clear();
        }
    }

    /// Whether the bytes count only if it holds.
    pub(super) fn covers(&self) -> bool {
        !self.open.is_empty() || self.expected.is_some()
    }

    pub(super) fn holds(self) -> bool {
        match (self.expected, self.running) {
            (Some(expected), Some(running)) => running.finish() == expected.value,
            // It was announced and did not come.
            _ => self.open.is_empty(),
        }
    }
}
