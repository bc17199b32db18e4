//! Part bodies in flight, by upload. Their declared lengths count towards the limit of the upload before a byte is
//! received. Otherwise a hundred parts at once would each fit alone, and all be on the disk before the first is
//! refused.
//!
//! In memory only: after a restart no body is in flight.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::{Error, Result};

/// Largest number of concurrent bodies for a part number of an upload. A client that lost its connection sends a part
/// again while the store still waits for the rest of the first attempt.
const MAX_TRIES_PER_PART: usize = 4;

/// Part number and declared length of each body, by upload id.
type AnnouncedPart = HashMap<String, Vec<(u16, u64)>>;

/// Bodies in flight of all uploads.
#[derive(Clone, Debug, Default)]
pub(super) struct PartsInFlight(Arc<Mutex<AnnouncedPart>>);

/// A body in flight; counts until it is dropped.
#[derive(Debug)]
pub(super) struct PartInFlight {
    all: PartsInFlight,
    id: String,
    part: (u16, u64),
}

impl PartsInFlight {
    /// Counts a body of `length` bytes for part `number`; [`Error::Busy`] if that number has too many bodies.
    pub(super) fn enter(&self, id: &str, number: u16, length: u64) -> Result<PartInFlight> {
        let mut all = self.lock();
        let parts = all.entry(id.to_owned()).or_default();
        if parts.iter().filter(|(other, _)| *other == number).count() >= MAX_TRIES_PER_PART {
            return Err(Error::Busy);
        }
        parts.push((number, length));
        Ok(PartInFlight { all: self.clone(), id: id.to_owned(), part: (number, length) })
    }

    fn lock(&self) -> MutexGuard<'_, AnnouncedPart> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartInFlight {
    /// Size of the upload once every body is complete, given the stored parts by number. Of several bodies for the same
    /// number the largest counts, because a single body of them is kept.
    pub(super) fn sum_with(&self, stored: impl IntoIterator<Item = (u16, u64)>) -> u64 {
        let mut largest: HashMap<u16, u64> = HashMap::new();
        for (number, length) in self.all.lock().get(&self.id).into_iter().flatten() {
            let known = largest.entry(*number).or_default();
            *known = (*known).max(*length);
        }
        let stored = stored.into_iter().filter(|(number, _)| !largest.contains_key(number)).map(|(_, size)| size);
        stored.chain(largest.values().copied()).fold(0, u64::saturating_add)
    }
}

impl Drop for PartInFlight {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        let Some(parts) = all.get_mut(&self.id) else { return };
        if let Some(at) = parts.iter().position(|part| *part == self.part) {
            parts.swap_remove(at);
        }
        if parts.is_empty() {
            all.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_count_before_they_are_there() {
        let all = PartsInFlight::default();
        let first = all.enter("u", 1, 100).unwrap();
        let other = all.enter("v", 1, 7).unwrap();
        assert_eq!((first.sum_with([]), other.sum_with([])), (100, 7));
        let second = all.enter("u", 2, 30).unwrap();
        assert_eq!(second.sum_with([(1, 50), (3, 5)]), 135, "part 1 is about to be replaced");
        let again = all.enter("u", 1, 90).unwrap();
        assert_eq!(again.sum_with([]), 130, "tries of one part count once");
        drop((first, second));
        assert_eq!(again.sum_with([(2, 30)]), 120);
        drop((again, other));
        assert!(all.lock().is_empty(), "nothing is left behind");
    }

    #[test]
    fn one_part_is_not_sent_many_times_at_once() {
        let all = PartsInFlight::default();
        let tries: Vec<_> = (0..MAX_TRIES_PER_PART).map(|_| all.enter("u", 1, 1).unwrap()).collect();
        assert!(matches!(all.enter("u", 1, 1), Err(Error::Busy)));
        assert!(all.enter("u", 2, 1).is_ok());
        drop(tries);
        assert!(all.enter("u", 1, 1).is_ok());
    }
}
