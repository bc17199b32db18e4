//! The word that there may be new events or jobs, among those who write them and the three who wait for them:
//! whoever passes events on, the worker, and whoever dispatches events to webhooks.
//!
//! A hint, never the truth: it may be lost, and may be false. Must not carry what happened.

use tokio::sync::Notify;

/// Where the word goes round on this node. An adapter may carry it to other nodes and back.
#[derive(Default)]
pub(super) struct Notifier {
    heard: Notify,
    owed: Notify,
    dispatched: Notify,
    told: Notify,
    wanted: Notify,
}

impl Notifier {
    /// Events or jobs were written here.
    pub(super) fn tell(&self) {
        self.hear();
        self.told.notify_one();
    }

    /// Events or jobs were written elsewhere.
    pub(super) fn hear(&self) {
        self.heard.notify_one();
        self.owed.notify_one();
        self.dispatched.notify_one();
    }

    /// Completes when something was written anywhere since the last time; for whoever passes events on.
    pub(super) async fn heard(&self) {
        self.wanted.notify_one();
        self.heard.notified().await;
    }

    /// Completes when something was written anywhere since the last time; for the worker.
    pub(super) async fn wait_for_job(&self) {
        self.wanted.notify_one();
        self.owed.notified().await;
    }

    /// Completes when something was written anywhere since the last time; for whoever dispatches events.
    pub(super) async fn wait_for_dispatch(&self) {
        self.wanted.notify_one();
        self.dispatched.notified().await;
    }

    /// Completes when something was written here since the last time.
    pub(super) async fn wait_for_event(&self) {
        self.told.notified().await;
    }

    /// Completes when somebody has asked to hear.
    pub(super) async fn wait_for_follower(&self) {
        self.wanted.notified().await;
    }
}
