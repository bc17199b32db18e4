//! Webhooks: a tenant's endpoints for events (Standard Webhooks 1.0.0), and their deliveries.
//!
//! The feed is the outbox: an endpoint has a position in it, and all events after that position are still to be sent.
//! The id of a message is derived from the event, so that it is the same for every attempt, replay and endpoint, and
//! receivers can recognise duplicates.

use std::time::Duration;

use super::InvalidTransition;
use super::clock::Timestamp;
use super::ids::{TenantId, WebhookId};

mod delivery;
mod filter;
mod secret;

pub use delivery::{
    Delivery, DeliveryAttempt, DeliveryProblem, DeliveryState, DeliveryVerdict, MAX_DELIVERY_ATTEMPTS,
    MAX_EVENT_BODY_BYTES, ReceiverAnswer, TEST_KIND,
};
pub use filter::{BadFilter, EventFilter};
pub use secret::{NoSecret, WebhookSecret};

/// A webhook endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Identity.
    pub id: WebhookId,
    /// The tenant.
    pub tenant: TenantId,
    /// Number of changes; moving the cursor and recording failures do not count.
    pub revision: i64,
    /// The URL, as parsed by [`super::egress::EgressPolicy::endpoint`].
    pub url: String,
    /// Description, for people.
    pub description: String,
    /// Filter for events.
    pub events: EventFilter,
    /// Secret that signs every message.
    pub secret: WebhookSecret,
    /// The previous secret, which also signs until this time.
    pub old_secret: Option<(WebhookSecret, Timestamp)>,
    /// The state.
    pub state: WebhookState,
    /// Position in the tenant's feed: events up to here are sent or filtered out.
    pub cursor: i64,
    /// Time of the first failure since the last success.
    pub failing_since: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// State of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookState {
    /// Events are sent.
    Active,
    /// No events are sent until a caller enables it.
    Disabled {
        /// The reason.
        why: WhyDisabled,
        /// When it was disabled.
        at: Timestamp,
    },
    /// Deleted for every caller; its log is being removed.
    Deleted,
}

/// Reason why an endpoint is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyDisabled {
    /// A caller disabled it.
    Asked,
    /// The endpoint answered 410.
    Gone,
    /// All attempts failed for too long.
    Failing,
}

impl WhyDisabled {
    /// The name, as in JSON and rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }
}

/// The text is not a known name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownName;

impl std::str::FromStr for WhyDisabled {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Self::Asked, Self::Gone, Self::Failing].into_iter().find(|why| why.name() == text).ok_or(UnknownName)
    }
}

impl WebhookState {
    /// The name, as in JSON and rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled { .. } => "disabled",
            Self::Deleted => "deleted",
        }
    }
}

impl Webhook {
    /// Disables the endpoint. The first reason is kept if it is disabled already.
    ///
    /// # Errors
    /// The endpoint is deleted.
    pub fn disable(mut self, why: WhyDisabled, at: Timestamp) -> Result<Self, InvalidTransition> {
        match self.state {
            WebhookState::Active => self.state = WebhookState::Disabled { why, at },
            WebhookState::Disabled { .. } => {}
            WebhookState::Deleted => return Err(self.refused("disabled")),
        }
        Ok(self)
    }

    /// Enables the endpoint from `cursor` on; events from the time while it was disabled can be replayed.
    ///
    /// # Errors
    /// The endpoint is not disabled.
    pub fn enable(mut self, cursor: i64) -> Result<Self, InvalidTransition> {
        if !matches!(self.state, WebhookState::Disabled { .. }) {
            return Err(self.refused("active"));
        }
        (self.state, self.cursor, self.failing_since) = (WebhookState::Active, cursor, None);
        Ok(self)
    }

    /// Replaces the secret; the previous secret also signs until `until`.
    #[must_use]
    pub fn rotate(mut self, fresh: WebhookSecret, until: Timestamp) -> Self {
        self.old_secret = Some((std::mem::replace(&mut self.secret, fresh), until));
        self
    }

    /// Signatures of a message that is sent at `at`, newest secret first.
    #[must_use]
    pub fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let old = self.old_secret.iter().filter(|(_, until)| at < *until).map(|(secret, _)| secret);
        let signatures: Vec<_> = std::iter::once(&self.secret).chain(old).map(|s| s.sign(id, at, body)).collect();
        signatures.join(" ")
    }

    /// True if all attempts have failed for so long that the endpoint should be disabled.
    #[must_use]
    pub fn is_hopeless(&self, now: Timestamp, patience: Duration) -> bool {
        self.failing_since.is_some_and(|since| super::clock::after(since, patience) <= now)
    }

    fn refused(&self, to: &'static str) -> InvalidTransition {
        InvalidTransition { what: "webhook", from: self.state.name(), to }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::{SeededEntropy, micros};
    use uuid::Uuid;

    fn webhook() -> Webhook {
        Webhook {
            id: WebhookId(Uuid::from_u128(1)),
            tenant: TenantId(Uuid::from_u128(1)),
            revision: 1,
            url: "https://example.com/".to_owned(),
            description: String::new(),
            events: EventFilter::all(),
            secret: WebhookSecret::fresh(&SeededEntropy::new(1)),
            old_secret: None,
            state: WebhookState::Active,
            cursor: 5,
            failing_since: Some(micros(0)),
            created_at: micros(0),
        }
    }

    #[test]
    fn disabled_for_its_first_reason_and_enabled_behind_what_was_missed() {
        let gone = webhook().disable(WhyDisabled::Gone, micros(1)).unwrap();
        let still = gone.disable(WhyDisabled::Asked, micros(2)).unwrap();
        assert_eq!(still.state, WebhookState::Disabled { why: WhyDisabled::Gone, at: micros(1) });
        let again = still.enable(9).unwrap();
        assert_eq!((again.state, again.cursor, again.failing_since), (WebhookState::Active, 9, None));
        assert!(again.enable(9).is_err());
        let deleted = Webhook { state: WebhookState::Deleted, ..webhook() };
        assert!(deleted.clone().enable(1).is_err() && deleted.disable(WhyDisabled::Asked, micros(1)).is_err());
    }

    #[test]
    fn both_secrets_sign_while_one_replaces_the_other() {
        let fresh = WebhookSecret::fresh(&SeededEntropy::new(2));
        let rotated = webhook().rotate(fresh.clone(), micros(10));
        let both = rotated.sign("msg_1", micros(9), b"{}");
        let new = fresh.sign("msg_1", micros(9), b"{}");
        assert_eq!(both, format!("{new} {}", webhook().secret.sign("msg_1", micros(9), b"{}")));
        assert_eq!(rotated.sign("msg_1", micros(10), b"{}"), fresh.sign("msg_1", micros(10), b"{}"));
    }

    #[test]
    fn hopeless_after_a_time() {
        let patience = Duration::from_secs(1);
        assert!(
            webhook().is_hopeless(micros(1_000_000), patience) && !webhook().is_hopeless(micros(999_999), patience)
        );
        assert!(!Webhook { failing_since: None, ..webhook() }.is_hopeless(micros(i64::MAX), patience));
    }
}
