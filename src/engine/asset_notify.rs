//! Who waits for an asset on this node is woken here when it changes.
//!
//! A hint, never the truth: other nodes' changes do not arrive, so whoever waits also looks again by itself.

use tokio::sync::Notify;

use crate::domain::ids::AssetId;

const NOTIFY_SHARDS: usize = 64;

/// Wakes waiters. Assets share shards: a waiter may wake for nothing and looks before it believes.
pub struct AssetNotify {
    shards: [Notify; NOTIFY_SHARDS],
}

impl Default for AssetNotify {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Notify::new()) }
    }
}

impl AssetNotify {
    fn shard(&self, asset: AssetId) -> &Notify {
        &self.shards[usize::from(asset.0.as_bytes()[15]) % NOTIFY_SHARDS]
    }

    pub(super) fn notify(&self, asset: AssetId) {
        self.shard(asset).notify_waiters();
    }

    /// Completes at the next change of this asset on this node. Take it before looking, so that nothing is missed.
    pub fn notified(&self, asset: AssetId) -> impl Future<Output = ()> + '_ {
        self.shard(asset).notified()
    }
}
