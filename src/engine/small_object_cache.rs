//! Cache of small objects that were just written to the store, so that processing need not read them back.
//!
//! Only objects whose entity tag is the MD5 of their bytes, which proves that the store has the same bytes, so that
//! entries never become stale. Bounded in bytes; other objects are read from the store. Must not serve downloads.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use md5::{Digest, Md5};

use crate::metrics;

/// Largest object that is cached, in bytes.
pub(super) const MAX_OBJECT_BYTES: u64 = 64 << 10;
/// Most bytes in the cache.
const MAX_CACHE_BYTES: u64 = 8 << 20;
/// Time after which entries are dropped to free memory.
const CACHE_TTL: Duration = Duration::from_secs(30);

/// Cached objects by key.
pub(super) struct SmallObjectCache(moka::future::Cache<String, CachedObject>);

#[derive(Clone)]
struct CachedObject {
    etag: String,
    bytes: Bytes,
}

impl Default for SmallObjectCache {
    fn default() -> Self {
        let weight =
            |key: &String, object: &CachedObject| u32::try_from(key.len() + object.bytes.len()).unwrap_or(u32::MAX);
        Self(
            moka::future::Cache::builder()
                .max_capacity(MAX_CACHE_BYTES)
                .weigher(weight)
                .time_to_live(CACHE_TTL)
                .build(),
        )
    }
}

impl SmallObjectCache {
    /// Caches the bytes of an object that the store has just acknowledged with `etag`, if they are few and their MD5 is
    /// the entity tag.
    pub(super) async fn insert_if_proven(&self, key: &str, etag: &str, chunks: &[Bytes]) {
        let len: usize = chunks.iter().map(Bytes::len).sum();
        if len as u64 > MAX_OBJECT_BYTES || len == 0 {
            return;
        }
        let bytes = match chunks {
            [only] => only.clone(),
            many => many.concat().into(),
        };
        if hex::encode(Md5::digest(&bytes)) == etag {
            self.0.insert(key.to_owned(), CachedObject { etag: etag.to_owned(), bytes }).await;
        }
    }

    /// A range of the cached object, if it has this entity tag.
    pub(super) async fn get(&self, key: &str, etag: &str, range: &Range<u64>) -> Option<Bytes> {
        let object = self.0.get(key).await.filter(|object| object.etag == etag);
        metrics::caches().record_lookup("small_objects", object.is_some());
        let object = object?;
        let (from, to) = (usize::try_from(range.start).ok()?, usize::try_from(range.end).ok()?);
        (from <= to && to <= object.bytes.len()).then(|| object.bytes.slice(from..to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "5d41402abc4b2a76b9719d911017c592";

    #[tokio::test]
    async fn what_the_store_has_proven_is_at_hand() {
        let fresh = SmallObjectCache::default();
        fresh.insert_if_proven("a", HELLO, &[Bytes::from("hel"), Bytes::from("lo")]).await;
        assert_eq!(fresh.get("a", HELLO, &(1..4)).await.as_deref(), Some(&b"ell"[..]));
        assert_eq!(fresh.get("a", HELLO, &(0..5)).await.as_deref(), Some(&b"hello"[..]));
        assert!(fresh.get("a", HELLO, &(0..6)).await.is_none());
        assert!(fresh.get("a", "other", &(0..5)).await.is_none() && fresh.get("b", HELLO, &(0..5)).await.is_none());
    }

    #[tokio::test]
    async fn what_is_unproven_or_large_is_not_kept() {
        let fresh = SmallObjectCache::default();
        fresh.insert_if_proven("a", "some-etag-of-a-key-service", &[Bytes::from("hello")]).await;
        let large = Bytes::from(vec![0; MAX_OBJECT_BYTES as usize + 1]);
        let etag = hex::encode(Md5::digest(&large));
        fresh.insert_if_proven("b", &etag, &[large]).await;
        assert!(fresh.get("a", "some-etag-of-a-key-service", &(0..5)).await.is_none());
        assert!(fresh.get("b", &etag, &(0..5)).await.is_none());
    }
}
