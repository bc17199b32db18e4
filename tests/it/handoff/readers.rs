//! Consumers that know nothing of the adapters: each broker's messages, as somebody else's processor gets them.

use std::time::Instant;

use async_nats::jetstream;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, QueueAttributeName};
use futures_util::StreamExt as _;
use lapin::options::{BasicAckOptions, BasicGetOptions};
use redis::streams::StreamRangeReply;
use uuid::Uuid;

use crate::support::patience::PATIENCE;
use crate::support::servers::variable;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broker {
    Nats,
    Redis,
    RabbitMq,
    Sqs,
    SqsFifo,
}

impl Broker {
    pub fn knows_duplicates(self) -> bool {
        matches!(self, Self::Nats | Self::SqsFifo)
    }

    /// How many messages are many. The SQS server of the tests goes through its whole queue for every one.
    pub fn many(self) -> usize {
        if matches!(self, Self::Sqs | Self::SqsFifo) { 200 } else { 1000 }
    }
}

/// A message as it was read.
#[derive(Debug)]
pub struct Message {
    pub id: String,
    pub kind: String,
    pub body: String,
}

/// Where one test's events go.
pub struct Place {
    pub broker: Broker,
    /// The server.
    pub base: String,
    /// Stream, queue, exchange or subject.
    pub name: String,
    /// What the sink is given.
    pub address: String,
}

impl Place {
    pub async fn shared(broker: Broker) -> Self {
        let variable = variable(match broker {
            Broker::Nats => "GANTRY_TEST_NATS",
            Broker::Redis => "GANTRY_TEST_REDIS",
            Broker::RabbitMq => "GANTRY_TEST_AMQP",
            Broker::Sqs | Broker::SqsFifo => "GANTRY_TEST_SQS",
        });
        Self::of(broker, &variable).await
    }

    pub async fn of(broker: Broker, base: &str) -> Self {
        let mut name = format!("t{}", Uuid::new_v4().simple());
        let address = match broker {
            Broker::Nats => format!("{base}?stream={name}&subject={name}"),
            Broker::Redis => format!("{base}/2?stream={name}"),
            Broker::RabbitMq => format!("{base}?exchange={name}&queue={name}"),
            Broker::Sqs => format!("{base}/{name}"),
            Broker::SqsFifo => {
                name.push_str(".fifo");
                format!("{base}/{name}")
            }
        };
        let place = Self { broker, base: base.to_owned(), name, address };
        place.prepare().await;
        place
    }

    /// The address, ready for one more setting.
    pub fn and(&self) -> String {
        format!("{}{}", self.address, if self.address.contains('?') { '&' } else { '?' })
    }

    /// What the sink does not make itself.
    pub async fn prepare(&self) {
        if matches!(self.broker, Broker::Sqs | Broker::SqsFifo) {
            let mut queue = sqs(&self.base).create_queue().queue_name(&self.name);
            if self.broker == Broker::SqsFifo {
                queue = queue.attributes(QueueAttributeName::FifoQueue, "true");
            }
            queue.send().await.unwrap();
        }
    }

    /// Addresses at the same server that lead nowhere.
    pub fn nowhere(&self) -> Vec<String> {
        let base = &self.base;
        match self.broker {
            Broker::Nats => vec![format!("{base}?stream=none&subject=none&create=false")],
            Broker::Redis => vec![format!("{base}?stream=none&create=false"), format!("{base}/99")],
            Broker::RabbitMq => vec![format!("{base}?exchange=none&create=false"), format!("{base}/none")],
            Broker::Sqs | Broker::SqsFifo => vec![format!("{base}/none")],
        }
    }

    /// At least so many messages, if they come; what is there beyond them, too.
    pub async fn read(&self, expected: usize) -> Vec<Message> {
        match self.broker {
            Broker::Nats => self.read_nats().await,
            Broker::Redis => self.read_redis().await,
            Broker::RabbitMq => self.read_rabbitmq().await,
            Broker::Sqs | Broker::SqsFifo => self.read_sqs(expected).await,
        }
    }

