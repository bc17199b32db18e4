//! The word that there may be new events, among those who write them and the one who waits for them.
//!
//! A hint, never the truth: it may be lost, and may be false. Must not carry what happened.

use tokio::sync::Notify;

/// Where the word goes round on this node. An adapter may carry it to other nodes and back.
#[derive(Default)]
pub(super) struct News {
    heard: Notify,
    told: Notify,
    wanted: Notify,
}

impl News {
    /// Events were written here.
    pub(super) fn tell(&self) {
        self.heard.notify_one();
        self.told.notify_one();
    }

    /// Events were written elsewhere.
    pub(super) fn hear(&self) {
        self.heard.notify_one();
    }

    /// Completes when events were written anywhere since the last time.
    pub(super) async fn heard(&self) {
        self.wanted.notify_one();
        self.heard.notified().await;
    }

    /// Completes when events were written here since the last time.
    pub(super) async fn told(&self) {
        self.told.notified().await;
    }

    /// Completes when somebody has asked to hear.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }
}
