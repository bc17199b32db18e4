//! Somebody else's processor has the last word: through a real broker, with reports, second offers and deadlines.

use std::time::Duration;

use futures_util::StreamExt;
use gantry::worker::HandoffStep;
use gantry::worker::handoff::{BrokerAddress, connect};
use serde_json::Value;

use super::{TestSteps, bring, idle, nothing_owed, settled, until, work};
use crate::support::patience::{eventually, eventually_some};
use crate::support::servers::{Own, variable};
use crate::support::service::Service;
use crate::{on_both_services, transcript};

/// A stream of the test's own at the shared NATS.
struct Post {
    address: String,
    subject: String,
    stream: String,
}

impl Post {
    async fn new() -> Self {
        let name = format!("t{}", uuid::Uuid::now_v7().simple());
        let server = variable("GANTRY_TEST_NATS");
        // Small: what streams may hold is set aside for them.
        let client = async_nats::connect(&server).await.unwrap();
        let (subjects, max_bytes) = (vec![format!("{name}.>")], 1 << 20);
        let config =
            async_nats::jetstream::stream::Config { name: name.clone(), subjects, max_bytes, ..Default::default() };
        async_nats::jetstream::new(client).create_stream(config).await.unwrap();
        Self { address: format!("{server}?stream={name}&subject={name}"), subject: name.clone(), stream: name }
    }

    fn counter(&self, service: &Service) -> HandoffStep {
        let address: BrokerAddress = self.address.parse().unwrap();
        HandoffStep { sink: connect(&address).unwrap(), public_url: service.base.clone() }
    }

    /// Every event so far, as somebody else's consumer reads them.
    async fn read(&self, count: usize) -> Vec<Value> {
        let client = async_nats::connect(self.address.split('?').next().unwrap()).await.unwrap();
        let jetstream = async_nats::jetstream::new(client);
        let stream = eventually_some(format!("{count} events at {}", self.subject), async || {
            let mut stream = jetstream.get_stream(&self.stream).await.ok()?;
            let held = stream.info().await.unwrap().state.messages;
            (held >= count as u64).then_some(stream)
        });
        let config = async_nats::jetstream::consumer::pull::Config::default();
        let consumer = stream.await.create_consumer(config).await.unwrap();
        let messages: Vec<_> = consumer.messages().await.unwrap().take(count).collect().await;
        messages.into_iter().map(|m| serde_json::from_slice(&m.unwrap().payload).unwrap()).collect()
    }
}

