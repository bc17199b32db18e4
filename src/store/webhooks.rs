//! The part of the port for webhooks: endpoints, and the log of deliveries.
//!
//! The dispatcher writes an endpoint's new deliveries with their jobs ([`WebhookWrite::Deliver`]) and moves the
//! endpoint's cursor ([`WebhookWrite::Move`]) in a single transaction. Any number of nodes may try: the compare-and-set
//! of the cursor lets a single node succeed.

use async_trait::async_trait;

use super::Result;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{DeliveryId, TenantId, WebhookId};
use crate::domain::job::NewJob;
use crate::domain::webhook::{Delivery, DeliveryState, Webhook, WhyDisabled};

/// Filter and page of deliveries. Newest first.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryQuery {
    /// The endpoint.
    pub webhook: WebhookId,
    /// Only deliveries in this state.
    pub state: Option<DeliveryState>,
    /// Cursor: the last delivery of the previous page. The page holds older deliveries.
    pub after: Option<DeliveryId>,
    /// Maximum number of deliveries.
    pub limit: u32,
}

/// Pending deliveries of an endpoint, counted up to a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryBacklog {
    /// Deliveries without an attempt.
    pub untried: u64,
    /// All pending deliveries.
    pub pending: u64,
}

/// Numbers of endpoints that need an operator's attention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebhookTroubles {
    /// Endpoints that were disabled because they answered 410 or failed for too long.
    pub disabled: u64,
    /// Active endpoints that have been failing since before a given time.
    pub failing: u64,
}

/// A write to webhooks.
#[derive(Clone, Debug)]
pub enum WebhookWrite {
    /// A new endpoint.
    Insert(Box<Webhook>),
    /// Replaces the endpoint if it still has revision `webhook.revision`. The cursor and `failing_since` are replaced
    /// only with `true`, for an endpoint that was disabled: for an active endpoint, dispatcher and deliveries change
    /// them.
    Update(Box<Webhook>, bool),
    /// Moves the cursor of an active endpoint to this position, if cursor and revision are still those of the value.
    Move(Box<Webhook>, i64),
    /// Sets the time since when deliveries fail, unless it is set; `None`: clears it, because a delivery succeeded.
    Note(WebhookId, Option<Timestamp>),
    /// Disables the endpoint if it is active; otherwise changes nothing.
    Disable(WebhookId, WhyDisabled, Timestamp),
    /// New deliveries, each with its job.
    Deliver(Vec<(Delivery, NewJob)>),
    /// Replaces a delivery if it is still in this state.
    Settle(Box<Delivery>, DeliveryState),
}

/// Reads and writes the rows of webhooks. Methods that write say "Writes:"; each call is a transaction.
#[async_trait]
pub trait WebhookStore: Send + Sync {
    /// An endpoint by its id; deleted endpoints are returned too.
    async fn find_webhook(&self, id: WebhookId) -> Result<Option<Webhook>>;
    /// A tenant's endpoints that are not deleted, oldest first, at most `limit`, starting after `after`.
    async fn list_webhooks(&self, tenant: TenantId, after: Option<WebhookId>, limit: u32) -> Result<Vec<Webhook>>;
    /// True if any endpoint exists, in any state.
    async fn has_webhooks(&self) -> Result<bool>;
    /// Active endpoints whose cursor is behind the end of their tenant's feed, at most `limit`, starting after `after`.
    async fn list_webhooks_behind(&self, after: Option<WebhookId>, limit: u32) -> Result<Vec<Webhook>>;
    /// Pending deliveries of an endpoint, counted up to `most`.
    async fn count_backlog(&self, id: WebhookId, most: u32) -> Result<DeliveryBacklog>;
    /// A delivery by its id.
    async fn find_delivery(&self, id: DeliveryId) -> Result<Option<Delivery>>;
    /// A page of an endpoint's deliveries.
    async fn list_deliveries(&self, query: &DeliveryQuery) -> Result<Vec<Delivery>>;
    /// Writes: gives up pending deliveries to endpoints that are not active, and deletes their jobs, at most `limit`.
    /// Test deliveries to disabled endpoints stay. Returns how many.
    async fn drop_deliveries(&self, limit: u32) -> Result<u64>;
    /// Writes: deletes deliveries that finished before `before`, all finished deliveries of deleted endpoints, and
    /// deleted endpoints without deliveries; at most `limit` deliveries of either sort. Returns how many deliveries.
    async fn forget_deliveries(&self, before: Timestamp, limit: u32) -> Result<u64>;
    /// Numbers of endpoints that need an operator's attention.
    async fn find_webhook_troubles(&self, failing_before: Timestamp) -> Result<WebhookTroubles>;
    /// Completes when there may be new events since the last call; a hint like [`super::Store::wait_for_events`], for
    /// the webhook dispatcher.
    async fn wait_for_dispatches(&self);
}
