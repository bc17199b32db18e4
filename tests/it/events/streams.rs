//! SSE: live, resumed on another node, by a grant, until the credential ends.

use super::{Listener, awaited, change, texts};
use crate::on_both_services;
use crate::support::requests;
use crate::support::service::Service;

async fn send(service: &Service, upload: &str) {
    let url = format!("{}/v1/uploads/{upload}/content", service.base);
    let answer = requests::client().put(url).bearer_auth(&service.admin).body("hello").send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

on_both_services! {
    async fn a_file_arrives_live(service) {
        let mut listener = Listener::open(&format!("{}/v1/events", service.base), &service.admin, None).await;
        assert_eq!(listener.begins().await, "0");
        let (upload, asset, _) = awaited(service).await;
        send(service, &upload).await;
        let events = listener.until("asset.ready").await;
        let kinds =
            ["asset.created", "upload.completing", "upload.completed", "asset.stored", "asset.processing", "asset.ready"];
        assert_eq!(texts(&events, "type"), kinds);
        assert_eq!(texts(&events, "id"), ["1", "2", "3", "4", "5", "6"]);
        assert!(texts(&events, "asset_id").iter().all(|id| *id == asset));
    }

    async fn a_client_comes_back_to_another_node_and_misses_nothing(service) {
        let (_, asset, _) = awaited(service).await;
        let (other, _engine) = service.another_node().await;
        let nodes = [service.base.clone(), other];
        let (mut last, mut seen) = ("1".to_owned(), Vec::new());
        for round in 0..6 {
            let (here, there) = (&nodes[round % 2], &nodes[(round + 1) % 2]);
            let mut listener = Listener::open(&format!("{here}/v1/events"), &service.admin, Some(&last)).await;
            assert_eq!(listener.begins().await, last);
            // While connected, through the other node; then one more that happens while nobody listens.
            change(there, &service.admin, &asset, &format!("a{round}")).await;
            seen.push(listener.event().await);
            last = seen.last().unwrap()["id"].as_str().unwrap().to_owned();
            drop(listener);
            change(here, &service.admin, &asset, &format!("b{round}")).await;
        }
        let mut listener = Listener::open(&format!("{}/v1/events?after=1", nodes[0]), &service.admin, Some(&last)).await;
        listener.begins().await;
        seen.push(listener.event().await);
        // Each round began with what the one before did not hear.
        let ids: Vec<i64> = texts(&seen, "id").iter().map(|id| id.parse().unwrap()).collect();
        assert_eq!(ids, (2..=8).collect::<Vec<_>>());
        let mut all = Listener::open(&format!("{}/v1/assets/{asset}/events", nodes[1]), &service.admin, Some("0")).await;
        all.begins().await;
        for id in 1..=13 {
            assert_eq!(all.event().await["id"], id.to_string());
        }
    }

    async fn an_assets_stream_tells_of_it_alone(service) {
        let (upload, asset, grant) = awaited(service).await;
        let (_, noise, _) = awaited(service).await;
        let by_key = format!("{}/v1/assets/{asset}/events?after=0", service.base);
        let answer = requests::client().get(&by_key).bearer_auth(&grant).header("accept", "text/event-stream");
        assert_eq!(answer.send().await.unwrap().status(), 200);
        let mut by_header = Listener::open(&by_key.replace("?after=0", ""), &grant, Some("0")).await;
        let mut by_path = Listener::open(&format!("{}/u/{grant}/events", service.base), "", Some("0")).await;
        assert_eq!((by_header.begins().await, by_path.begins().await), ("0".to_owned(), "0".to_owned()));
        for name in ["b", "c", "d"] {
            change(&service.base, &service.admin, &noise, name).await;
        }
        send(service, &upload).await;
        let events = by_header.until("asset.ready").await;
        assert_eq!(events, by_path.until("asset.ready").await);
        assert!(texts(&events, "asset_id").iter().all(|id| *id == asset));
        assert_eq!(events.iter().map(|event| event["seq"].as_i64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    }

    async fn many_followers_hear_the_same(service) {
        let (_, asset, _) = awaited(service).await;
        let mut listeners = Vec::new();
        for i in 0..50 {
            let path = if i % 2 == 0 { "/v1/events".to_owned() } else { format!("/v1/assets/{asset}/events") };
            let mut listener = Listener::open(&format!("{}{path}", service.base), &service.admin, None).await;
            listener.begins().await;
            listeners.push(listener);
        }
        for i in 0..20 {
            change(&service.base, &service.admin, &asset, &i.to_string()).await;
        }
        for listener in &mut listeners {
            for id in 2..=21 {
                assert_eq!(listener.event().await["id"], id.to_string());
            }
        }
    }
}
