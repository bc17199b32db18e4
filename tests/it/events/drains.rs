//! Ends: a drain, a revoked key, a suspended tenant, a killed node.

use std::time::Duration;

use gantry::engine::PatchTenant;
use serde_json::Value;

use super::{Listener, ask, awaited, change, sockets, texts};
use crate::on_both_services;
use crate::support::database::Place;
use crate::support::patience::in_time;
use crate::support::process::Instance;
use crate::support::requests;

on_both_services! {
    async fn a_drain_ends_streams_and_long_polls(service) {
        let (_, asset, _) = awaited(service).await;
        let url = format!("{}/v1/events", service.base);
        let mut listener = Listener::open(&url, &service.admin, Some("0")).await;
        listener.begins().await;
        listener.event().await;
        let poll = {
            let (url, key) = (format!("{url}?after=1&wait=60s"), service.admin.clone());
            tokio::spawn(async move { ask(&url, &key, None).await.json::<Value>().await.unwrap() })
        };
        tokio::time::sleep(Duration::from_millis(300)).await;
        service.stop.cancel();
        assert_eq!(listener.block().await, None);
        let page = in_time("a long poll of a service that stops", poll).await.unwrap();
        assert_eq!((page["next"].as_str(), page["events"].as_array().map(Vec::len)), (Some("1"), Some(0)));
        let _ = asset;
    }

    async fn a_revoked_key_hears_no_more(service) {
        let key = service.registry.create_key(service.tenant, "read".parse().unwrap(), None).await.unwrap();
        let mut listener = Listener::open(&format!("{}/v1/events", service.base), &key.reveal(), None).await;
        listener.begins().await;
        service.registry.revoke_key(service.tenant, key.id).await.unwrap();
        // Credentials are remembered by this clock, which stands otherwise.
        service.advance(Duration::from_secs(5));
        // Heartbeats keep the reader patient until the key is looked at again.
        in_time("a stream of a revoked key", async { while listener.block().await.is_some() {} }).await;
    }

    async fn a_suspended_tenant_hears_no_more_and_others_go_on(service) {
        let key = service.foreign_key("acme").await;
        let mut listener = Listener::open(&format!("{}/v1/events", service.base), &key, None).await;
        listener.begins().await;
        let mut socket = sockets::open(&service.base, "/v1/ws", &key).await.unwrap();
        let mut other = sockets::open(&service.base, "/v1/ws", &service.admin).await.unwrap();
        for socket in [&mut socket, &mut other] {
            assert_eq!(sockets::hear(socket).await.unwrap()["type"], "feed.begins");
        }
        let acme = service.registry.tenant("acme").await.unwrap().unwrap();
        let suspended = PatchTenant { suspended: Some(true), ..PatchTenant::default() };
        service.registry.patch_tenant(&acme, suspended).await.unwrap();
        service.advance(Duration::from_secs(5));
        let end = async { while listener.block().await.is_some() {} };
        let ends = futures_util::future::join(end, sockets::hear(&mut socket));
        let (_, said) = tokio::time::timeout(Duration::from_secs(40), ends).await.expect("both end");
        assert_eq!(said, Some(1008.into()));
        awaited(service).await;
        assert_eq!(sockets::hear(&mut other).await.unwrap()["type"], "asset.created");
    }
}

/// Two processes on one database; one is killed while a client listens to it.
async fn killed(place: Place) {
    let same = [("GANTRY_SIGNING_KEY", "0123456789abcdef0123456789abcdef")];
    let mut nodes = [Instance::new(place.clone(), &same), Instance::new(place, &same)];
    nodes[0].start(None).await;
    let key = nodes[0].key();
    nodes[1].start(None).await;
    let (first, second) = (nodes[0].url.clone(), nodes[1].url.clone());
    let body = r#"{"filename": "a", "size": 5}"#;
    let made = requests::client().post(format!("{second}/v1/uploads")).bearer_auth(&key).body(body);
    let made: Value = made.send().await.unwrap().json().await.unwrap();
    let asset = made["asset"]["id"].as_str().unwrap();

    let mut listener = Listener::open(&format!("{first}/v1/events"), &key, Some("0")).await;
    listener.begins().await;
    let mut heard = vec![listener.event().await];
    change(&second, &key, asset, "b").await;
    heard.push(listener.event().await);
    change(&second, &key, asset, "c").await;
    nodes[0].kill();
    while let Some(block) = listener.block().await {
        heard.push(block.data);
    }
    change(&second, &key, asset, "d").await;
    let last = heard.last().unwrap()["id"].as_str().unwrap().to_owned();
    let mut listener = Listener::open(&format!("{second}/v1/events"), &key, Some(&last)).await;
    listener.begins().await;
    while heard.len() < 4 {
        heard.push(listener.event().await);
    }
    assert_eq!(texts(&heard, "id"), ["1", "2", "3", "4"]);
    nodes[1].signal("TERM");
    assert_eq!(listener.block().await, None);
    assert!(nodes[1].ended().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_nodes_client_goes_on_elsewhere() {
    killed(Place::fresh_schema().await).await;
}
