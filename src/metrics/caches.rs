//! Caches in memory: how often they had what was asked for.

use prometheus_client::registry::Registry;

use super::labels::PairCounter;

/// Names of the caches; these exist from the start.
const CACHES: [&str; 12] = [
    "api_keys",
    "assets",
    "grants",
    "issuer_tenants",
    "name_patterns",
    "policies",
    "policy_origins",
    "small_objects",
    "stored_objects",
    "tenants",
    "tokens",
    "uploads",
];

/// Metrics of caches.
pub struct CacheMetrics(PairCounter);

impl CacheMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        Self(PairCounter::register(
            registry,
            "cache_requests",
            "Look-ups in caches of this node, by cache and result (hit or miss)",
            ["cache", "result"],
            CACHES.into_iter().flat_map(|cache| ["hit", "miss"].map(|result| (cache, result))),
        ))
    }

    /// Look-ups since the start: name of the cache, hits, misses.
    pub fn list_lookups(&self) -> impl Iterator<Item = (&'static str, u64, u64)> {
        CACHES.into_iter().map(|cache| (cache, self.0.read(cache, "hit"), self.0.read(cache, "miss")))
    }

    /// Counts a look-up.
    pub fn record_lookup(&self, cache: &'static str, hit: bool) {
        self.0.increment(cache, if hit { "hit" } else { "miss" });
    }
}
