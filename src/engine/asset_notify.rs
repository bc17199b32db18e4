//! Notifications of changes of assets, for waiting tasks on this node.
//!
//! A hint only: changes of other nodes do not arrive here, so every waiting task must also poll.

use tokio::sync::Notify;

use crate::domain::ids::AssetId;

const NOTIFY_SHARDS: usize = 64;

/// Wakes waiting tasks. Assets share shards, so a task may wake without a change and must read the asset again.
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

    /// Future that completes at the next change of this asset on this node. Create it before reading the asset, so that
    /// no change is missed.
    pub fn notified(&self, asset: AssetId) -> impl Future<Output = ()> + '_ {
        self.shard(asset).notified()
    }
}
