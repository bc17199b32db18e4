//! Cache of assets that were downloaded a moment ago: players and parallel downloaders read a file in hundreds of
//! ranges.
//!
//! Changes by this process invalidate the cache at once. Where other nodes write too, nothing is cached. Changes by the
//! command line, or by a worker that runs as a separate process, are seen after [`CACHED_ASSET_TTL`]. Must not serve
//! anything but downloads.

use std::sync::Arc;
use std::time::Duration;

use super::DeliveryEngine;
use crate::domain::asset::Asset;
use crate::domain::ids::AssetId;
use crate::engine::ttl_cache::TtlCache;
use crate::engine::{Error, Result};

/// Longest age of a cached asset.
const CACHED_ASSET_TTL: Duration = Duration::from_secs(1);
/// Most cached assets.
const MAX_CACHED_ASSETS: u64 = 1000;

/// Cached assets by id and generation: a change of an asset starts a new generation.
pub(in crate::engine) struct AssetCache(TtlCache<(AssetId, u64), Arc<Asset>>);

impl Default for AssetCache {
    fn default() -> Self {
        Self(TtlCache::new(MAX_CACHED_ASSETS, CACHED_ASSET_TTL).with_name("assets"))
    }
}

impl DeliveryEngine {
    /// Reads an asset for a download, from the cache if allowed. [`Error::NotFound`] if there is no such asset.
    pub(super) async fn asset_to_fetch(&self, id: AssetId) -> Result<Arc<Asset>> {
        let store = &self.store;
        let ask = async || store.find_asset(id).await?.map(Arc::new).ok_or(Error::NotFound);
        match store.asset_generation(id) {
            Some(turn) => self.asset_cache.0.get(&(id, turn), store.now(), ask()).await,
            None => ask().await,
        }
    }
}
