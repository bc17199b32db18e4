//! Webhook deliveries as this node sends them.

use prometheus_client::registry::Registry;

use super::labels::LabelledCounter;

/// Outcome of a try of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// The receiver answered 2xx.
    Delivered,
    /// The receiver did not accept it; it is sent again later.
    Retried,
    /// The receiver did not accept the last try, or is gone.
    Dead,
    /// Another worker has the delivery.
    LeaseLost,
}

impl SendOutcome {
    const ALL: [Self; 4] = [Self::Delivered, Self::Retried, Self::Dead, Self::LeaseLost];

    fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retried => "retried",
            Self::Dead => "dead",
            Self::LeaseLost => "lease_lost",
        }
    }
}

/// Metrics of webhooks.
pub struct WebhookMetrics(LabelledCounter);

impl WebhookMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        Self(LabelledCounter::register(
            registry,
            "webhook_deliveries",
            "Requests to webhook endpoints that this node sent, by outcome of the delivery",
            "outcome",
            SendOutcome::ALL.map(SendOutcome::name),
        ))
    }

    /// Counts a request at its end.
    pub fn record_send(&self, outcome: SendOutcome) {
        self.0.increment(outcome.name());
    }
}
