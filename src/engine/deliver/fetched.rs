//! Assets that were fetched from a moment ago: players and parallel downloaders ask for one file in a hundred ranges.
//!
//! What this process changes is never served from memory. Where other nodes write too, nothing is remembered; what a command
//! or a worker of its own process does beside this one counts after [`STALE`]. Must not serve anything but downloads.

use std::sync::Arc;
use std::time::Duration;

use super::super::recent::Recent;
use super::super::{Engine, Error, Result};
use crate::domain::asset::Asset;
use crate::domain::ids::AssetId;

/// How long an asset is believed to be as it was.
const STALE: Duration = Duration::from_secs(1);
/// Assets that are remembered.
const MOST: u64 = 1000;

/// The assets, each as of one turn: a change makes another question of it.
pub(in crate::engine) struct Fetched(Recent<(AssetId, u64), Arc<Asset>>);

impl Default for Fetched {
    fn default() -> Self {
        Self(Recent::new(MOST, STALE))
    }
}

impl Engine {
    /// An asset as whoever fetches it has to know it; [`Error::Hidden`] without one.
    pub(super) async fn asset_to_fetch(&self, id: AssetId) -> Result<Arc<Asset>> {
        let store = &self.0.store;
        let ask = async || store.asset(id).await?.map(Arc::new).ok_or(Error::Hidden);
        match store.asset_turn(id) {
            Some(turn) => self.0.fetched.0.get(&(id, turn), store.now(), ask()).await,
            None => ask().await,
        }
    }
}
