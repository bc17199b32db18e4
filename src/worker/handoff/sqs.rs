//! The adapter for Amazon SQS and compatible servers.
//!
//! A standard queue does not deduplicate: an event that is published twice becomes two messages with the same `id`. A
//! FIFO queue drops a repetition within five minutes (deduplication id), and keeps the order of a subject's events
//! (group id). The queue is never created here: redrive, retention and encryption are up to its owner.
//!
//! Must not retry by itself: the caller retries, with the same id.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::BehaviorVersion;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{Credentials, Region};
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName};
use tokio::sync::{OnceCell, Semaphore};
use url::Url;

use super::{BrokerLogin, CloudEvent, EventSink, SinkError, with_timeout};
use crate::domain::reason::innermost_cause;

/// Maximum number of concurrent requests, and so of connections. Further requests wait.
const MAX_CONCURRENT_REQUESTS: usize = 64;

/// Sends to an SQS queue.
pub(super) struct SqsSink {
    queue_url: String,
    region: Option<String>,
    login: Option<BrokerLogin>,
    timeout: Duration,
    client: OnceCell<Client>,
    request_slots: Semaphore,
}

impl SqsSink {
    pub(super) fn new(
        queue_url: String,
        region: Option<String>,
        login: Option<BrokerLogin>,
        timeout: Duration,
    ) -> Self {
        let places = Semaphore::new(MAX_CONCURRENT_REQUESTS);
        Self { queue_url, region, login, timeout, client: OnceCell::new(), request_slots: places }
    }

    async fn get_or_connect(&self) -> Result<&Client, SinkError> {
        // Boxed because the future is large: it includes all sources of the credential chain.
        self.client.get_or_try_init(|| Box::pin(self.connect())).await
    }

    async fn connect(&self) -> Result<Client, SinkError> {
        let timeouts = TimeoutConfig::builder().connect_timeout(self.timeout).operation_timeout(self.timeout);
        // Requests go to the queue's host; by default the SDK would use Amazon's endpoint of the region.
        let url = Url::parse(&self.queue_url).map_err(|error| SinkError::Refused(format!("SQS: {error}")))?;
        let mut chain = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(url.origin().ascii_serialization())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts.build());
        if let Some(login) = &self.login {
            let secret = login.password.expose();
            chain = chain.credentials_provider(Credentials::new(&login.user, secret, None, None, "gantry settings"));
        }
        if let Some(region) = &self.region {
            chain = chain.region(Region::new(region.clone()));
        }
        let mut shared = chain.load().await;
        if shared.region().is_none() {
            // Servers other than Amazon's accept any region.
            shared = shared.into_builder().region(Region::new("us-east-1")).build();
        }
        Ok(Client::new(&shared))
    }

    async fn send_message(&self, event: &CloudEvent) -> Result<(), SinkError> {
        // The semaphore is never closed.
        let _place = self.request_slots.acquire().await.map_err(|_| SinkError::Unavailable("closing".to_owned()))?;
        let mut message =
            self.get_or_connect().await?.send_message().queue_url(&self.queue_url).message_body(message_body(event));
        for (name, value) in
            [("id", event.id.as_str()), ("type", &event.kind), ("content-type", CloudEvent::CONTENT_TYPE)]
        {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            message = message.message_attributes(name, value.map_err(|error| SinkError::Refused(error.to_string()))?);
        }
        if self.queue_url.ends_with(".fifo") {
            message = message.message_deduplication_id(&event.id).message_group_id(message_group_id(event));
        }
        message.send().await.map(|_| ()).map_err(|error| to_sink_error(&error))
    }
}

/// The event as JSON. The two characters that SQS refuses (U+FFFE, U+FFFF) are escaped.
fn message_body(event: &CloudEvent) -> String {
    event.to_json().replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

/// The group id, within which order is kept: the subject, or the tenant if SQS does not accept the subject.
fn message_group_id(event: &CloudEvent) -> String {
    let fits = (1..=128).contains(&event.subject.len()) && event.subject.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { event.subject.clone() } else { event.tenant.to_string() }
}

/// Converts an SQS error: throttling and server errors are `Unavailable`, all other answers are refusals.
fn to_sink_error<E, R>(error: &SdkError<E, R>) -> SinkError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    let text = format!("SQS: {}", innermost_cause(error));
    let SdkError::ServiceError(said) = error else { return SinkError::Unavailable(text) };
    let text = match (said.err().code(), said.err().message()) {
        (Some(code), Some(message)) => format!("SQS: {code}: {message}"),
        (Some(code), None) => format!("SQS: {code}"),
        _ => return SinkError::Unavailable(text),
    };
    match said.err().code().unwrap_or_default() {
        "RequestThrottled"
        | "ThrottlingException"
        | "Throttling"
        | "OverLimit"
        | "KmsThrottled"
        | "InternalFailure"
        | "InternalError"
        | "ServiceUnavailable"
        | "RequestTimeout" => SinkError::Unavailable(text),
        _ => SinkError::Refused(text),
    }
}

#[async_trait]
impl EventSink for SqsSink {
    async fn publish(&self, event: &CloudEvent) -> Result<(), SinkError> {
        with_timeout(self.timeout, self.send_message(event)).await
    }

    fn name(&self) -> &'static str {
        "sqs"
    }

    async fn check(&self) -> Result<(), SinkError> {
        let look = async {
            let asked = self.get_or_connect().await?.get_queue_attributes().queue_url(&self.queue_url);
            let asked = asked.attribute_names(QueueAttributeName::QueueArn).send().await;
            asked.map(|_| ()).map_err(|error| to_sink_error(&error))
        };
        with_timeout(self.timeout, look).await
    }
}
