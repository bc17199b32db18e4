//! URLs for parts, requested in batches just before they are needed.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::Mutex;

use crate::client::api::ApiClient;
use crate::client::error::{Error, Result};
use crate::client::progress::RetryObserver;
use crate::client::wire::{ApiSignedUrl, PartUrl};
use crate::domain::plan::{PartNumber, PartSet};

/// The part URLs of an upload.
pub(super) struct PartUrlCache {
    batch: usize,
    state: Mutex<PartUrlState>,
}

struct PartUrlState {
    /// Parts whose URL was not requested yet.
    unrequested: BTreeSet<PartNumber>,
    known: BTreeMap<PartNumber, ApiSignedUrl>,
    /// Counts how often all URLs were discarded.
    generation: u64,
}

/// A part URL with the generation of the cache from which it came.
pub(super) struct IssuedPartUrl {
    pub(super) target: ApiSignedUrl,
    generation: u64,
}

impl PartUrlCache {
    /// A cache for these parts; `first`: URLs that came with the upload. `batch`: number of URLs per request.
    pub(super) fn new(missing: &[PartNumber], first: Vec<PartUrl>, batch: usize) -> Self {
        let mut rest: BTreeSet<PartNumber> = missing.iter().copied().collect();
        let mut known = BTreeMap::new();
        for url in first {
            if let Some(part) = PartNumber::new(url.part).filter(|part| rest.remove(part)) {
                known.insert(part, url.target);
            }
        }
        Self { batch: batch.max(1), state: Mutex::new(PartUrlState { unrequested: rest, known, generation: 0 }) }
    }

    /// The URL of a part, to be used once. Concurrent callers wait for the same request.
    pub(super) async fn take_url(
        &self,
        part: PartNumber,
        api: &ApiClient,
        upload: &str,
        told: &dyn RetryObserver,
    ) -> Result<IssuedPartUrl> {
        let mut state = self.state.lock().await;
        if !state.known.contains_key(&part) {
            let wanted = state.next_batch(part, self.batch);
            for url in api.request_part_urls(upload, &wanted, told).await? {
                let number = PartNumber::new(url.part);
                number.map(|number| state.known.insert(number, url.target));
            }
        }
        let target = state.known.remove(&part);
        let missing = || Error::Other(format!("the server returned no URL for part {part}").into());
        Ok(IssuedPartUrl { target: target.ok_or_else(missing)?, generation: state.generation })
    }

    /// Discards all URLs of this URL's generation, because it was refused.
    pub(super) async fn invalidate(&self, entry: &IssuedPartUrl) {
        let mut state = self.state.lock().await;
        if state.generation == entry.generation {
            state.generation += 1;
            let unused = std::mem::take(&mut state.known);
            state.unrequested.extend(unused.into_keys());
        }
    }
}

impl PartUrlState {
    /// The part and the parts that follow it, up to `batch`.
    fn next_batch(&mut self, part: PartNumber, batch: usize) -> PartSet {
        self.unrequested.remove(&part);
        let more: Vec<PartNumber> = self.unrequested.iter().copied().take(batch - 1).collect();
        for number in &more {
            self.unrequested.remove(number);
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
        let target = ApiSignedUrl { url: format!("http://s/{number}"), headers: BTreeMap::new() };
        PartUrl { part: number, target }
    }

    #[tokio::test]
    async fn addresses_are_asked_for_in_batches_and_thrown_away_together() {
        let missing: Vec<PartNumber> = (1..=20).map(part).collect();
        let book = PartUrlCache::new(&missing, vec![url(1), url(2), url(99)], 4);
        let mut state = book.state.lock().await;
        assert_eq!(state.known.len(), 2, "a part that is not missing needs no address");
        assert_eq!(state.next_batch(part(3), 4).to_string(), "3-6");
        assert_eq!(state.next_batch(part(9), 4).to_string(), "7-10");
        assert_eq!(state.next_batch(part(3), 1).to_string(), "3", "a second time, for a second try");
        let target = state.known.remove(&part(1)).unwrap();
        drop(state);
        let (old, same) =
            (IssuedPartUrl { target: target.clone(), generation: 0 }, IssuedPartUrl { target, generation: 0 });
        book.invalidate(&old).await;
        assert!(book.state.lock().await.unrequested.contains(&part(2)));
        book.state.lock().await.known.insert(part(1), url(1).target);
        book.invalidate(&same).await;
        assert_eq!(book.state.lock().await.known.len(), 1, "the new edition is not thrown away by a late reader");
    }
}
