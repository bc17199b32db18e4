//! Wake-ups when there may be new events or jobs. Three tasks wait for them: the feed's reader, the worker, and the
//! webhook dispatcher.
//!
//! A wake-up is a hint: it may be lost, and it may be spurious. It must not carry data.

use tokio::sync::Notify;

/// Wake-ups within this node. An adapter may forward them to other nodes and back.
#[derive(Default)]
pub(super) struct Notifier {
    heard: Notify,
    owed: Notify,
    dispatched: Notify,
    told: Notify,
    wanted: Notify,
}

impl Notifier {
    /// Reports that this node has written events or jobs.
    pub(super) fn tell(&self) {
        self.hear();
        self.told.notify_one();
    }

    /// Reports that another node has written events or jobs.
    pub(super) fn hear(&self) {
        self.heard.notify_one();
        self.owed.notify_one();
        self.dispatched.notify_one();
    }

    /// Completes when any node has written since the last call; for the reader of the feed.
    pub(super) async fn heard(&self) {
        self.wanted.notify_one();
        self.heard.notified().await;
    }

    /// Completes when any node has written since the last call; for the worker.
    pub(super) async fn wait_for_job(&self) {
        self.wanted.notify_one();
        self.owed.notified().await;
    }

    /// Completes when any node has written since the last call; for the webhook dispatcher.
    pub(super) async fn wait_for_dispatch(&self) {
        self.wanted.notify_one();
        self.dispatched.notified().await;
    }

    /// Completes when this node has written since the last call.
    pub(super) async fn wait_for_event(&self) {
        self.told.notified().await;
    }

    /// Completes when a task of this node has begun to wait.
    pub(super) async fn wait_for_follower(&self) {
        self.wanted.notified().await;
    }
}