on_both_services! {
    async fn a_processor_accepts_with_facts_and_derivatives(service, idle()) {
        let (post, asset) = (Post::new().await, bring(service, "a.txt", "hello").await);
        let _working = work(service, TestSteps { counter: Some(post.counter(service)), ..TestSteps::default() });
        let offer = post.read(1).await.remove(0);
        assert_eq!((offer["type"].as_str(), offer["specversion"].as_str()), (Some("asset.offered"), Some("1.0")));
        assert_eq!((offer["data"]["asset_id"].as_str(), offer["data"]["size"].as_u64()), (Some(asset.as_str()), Some(5)));
        let processor = service.key("process").await;
        let reader = service.key("read").await;
        let foreign = service.foreign_key("other").await;
        transcript!(service, r#"
            > GET /v1/assets/$asset/content
            < 409 {"code": "not_ready"}
            @ $foreign
            > GET /v1/assets/$asset/processing?token=$token
            < 404
            @ $reader
            > GET /v1/assets/$asset/processing?token=$token
            < 403
            @ $processor
            > GET /v1/assets/$asset/processing?token=gp_nonsense
            < 404
            > GET /v1/assets/$asset/processing?token=$token
            < 200 {"size": 5, "content_type": "text/plain", "offers": 1, "content": {"url": "$bytes", "method": "GET"}}
            @ nobody
            > GET $bytes
            < 200 sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
            @ $processor
            > POST /v1/assets/$asset/processing/derivatives {"token": "$token", "id": 7, "size": 3}
            < 200 {"url": "$put", "method": "PUT"}
            > POST /v1/assets/$asset/processing {"token": "$token", "outcome": "accept", "derivatives": [{"id": 7, "variant": "short", "content_type": "text/plain"}]}
            < 422
            @ nobody
            > PUT $put [hel]
            | if-none-match: *
            < 200
            @ $processor
            > POST /v1/assets/$asset/processing {"token": "$token", "outcome": "accept", "metadata": {"words": 1}, "derivatives": [{"id": 7, "variant": "short", "content_type": "text/plain"}]}
            < 200 {"state": "ready"}
            > POST /v1/assets/$asset/processing {"token": "$token", "outcome": "accept"}
            < 200 {"state": "ready"}
            > POST /v1/assets/$asset/processing {"token": "$token", "outcome": "reject", "reason": "changed my mind"}
            < 409
            @ $admin
            > GET /v1/assets/$asset
            < 200 {"state": "ready", "details": {"words": 1}, "derivatives": [{"variant": "short", "size": 3}]}
            > GET /v1/assets/$asset/content?variant=short&delivery=stream
            < 200
        "#, asset = asset, processor = processor, reader = reader, foreign = foreign, token = offer["data"]["token"].as_str().unwrap());
        nothing_owed(service).await;
    }

    async fn a_processor_rejects_and_the_reason_is_shown(service, idle()) {
        let (post, asset) = (Post::new().await, bring(service, "a.txt", "hello").await);
        let _working = work(service, TestSteps { counter: Some(post.counter(service)), ..TestSteps::default() });
        let offer = post.read(1).await.remove(0);
        transcript!(service, r#"
            > GET /v1/assets/$asset/processing
            < 422
            > POST /v1/assets/$asset/processing {"token": "$token", "outcome": "reject"}
            < 422
            > POST /v1/assets/$asset/processing {"token": "$token", "outcome": "reject", "reason": {"code": "not_a_poem", "message": "It does not rhyme."}}
            < 200 {"state": "rejected"}
            > GET /v1/assets/$asset
            < 200 {"state": "rejected", "reason": {"code": "not_a_poem", "message": "It does not rhyme."}}
        "#, asset = asset, token = offer["data"]["token"].as_str().unwrap());
        nothing_owed(service).await;
    }

    async fn who_does_not_report_is_asked_again_with_the_same_event(service, idle()) {
        let (post, asset) = (Post::new().await, bring(service, "a.txt", "hello").await);
        let _working = work(service, TestSteps { counter: Some(post.counter(service)), ..TestSteps::default() });
        let first = post.read(1).await.remove(0);
        // NATS drops the repetition by its id: the asset's own count tells of it.
        let offers = async || {
            let job = service.database.store.find_job(gantry::domain::job::JobSubject::Process(asset.parse().unwrap())).await;
            job.unwrap().map(|entry| entry.job.progress.unwrap()["offers"].as_u64().unwrap())
        };
        service.advance(Duration::from_secs(601));
        eventually("a second offer", async || offers().await == Some(2)).await;
        transcript!(service, r#"
            > POST /v1/assets/$asset/processing {"token": "$token", "outcome": "retry", "reason": "no worker at hand"}
            < 200 {"state": "processing"}
        "#, asset = asset, token = first["data"]["token"].as_str().unwrap());
        let given_up = until(service, &asset, |asset| asset.state.is_settled()).await;
        assert_eq!((given_up.state.name(), given_up.state.verdict().unwrap().code.as_str()), ("failed", "not_reported"));
        // The report that comes too late is told so.
        transcript!(service, r#"
            > POST /v1/assets/$asset/processing {"token": "$token", "outcome": "accept"}
            < 409
        "#, asset = asset, token = first["data"]["token"].as_str().unwrap());
    }

    async fn while_the_broker_is_away_nothing_is_lost(service, idle()) {
        let mut own = Own::redis().await;
        own.kill();
        let assets = [bring(service, "a.txt", "hello").await, bring(service, "b.txt", "world").await];
        let address: BrokerAddress = format!("{}?stream=offers&timeout=1s", own.address).parse().unwrap();
        let counter = HandoffStep { sink: connect(&address).unwrap(), public_url: service.base.clone() };
        let _working = work(service, TestSteps { counter: Some(counter), ..TestSteps::default() });
        for asset in &assets {
            let subject = gantry::domain::job::JobSubject::Process(asset.parse().unwrap());
            eventually("it was tried", async || {
                let job = service.database.store.find_job(subject).await.unwrap();
                job.is_some_and(|entry| entry.last_error.is_some())
            })
            .await;
        }
        own.restart().await;
        for asset in &assets {
            let read = async || -> Option<String> {
                let client = redis::Client::open(own.address.as_str()).unwrap();
                let mut line = client.get_multiplexed_async_connection().await.ok()?;
                let all: redis::streams::StreamRangeReply =
                    redis::cmd("XRANGE").arg("offers").arg("-").arg("+").query_async(&mut line).await.ok()?;
                let events = all.ids.iter().filter_map(|entry| entry.get::<String>("event"));
                let event = events.map(|text| serde_json::from_str::<Value>(&text).unwrap());
                event.into_iter().find(|event| event["data"]["asset_id"] == asset.as_str()).map(|event| event["data"]["token"].as_str().unwrap().to_owned())
            };
            let token = eventually_some("an offer", async || {
                service.advance(Duration::from_millis(500));
                read().await
            })
            .await;
            transcript!(service, r#"
                > POST /v1/assets/$asset/processing {"token": "$token", "outcome": "accept"}
                < 200 {"state": "ready"}
            "#, asset = asset, token = token);
            settled(service, asset).await;
        }
        nothing_owed(service).await;
    }
}
