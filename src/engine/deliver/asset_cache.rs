//! Assets that were fetched from a moment ago: players and parallel downloaders ask for one file in a hundred ranges.
//!
//! What this process changes is never served from memory. Where other nodes write too, nothing is remembered; what a command
//! or a worker of its own process does beside this one counts after [`CACHED_ASSET_TTL`]. Must not serve anything but downloads.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::asset::Asset;
use crate::domain::ids::AssetId;
use crate::engine::ttl_cache::TtlCache;
use crate::engine::{Engine, Error, Result};

/// How long an asset is believed to be as it was.
const CACHED_ASSET_TTL: Duration = Duration::from_secs(1);
/// Assets that are remembered.
const MAX_CACHED_ASSETS: u64 = 1000;

/// The assets, each as of one turn: a change makes another question of it.
pub(in crate::engine) struct AssetCache(TtlCache<(AssetId, u64), Arc<Asset>>);

impl Default for AssetCache {
    fn default() -> Self {
        Self(TtlCache::new(MAX_CACHED_ASSETS, CACHED_ASSET_TTL))
    }
}

impl Engine {
    /// An asset as whoever fetches it has to know it; [`Error::NotFound`] without one.
    pub(super) async fn asset_to_fetch(&self, id: AssetId) -> Result<Arc<Asset>> {
        let store = &self.0.store;
        let ask = async || store.find_asset(id).await?.map(Arc::new).ok_or(Error::NotFound);
        match store.asset_generation(id) {
            Some(turn) => self.0.asset_cache.0.get(&(id, turn), store.now(), ask()).await,
            None => ask().await,
        }
    }
}
