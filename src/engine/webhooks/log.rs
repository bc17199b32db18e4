//! The log of an endpoint's deliveries, replays of a delivery or of a period, and tests.
//!
//! A replay has the `webhook-id` of the first delivery, so receivers that keep ids can recognise it.

use std::time::Duration;

use super::WebhookEngine;
use super::dispatch::MAX_PENDING_DELIVERIES;
use crate::domain::access::Actor;
use crate::domain::clock::{Timestamp, after, before};
use crate::domain::event::FeedEvent;
use crate::domain::ids::{DeliveryId, TenantId, WebhookId};
use crate::domain::webhook::{Delivery, DeliveryState, EventFilter, Webhook, WebhookState};
use crate::engine::limits::check_page_limit;
use crate::engine::{Error, Result};
use crate::store::{DeliveryQuery, NewRow, Tx, WebhookWrite};

/// Events that a replay reads and writes per transaction.
const REPLAY_PAGE_EVENTS: u32 = 500;
/// Most deliveries per replay request, and below, most events that it reads.
const MAX_REPLAYED_DELIVERIES: u32 = 10_000;
const MAX_EVENTS_READ: u32 = 100_000;
/// Largest difference between the feed's order and the order of time: longer than any transaction takes.
const REPLAY_CLOCK_SLACK: Duration = Duration::from_secs(120);
/// Interval at which the result of a test is polled, and the time beyond the timeout of the exchange for which it is
/// polled.
const TEST_POLL_INTERVAL: Duration = Duration::from_millis(100);
const TEST_GRACE_PERIOD: Duration = Duration::from_secs(5);

/// Filter and page of a list of deliveries, newest first.
#[derive(Clone, Copy, Debug)]
pub struct ListDeliveries {
    /// Only deliveries in this state.
    pub state: Option<DeliveryState>,
    /// Last delivery of the previous page.
    pub after: Option<DeliveryId>,
    /// Page size: 1 to 1000.
    pub limit: u32,
}

/// Selection of events to replay.
#[derive(Clone, Debug)]
pub struct ReplayRange {
    /// Only events at this time or later.
    pub from: Timestamp,
    /// Only events before this time.
    pub to: Timestamp,
    /// Kinds of events; `None`: those to which the endpoint subscribes.
    pub events: Option<Vec<String>>,
    /// Behind the event with this id, where the previous request stopped.
    pub after: Option<i64>,
}

/// Result of a replay request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayedDeliveries {
    /// Number of events that will be sent.
    pub count: u32,
    /// There are more events, behind the event with this id.
    pub next: Option<i64>,
}

impl WebhookEngine {
    /// A page of an endpoint's deliveries.
    #[tracing::instrument(skip_all, fields(webhook = %id))]
    pub async fn list_deliveries(&self, actor: &Actor, id: WebhookId, list: ListDeliveries) -> Result<Vec<Delivery>> {
        let webhook = self.webhook(actor, id).await?.id;
        check_page_limit(list.limit)?;
        let ListDeliveries { state, after, limit } = list;
        Ok(self.store.list_deliveries(&DeliveryQuery { webhook, state, after, limit }).await?)
    }

    /// Sends a delivered or dead delivery again, with the whole retry schedule.
    ///
    /// # Errors
    /// [`Error::WrongState`] when the delivery is pending, or the endpoint is disabled.
    #[tracing::instrument(skip_all, fields(webhook = %id))]
    pub async fn replay_delivery(&self, actor: &Actor, id: WebhookId, delivery: DeliveryId) -> Result<Delivery> {
        let webhook = self.load_active_webhook(actor, id).await?;
        let found = self.store.find_delivery(delivery).await?.filter(|found| found.webhook == webhook.id);
        let mut again = found.filter(|found| !found.is_test()).ok_or(Error::NotFound)?;
        let was = again.state;
        if was == DeliveryState::Pending {
            return Err(Error::WrongState { what: "delivery", state: was.name() });
        }
        again.begin_again(self.store.now());
        let job = self.owed(again.clone()).1;
        let settle = WebhookWrite::Settle(Box::new(again.clone()), was);
        if self.rows.commit_if_unchanged(Tx::new().with(settle).with(NewRow::Job(job))).await? {
            Ok(again)
        } else {
            Err(Error::WrongState { what: "delivery", state: "pending" })
        }
    }