    async fn read_nats(&self) -> Vec<Message> {
        let client = async_nats::connect(&self.base).await.unwrap();
        let stream = jetstream::new(client).get_stream(&self.name).await.unwrap();
        let consumer = stream.create_consumer(jetstream::consumer::pull::Config::default()).await.unwrap();
        let mut messages = consumer.fetch().max_messages(2000).messages().await.unwrap();
        let mut read = Vec::new();
        while let Some(message) = messages.next().await {
            let message = message.unwrap();
            let headers = message.headers.as_ref().unwrap();
            assert_eq!(headers.get("Content-Type").unwrap().as_str(), "application/cloudevents+json");
            read.push(Message {
                id: headers.get("Nats-Msg-Id").unwrap().to_string(),
                kind: message.subject.strip_prefix(&format!("{}.", self.name)).unwrap().to_owned(),
                body: String::from_utf8(message.payload.to_vec()).unwrap(),
            });
            message.ack().await.unwrap();
        }
        read
    }

    async fn read_redis(&self) -> Vec<Message> {
        let client = redis::Client::open(format!("{}/2", self.base)).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let range = redis::cmd("XRANGE").arg(&self.name).arg("-").arg("+").query_async(&mut connection).await;
        let range: StreamRangeReply = range.unwrap();
        let field = |entry: &redis::streams::StreamId, name: &str| entry.get::<String>(name).unwrap();
        let message =
            |entry| Message { id: field(entry, "id"), kind: field(entry, "type"), body: field(entry, "event") };
        range.ids.iter().map(message).collect()
    }

    async fn read_rabbitmq(&self) -> Vec<Message> {
        let connection = lapin::Connection::connect(&self.base, lapin::ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let mut read = Vec::new();
        loop {
            let got = match channel.basic_get(self.name.as_str().into(), BasicGetOptions::default()).await {
                Ok(Some(got)) => got,
                Ok(None) => break,
                // The sink declares the queue when it connects for the first time.
                Err(error) if error.to_string().contains("NOT_FOUND") => break,
                Err(error) => panic!("{error}"),
            };
            let properties = &got.delivery.properties;
            assert_eq!(properties.delivery_mode(), &Some(2));
            assert_eq!(properties.content_type().as_ref().unwrap().as_str(), "application/cloudevents+json");
            assert_eq!(properties.kind().as_ref().unwrap(), &got.delivery.routing_key);
            read.push(Message {
                id: properties.message_id().as_ref().unwrap().to_string(),
                kind: got.delivery.routing_key.to_string(),
                body: String::from_utf8(got.delivery.data.clone()).unwrap(),
            });
            got.delivery.ack(BasicAckOptions::default()).await.unwrap();
        }
        connection.close(200, "done".into()).await.unwrap();
        read
    }

    async fn read_sqs(&self, expected: usize) -> Vec<Message> {
        let client = sqs(&self.base);
        let url = client.get_queue_url().queue_name(&self.name).send().await.unwrap().queue_url.unwrap();
        let (mut read, deadline) = (Vec::new(), Instant::now() + PATIENCE);
        loop {
            let got = client.receive_message().queue_url(&url).max_number_of_messages(10);
            let got = got.message_attribute_names("All").send().await.unwrap().messages.unwrap_or_default();
            if got.is_empty() {
                if read.len() >= expected || Instant::now() > deadline {
                    return read;
                }
                continue;
            }
            let mut done = client.delete_message_batch().queue_url(&url);
            for (number, message) in got.into_iter().enumerate() {
                let attributes = message.message_attributes.unwrap();
                let attribute = |name: &str| attributes[name].string_value.clone().unwrap();
                read.push(Message { id: attribute("id"), kind: attribute("type"), body: message.body.unwrap() });
                let entry = DeleteMessageBatchRequestEntry::builder().id(number.to_string());
                done = done.entries(entry.receipt_handle(message.receipt_handle.unwrap()).build().unwrap());
            }
            done.send().await.unwrap();
        }
    }
}

/// A client for `sqs:http://key:secret@host/account`.
fn sqs(base: &str) -> aws_sdk_sqs::Client {
    let url = url::Url::parse(base.strip_prefix("sqs:").unwrap()).unwrap();
    let credentials = Credentials::new(url.username(), url.password().unwrap(), None, None, "test");
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(url.origin().ascii_serialization())
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials);
    aws_sdk_sqs::Client::from_conf(config.build())
}
