//! The part of the port that is about webhooks: endpoints, and the log of deliveries.
//!
//! Reading a portion of the feed for an endpoint, writing its deliveries with their jobs and moving the endpoint's cursor
//! is one transaction ([`WebhookWrite::Dispatch`]); any number of nodes may try, and one of them succeeds.

use async_trait::async_trait;

use super::Result;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{DeliveryId, TenantId, WebhookId};
use crate::domain::job::NewJob;
use crate::domain::webhook::{Delivery, DeliveryState, Webhook, WhyDisabled};

/// Which deliveries to list. Newest first.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryQuery {
    /// To this endpoint.
    pub webhook: WebhookId,
    /// In this state only.
    pub state: Option<DeliveryState>,
    /// Older than this one: the last delivery of the page before.
    pub after: Option<DeliveryId>,
    /// At most this many.
    pub limit: u32,
}

/// What waits for one endpoint, counted up to a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryBacklog {
    /// Not tried yet.
    pub untried: u64,
    /// All that are pending.
    pub pending: u64,
}

/// What an operator should look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebhookTroubles {
    /// Endpoints that were disabled because they answered 410 or failed for too long.
    pub disabled: u64,
    /// Active endpoints that have failed since before a time.
    pub failing: u64,
}

/// A write about webhooks.
#[derive(Clone, Debug)]
pub enum WebhookWrite {
    /// A new endpoint.
    Insert(Box<Webhook>),
    /// Replaces the endpoint that still has revision `webhook.revision`, but for its cursor and what is noted of failures;
    /// with `true` these, too: it was disabled, and nobody moves them meanwhile.
    Update(Box<Webhook>, bool),
    /// Moves an active endpoint's cursor that is still where the value says, at the value's revision, to this place.
    Move(Box<Webhook>, i64),
    /// Notes that everything fails since then, unless it did already; `None`: that something arrived.
    Note(WebhookId, Option<Timestamp>),
    /// Disables an active endpoint; another one stays as it is.
    Disable(WebhookId, WhyDisabled, Timestamp),
    /// New deliveries, each with the job that owes it.
    Deliver(Vec<(Delivery, NewJob)>),
    /// Replaces a delivery that is in this state still.
    Settle(Box<Delivery>, DeliveryState),
}

/// Rows about webhooks. Methods that write say so; each is one transaction.
#[async_trait]
pub trait WebhookStore: Send + Sync {
    /// An endpoint, deleted ones included.
    async fn find_webhook(&self, id: WebhookId) -> Result<Option<Webhook>>;
    /// A tenant's endpoints that are not deleted, oldest first, at most `limit` after `after`.
    async fn list_webhooks(&self, tenant: TenantId, after: Option<WebhookId>, limit: u32) -> Result<Vec<Webhook>>;
    /// Whether there is an endpoint, in whatever state.
    async fn has_webhooks(&self) -> Result<bool>;
    /// Active endpoints that have not been told of everything that has a place, at most `limit` after `after`.
    async fn list_webhooks_behind(&self, after: Option<WebhookId>, limit: u32) -> Result<Vec<Webhook>>;
    /// What waits for an endpoint, counted up to `most`.
    async fn count_backlog(&self, id: WebhookId, most: u32) -> Result<DeliveryBacklog>;
    /// A delivery.
    async fn find_delivery(&self, id: DeliveryId) -> Result<Option<Delivery>>;
    /// A page of an endpoint's deliveries.
    async fn list_deliveries(&self, query: &DeliveryQuery) -> Result<Vec<Delivery>>;
    /// Writes: gives up, with their jobs, what is pending for endpoints that are not active, tests aside, at most `limit`; how
    /// many.
    async fn drop_deliveries(&self, limit: u32) -> Result<u64>;
    /// Writes: forgets deliveries that were over before `before`, all of deleted endpoints, and these; at most `limit` of
    /// each; how many.
    async fn forget_deliveries(&self, before: Timestamp, limit: u32) -> Result<u64>;
    /// What an operator should look at.
    async fn find_webhook_troubles(&self, failing_before: Timestamp) -> Result<WebhookTroubles>;
    /// Completes when there may be new events since the last time; as [`super::Store::wait_for_events`], for whoever dispatches them.
    async fn wait_for_dispatches(&self);
}
