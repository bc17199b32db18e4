//! Receivers that are down, slow, gone, elsewhere, or up to no good.

use std::time::{Duration, Instant};

use super::{all, get, hook, log, post, until};
use crate::events::{awaited, change};
use crate::support::patience::{eventually, eventually_ok};
use crate::support::receiver::{Receiver, Reply};
use crate::support::service::Shape;
use crate::{on_both_services, transcript};

const HOUR: Duration = Duration::from_secs(3600);

fn hasty() -> Shape {
    let mut shape = Shape::default();
    shape.settings.webhooks.timeout = Duration::from_millis(500);
    shape
}

on_both_services! {
    async fn a_redirect_is_a_failure_and_leads_nowhere(service) {
        let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
        let (webhook, _) = hook(service, &receiver, "asset.created").await;
        for status in [301, 302, 303, 307, 308] {
            receiver.next([Reply::With(status, "location", elsewhere.url.clone())]);
            transcript!(service, r#"
                > POST /v1/webhooks/$webhook/test
                < 200 {"state": "dead", "last_status": $status, "problem": "redirect"}
            "#, webhook = webhook, status = status);
        }
        assert!(elsewhere.came().is_empty());
    }

    async fn gone_disables_and_ends_what_is_pending(service) {
        let receiver = Receiver::start().await;
        let (webhook, _) = hook(service, &receiver, "asset.changed").await;
        let (_, asset, _) = awaited(service).await;
        receiver.usually(Reply::Status(500));
        change(&service.base, &service.admin, &asset, "b").await;
        until(service, &webhook, "a failure", |log| log.len() == 1 && log[0]["tries"] == 1).await;
        receiver.usually(Reply::Status(410));
        service.advance(Duration::from_secs(1));
        change(&service.base, &service.admin, &asset, "c").await;
        let log = all(service, &webhook, 2, "dead").await;
        assert_eq!((&log[0]["problem"], &log[1]["problem"]), (&"gone".into(), &"disabled".into()));
        transcript!(service, r#"
            > GET /v1/webhooks/$webhook
            < 200 {"state": "disabled", "reason": "gone"}
            > GET /v1/admin/alarms
            < 200 {"alarms": [{"code": "dead_deliveries", "ids": ["$dead", "$other"]}, {"code": "webhooks_disabled", "ids": []}]}
            > GET /v1/admin/jobs?kind=deliver
            < 200 {"jobs": []}
        "#, webhook = webhook);
        change(&service.base, &service.admin, &asset, "d").await;
        service.advance(HOUR);
        assert_eq!(receiver.came().len(), 2);
    }

    async fn a_receiver_that_asks_for_patience_gets_it(service) {
        let receiver = Receiver::start().await;
        let (webhook, _) = hook(service, &receiver, "asset.created").await;
        receiver.next([Reply::With(429, "retry-after", "120".to_owned())]);
        awaited(service).await;
        let log = until(service, &webhook, "a failure", |log| log.len() == 1 && log[0]["tries"] == 1).await;
        let next: jiff::Timestamp = log[0]["next_try_at"].as_str().unwrap().parse().unwrap();
        assert_eq!(next.duration_since(service.engine.now()).as_secs(), 120);
        service.advance(Duration::from_secs(100));
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(receiver.came().len(), 1);
        service.advance(Duration::from_secs(20));
        receiver.until(2).await;
    }

    async fn a_slow_receiver_is_not_waited_for(service, hasty()) {
        let receiver = Receiver::start().await;
        let (webhook, _) = hook(service, &receiver, "asset.created").await;
        receiver.next([Reply::Silence(Duration::from_secs(60))]);
        let began = Instant::now();
        transcript!(service, r#"
            > POST /v1/webhooks/$webhook/test
            < 200 {"state": "dead", "last_status": null, "problem": "timeout"}
        "#, webhook = webhook);
        assert!(began.elapsed() < Duration::from_secs(20));
    }

    async fn an_answer_without_an_end_is_not_read_to_it(service) {
        let receiver = Receiver::start().await;
        let (webhook, _) = hook(service, &receiver, "asset.created").await;
        receiver.next([Reply::Endless]);
        let began = Instant::now();
        transcript!(service, r#"
            > POST /v1/webhooks/$webhook/test
            < 200 {"state": "delivered", "last_status": 200}
        "#, webhook = webhook);
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    async fn nobody_there(service) {
        let receiver = Receiver::start().await;
        let (webhook, _) = hook(service, &receiver, "asset.created").await;
        transcript!(service, r#"
            > PATCH /v1/webhooks/$webhook {"url": "http://127.0.0.1:1/"}
            < 200
            > POST /v1/webhooks/$webhook/test
            < 200 {"state": "dead", "problem": "unreachable", "last_status": null}
            > PATCH /v1/webhooks/$webhook {"url": "http://no-such-host.invalid/"}
            < 200
            > POST /v1/webhooks/$webhook/test
            < 200 {"state": "dead", "problem": "unreachable"}
        "#, webhook = webhook);
    }

    async fn down_for_the_whole_schedule_then_a_dead_letter_that_is_retried(service) {
        let receiver = Receiver::start().await;
        let (webhook, secret) = hook(service, &receiver, "asset.created").await;
        receiver.usually(Reply::Status(503));
        awaited(service).await;
        // Somebody else's success: the endpoint is not hopeless.
        for tries in 1..=9 {
            let tried = |log: &[serde_json::Value]| event(log)["tries"] == tries;
            until(service, &webhook, "the next try", tried).await;
            receiver.next([Reply::Status(204)]);
            post(service, &format!("/v1/webhooks/{webhook}/test"), serde_json::json!({})).await;
            service.advance(HOUR * 29);
        }
        let all = until(service, &webhook, "the end", |log| event(log)["state"] == "dead").await;
        let dead = event(&all);
        assert_eq!((&dead["tries"], &dead["problem"], dead["attempts"].as_array().unwrap().len()), (&10.into(), &"status".into(), 10));
        receiver.usually(Reply::Status(200));
        receiver.forget();
        transcript!(service, r#"
            > GET /v1/webhooks/$webhook/deliveries?state=dead
            < 200 {"deliveries": [{"id": "$dead"}]}
            > POST /v1/webhooks/$webhook/deliveries/$dead/replay
            < 202 {"state": "pending", "replay": true, "tries": 0, "message_id": "$message"}
        "#, webhook = webhook, dead = dead["id"].as_str().unwrap(), message = dead["message_id"].as_str().unwrap());
        let came = receiver.until(1).await;
        assert!(came[0].id() == dead["message_id"] && came[0].is_signed(&secret));
        until(service, &webhook, "arrived", |log| log.iter().all(|delivery| delivery["state"] == "delivered")).await;
    }

    async fn nothing_but_failures_disables(service) {
        let receiver = Receiver::start().await;
        let (webhook, _) = hook(service, &receiver, "asset.created").await;
        receiver.usually(Reply::Status(500));
        awaited(service).await;
        let mut tries = 0;
        loop {
            until(service, &webhook, "the next try", |log| log.len() == 1 && log[0]["tries"].as_i64() > Some(tries)).await;
            tries += 1;
            // The try and what follows from it are written together.
            if get(service, &format!("/v1/webhooks/{webhook}")).await["state"] != "active" {
                break;
            }
            service.advance(HOUR * 30);
        }
        assert_eq!(tries, 5, "five days at thirty hours each");
        // Before it is enabled again: a delivery of an active endpoint is tried again instead.
        all(service, &webhook, 1, "dead").await;
        transcript!(service, r#"
            > GET /v1/webhooks/$webhook
            < 200 {"state": "disabled", "reason": "failing"}
            > PATCH /v1/webhooks/$webhook {"enabled": true}
            < 200 {"state": "active", "failing_since": null}
        "#, webhook = webhook);
    }

    async fn a_slow_endpoint_does_not_keep_others_waiting(service) {
        let (slow, quick) = (Receiver::start().await, Receiver::start().await);
        slow.usually(Reply::Silence(Duration::from_secs(8)));
        hook(service, &slow, "*").await;
        hook(service, &quick, "*").await;
        let (_, asset, _) = awaited(service).await;
        let began = Instant::now();
        for n in 0..100 {
            change(&service.base, &service.admin, &asset, &format!("n{n}")).await;
        }
        // The gate's pauses go by the service's clock.
        eventually_ok("101 requests", async || {
            service.advance(Duration::from_millis(200));
            assert!(slow.came().len() <= 16 || began.elapsed() > Duration::from_secs(8));
            if quick.came().len() >= 101 { Ok(()) } else { Err(quick.came().len()) }
        })
        .await;
    }

    async fn the_log_is_forgotten_in_time(service) {
        let receiver = Receiver::start().await;
        let (webhook, _) = hook(service, &receiver, "asset.created").await;
        awaited(service).await;
        all(service, &webhook, 1, "delivered").await;
        service.engine.operations().run_retention().await.unwrap();
        assert_eq!(log(service, &webhook).await.len(), 1);
        service.advance(HOUR * 24 * 31);
        assert_eq!(service.engine.operations().run_retention().await.unwrap().deliveries, 1);
        assert!(log(service, &webhook).await.is_empty());
    }
}

mod ourselves {
    use std::sync::Arc;

    use gantry::domain::clock::OsEntropy;
    use gantry::domain::job::{JobKind, MAX_TRIES};
    use gantry::worker::{self, JobWorker, ProcessingPipeline, WebhookSender};
    use tokio::sync::Notify;

    use super::*;
    use crate::support::faulty::Fault;

    fn idle() -> Shape {
        Shape { works: false, ..Shape::default() }
    }

    on_both_services! {
        async fn an_answer_that_was_lost_is_not_dispatched_twice(service, idle()) {
            let receiver = Receiver::start().await;
            let (webhook, _) = hook(service, &receiver, "asset.created").await;
            awaited(service).await;
            service.faults.on_commit_of("Deliver", [Some(Fault::Refused), Some(Fault::AnswerLost)]);
            assert!(service.engine.webhooks().dispatch().await.is_err());
            assert!(log(service, &webhook).await.is_empty());
            assert!(service.engine.webhooks().dispatch().await.is_err());
            assert_eq!(service.engine.webhooks().dispatch().await.unwrap(), Some(0));
            assert!(log(service, &webhook).await.len() == 1 && service.faults.are_spent());
        }

        async fn a_delivery_that_ends_its_workers_is_given_up(service, idle()) {
            let receiver = Receiver::start().await;
            let (webhook, _) = hook(service, &receiver, "asset.created").await;
            awaited(service).await;
            service.engine.webhooks().dispatch().await.unwrap();
            for _ in 0..MAX_TRIES {
                let lease = Duration::from_secs(1);
                assert_eq!(service.database.store.claim_jobs(JobKind::Deliver, lease, 9).await.unwrap().len(), 1);
                service.advance(lease);
            }
            let (store, engine) = (Arc::clone(&service.database.store), service.engine.clone());
            let worker = JobWorker::new(engine, store, Arc::new(OsEntropy), ProcessingPipeline::default(), worker::WorkerSettings::default());
            let worker = worker.with_sender(WebhookSender::new(&service.engine.webhooks().webhook_settings().egress).unwrap());
            let stop = service.stop.clone();
            tokio::spawn(async move { worker.run(stop).await });
            let log = all(service, &webhook, 1, "dead").await;
            assert!(log[0]["problem"] == "poison" && receiver.came().is_empty());
            assert_eq!(service.database.store.count_jobs().await.unwrap(), (0, 0));
        }

        async fn a_database_that_stumbles_uses_up_no_try(service) {
            let receiver = Receiver::start().await;
            let (webhook, _) = hook(service, &receiver, "asset.changed").await;
            let (_, asset, _) = awaited(service).await;
            let answered = Arc::new(Notify::new());
            receiver.next([Reply::Held(Arc::clone(&answered))]);
            change(&service.base, &service.admin, &asset, "b").await;
            receiver.until(1).await;
            service.faults.on_commit_of("Settle(", [Some(Fault::Refused)]);
            answered.notify_one();
            eventually("the fault", async || service.faults.are_spent()).await;
            // A renewal of the lease that is on its way when the clock jumps begins the lease anew: then it jumps again.
            for _ in 0..20 {
                service.advance(worker::WorkerSettings::default().lease);
                if tokio::time::timeout(Duration::from_secs(5), receiver.until(2)).await.is_ok() {
                    break;
                }
            }
            let came = receiver.until(2).await;
            assert_eq!(came[0].id(), came[1].id());
            let log = all(service, &webhook, 1, "delivered").await;
            assert_eq!(log[0]["tries"], 1);
        }
    }
}

mod addresses {
    use super::*;

    fn closed() -> Shape {
        let mut shape = hasty();
        shape.settings.webhooks.egress.networks.clear();
        shape
    }

    on_both_services! {
        async fn a_name_that_leads_inside_is_not_followed(service, closed()) {
            let receiver = Receiver::start().await;
            let port = receiver.url.rsplit(':').next().unwrap().trim_end_matches("/hook").to_owned();
            transcript!(service, r#"
                > POST /v1/webhooks {"url": "http://localhost:$port/hook"}
                < 201 {"id": "$webhook"}
                > POST /v1/webhooks/$webhook/test
                < 200 {"state": "dead", "problem": "forbidden", "last_status": null}
                > POST /v1/webhooks {"url": "http://2130706433:$port/hook"}
                < 422 {"field": "url"}
                > POST /v1/webhooks {"url": "http://0x7f.1:$port/hook"}
                < 422 {"field": "url"}
                > POST /v1/webhooks {"url": "http://[64:ff9b::7f00:1]:$port/hook"}
                < 422 {"field": "url"}
            "#, port = port);
            assert!(receiver.came().is_empty());
        }
    }
}

/// The delivery of the one event in a log, among those of tests: what is of the same millisecond has no order.
fn event(log: &[serde_json::Value]) -> &serde_json::Value {
    log.iter().find(|delivery| delivery["type"] == "asset.created").unwrap_or(&serde_json::Value::Null)
}
