//! Cache with a longest age: requests for the same key within that time get the same value, and concurrent requests
//! share a single fetch. Errors are not cached, but concurrent requests share them.
//!
//! The age counts from the start of the fetch, so a value includes every change made before that. It is measured by the
//! injected clock, which is the argument `now`: whatever becomes stale or is forgotten in the engine uses this cache.
//! Caches whose values never become stale use moka alone.

use std::hash::Hash;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moka::future::Cache;
use moka::ops::compute::Op;

use crate::domain::clock::{Timestamp, after};
use crate::engine::Result;
use crate::metrics;

/// Delay before a refresh, so that concurrent refreshes of a key share a single fetch.
const REFRESH_DELAY: Duration = Duration::from_millis(100);
/// Time beyond the longest age after which entries are dropped to free memory.
const FREE_DELAY: Duration = Duration::from_secs(60);

/// Origin of [`FORGOTTEN_MICROS`].
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);
/// Microseconds from [`EPOCH`] to the latest [`forget_all`]. Process-wide, as caches are only copies of rows.
static FORGOTTEN_MICROS: AtomicU64 = AtomicU64::new(0);

fn micros_since_epoch(at: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(*EPOCH).as_micros()).unwrap_or(u64::MAX)
}

/// Makes every cached value of this process stale: what is asked for next is fetched anew.
pub(super) fn forget_all() {
    FORGOTTEN_MICROS.store(micros_since_epoch(Instant::now()) + 1, Ordering::Release);
}

/// Cached values by key.
pub(super) struct TtlCache<K, V> {
    /// Name in metrics; `None`: not looked up by requests for a value.
    name: Option<&'static str>,
    entries: Cache<K, DatedEntry<V>>,
    /// Longest age of a value.
    max_age: Duration,
}

#[derive(Clone)]
struct DatedEntry<V> {
    value: Result<V>,
    /// Start of the fetch, by the clock that expiry is checked with.
    fetched_at: Timestamp,
    /// Start of the fetch, by the monotonic clock.
    fetched_instant: Instant,
}

impl<V> DatedEntry<V> {
    fn is_recent(&self, now: Timestamp, stale: Duration) -> bool {
        let forgotten = micros_since_epoch(self.fetched_instant) < FORGOTTEN_MICROS.load(Ordering::Acquire);
        self.value.is_ok() && !forgotten && self.fetched_at <= now && now < after(self.fetched_at, stale)
    }
}

