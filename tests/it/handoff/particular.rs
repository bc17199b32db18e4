//! What only one broker does: bounds that refuse, streams that vanish, logins, order.

use async_nats::jetstream;
use gantry::worker::handoff::SinkError;
use lapin::types::{AMQPValue, FieldTable};

use super::readers::{Broker, Place};
use super::{event, sink};

#[tokio::test]
async fn nats_makes_a_stream_that_refuses_rather_than_forgets() {
    let place = Place::shared(Broker::Nats).await;
    let sink = sink(&place.address);
    sink.publish(&event(1)).await.unwrap();
    let context = jetstream::new(async_nats::connect(&place.base).await.unwrap());
    let stream = context.get_stream(&place.name).await.unwrap();
    let mut config = stream.cached_info().config.clone();
    assert_eq!(config.discard, jetstream::stream::DiscardPolicy::New);
    assert!(config.max_bytes > 0 && !config.max_age.is_zero() && !config.duplicate_window.is_zero());
    // Full: refused, and what was kept stays.
    config.max_messages = 1;
    context.update_stream(config).await.unwrap();
    let refused = sink.publish(&event(2)).await;
    assert!(matches!(&refused, Err(SinkError::Refused(why)) if why.contains("maximum messages")), "{refused:?}");
    // Removed: missed once, and made again.
    context.delete_stream(&place.name).await.unwrap();
    let missed = sink.publish(&event(3)).await;
    assert!(matches!(missed, Err(SinkError::Refused(_))), "{missed:?}");
    sink.publish(&event(3)).await.unwrap();
    assert_eq!(place.read(1).await.len(), 1);
}

#[tokio::test]
async fn nats_does_not_publish_into_somebody_elses_stream() {
    let place = Place::shared(Broker::Nats).await;
    sink(&place.address).publish(&event(1)).await.unwrap();
    let context = jetstream::new(async_nats::connect(&place.base).await.unwrap());
    let other = format!("{}b", place.name);
    let config = jetstream::stream::Config { name: other.clone(), subjects: vec![other.clone()], ..Default::default() };
    context.create_stream(config).await.unwrap();
    let wrong = sink(&format!("{}?stream={other}&subject={}", place.base, place.name));
    let refused = wrong.publish(&event(2)).await;
    assert!(matches!(refused, Err(SinkError::Refused(_))), "{refused:?}");
    assert_eq!(place.read(1).await.len(), 1);
}

#[tokio::test]
async fn redis_trims_only_when_told() {
    let place = Place::shared(Broker::Redis).await;
    let (all, few) = (sink(&place.address), sink(&format!("{}maxlen=100", place.and())));
    for number in 0..500 {
        all.publish(&event(number)).await.unwrap();
    }
    assert_eq!(place.read(500).await.len(), 500);
    few.publish(&event(500)).await.unwrap();
    // About: whole nodes of a hundred entries go.
    let left = place.read(100).await.len();
    assert!((100..=200).contains(&left), "{left}");
}

#[tokio::test]
async fn redis_refuses_a_key_that_is_no_stream() {
    let place = Place::shared(Broker::Redis).await;
    let client = redis::Client::open(format!("{}/2", place.base)).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let set: () = redis::cmd("SET").arg(&place.name).arg("text").query_async(&mut connection).await.unwrap();
    let sink = sink(&place.address);
    for refused in [sink.publish(&event(1)).await, sink.check().await] {
        assert!(matches!(refused, Err(SinkError::Refused(_))), "{refused:?} {set:?}");
    }
}

async fn channel(place: &Place) -> (lapin::Connection, lapin::Channel) {
    let connection = lapin::Connection::connect(&place.base, lapin::ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

#[tokio::test]
async fn rabbitmq_returns_what_no_queue_takes() {
    let place = Place::shared(Broker::RabbitMq).await;
    let (making, using) = (sink(&place.address), sink(&format!("{}create=false", place.and())));
    making.publish(&event(1)).await.unwrap();
    using.publish(&event(2)).await.unwrap();
    let (connection, channel) = channel(&place).await;
    channel.queue_delete(place.name.as_str().into(), Default::default()).await.unwrap();
    for _ in 0..2 {
        let refused = using.publish(&event(3)).await;
        assert!(matches!(&refused, Err(SinkError::Refused(why)) if why.contains("no queue")), "{refused:?}");
    }
    // The one that makes its queue misses it once, and makes it again.
    assert!(matches!(making.publish(&event(4)).await, Err(SinkError::Refused(_))));
    making.publish(&event(4)).await.unwrap();
    assert_eq!(place.read(1).await.len(), 1);
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test]
async fn rabbitmq_says_when_a_queue_is_full_or_another() {
    let place = Place::shared(Broker::RabbitMq).await;
    let (connection, channel) = channel(&place).await;
    let mut bounds = FieldTable::default();
    bounds.insert("x-max-length".into(), AMQPValue::LongLongInt(1));
    bounds.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let (name, durable) = (place.name.as_str(), lapin::options::QueueDeclareOptions::durable());
    channel.queue_declare(name.into(), durable, bounds).await.unwrap();
    // Declared by somebody else with other bounds: theirs counts, and `create=false` says so.
    let refused = sink(&place.address).publish(&event(1)).await;
    assert!(matches!(&refused, Err(SinkError::Refused(why)) if why.contains("PRECONDITION")), "{refused:?}");
    let all = (Default::default(), FieldTable::default());
    channel.queue_bind(name.into(), name.into(), "asset.*".into(), all.0, all.1).await.unwrap();
    let using = sink(&format!("{}create=false", place.and()));
    using.publish(&event(1)).await.unwrap();
    let refused = using.publish(&event(2)).await;
    assert!(matches!(&refused, Err(SinkError::Refused(why)) if why.contains("full")), "{refused:?}");
    assert_eq!(place.read(1).await.len(), 1);
    using.publish(&event(3)).await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test]
async fn sqs_keeps_the_order_of_a_subject_in_a_fifo_queue() {
    let place = Place::shared(Broker::SqsFifo).await;
    let sink = sink(&place.address);
    let mut events: Vec<_> = (0..10).map(|_| event(7)).collect();
    // No group id could be made of this one.
    events[9].subject = "ü \n".to_owned();
    for event in &events {
        sink.publish(event).await.unwrap();
    }
    let read: Vec<_> = place.read(10).await.into_iter().map(|message| message.id).collect();
    let sent: Vec<_> = events.iter().map(|event| event.id.clone()).collect();
    assert_eq!(read, sent);
}
