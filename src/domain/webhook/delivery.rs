//! Deliveries: an event sent to an endpoint, retried on the recommended schedule until a 2xx or the last attempt.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::domain::backoff::random_between;
use crate::domain::clock::{Entropy, Timestamp, after};
use crate::domain::event::{Event, EventView, FeedEvent};
use crate::domain::ids::{AssetId, DeliveryId, TenantId, WebhookId};

/// Event kind of test messages.
pub const TEST_KIND: &str = "webhook.test";
/// Limit of Standard Webhooks for payloads: below 20 kB.
pub const MAX_EVENT_BODY_BYTES: usize = 20_000;
/// Attempts per delivery: the first, and another after each delay.
pub const MAX_DELIVERY_ATTEMPTS: usize = 1 + RETRY_DELAYS.len();

const ONE_HOUR: u64 = 3600;
/// The recommended schedule, in seconds.
const RETRY_DELAYS: [u64; 9] =
    [5, 300, 1800, 2 * ONE_HOUR, 5 * ONE_HOUR, 10 * ONE_HOUR, 14 * ONE_HOUR, 20 * ONE_HOUR, 24 * ONE_HOUR];
/// Upper bound for the receiver's `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * ONE_HOUR);
/// Attempts that the row of a delivery keeps, including replays.
const MAX_KEPT_ATTEMPTS: usize = 20;

/// A delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Identity.
    pub id: DeliveryId,
    /// The endpoint.
    pub webhook: WebhookId,
    /// The tenant.
    pub tenant: TenantId,
    /// The event; position 0 means a test message, which is in no feed.
    pub event: FeedEvent,
    /// True for a replay.
    pub replay: bool,
    /// The state.
    pub state: DeliveryState,
    /// Attempts since the delivery or replay began.
    pub tries: u32,
    /// The last attempts, oldest first.
    pub attempts: Vec<DeliveryAttempt>,
    /// Reason of the last failed attempt.
    pub problem: Option<DeliveryProblem>,
    /// When the next attempt is due.
    pub next_try: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was delivered or became dead.
    pub finished_at: Option<Timestamp>,
}

/// State of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// An attempt is due.
    Pending,
    /// The endpoint accepted it.
    Delivered,
    /// No more attempts: a dead letter, until a caller replays it.
    Dead,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Dead];

    /// The name, as in JSON and rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

impl std::str::FromStr for DeliveryState {
    type Err = super::UnknownName;
    fn from_str(text: &str) -> Result<Self, super::UnknownName> {
        Self::ALL.into_iter().find(|state| state.name() == text).ok_or(super::UnknownName)
    }
}

/// Reason of a failed attempt. Never contains text of the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryProblem {
    /// A status other than 2xx.
    Status,
    /// Redirected (3xx): redirects are not followed.
    Redirect,
    /// The endpoint answered 410: it wants no more events.
    Gone,
    /// No answer within the timeout.
    Timeout,
    /// No connection: name not found, refused, no route, or a TLS error.
    Unreachable,
    /// The connection broke off before the answer.
    BrokenOff,
    /// The address is not permitted.
    Forbidden,
    /// The endpoint was disabled or deleted.
    Disabled,
    /// Every attempt crashed its worker.
    Poison,
}

impl DeliveryProblem {
    /// The name, as in JSON and rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Redirect => "redirect",
            Self::Gone => "gone",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::BrokenOff => "broken_off",
            Self::Forbidden => "forbidden",
            Self::Disabled => "disabled",
            Self::Poison => "poison",
        }
    }
}

impl std::str::FromStr for DeliveryProblem {
    type Err = super::UnknownName;
    fn from_str(text: &str) -> Result<Self, super::UnknownName> {
        serde_json::from_value(text.into()).map_err(|_| super::UnknownName)
    }
}

/// An attempt, as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryAttempt {
    /// When it ended.
    pub at: Timestamp,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Duration in milliseconds.
    pub millis: u64,
    /// Reason of the failure, if it failed.
    pub problem: Option<DeliveryProblem>,
}

/// Result of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiverAnswer {
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Reason why there was no answer.
    pub problem: Option<DeliveryProblem>,
    /// The receiver's `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Duration in milliseconds.
    pub millis: u64,
}

impl ReceiverAnswer {
    /// The reason of the failure; `None` for a success.
    #[must_use]
    pub fn failure(&self) -> Option<DeliveryProblem> {
        match (self.problem, self.status) {
            (Some(problem), _) => Some(problem),
            (None, Some(200..=299)) => None,
            (None, Some(300..=399)) => Some(DeliveryProblem::Redirect),
            (None, Some(410)) => Some(DeliveryProblem::Gone),
            (None, Some(_)) => Some(DeliveryProblem::Status),
            (None, None) => Some(DeliveryProblem::BrokenOff),
        }
    }
}

