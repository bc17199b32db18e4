//! Bounds: how many follow, and what somebody who does not read costs the others.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::{Listener, ask, awaited, change, flood};
use crate::on_both_services;
use crate::support::database::Place;
use crate::support::patience::{eventually, in_time};
use crate::support::process::Instance;
use crate::support::service::Shape;

fn narrow() -> Shape {
    let mut shape = Shape::default();
    shape.settings.feed.followers = 3;
    shape.settings.feed.followers_per_tenant = 2;
    shape
}

/// A client that asks for every event and then reads nothing.
async fn stalled(address: &str, key: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    let mut stalled = socket.connect(address.parse().unwrap()).await.unwrap();
    let head = "GET /v1/events HTTP/1.1\r\nhost: x\r\nlast-event-id: 0\r\nauthorization: Bearer";
    stalled.write_all(format!("{head} {key}\r\n\r\n").as_bytes()).await.unwrap();
    stalled
}

on_both_services! {
    async fn a_tenant_has_its_share_and_gives_it_back(service, narrow()) {
        let url = format!("{}/v1/events", service.base);
        let foreign = service.foreign_key("other").await;
        let mut first = Listener::open(&url, &service.admin, None).await;
        first.begins().await;
        let _second = Listener::open(&url, &service.admin, None).await;
        let refused = ask(&url, &service.admin, None).await;
        assert_eq!(refused.status(), 503);
        assert_eq!(refused.headers()["retry-after"], "10");
        assert_eq!(ask(&format!("{url}?after=0&wait=5s"), &service.admin, None).await.status(), 503);
        // Pages need no place, and others have theirs.
        assert_eq!(ask(&format!("{url}?after=0"), &service.admin, None).await.status(), 200);
        let _other = Listener::open(&url, &foreign, None).await;
        assert_eq!(ask(&url, &foreign, None).await.status(), 503);

        drop(first);
        eventually("the place is given back", async || ask(&url, &service.admin, None).await.status() == 200).await;
    }

    async fn who_does_not_read_holds_up_nobody_and_catches_up(service) {
        let (_, asset, _) = awaited(service).await;
        let address = service.base.strip_prefix("http://").unwrap();
        let mut stalled = stalled(address, &service.admin).await;
        let mut brisk = Listener::open(&format!("{}/v1/events", service.base), &service.admin, Some("0")).await;
        brisk.begins().await;
        // More than sockets and the hub hold.
        flood(&*service.database.store, service.tenant, &asset, 3000, 4 << 10).await;
        for id in 1..=3001 {
            assert_eq!(brisk.event().await["id"], id.to_string());
        }
        change(&service.base, &service.admin, &asset, "last").await;
        assert_eq!(brisk.event().await["id"], "3002");

        let mut text = Vec::new();
        while !text.windows(8).rev().take(40_000).any(|window| window == b"id: 3002") {
            let more = in_time("the stream", stalled.read_buf(&mut text)).await.unwrap();
            assert!(more > 0, "the stream goes on");
        }
        let text = String::from_utf8_lossy(&text);
        let ids = text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse::<i64>().ok());
        assert!(ids.eq(0..=3002));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_is_cut_off() {
    let mut node = Instance::new(Place::fresh_schema().await, &[("GANTRY_SERVER__UNREAD", "2s")]);
    node.start(None).await;
    let (key, rows) = (node.key(), node.rows().await);
    let tenant = rows.find_tenant_by_name("default").await.unwrap().unwrap().id;
    let mut stalled = stalled(node.url.strip_prefix("http://").unwrap(), &key).await;
    let before = node.memory();
    flood(&*rows, tenant, &uuid::Uuid::now_v7().to_string(), 5000, 4 << 10).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let grown = node.memory().saturating_sub(before);
    // Twenty megabytes were told: a page of them and the hub's share are in memory, and what the kernel took.
    assert!(grown < 16 << 20, "{grown} bytes more");
    let mut text = Vec::new();
    let _ = in_time("a connection that nobody reads", stalled.read_to_end(&mut text)).await;
    assert!(!String::from_utf8_lossy(&text).contains("id: 5000\n"));
}
