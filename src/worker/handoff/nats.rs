//! The adapter for NATS: publishes to a JetStream stream, which acknowledges what it has stored.
//!
//! The event's id is the `Nats-Msg-Id`: a repetition within the stream's duplicate window is acknowledged and not
//! stored again. A stream created here keeps messages for a week, up to a gigabyte, and refuses more: events then wait
//! in this service, where operators see them, instead of displacing unread messages. An existing stream is used as it
//! is.
//!
//! Must not publish to a subject that no stream, or another stream, listens to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, DiscardPolicy};
use async_nats::jetstream::{Context, ErrorCode, context::ContextBuilder};
use async_nats::{Client, ConnectErrorKind, ConnectOptions};
use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::{BrokerServer, CloudEvent, EventSink, MAX_STREAM_BYTES, SinkError, with_timeout};

/// Maximum age of messages in a stream created here.
const STREAM_MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Duplicate window of a stream created here: longer than the longest pause between two tries of a job.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(2 * 3600);
/// Ping interval; a server that is silent for two intervals counts as gone.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// Publishes to a JetStream stream.
pub(super) struct NatsSink {
    server: BrokerServer,
    subject: String,
    stream: String,
    create: bool,
    /// The client reconnects by itself for ever; only the first connection is made here.
    client: OnceCell<Client>,
    /// True if the stream was found and has not been missing since.
    stream_seen: AtomicBool,
}

impl NatsSink {
    pub(super) fn new(server: BrokerServer, subject: String, stream: String, create: bool) -> Self {
        Self { server, subject, stream, create, client: OnceCell::new(), stream_seen: AtomicBool::new(false) }
    }

    async fn ready_context(&self) -> Result<Context, SinkError> {
        let client = self.client.get_or_try_init(|| self.connect()).await?;
        // A disconnected client would buffer messages and send them after the caller has given up.
        if client.connection_state() != State::Connected {
            return Err(SinkError::Unavailable("the connection to NATS is broken".to_owned()));
        }
        let context = ContextBuilder::new().timeout(self.server.timeout).ack_timeout(self.server.timeout);
        let context = context.backpressure_on_inflight(true).build(client.clone());
        if !self.stream_seen.load(Ordering::Relaxed) {
            self.ensure_stream(&context).await?;
            self.stream_seen.store(true, Ordering::Relaxed);
        }
        Ok(context)
    }

    async fn connect(&self) -> Result<Client, SinkError> {
        let options =
            ConnectOptions::new().name("gantry").ping_interval(PING_INTERVAL).connection_timeout(self.server.timeout);
        let options = options.require_tls(self.server.tls);
        let options = match &self.server.login {
            Some(login) if login.user.is_empty() => options.token(login.password.expose().to_owned()),
            Some(login) => options.user_and_password(login.user.clone(), login.password.expose().to_owned()),
            None => options,
        };
        let scheme = if self.server.tls { "tls" } else { "nats" };
        let place = format!("{scheme}://{}:{}", self.server.url_host(), self.server.port);
        options.connect(place).await.map_err(|error| match error.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                SinkError::Refused("NATS refuses the credentials".to_owned())
            }
            kind => SinkError::Unavailable(format!("NATS cannot be reached: {kind}")),
        })
    }

    async fn ensure_stream(&self, context: &Context) -> Result<(), SinkError> {
        use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};

        let missing = match context.get_stream(&self.stream).await {
            Ok(_) => return Ok(()),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(why) if why.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    SinkError::Refused(format!("NATS has no stream {}", self.stream))
                }
                GetStreamErrorKind::JetStream(why) => return Err(SinkError::Refused(format!("NATS: {why}"))),
                _ => return Err(SinkError::Unavailable(format!("NATS: {error}"))),
            },
        };
        if !self.create {
            return Err(missing);
        }
        let config = Config {
            name: self.stream.clone(),
            description: Some("Events of Gantry".to_owned()),
            subjects: vec![format!("{}.>", self.subject)],
            max_bytes: MAX_STREAM_BYTES,
            max_age: STREAM_MAX_AGE,
            discard: DiscardPolicy::New,
            duplicate_window: DUPLICATE_WINDOW,
            ..Config::default()
        };
        context.create_stream(config).await.map(|_| ()).map_err(|error| match error.kind() {
            CreateStreamErrorKind::TimedOut | CreateStreamErrorKind::Response => {
                SinkError::Unavailable(format!("NATS: {error}"))
            }
            _ => SinkError::Refused(format!("NATS refuses to create the stream {}: {error}", self.stream)),
        })
    }

    async fn publish_acknowledged(&self, event: &CloudEvent) -> Result<(), SinkError> {
        let context = self.ready_context().await?;
        let message = PublishMessage::build()
            .payload(event.to_json().into())
            .message_id(&event.id)
            .expected_stream(&self.stream)
            .header("Content-Type", CloudEvent::CONTENT_TYPE);
        let message = match &event.traceparent {
            Some(traceparent) => message.header("traceparent", traceparent.as_str()),
            None => message,
        };
        let subject = format!("{}.{}", self.subject, event.kind);
        let published = async { context.send_publish(subject, message).await?.await };
        published.await.map(|_| ()).map_err(|error| match error.kind() {
            PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe | PublishErrorKind::MaxAckPending => {
                SinkError::Unavailable(format!("NATS: {error}"))
            }
            // The stream may have been deleted: the next try looks for it again, and creates it if allowed.
            PublishErrorKind::StreamNotFound => {
                self.stream_seen.store(false, Ordering::Relaxed);
                SinkError::Refused("NATS: no stream takes the subject".to_owned())
            }
            _ => SinkError::Refused(format!("NATS: {error}")),
        })
    }
}

#[async_trait]
impl EventSink for NatsSink {
    async fn publish(&self, event: &CloudEvent) -> Result<(), SinkError> {
        with_timeout(self.server.timeout, self.publish_acknowledged(event)).await
    }

    fn name(&self) -> &'static str {
        "nats"
    }

    async fn check(&self) -> Result<(), SinkError> {
        let seen = async {
            let context = self.ready_context().await?;
            self.ensure_stream(&context).await
        };
        with_timeout(self.server.timeout, seen).await
    }
}
