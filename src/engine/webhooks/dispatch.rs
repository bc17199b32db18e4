//! From the feed to deliveries, on any number of nodes at once: the deliveries and the endpoint's cursor move in the
//! same transaction, so only a single node succeeds.

use super::WebhookEngine;
use crate::domain::event::FeedEvent;
use crate::domain::ids::{DeliveryId, JobId};
use crate::domain::job::{JobSubject, NewJob, Priority};
use crate::domain::webhook::{Delivery, Webhook};
use crate::engine::Result;
use crate::store::{Tx, WebhookWrite};

/// Events per transaction.
const EVENTS_PER_DISPATCH: u32 = 100;
/// Endpoints per portion.
const ENDPOINTS_PER_DISPATCH: u32 = 100;
/// Most deliveries of an endpoint without a first attempt. While the limit is reached, events stay in the feed.
const MAX_UNTRIED_DELIVERIES: u64 = 500;
/// Most pending deliveries of an endpoint.
pub(super) const MAX_PENDING_DELIVERIES: u32 = 100_000;
/// Deliveries of deleted endpoints that are given up per run.
const MAX_DROPPED_DELIVERIES: u32 = 1000;

impl WebhookEngine {
    /// Makes deliveries of new events for every endpoint that is behind. Returns the number of endpoints that have
    /// progressed; until it is 0, there may be more. `None` if there are no endpoints at all, so that dispatching is
    /// not needed at every event.
    #[tracing::instrument(skip_all)]
    pub async fn dispatch(&self) -> Result<Option<u64>> {
        if !self.store.has_webhooks().await? {
            return Ok(None);
        }
        let mut moved = u64::from(self.store.drop_deliveries(MAX_DROPPED_DELIVERIES).await? > 0);
        self.events.number_events().await?;
        let mut after = None;
        loop {
            let behind = self.store.list_webhooks_behind(after, ENDPOINTS_PER_DISPATCH).await?;
            for webhook in &behind {
                moved += u64::from(self.dispatch_to(webhook).await?);
            }
            match behind.last() {
                Some(last) if behind.len() == ENDPOINTS_PER_DISPATCH as usize => after = Some(last.id),
                _ => return Ok(Some(moved)),
            }
        }
    }

    /// `false` if the endpoint has too many deliveries, or another node was first.
    async fn dispatch_to(&self, webhook: &Webhook) -> Result<bool> {
        let backlog = self.store.count_backlog(webhook.id, MAX_PENDING_DELIVERIES).await?;
        if backlog.untried >= MAX_UNTRIED_DELIVERIES || backlog.pending >= u64::from(MAX_PENDING_DELIVERIES) {
            return Ok(false);
        }
        let events = self.store.read_feed(webhook.tenant, None, webhook.cursor, EVENTS_PER_DISPATCH).await?;
        let Some(last) = events.last().map(|event| event.id) else { return Ok(false) };
        let wanted = events.into_iter().filter(|event| webhook.events.wants(&event.event.kind));
        let deliveries: Vec<_> = wanted.map(|event| self.owed(self.delivery_of(webhook, event))).collect();
        let mut tx = Tx::new().with(WebhookWrite::Move(Box::new(webhook.clone()), last));
        if !deliveries.is_empty() {
            tx = tx.with(WebhookWrite::Deliver(deliveries));
        }
        self.rows.commit_if_unchanged(tx).await
    }

    pub(super) fn delivery_of(&self, webhook: &Webhook, event: FeedEvent) -> Delivery {
        let id = DeliveryId(self.rows.new_id());
        Delivery::new(id, (webhook.id, webhook.tenant), event, self.store.now())
    }

    /// A delivery that is due now, with its job.
    pub(super) fn owed(&self, delivery: Delivery) -> (Delivery, NewJob) {
        let priority = match (delivery.is_test(), delivery.replay) {
            (true, _) => Priority::High,
            (false, false) => Priority::Normal,
            (false, true) => Priority::Low,
        };
        let (work, run_at) = (JobSubject::Deliver(delivery.id), self.store.now());
        let (id, traceparent) = (JobId(self.rows.new_id()), delivery.event.traceparent.clone());
        let job = NewJob { id, work, tenant: delivery.tenant, priority, run_at, traceparent };
        (delivery, job)
    }
}