impl<K, V> TtlCache<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// A cache for at most `most` values, none of them older than `stale`; frequently used values stay.
    pub(super) fn new(most: u64, stale: Duration) -> Self {
        let entries = Cache::builder().max_capacity(most).time_to_live(stale.saturating_add(FREE_DELAY)).build();
        Self { name: None, entries, max_age: stale }
    }

    /// Counts look-ups under this name in metrics.
    pub(super) fn with_name(self, name: &'static str) -> Self {
        Self { name: Some(name), ..self }
    }

    /// The value of `key`: cached if recent, else the result of `ask`.
    pub(super) async fn get(&self, key: &K, now: Timestamp, ask: impl Future<Output = Result<V>>) -> Result<V> {
        let cached = self.peek(key, now).await;
        if let Some(name) = self.name {
            metrics::caches().record_lookup(name, cached.is_some());
        }
        if let Some(dated) = cached {
            return dated.value;
        }
        // The fetch is rare and its future is large: boxed, so that not every request reserves the memory.
        Box::pin(self.get_or_fetch(key, now, ask, |dated| dated.is_recent(now, self.max_age))).await
    }

    /// A value whose fetch begins after this call. Concurrent calls wait and share a fetch.
    pub(super) async fn refresh(&self, key: &K, now: Timestamp, ask: impl Future<Output = Result<V>>) -> Result<V> {
        let came = Instant::now();
        tokio::time::sleep(REFRESH_DELAY).await;
        Box::pin(self.get_or_fetch(key, now, ask, |dated| dated.value.is_ok() && dated.fetched_instant > came)).await
    }

    /// True if `key` has a recent value.
    pub(super) async fn contains(&self, key: &K, now: Timestamp) -> bool {
        self.peek(key, now).await.is_some()
    }

    /// Caches a value as of `now`.
    pub(super) async fn insert(&self, key: K, now: Timestamp, value: V) {
        let dated = DatedEntry { value: Ok(value), fetched_at: now, fetched_instant: Instant::now() };
        self.entries.insert(key, dated).await;
    }

    /// Caches a value as of `now` unless `key` has a recent one. True for the single caller that cached its value.
    pub(super) async fn insert_if_absent(&self, key: &K, now: Timestamp, value: V) -> bool {
        if self.contains(key, now).await {
            return false;
        }
        let dated = async { DatedEntry { value: Ok(value), fetched_at: now, fetched_instant: Instant::now() } };
        let is_stale = |dated: &DatedEntry<V>| !dated.is_recent(now, self.max_age);
        self.entries.entry(key.clone()).or_insert_with_if(dated, is_stale).await.is_fresh()
    }

    /// Replaces the cached value of `key` by a value as of `now` if `is_older` holds for the cached one. Nothing is
    /// cached for a key that has no value.
    pub(super) async fn replace(&self, key: &K, now: Timestamp, value: V, is_older: impl Fn(&V) -> bool) {
        if !self.entries.contains_key(key) {
            return;
        }
        let dated = DatedEntry { value: Ok(value), fetched_at: now, fetched_instant: Instant::now() };
        let replacing = |cached: Option<moka::Entry<K, DatedEntry<V>>>| {
            let older = cached.is_some_and(|cached| cached.value().value.as_ref().is_ok_and(&is_older));
            std::future::ready(if older { Op::Put(dated) } else { Op::Nop })
        };
        Box::pin(self.entries.entry_by_ref(key).and_compute_with(replacing)).await;
    }

    /// Drops the value of `key`, so that the next request fetches it.
    pub(super) async fn invalidate(&self, key: &K) {
        self.entries.invalidate(key).await;
    }

    async fn peek(&self, key: &K, now: Timestamp) -> Option<DatedEntry<V>> {
        self.entries.get(key).await.filter(|dated| dated.is_recent(now, self.max_age))
    }

    async fn get_or_fetch(
        &self,
        key: &K,
        at: Timestamp,
        ask: impl Future<Output = Result<V>>,
        will_do: impl Fn(&DatedEntry<V>) -> bool + Send + Sync,
    ) -> Result<V> {
        let asking = async {
            let asked = Instant::now();
            DatedEntry { value: ask.await, fetched_at: at, fetched_instant: asked }
        };
        self.entries.entry(key.clone()).or_insert_with_if(asking, |dated| !will_do(dated)).await.into_value().value
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::domain::clock::{Clock, ManualClock, micros};
    use crate::engine::Error;

    const STALE: Duration = Duration::from_secs(4);

    struct Asked(AtomicU32);

    impl Asked {
        async fn ask(&self) -> Result<u32> {
            tokio::task::yield_now().await;
            Ok(self.0.fetch_add(1, Ordering::SeqCst) + 1)
        }
    }

    #[tokio::test]
    async fn an_answer_is_kept_for_its_time_and_no_longer() {
        let (recent, asked, clock) = (TtlCache::new(10, STALE), Asked(AtomicU32::new(0)), ManualClock::at(micros(0)));
        let get = async || recent.get(&"k", clock.now(), asked.ask()).await.unwrap();
        assert_eq!(get().await, 1);
        clock.advance(Duration::from_millis(3999));
        assert_eq!(get().await, 1);
        clock.advance(Duration::from_millis(1));
        assert_eq!(get().await, 2);
        recent.invalidate(&"k").await;
        assert_eq!(get().await, 3);
        assert_eq!(recent.refresh(&"k", clock.now(), asked.ask()).await.unwrap(), 4);
        // The clock was set back: a fetch lies in the future.
        assert_eq!(recent.get(&"k", micros(-1), asked.ask()).await.unwrap(), 5);
    }

    #[tokio::test]
    async fn a_thousand_who_ask_at_once_ask_once_and_so_do_those_who_need_it_newer() {
        let (recent, asked, now) = (TtlCache::new(10, STALE), Asked(AtomicU32::new(0)), micros(0));
        let all = (0..1000).map(|_| recent.get(&"k", now, asked.ask()));
        assert!(futures_util::future::join_all(all).await.into_iter().all(|answer| answer.unwrap() == 1));
        let all = (0..1000).map(|_| recent.refresh(&"k", now, asked.ask()));
        assert!(futures_util::future::join_all(all).await.into_iter().all(|answer| answer.unwrap() == 2));
    }

    #[tokio::test]
    async fn a_mark_is_made_once_within_its_time() {
        let (marks, clock) = (TtlCache::new(10, STALE), ManualClock::at(micros(0)));
        let mark = async || marks.insert_if_absent(&"k", clock.now(), ()).await;
        let all = futures_util::future::join_all((0..100).map(|_| mark())).await;
        assert_eq!(all.into_iter().filter(|made| *made).count(), 1);
        clock.advance(STALE - Duration::from_micros(1));
        assert!(!mark().await && marks.contains(&"k", clock.now()).await);
        clock.advance(Duration::from_micros(1));
        assert!(!marks.contains(&"k", clock.now()).await);
        assert!(mark().await && !mark().await);
        clock.advance(STALE / 2);
        marks.insert("k", clock.now(), ()).await;
        clock.advance(STALE / 2);
        assert!(marks.contains(&"k", clock.now()).await, "its age counts from the last insertion");
    }

    #[tokio::test]
    async fn a_value_is_replaced_by_newer_ones_alone() {
        let (recent, now) = (TtlCache::new(10, STALE), micros(0));
        let replace = async |value: u32| recent.replace(&"k", now, value, |cached| *cached < value).await;
        replace(1).await;
        assert!(!recent.contains(&"k", now).await, "only a cached value is replaced");
        recent.insert("k", now, 5).await;
        replace(7).await;
        replace(6).await;
        assert_eq!(recent.get(&"k", now, async { Err(Error::busy("away")) }).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn failures_are_not_kept() {
        let (recent, now) = (TtlCache::new(10, STALE), micros(0));
        let failed: Result<u32> = recent.get(&"k", now, async { Err(Error::busy("away")) }).await;
        assert!(failed.is_err());
        assert_eq!(recent.get(&"k", now, async { Ok(7) }).await.unwrap(), 7);
    }
}
