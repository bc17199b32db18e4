//! Pins: a content that is being read is not removed, however slow the reader is.
//!
//! Synchronises readers and the garbage collector: a content is either read or condemned, never both. A reader that
//! looked up a content just before it was condemned gets `None` and looks again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::model::ContentId;

#[derive(Debug, PartialEq, Eq)]
enum PinState {
    Read(usize),
    Condemned,
}

/// Readers by content, in memory only: a restart ends all reads.
#[derive(Clone, Debug, Default)]
pub(super) struct ContentPins(Arc<Mutex<HashMap<ContentId, PinState>>>);

/// Keeps the files of its content until it is dropped.
#[derive(Debug)]
pub(super) struct ContentPin {
    pins: ContentPins,
    content: ContentId,
}

impl ContentPins {
    /// Pins a content; `None` if it is being removed, so that its row was gone before this call.
    pub(super) fn pin(&self, content: ContentId) -> Option<ContentPin> {
        match self.lock().entry(content).or_insert(PinState::Read(0)) {
            PinState::Condemned => return None,
            PinState::Read(readers) => *readers += 1,
        }
        Some(ContentPin { pins: self.clone(), content })
    }

    /// Condemns a content to removal; false while it is being read.
    pub(super) fn condemn(&self, content: ContentId) -> bool {
        let mut uses = self.lock();
        if matches!(uses.get(&content), Some(PinState::Read(_))) {
            return false;
        }
        uses.insert(content, PinState::Condemned);
        true
    }

    /// Forgets a condemned content, after it was removed or its removal was put off.
    pub(super) fn forget(&self, content: ContentId) {
        self.lock().remove(&content);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ContentId, PinState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ContentPin {
    fn drop(&mut self) {
        let mut uses = self.pins.lock();
        if let Some(PinState::Read(readers)) = uses.get_mut(&self.content) {
            *readers -= 1;
            if *readers == 0 {
                uses.remove(&self.content);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_or_condemned_but_never_both() {
        let (pins, content) = (ContentPins::default(), ContentId(7));
        let (first, second) = (pins.pin(content).unwrap(), pins.pin(content).unwrap());
        drop(first);
        assert!(!pins.condemn(content));
        drop(second);
        assert!(pins.condemn(content));
        assert!(pins.pin(content).is_none());
        pins.forget(content);
        assert!(pins.pin(content).is_some());
        assert!(pins.lock().is_empty(), "nothing is left behind");
    }
}