    /// Sends the events of a period again: at most 10 000 per request, then the result says where to continue.
    ///
    /// # Errors
    /// [`Error::WrongState`] when the endpoint is disabled; [`Error::Busy`] when it has too many pending deliveries.
    #[tracing::instrument(skip_all, fields(webhook = %id))]
    pub async fn replay_range(&self, actor: &Actor, id: WebhookId, range: &ReplayRange) -> Result<ReplayedDeliveries> {
        let webhook = self.load_active_webhook(actor, id).await?;
        let filter = match &range.events {
            Some(events) => EventFilter::new(events.clone()).map_err(|why| Error::invalid("events", why))?,
            None => webhook.events.clone(),
        };
        if range.from >= range.to {
            return Err(Error::invalid("to", "must be later than from"));
        }
        self.events.number_events().await?;
        let mut at = match range.after {
            Some(after) => after,
            None => self.place_of(webhook.tenant, before(range.from, REPLAY_CLOCK_SLACK)).await?,
        };
        let (mut count, mut read) = (0, 0);
        while count < MAX_REPLAYED_DELIVERIES && read < MAX_EVENTS_READ {
            let page = self
                .store
                .read_feed(webhook.tenant, None, at, REPLAY_PAGE_EVENTS.min(MAX_REPLAYED_DELIVERIES - count))
                .await?;
            let Some(last) = page.last().cloned() else { return Ok(ReplayedDeliveries { count, next: None }) };
            read += u32::try_from(page.len()).unwrap_or(REPLAY_PAGE_EVENTS);
            count += self.replay_page(&webhook, &filter, range, page).await?;
            if last.event.at > after(range.to, REPLAY_CLOCK_SLACK) {
                return Ok(ReplayedDeliveries { count, next: None });
            }
            at = last.id;
        }
        Ok(ReplayedDeliveries { count, next: Some(at) })
    }

    async fn replay_page(
        &self,
        webhook: &Webhook,
        filter: &EventFilter,
        range: &ReplayRange,
        page: Vec<FeedEvent>,
    ) -> Result<u32> {
        let wanted =
            |event: &FeedEvent| (range.from..range.to).contains(&event.event.at) && filter.wants(&event.event.kind);
        let again = |event| Delivery { replay: true, ..self.delivery_of(webhook, event) };
        let owed: Vec<_> = page.into_iter().filter(wanted).map(|event| self.owed(again(event))).collect();
        let count = u32::try_from(owed.len()).unwrap_or(u32::MAX);
        if count > 0 {
            if self.store.count_backlog(webhook.id, MAX_PENDING_DELIVERIES).await?.pending
                >= u64::from(MAX_PENDING_DELIVERIES)
            {
                return Err(Error::busy("too many deliveries are waiting for this webhook"));
            }
            self.write_webhook(WebhookWrite::Deliver(owed)).await?;
        }
        Ok(count)
    }

    /// Sends a test now, even to a disabled endpoint, and waits for the result. A delivery that is still pending was
    /// not taken by a worker in time.
    #[tracing::instrument(skip_all, fields(webhook = %id))]
    pub async fn test_webhook(&self, actor: &Actor, id: WebhookId) -> Result<Delivery> {
        let webhook = self.webhook(actor, id).await?;
        let test = Delivery::test(DeliveryId(self.rows.new_id()), (webhook.id, webhook.tenant), self.store.now());
        let (sent, owed) = (test.id, self.owed(test));
        self.write_webhook(WebhookWrite::Deliver(vec![owed])).await?;
        let deadline = tokio::time::Instant::now() + self.webhook_settings().timeout + TEST_GRACE_PERIOD;
        loop {
            let delivery = self.store.find_delivery(sent).await?.ok_or(Error::NotFound)?;
            if delivery.state != DeliveryState::Pending || tokio::time::Instant::now() >= deadline {
                return Ok(delivery);
            }
            tokio::time::sleep(TEST_POLL_INTERVAL).await;
        }
    }

    /// An active endpoint.
    async fn load_active_webhook(&self, actor: &Actor, id: WebhookId) -> Result<Webhook> {
        let webhook = self.webhook(actor, id).await?;
        match webhook.state {
            WebhookState::Active => Ok(webhook),
            state => Err(Error::WrongState { what: "webhook", state: state.name() }),
        }
    }

    /// Place behind which all events of a tenant's feed are at `time` or later, apart from the disorder of
    /// [`REPLAY_CLOCK_SLACK`]. Found by binary search, whatever the feed's length.
    async fn place_of(&self, tenant: TenantId, time: Timestamp) -> Result<i64> {
        let ends = self.events.read_feed_ends(tenant).await?;
        let (mut low, mut high) = (ends.forgotten, ends.last);
        while low < high {
            let middle = low + (high - low) / 2;
            let next = self.store.read_feed(tenant, None, middle, 1).await?;
            match next.first() {
                Some(event) if event.event.at < time => low = event.id,
                Some(_) | None => high = middle,
            }
        }
        Ok(low)
    }
}
