//! The adapter for RabbitMQ and other brokers with AMQP 0-9-1 and publisher confirms.
//!
//! Events go to a durable topic exchange with their type as routing key, persistent and confirmed. An event that no
//! queue takes is returned (`mandatory`) and is an error. A durable queue is declared and bound to all routing keys, so
//! that events are kept before a consumer exists; it holds a gigabyte and then rejects publishing, and events wait in
//! this service. With `create=false` nothing is declared, and the operator's exchange and queues are used.
//!
//! Must not treat a message as delivered before the broker has confirmed it.

use std::sync::Arc;

use async_trait::async_trait;
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ErrorKind, ExchangeKind};

use super::shared_connection::SharedConnection;
use super::{BrokerServer, CloudEvent, EventSink, MAX_STREAM_BYTES, SinkError, with_timeout};

/// Heartbeat interval in seconds; a broker that is silent for two intervals counts as gone.
const HEARTBEAT_SECONDS: u16 = 10;
/// Delivery mode 2: persistent.
const PERSISTENT_DELIVERY_MODE: u8 = 2;

/// Publishes to an AMQP exchange.
pub(super) struct AmqpSink {
    server: BrokerServer,
    vhost: String,
    exchange: String,
    queue: String,
    create: bool,
    session: SharedConnection<Arc<AmqpSession>>,
}

/// A connection and its only channel, in confirm mode.
struct AmqpSession {
    channel: Channel,
    /// Closed when dropped.
    _connection: Connection,
}

impl AmqpSink {
    pub(super) fn new(server: BrokerServer, vhost: String, exchange: String, queue: String, create: bool) -> Self {
        Self { server, vhost, exchange, queue, create, session: SharedConnection::new() }
    }

    fn uri(&self) -> AMQPUri {
        let BrokerServer { host, port, tls, login, timeout } = &self.server;
        // RabbitMQ's default login, which it accepts from localhost.
        let guest = || AMQPUserInfo { username: "guest".to_owned(), password: "guest".to_owned() };
        let known = login
            .as_ref()
            .map(|login| AMQPUserInfo { username: login.user.clone(), password: login.password.expose().to_owned() });
        AMQPUri {
            scheme: if *tls { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
            authority: AMQPAuthority { userinfo: known.unwrap_or_else(guest), host: host.clone(), port: *port },
            vhost: self.vhost.clone(),
            query: AMQPQueryString {
                heartbeat: Some(HEARTBEAT_SECONDS),
                connection_timeout: u64::try_from(timeout.as_millis()).ok(),
                ..AMQPQueryString::default()
            },
        }
    }

    async fn connect(&self) -> Result<Arc<AmqpSession>, SinkError> {
        let properties = ConnectionProperties::default().with_connection_name("gantry".into());
        let opened = async {
            let connection = Connection::connect_uri(self.uri(), properties).await?;
            let channel = connection.create_channel().await?;
            if self.create {
                self.declare_queue(&channel).await?;
            }
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok(Arc::new(AmqpSession { channel, _connection: connection }))
        };
        opened.await.map_err(|error: lapin::Error| to_sink_error(&error))
    }

    async fn declare_queue(&self, channel: &Channel) -> lapin::Result<()> {
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let exchange = || self.exchange.as_str().into();
        channel.exchange_declare(exchange(), ExchangeKind::Topic, durable, FieldTable::default()).await?;
        let mut bounds = FieldTable::default();
        bounds.insert("x-max-length-bytes".into(), AMQPValue::LongLongInt(MAX_STREAM_BYTES));
        bounds.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
        channel.queue_declare(self.queue.as_str().into(), QueueDeclareOptions::durable(), bounds).await?;
        let all = (QueueBindOptions::default(), FieldTable::default());
        channel.queue_bind(self.queue.as_str().into(), exchange(), "#".into(), all.0, all.1).await
    }

    async fn publish_confirmed(&self, live: Arc<AmqpSession>, event: &CloudEvent) -> Result<(), SinkError> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = BasicProperties::default()
            .with_message_id(event.id.as_str().into())
            .with_type(event.kind.as_str().into())
            .with_content_type(CloudEvent::CONTENT_TYPE.into())
            .with_delivery_mode(PERSISTENT_DELIVERY_MODE)
            .with_timestamp(u64::try_from(event.time.as_second()).unwrap_or(0));
        let properties = match &event.traceparent {
            Some(traceparent) => {
                let mut headers = FieldTable::default();
                headers.insert("traceparent".into(), AMQPValue::LongString(traceparent.as_str().into()));
                properties.with_headers(headers)
            }
            None => properties,
        };
        let (exchange, kind) = (self.exchange.as_str().into(), event.kind.as_str().into());
        let body = event.to_json();
        let confirmed = async {
            let sent = live.channel.basic_publish(exchange, kind, options, body.as_bytes(), properties).await?;
            sent.await
        };
        match confirmed.await.map_err(|error| to_sink_error(&error))? {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => {
                Err(SinkError::Refused(format!("no queue is bound to {} for {}", self.exchange, event.kind)))
            }
            Confirmation::Nack(None) => {
                Err(SinkError::Refused("a queue is full, or cannot store the event".to_owned()))
            }
            Confirmation::NotRequested => Err(SinkError::Refused("the broker does not confirm".to_owned())),
        }
    }

    async fn check_exchange(&self, live: Arc<AmqpSession>) -> Result<(), SinkError> {
        let there = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
        let exchange = self.exchange.as_str().into();
        let seen = live.channel.exchange_declare(exchange, ExchangeKind::Topic, there, FieldTable::default());
        seen.await.map_err(|error| to_sink_error(&error))
    }
}

/// Converts an AMQP error. RabbitMQ's texts name users and objects, never passwords.
fn to_sink_error(error: &lapin::Error) -> SinkError {
    let text = format!("AMQP: {error}");
    let ErrorKind::ProtocolError(said) = error.kind() else { return SinkError::Unavailable(text) };
    match said.kind() {
        AMQPErrorKind::Soft(
            AMQPSoftError::ACCESSREFUSED
            | AMQPSoftError::NOTFOUND
            | AMQPSoftError::PRECONDITIONFAILED
            | AMQPSoftError::CONTENTTOOLARGE,
        )
        | AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED | AMQPHardError::INVALIDPATH) => SinkError::Refused(text),
        AMQPErrorKind::Soft(_) | AMQPErrorKind::Hard(_) => SinkError::Unavailable(text),
    }
}

#[async_trait]
impl EventSink for AmqpSink {
    async fn publish(&self, event: &CloudEvent) -> Result<(), SinkError> {
        // AMQP short strings hold 255 bytes; a longer string would close the connection.
        if event.id.len() > 255 || event.kind.len() > 255 {
            return Err(SinkError::Refused("the event's id or type is too long for AMQP".to_owned()));
        }
        let sent = self.session.with_connection(|| self.connect(), |live| self.publish_confirmed(live, event));
        with_timeout(self.server.timeout, sent).await
    }

    fn name(&self) -> &'static str {
        "amqp"
    }

    async fn check(&self) -> Result<(), SinkError> {
        with_timeout(
            self.server.timeout,
            self.session.with_connection(|| self.connect(), |live| self.check_exchange(live)),
        )
        .await
    }
}
