//! Assets that were fetched from a moment ago: players and parallel downloaders ask for one file in a hundred ranges.
//!
//! What this process changes is never served from memory. Where other nodes write too, nothing is remembered; what a command
//! or a worker of its own process does beside this one counts after [`STALE`]. Must not serve anything but downloads.

use std::sync::Arc;
use std::time::Duration;

use super::super::{Engine, Result};
use crate::domain::asset::Asset;
use crate::domain::clock::{Timestamp, after};
use crate::domain::ids::AssetId;

/// How long an asset is believed to be as it was.
const STALE: Duration = Duration::from_secs(1);
/// Assets that are remembered.
const MOST: u64 = 1000;

/// The assets.
pub(in crate::engine) struct Fetched(moka::future::Cache<AssetId, Seen>);

#[derive(Clone)]
struct Seen {
    asset: Arc<Asset>,
    turn: u64,
    at: Timestamp,
}

impl Default for Fetched {
    fn default() -> Self {
        Self(moka::future::Cache::builder().max_capacity(MOST).time_to_live(STALE * 2).build())
    }
}

impl Engine {
    /// An asset as whoever fetches it has to know it.
    pub(super) async fn asset_to_fetch(&self, id: AssetId) -> Result<Option<Arc<Asset>>> {
        let store = &self.0.store;
        let Some(turn) = store.asset_turn(id) else { return Ok(store.asset(id).await?.map(Arc::new)) };
        let now = store.now();
        let good = |seen: &Seen| seen.turn == turn && seen.at <= now && now < after(seen.at, STALE);
        if let Some(seen) = self.0.fetched.0.get(&id).await.filter(good) {
            return Ok(Some(seen.asset));
        }
        let Some(asset) = store.asset(id).await?.map(Arc::new) else { return Ok(None) };
        self.0.fetched.0.insert(id, Seen { asset: Arc::clone(&asset), turn, at: now }).await;
        Ok(Some(asset))
    }
}
