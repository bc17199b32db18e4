//! Cache of compiled name patterns. The pattern's text is the key, so entries never become stale. The size of the cache
//! bounds the memory that tenants can make us use.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use crate::domain::policy::NamePattern;
use crate::engine::Result;
use crate::metrics;

/// Most cached patterns; further patterns are compiled at every use.
const MAX_CACHED_PATTERNS: u64 = 256;
/// Time without use after which a pattern is dropped to free memory.
const IDLE_TTL: Duration = Duration::from_secs(600);

/// Compiled patterns by text.
pub(in crate::engine) struct RegexCache(Cache<String, Arc<NamePattern>>);

impl RegexCache {
    pub(in crate::engine) fn new() -> Self {
        Self(Cache::builder().max_capacity(MAX_CACHED_PATTERNS).time_to_idle(IDLE_TTL).build())
    }

    /// The compiled pattern, from the cache if possible.
    pub(in crate::engine) async fn get_or_compile(&self, pattern: &str) -> Result<Arc<NamePattern>> {
        metrics::caches().record_lookup("name_patterns", self.0.contains_key(pattern));
        let compile = async { NamePattern::new(pattern).map(Arc::new) };
        let compiled = self.0.try_get_with_by_ref(pattern, compile).await;
        compiled.map_err(|objection| (*objection).clone().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pattern_is_compiled_once() {
        let patterns = RegexCache::new();
        let (one, same) =
            (patterns.get_or_compile("[a-z]+").await.unwrap(), patterns.get_or_compile("[a-z]+").await.unwrap());
        assert!(Arc::ptr_eq(&one, &same));
        assert!(!Arc::ptr_eq(&one, &patterns.get_or_compile("[0-9]+").await.unwrap()));
        assert!(patterns.get_or_compile("(a{1000}){1000}").await.is_err());
    }
}
