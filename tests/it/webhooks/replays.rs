//! Replays of one delivery and of a time.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;

use super::{all, hook, log, post, until};
use crate::events::{awaited, change, flood};
use crate::support::receiver::{Receiver, Reply};
use crate::{on_both_services, transcript};

on_both_services! {
    async fn one_delivery_comes_again_with_its_id(service) {
        let receiver = Receiver::start().await;
        let (webhook, secret) = hook(service, &receiver, "asset.created").await;
        awaited(service).await;
        let log = all(service, &webhook, 1, "delivered").await;
        transcript!(service, r#"
            > POST /v1/webhooks/$webhook/deliveries/$delivery/replay
            < 202 {"id": "$delivery", "state": "pending", "replay": true}
        "#, webhook = webhook, delivery = log[0]["id"].as_str().unwrap());
        let came = receiver.until(2).await;
        assert!(came[0].id() == came[1].id() && came[0].body == came[1].body && came[1].verifies(&secret));
        let log = all(service, &webhook, 1, "delivered").await;
        assert_eq!(log[0]["attempts"].as_array().unwrap().len(), 2);
    }

    async fn what_is_pending_is_not_replayed(service) {
        let receiver = Receiver::start().await;
        let (webhook, _) = hook(service, &receiver, "asset.created").await;
        receiver.usually(Reply::Status(500));
        awaited(service).await;
        let log = until(service, &webhook, "a failure", |log| log.len() == 1 && log[0]["tries"] == 1).await;
        transcript!(service, r#"
            > POST /v1/webhooks/$webhook/deliveries/$delivery/replay
            < 409 {"code": "wrong_state", "state": "pending"}
        "#, webhook = webhook, delivery = log[0]["id"].as_str().unwrap());
    }

    async fn a_time_comes_again(service) {
        let receiver = Receiver::start().await;
        let (webhook, _) = hook(service, &receiver, "asset.*").await;
        let (_, asset, _) = awaited(service).await;
        let mut times = Vec::new();
        for n in 0..6 {
            service.advance(Duration::from_secs(600));
            times.push(service.engine.now());
            change(&service.base, &service.admin, &asset, &format!("n{n}")).await;
        }
        let first: HashMap<_, _> = receiver.until(7).await.iter().map(|m| (m.json()["data"]["seq"].clone().to_string(), m.id().to_owned())).collect();
        all(service, &webhook, 7, "delivered").await;
        receiver.forget();
        let range = json!({"from": times[1], "to": times[4], "events": ["asset.changed"]});
        let answer = post(service, &format!("/v1/webhooks/{webhook}/replay"), range).await;
        assert_eq!(answer, json!({"replayed": 3, "next_after": null}));
        let came = receiver.until(3).await;
        let mut seqs: Vec<_> = came.iter().map(|m| m.json()["data"]["seq"].as_i64().unwrap()).collect();
        seqs.sort_unstable();
        assert_eq!(seqs, [3, 4, 5]);
        assert!(came.iter().all(|m| first[&m.json()["data"]["seq"].to_string()] == m.id()));
        let log = all(service, &webhook, 10, "delivered").await;
        assert_eq!(log.iter().filter(|delivery| delivery["replay"] == true).count(), 3);
        let nothing = json!({"from": times[1], "to": times[4], "events": ["asset.ready"]});
        assert_eq!(post(service, &format!("/v1/webhooks/{webhook}/replay"), nothing).await["replayed"], 0);
    }

    async fn a_long_time_comes_again_in_portions(service) {
        let receiver = Receiver::start().await;
        let (_, asset, _) = awaited(service).await;
        let from = service.engine.now();
        flood(&*service.database.store, service.tenant, &asset, 12_000, 10).await;
        let (webhook, _) = hook(service, &receiver, "asset.changed").await;
        let path = format!("/v1/webhooks/{webhook}/replay");
        service.advance(Duration::from_secs(1));
        // Nobody is to send them here.
        service.stop.cancel();
        let engine = &service.engine;
        let actor = engine.tenants().authenticate(&service.admin).await.unwrap();
        let range = |after| gantry::engine::ReplayRange { from, to: engine.now(), events: None, after };
        let id = webhook.parse().unwrap();
        let part = engine.webhooks().replay_range(&actor, id, &range(None)).await.unwrap();
        assert!(part.count == 10_000 && part.next.is_some(), "{part:?} {path}");
        let rest = engine.webhooks().replay_range(&actor, id, &range(part.next)).await.unwrap();
        assert_eq!((rest.count, rest.next), (2_000, None));
    }

    async fn pages_of_the_log(service) {
        let receiver = Receiver::start().await;
        let (webhook, _) = hook(service, &receiver, "asset.changed").await;
        let (_, asset, _) = awaited(service).await;
        for n in 0..5 {
            // Ids tell milliseconds apart, by a clock that stands.
            service.advance(Duration::from_secs(1));
            change(&service.base, &service.admin, &asset, &format!("n{n}")).await;
            all(service, &webhook, n + 1, "delivered").await;
        }
        let names = transcript!(service, r#"
            > GET /v1/webhooks/$webhook/deliveries?limit=2&state=delivered
            < 200 {"deliveries": [{"seq": 6}, {"seq": 5}], "next_after": "$next"}
            > GET /v1/webhooks/$webhook/deliveries?limit=2&after=$next
            < 200 {"deliveries": [{"seq": 4}, {"seq": 3}]}
            > GET /v1/webhooks/$webhook/deliveries?state=dead
            < 200 {"deliveries": [], "next_after": null}
        "#, webhook = webhook);
        assert!(!names["next"].is_empty() && log(service, &webhook).await.len() == 5);
    }
}
