//! Addresses for parts, fetched just before they are needed, a few at a time.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::Mutex;

use crate::client::api::Api;
use crate::client::error::{Error, Result};
use crate::client::progress::Notices;
use crate::client::wire::{PartUrl, SignedUrl};
use crate::domain::plan::{PartNumber, PartSet};

/// The addresses of one upload.
pub(super) struct Book {
    batch: usize,
    state: Mutex<State>,
}

struct State {
    /// Parts for which no address was asked yet.
    rest: BTreeSet<PartNumber>,
    known: BTreeMap<PartNumber, SignedUrl>,
    /// Counts how often all of them were thrown away.
    edition: u64,
}

/// An address, and which edition of the book it is from.
pub(super) struct Entry {
    pub(super) target: SignedUrl,
    edition: u64,
}

impl Book {
    /// A book for these parts; some addresses may have come with the upload. `batch`: how many are fetched at once.
    pub(super) fn new(missing: &[PartNumber], first: Vec<PartUrl>, batch: usize) -> Self {
        let mut rest: BTreeSet<PartNumber> = missing.iter().copied().collect();
        let mut known = BTreeMap::new();
        for url in first {
            if let Some(part) = PartNumber::new(url.part).filter(|part| rest.remove(part)) {
                known.insert(part, url.target);
            }
        }
        Self { batch: batch.max(1), state: Mutex::new(State { rest, known, edition: 0 }) }
    }

    /// The address of a part, to be used once. Others that ask meanwhile wait for the same answer.
    pub(super) async fn take(&self, part: PartNumber, api: &Api, upload: &str, told: &dyn Notices) -> Result<Entry> {
        let mut state = self.state.lock().await;
        if !state.known.contains_key(&part) {
            let wanted = state.wanted(part, self.batch);
            for url in api.part_urls(upload, &wanted, told).await? {
                let number = PartNumber::new(url.part);
                number.map(|number| state.known.insert(number, url.target));
            }
        }
        let target = state.known.remove(&part);
        let missing = || Error::Other(format!("the server gave no address for part {part}"));
        Ok(Entry { target: target.ok_or_else(missing)?, edition: state.edition })
    }

    /// This one was no longer good, and so is none of its edition.
    pub(super) async fn expired(&self, entry: &Entry) {
        let mut state = self.state.lock().await;
        if state.edition == entry.edition {
            state.edition += 1;
            let unused = std::mem::take(&mut state.known);
            state.rest.extend(unused.into_keys());
        }
    }
}

impl State {
    /// This part and the next ones that will be asked for.
    fn wanted(&mut self, part: PartNumber, batch: usize) -> PartSet {
        self.rest.remove(&part);
        let more: Vec<PartNumber> = self.rest.iter().copied().take(batch - 1).collect();
        for number in &more {
            self.rest.remove(number);
        }
        PartSet::from_numbers(more.into_iter().chain([part]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u64) -> PartNumber {
        PartNumber::new(number).unwrap()
    }

    fn url(number: u64) -> PartUrl {
        let target = SignedUrl { url: format!("http://s/{number}"), headers: BTreeMap::new() };
        PartUrl { part: number, target }
    }

    #[tokio::test]
    async fn addresses_are_asked_for_in_batches_and_thrown_away_together() {
        let missing: Vec<PartNumber> = (1..=20).map(part).collect();
        let book = Book::new(&missing, vec![url(1), url(2), url(99)], 4);
        let mut state = book.state.lock().await;
        assert_eq!(state.known.len(), 2, "a part that is not missing needs no address");
        assert_eq!(state.wanted(part(3), 4).to_string(), "3-6");
        assert_eq!(state.wanted(part(9), 4).to_string(), "7-10");
        assert_eq!(state.wanted(part(3), 1).to_string(), "3", "a second time, for a second try");
        let target = state.known.remove(&part(1)).unwrap();
        drop(state);
        let (old, same) = (Entry { target: target.clone(), edition: 0 }, Entry { target, edition: 0 });
        book.expired(&old).await;
        assert!(book.state.lock().await.rest.contains(&part(2)));
        book.state.lock().await.known.insert(part(1), url(1).target);
        book.expired(&same).await;
        assert_eq!(book.state.lock().await.known.len(), 1, "the new edition is not thrown away by a late reader");
    }
}