/// Consequence of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryVerdict {
    /// Delivered.
    Delivered,
    /// The next attempt is due at this time.
    Again(Timestamp),
    /// No more attempts.
    Dead,
}

impl Delivery {
    /// A delivery of an event, due now.
    #[must_use]
    pub fn new(id: DeliveryId, to: (WebhookId, TenantId), event: FeedEvent, now: Timestamp) -> Self {
        Self {
            id,
            webhook: to.0,
            tenant: to.1,
            event,
            replay: false,
            state: DeliveryState::Pending,
            tries: 0,
            attempts: Vec::new(),
            problem: None,
            next_try: Some(now),
            created_at: now,
            finished_at: None,
        }
    }

    /// A test message for an endpoint.
    #[must_use]
    pub fn test(id: DeliveryId, to: (WebhookId, TenantId), now: Timestamp) -> Self {
        let (asset, kind) = (AssetId(uuid::Uuid::nil()), TEST_KIND.to_owned());
        let event = Event { asset, seq: 0, kind, at: now, data: Map::new() };
        Self::new(id, to, FeedEvent { id: 0, event, traceparent: None }, now)
    }

    /// True for a test message, which is sent once, even if the endpoint is disabled.
    #[must_use]
    pub fn is_test(&self) -> bool {
        self.event.id == 0
    }

    /// The `webhook-id` header: identifies the event, not the delivery.
    #[must_use]
    pub fn message_id(&self) -> String {
        if self.is_test() {
            return format!("msg_test_{}", self.id.0.simple());
        }
        format!("msg_{}_{}", self.event.event.asset.0.simple(), self.event.event.seq)
    }

    /// The request body, below [`MAX_EVENT_BODY_BYTES`] bytes. If the data of the event is too large, it is left out.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let body = |event: &FeedEvent| {
            let view = EventView::of(event);
            let whole = json!({ "type": view.r#type, "timestamp": view.at, "data": view });
            serde_json::to_vec(&whole).unwrap_or_default()
        };
        let whole = body(&self.event);
        if whole.len() < MAX_EVENT_BODY_BYTES {
            return whole;
        }
        let mut less = self.event.clone();
        less.event.data = Map::from_iter([("left_out".to_owned(), Value::Bool(true))]);
        body(&less)
    }

    /// Records an attempt that ended at `now`, and returns the consequence.
    pub fn tried(&mut self, answer: &ReceiverAnswer, now: Timestamp, entropy: &dyn Entropy) -> DeliveryVerdict {
        let problem = answer.failure();
        self.tries += 1;
        self.note(DeliveryAttempt { at: now, status: answer.status, millis: answer.millis, problem });
        self.problem = problem;
        let Some(problem) = problem else {
            self.finish(DeliveryState::Delivered, now);
            return DeliveryVerdict::Delivered;
        };
        let pause = RETRY_DELAYS.get(self.tries as usize - 1);
        match pause.filter(|_| problem != DeliveryProblem::Gone && !self.is_test()) {
            Some(seconds) => {
                let wished = answer.retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
                // Up to a fifth longer than the schedule, so that endpoints that failed together are spread.
                let delay = Duration::from_secs(*seconds);
                let due = after(now, random_between(delay, delay + delay / 5, entropy).max(wished));
                self.next_try = Some(due);
                DeliveryVerdict::Again(due)
            }
            None => {
                self.finish(DeliveryState::Dead, now);
                DeliveryVerdict::Dead
            }
        }
    }

    /// Ends the delivery without another attempt.
    pub fn give_up(&mut self, why: DeliveryProblem, now: Timestamp) {
        self.problem = Some(why);
        self.finish(DeliveryState::Dead, now);
    }

    /// Restarts the delivery with the whole schedule; the attempts so far are kept.
    pub fn begin_again(&mut self, now: Timestamp) {
        (self.state, self.replay, self.tries) = (DeliveryState::Pending, true, 0);
        (self.problem, self.next_try, self.finished_at) = (None, Some(now), None);
    }

    fn finish(&mut self, state: DeliveryState, now: Timestamp) {
        (self.state, self.next_try, self.finished_at) = (state, None, Some(now));
    }

