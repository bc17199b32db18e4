//! Hands events to an external processor through the operator's broker: NATS, Redis, RabbitMQ or SQS.
//!
//! The port is [`EventSink`]: a call returns when the broker has confirmed that it stores the message. Every message is
//! a CloudEvent, and its id is also given to the broker for deduplication; a caller may repeat it with the same id as
//! often as needed. An adapter connects on the first event, reconnects after every failure, and waits no longer than
//! its address allows.
//!
//! Must not decide what is handed over or when it is retried; only [`connect`] knows the adapters.

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::clock::Timestamp;
use crate::domain::ids::TenantId;

#[cfg(feature = "handoff-amqp")]
mod amqp;
mod broker_address;
#[cfg(feature = "handoff-nats")]
mod nats;
#[cfg(feature = "handoff-redis")]
mod redis_streams;
#[cfg(any(feature = "handoff-amqp", feature = "handoff-redis"))]
mod shared_connection;
#[cfg(feature = "handoff-sqs")]
mod sqs;

pub use broker_address::{BrokerAddress, BrokerLogin, BrokerSecret, BrokerServer};

/// An event of this service as a [CloudEvents 1.0](https://github.com/cloudevents/spec) message.
#[derive(Clone, Debug, PartialEq)]
pub struct CloudEvent {
    /// Id of the event, the same on every try. Unique together with `source`.
    pub id: String,
    /// Source of the event: a URI reference.
    pub source: String,
    /// Type of the event (`type`): `asset.ready`. Brokers route by it.
    pub kind: String,
    /// Subject of the event.
    pub subject: String,
    /// Time of the event.
    pub time: Timestamp,
    /// The tenant; an extension attribute.
    pub tenant: TenantId,
    /// Trace context of the offer (CloudEvents, "Distributed Tracing" extension; NATS and AMQP have it as a header too).
    pub traceparent: Option<String>,
    /// Payload. Must hold no secrets: brokers store it.
    pub data: serde_json::Value,
}

impl CloudEvent {
    /// The media type of [`to_json`](Self::to_json).
    pub const CONTENT_TYPE: &str = "application/cloudevents+json";

    /// The message in structured mode: attributes and data in a single JSON object.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut message = serde_json::json!({
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.kind,
            "subject": self.subject,
            "time": self.time.to_string(),
            "tenant": self.tenant,
            "datacontenttype": "application/json",
            "data": self.data,
        });
        if let Some(traceparent) = &self.traceparent {
            message["traceparent"] = traceparent.as_str().into();
        }
        message.to_string()
    }
}

/// Reasons why a broker does not have, or may not have, a message. Texts are for logs and for the broker's operator;
/// they hold no credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// The broker is unreachable or did not answer in time, and may have the message all the same. Retry later.
    #[error("{0}")]
    Unavailable(String),
    /// The broker answered and does not store the message: something is missing, forbidden or full. An operator must
    /// act.
    #[error("{0}")]
    Refused(String),
}

/// A message broker.
#[async_trait]
pub trait EventSink: Send + Sync {
    /// Publishes an event; returns when the broker has confirmed that it stores the message. Delivery is at least once:
    /// after an error the broker may have the message. Concurrent calls are allowed; each ends within the address's
    /// timeout.
    async fn publish(&self, event: &CloudEvent) -> Result<(), SinkError>;

    /// Kind of broker, for logs and metrics.
    fn name(&self) -> &'static str;

    /// Checks, without publishing, that a message could be published now. Creates what is missing, as `publish` does.
    async fn check(&self) -> Result<(), SinkError>;
}

/// The program was built without support for the broker that the address names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this program was built without support for {broker}; build it with the feature {feature}")]
pub struct BrokerNotBuilt {
    broker: &'static str,
    feature: &'static str,
}

impl BrokerAddress {
    /// Refuses the address of a broker that this program was built without.
    pub fn check_support(&self) -> Result<(), BrokerNotBuilt> {
        let (built, broker, feature) = match self {
            Self::Nats { .. } => (cfg!(feature = "handoff-nats"), "NATS", "handoff-nats"),
            Self::Redis { .. } => (cfg!(feature = "handoff-redis"), "Redis", "handoff-redis"),
            Self::Amqp { .. } => (cfg!(feature = "handoff-amqp"), "AMQP", "handoff-amqp"),
            Self::Sqs { .. } => (cfg!(feature = "handoff-sqs"), "SQS", "handoff-sqs"),
        };
        if built { Ok(()) } else { Err(BrokerNotBuilt { broker, feature }) }
    }
}

