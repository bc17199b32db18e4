//! Handing over to real brokers: one suite for all four, and what only one of them does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use gantry::domain::clock::micros;
use gantry::domain::ids::TenantId;
use gantry::worker::handoff::{BrokerAddress, CloudEvent, EventSink, SinkError, connect};
use uuid::Uuid;

use crate::support::patience::eventually_ok;
use crate::support::servers::Own;

mod logins;
mod particular;
pub mod readers;

use readers::{Broker, Place};

fn event(number: usize) -> CloudEvent {
    CloudEvent {
        traceparent: None,
        id: Uuid::now_v7().to_string(),
        source: "https://gantry.example/".to_owned(),
        kind: "asset.ready".to_owned(),
        subject: format!("assets/{}", Uuid::from_u128(number as u128)),
        time: micros(1_700_000_000_000_000),
        tenant: TenantId(Uuid::from_u128(5)),
        data: serde_json::json!({"number": number, "name": "Grüße \u{1f4e6}\u{ffff}\n", "size": 1u64 << 40}),
    }
}

fn sink(address: &str) -> Arc<dyn EventSink> {
    connect(&address.parse::<BrokerAddress>().unwrap()).unwrap()
}

/// Runs one test body on every broker, as four tests. The body gets a place of its own in the shared server.
macro_rules! on_every_broker {
    ($(async fn $name:ident($place:ident) $body:block)*) => { $(
        mod $name {
            use super::*;

            async fn run($place: Place) $body

            #[tokio::test]
            async fn nats() {
                run(Place::shared(Broker::Nats).await).await;
            }

            #[tokio::test]
            async fn redis() {
                run(Place::shared(Broker::Redis).await).await;
            }

            #[tokio::test]
            async fn rabbitmq() {
                run(Place::shared(Broker::RabbitMq).await).await;
            }

            #[tokio::test]
            async fn sqs() {
                run(Place::shared(Broker::Sqs).await).await;
            }

            #[tokio::test]
            async fn sqs_fifo() {
                run(Place::shared(Broker::SqsFifo).await).await;
            }
        }
    )* };
}

on_every_broker! {
    async fn a_published_event_is_read_by_somebody_else(place) {
        let (sink, event) = (sink(&place.address), event(1));
        sink.check().await.unwrap();
        sink.publish(&event).await.unwrap();
        let read = place.read(1).await;
        let [message] = read.as_slice() else { panic!("{read:?}") };
        assert_eq!((message.id.as_str(), message.kind.as_str()), (event.id.as_str(), "asset.ready"));
        let json: serde_json::Value = serde_json::from_str(&message.body).unwrap();
        let expected: serde_json::Value = serde_json::from_str(&event.to_json()).unwrap();
        assert_eq!(json, expected);
        assert_eq!((&json["specversion"], &json["data"]), (&"1.0".into(), &event.data));
    }

    async fn a_repetition_has_the_same_id(place) {
        let (sink, event) = (sink(&place.address), event(1));
        for _ in 0..3 {
            sink.publish(&event).await.unwrap();
        }
        sink.publish(&super::event(2)).await.unwrap();
        let (kept, expected) = if place.broker.knows_duplicates() { (1, 2) } else { (3, 4) };
        let read = place.read(expected).await;
        assert_eq!(read.iter().filter(|message| message.id == event.id).count(), kept, "{read:?}");
        assert_eq!(read.len(), expected);
    }

    async fn many_at_once(place) {
        let sink = sink(&format!("{}timeout=60s", place.and()));
        let events: Vec<_> = (0..place.broker.many()).map(event).collect();
        for published in join_all(events.iter().map(|event| sink.publish(event))).await {
            published.unwrap();
        }
        let mut missing: BTreeMap<_, _> = events.iter().map(|event| (event.id.clone(), event.to_json())).collect();
        for message in place.read(events.len()).await {
            let expected = missing.remove(&message.id).expect("published once");
            let same = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            assert_eq!(same(&message.body), same(&expected));
        }
        assert!(missing.is_empty(), "{} were lost", missing.len());
    }

    async fn what_has_no_place_to_go_is_an_error(place) {
        for address in place.nowhere() {
            let sink = sink(&address);
            for refused in [sink.publish(&event(1)).await, sink.publish(&event(1)).await, sink.check().await] {
                assert!(matches!(refused, Err(SinkError::Refused(_))), "{address}: {refused:?}");
            }
        }
    }
}

/// Kills, restarts, freezes and thaws a broker under one sink.
async fn outages(mut broker: Own, kind: Broker) {
    let place = Place::of(kind, &broker.address).await;
    let sink = sink(&format!("{}timeout=3s", place.and()));
    sink.publish(&event(1)).await.unwrap();
    broker.kill();
    fails_in_time(&*sink).await;
    broker.restart().await;
    place.prepare().await;
    let second = comes_back(&*sink).await;
    broker.freeze();
    fails_in_time(&*sink).await;
    broker.thaw();
    let third = comes_back(&*sink).await;
    let read: Vec<_> = place.read(2).await.into_iter().map(|message| message.id).collect();
    assert!(read.contains(&second) && read.contains(&third), "{read:?}");
    // One that was never there, then is.
    broker.kill();
    let early = super::handoff::sink(&format!("{}timeout=3s", place.and()));
    fails_in_time(&*early).await;
    broker.restart().await;
    place.prepare().await;
    comes_back(&*early).await;
}

async fn fails_in_time(sink: &dyn EventSink) {
    for _ in 0..2 {
        let began = Instant::now();
        let failed = sink.publish(&event(0)).await;
        assert!(matches!(failed, Err(SinkError::Unavailable(_))), "{failed:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
    assert!(matches!(sink.check().await, Err(SinkError::Unavailable(_))));
}

/// Publishes as a worker does, again and again with the same id; which.
async fn comes_back(sink: &dyn EventSink) -> String {
    let event = event(2);
    eventually_ok("the broker is back", async || {
        let published = sink.publish(&event).await;
        assert!(matches!(published, Ok(()) | Err(SinkError::Unavailable(_))), "{published:?}");
        published
    })
    .await;
    event.id
}

mod a_broker_that_goes_away_comes_back {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nats() {
        outages(Own::nats().await, Broker::Nats).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn redis() {
        outages(Own::redis().await, Broker::Redis).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn rabbitmq() {
        outages(Own::rabbitmq().await, Broker::RabbitMq).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sqs() {
        outages(Own::sqs().await, Broker::Sqs).await;
    }
}