    fn note(&mut self, attempt: DeliveryAttempt) {
        let more = (self.attempts.len() + 1).saturating_sub(MAX_KEPT_ATTEMPTS);
        self.attempts.drain(..more);
        self.attempts.push(attempt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::{SeededEntropy, micros};
    use uuid::Uuid;

    fn delivery() -> Delivery {
        let event = Event {
            asset: AssetId(Uuid::from_u128(7)),
            seq: 3,
            kind: "asset.ready".to_owned(),
            at: micros(5),
            data: Map::new(),
        };
        let to = (WebhookId(Uuid::from_u128(1)), TenantId(Uuid::from_u128(1)));
        Delivery::new(DeliveryId(Uuid::from_u128(2)), to, FeedEvent { id: 9, event, traceparent: None }, micros(0))
    }

    fn status(status: u16) -> ReceiverAnswer {
        ReceiverAnswer { status: Some(status), ..ReceiverAnswer::default() }
    }

    #[test]
    fn the_recommended_schedule_with_jitter_and_an_end() {
        let (dice, mut delivery) = (SeededEntropy::new(1), delivery());
        for pause in RETRY_DELAYS {
            let DeliveryVerdict::Again(due) = delivery.tried(&status(500), micros(0), &dice) else {
                panic!("{delivery:?}")
            };
            let most = micros(i64::try_from(pause).unwrap() * 1_200_000);
            assert!((micros(i64::try_from(pause).unwrap() * 1_000_000)..=most).contains(&due), "{pause}: {due}");
        }
        assert_eq!(delivery.tried(&status(500), micros(1), &dice), DeliveryVerdict::Dead);
        assert_eq!(
            (delivery.tries as usize, delivery.state, delivery.next_try),
            (MAX_DELIVERY_ATTEMPTS, DeliveryState::Dead, None)
        );
        delivery.begin_again(micros(2));
        assert_eq!(delivery.tried(&status(204), micros(3), &dice), DeliveryVerdict::Delivered);
        assert_eq!((delivery.tries, delivery.attempts.len(), delivery.problem), (1, MAX_DELIVERY_ATTEMPTS + 1, None));
    }

    #[test]
    fn only_2xx_is_success_and_410_is_the_end() {
        let dice = SeededEntropy::new(1);
        for (code, problem) in
            [(301, DeliveryProblem::Redirect), (404, DeliveryProblem::Status), (503, DeliveryProblem::Status)]
        {
            let mut delivery = delivery();
            assert!(matches!(delivery.tried(&status(code), micros(0), &dice), DeliveryVerdict::Again(_)), "{code}");
            assert_eq!(delivery.problem, Some(problem));
        }
        assert_eq!(delivery().tried(&status(410), micros(0), &dice), DeliveryVerdict::Dead);
        assert_eq!(delivery().tried(&status(299), micros(0), &dice), DeliveryVerdict::Delivered);
        let mut test =
            Delivery::test(DeliveryId(Uuid::from_u128(1)), (delivery().webhook, delivery().tenant), micros(0));
        assert_eq!(test.tried(&status(500), micros(0), &dice), DeliveryVerdict::Dead);
    }

    #[test]
    fn a_receiver_may_ask_for_patience_within_bounds() {
        let dice = SeededEntropy::new(1);
        let after = |wish| {
            let answer = ReceiverAnswer { retry_after: Some(Duration::from_secs(wish)), ..status(429) };
            match delivery().tried(&answer, micros(0), &dice) {
                DeliveryVerdict::Again(due) => due.as_second(),
                other => panic!("{other:?}"),
            }
        };
        assert!((5..=6).contains(&after(1)));
        assert_eq!((after(100), after(u64::MAX)), (100, 24 * 3600));
    }

    #[test]
    fn attempts_are_kept_up_to_a_bound() {
        let (dice, mut delivery) = (SeededEntropy::new(1), delivery());
        for n in 0..50 {
            delivery.begin_again(micros(n));
            delivery.tried(&status(500), micros(n), &dice);
        }
        assert_eq!(
            (delivery.attempts.len(), delivery.attempts[MAX_KEPT_ATTEMPTS - 1].at),
            (MAX_KEPT_ATTEMPTS, micros(49))
        );
    }

    #[test]
    fn the_body_is_the_event_and_stays_small() {
        let mut delivery = delivery();
        let body: Value = serde_json::from_slice(&delivery.body()).unwrap();
        assert_eq!((&body["type"], &body["data"]["id"]), (&"asset.ready".into(), &"9".into()));
        assert_eq!(body["timestamp"], body["data"]["at"]);
        assert_eq!(delivery.message_id(), format!("msg_{}_3", Uuid::from_u128(7).simple()));
        delivery.event.event.data.insert("noise".to_owned(), "x".repeat(30_000).into());
        let body = delivery.body();
        assert!(body.len() < MAX_EVENT_BODY_BYTES);
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["data"]["data"]["left_out"], true);
    }

    #[test]
    fn names_are_read_back() {
        for problem in
            [DeliveryProblem::Status, DeliveryProblem::BrokenOff, DeliveryProblem::Poison, DeliveryProblem::Unreachable]
        {
            assert_eq!(problem.name().parse(), Ok(problem));
            assert_eq!(serde_json::to_value(problem).unwrap(), problem.name());
        }
    }
}