/// The broker at this address. Sends nothing yet. An error means that the program was built without support for it.
pub fn connect(address: &BrokerAddress) -> Result<Arc<dyn EventSink>, BrokerNotBuilt> {
    address.check_support()?;
    match address.clone() {
        #[cfg(feature = "handoff-nats")]
        BrokerAddress::Nats { server, subject, stream, create } => {
            Ok(Arc::new(nats::NatsSink::new(server, subject, stream, create)))
        }
        #[cfg(feature = "handoff-redis")]
        BrokerAddress::Redis { server, database, stream, maxlen, create } => {
            Ok(Arc::new(redis_streams::RedisStreamSink::new(server, database, stream, maxlen, create)))
        }
        #[cfg(feature = "handoff-amqp")]
        BrokerAddress::Amqp { server, vhost, exchange, queue, create } => {
            Ok(Arc::new(amqp::AmqpSink::new(server, vhost, exchange, queue, create)))
        }
        #[cfg(feature = "handoff-sqs")]
        BrokerAddress::Sqs { queue_url, region, login, timeout } => {
            Ok(Arc::new(sqs::SqsSink::new(queue_url, region, login, timeout)))
        }
        #[cfg(not(all(
            feature = "handoff-nats",
            feature = "handoff-redis",
            feature = "handoff-amqp",
            feature = "handoff-sqs"
        )))]
        // Refused above; the compiler does not know it.
        _ => Err(BrokerNotBuilt { broker: "this broker", feature: "handoff-*" }),
    }
}

/// Maximum bytes in a stream or queue that an adapter creates; when full, it refuses messages.
#[cfg(any(feature = "handoff-amqp", feature = "handoff-nats"))]
const MAX_STREAM_BYTES: i64 = 1 << 30;

/// Runs `work` with a time limit.
#[cfg(any(
    feature = "handoff-amqp",
    feature = "handoff-nats",
    feature = "handoff-redis",
    feature = "handoff-sqs",
    test
))]
async fn with_timeout<T>(
    deadline: std::time::Duration,
    work: impl Future<Output = Result<T, SinkError>> + Send,
) -> Result<T, SinkError> {
    let silent = || SinkError::Unavailable(format!("no answer within {} seconds", deadline.as_secs_f64()));
    tokio::time::timeout(deadline, work).await.unwrap_or_else(|_| Err(silent()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::clock::micros;

    #[test]
    fn an_event_in_json() {
        let event = CloudEvent {
            id: "7".to_owned(),
            source: "https://gantry.example".to_owned(),
            kind: "asset.ready".to_owned(),
            subject: "assets/1".to_owned(),
            time: micros(1_700_000_000_000_001),
            tenant: TenantId(uuid::Uuid::from_u128(5)),
            traceparent: None,
            data: serde_json::json!({"size": 3}),
        };
        let json: serde_json::Value = serde_json::from_str(&event.to_json()).unwrap();
        let expected = serde_json::json!({
            "specversion": "1.0", "id": "7", "source": "https://gantry.example", "type": "asset.ready",
            "subject": "assets/1", "time": "2023-11-14T22:13:20.000001Z", "datacontenttype": "application/json",
            "tenant": "00000000-0000-0000-0000-000000000005", "data": {"size": 3},
        });
        assert_eq!(json, expected);
        let traced = CloudEvent { traceparent: Some("00-1-2-01".to_owned()), ..event };
        let json: serde_json::Value = serde_json::from_str(&traced.to_json()).unwrap();
        assert_eq!(json["traceparent"], "00-1-2-01");
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends() {
        let late = with_timeout(Duration::from_secs(3), std::future::pending::<Result<(), _>>()).await;
        assert_eq!(late, Err(SinkError::Unavailable("no answer within 3 seconds".to_owned())));
        assert_eq!(with_timeout(Duration::from_secs(3), async { Ok(1) }).await, Ok(1));
    }
}
