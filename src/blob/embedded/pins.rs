//! Pins: a content that somebody reads is not removed under the reader, however slow the reader is.
//!
//! Reader and collector meet here: a content is either read or condemned, never both. A reader that looked a
//! content up just before it was condemned is told so, and looks again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::record::ContentId;

#[derive(Debug, PartialEq, Eq)]
enum Use {
    Read(usize),
    Condemned,
}

/// Who reads what, in memory only: after a restart nobody reads anything.
#[derive(Clone, Debug, Default)]
pub(super) struct Pins(Arc<Mutex<HashMap<ContentId, Use>>>);

/// As long as it lives, the files of its content stay.
#[derive(Debug)]
pub(super) struct Pin {
    pins: Pins,
    content: ContentId,
}

impl Pins {
    /// Pins a content; `None` when it is being removed, so that its row was gone before this call.
    pub(super) fn pin(&self, content: ContentId) -> Option<Pin> {
        match self.lock().entry(content).or_insert(Use::Read(0)) {
            Use::Condemned => return None,
            Use::Read(readers) => *readers += 1,
        }
        Some(Pin { pins: self.clone(), content })
    }

    /// Claims a content for removal; false while somebody reads it.
    pub(super) fn condemn(&self, content: ContentId) -> bool {
        let mut uses = self.lock();
        if matches!(uses.get(&content), Some(Use::Read(_))) {
            return false;
        }
        uses.insert(content, Use::Condemned);
        true
    }

    /// Forgets a condemned content, once it is removed or its removal was put off.
    pub(super) fn forget(&self, content: ContentId) {
        self.lock().remove(&content);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ContentId, Use>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut uses = self.pins.lock();
        if let Some(Use::Read(readers)) = uses.get_mut(&self.content) {
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
        let (pins, content) = (Pins::default(), ContentId(7));
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
