//! Deliveries: signed, tried again, given up.

use std::collections::HashSet;
use std::time::Duration;

use super::{all, hook, until};
use crate::events::{awaited, change};
use crate::native::ready;
use crate::on_both_services;
use crate::support::receiver::{Message, Receiver, Reply};

on_both_services! {
    async fn a_file_is_told_of_signed_and_once(service) {
        let receiver = Receiver::start().await;
        let (webhook, secret) = hook(service, &receiver, "asset.*").await;
        let names = ready(service, "a.txt", "hello").await;
        let came = receiver.until(4).await;
        let kinds: HashSet<String> = came.iter().map(Message::kind).collect();
        assert_eq!(kinds, ["asset.created", "asset.stored", "asset.processing", "asset.ready"].map(String::from).into());
        for message in &came {
            assert!(message.verifies(&secret));
            let body = message.json();
            assert_eq!(body["timestamp"], body["data"]["at"]);
            assert_eq!((&body["data"]["type"], body["data"]["asset_id"].as_str()), (&body["type"], Some(names["asset"].as_str())));
            assert_eq!(message.headers["content-type"], "application/json");
            let sent: i64 = message.headers["webhook-timestamp"].to_str().unwrap().parse().unwrap();
            assert!((sent - service.engine.now().as_second()).abs() < 60);
        }
        assert_eq!(came.iter().map(Message::id).collect::<HashSet<_>>().len(), 4);
        let log = all(service, &webhook, 4, "delivered").await;
        assert!(log.iter().all(|delivery| delivery["tries"] == 1 && delivery["last_status"] == 204));
        assert_eq!(receiver.came().len(), 4);
    }

    async fn failures_are_tried_again_with_the_same_id(service) {
        let receiver = Receiver::start().await;
        let (webhook, secret) = hook(service, &receiver, "asset.created").await;
        receiver.next([Reply::Status(500), Reply::Status(404)]);
        awaited(service).await;
        receiver.until(1).await;
        until(service, &webhook, "one failure", |log| log.len() == 1 && log[0]["tries"] == 1).await;
        service.advance(Duration::from_secs(7));
        receiver.until(2).await;
        until(service, &webhook, "two failures", |log| log[0]["tries"] == 2).await;
        service.advance(Duration::from_secs(361));
        let came = receiver.until(3).await;
        assert!(came.iter().all(|message| message.id() == came[0].id() && message.body == came[0].body && message.is_signed(&secret)));
        let times: Vec<_> = came.iter().map(|message| message.headers["webhook-timestamp"].clone()).collect();
        assert!(times[0] != times[2], "{times:?}");
        let log = all(service, &webhook, 1, "delivered").await;
        let statuses: Vec<_> = log[0]["attempts"].as_array().unwrap().iter().map(|attempt| attempt["status"].clone()).collect();
        assert_eq!(statuses, [500, 404, 204]);
        assert!(!log[0].to_string().contains("secret words"));
    }

    async fn events_before_the_webhook_are_not_told(service) {
        let (_, asset, _) = awaited(service).await;
        let receiver = Receiver::start().await;
        hook(service, &receiver, "*").await;
        change(&service.base, &service.admin, &asset, "b").await;
        assert_eq!(receiver.until(1).await[0].kind(), "asset.changed");
    }
}
