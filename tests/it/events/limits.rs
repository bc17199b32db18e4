//! Bounds: how many follow, and what somebody who does not read costs the others.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Listener, ask, awaited, change, flood};
use crate::on_both_services;
use crate::support::service::Shape;

fn narrow() -> Shape {
    let mut shape = Shape::default();
    shape.settings.feed.followers = 3;
    shape.settings.feed.followers_per_tenant = 2;
    shape
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
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while ask(&url, &service.admin, None).await.status() != 200 {
            assert!(tokio::time::Instant::now() < deadline, "the place is not given back");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn who_does_not_read_holds_up_nobody_and_catches_up(service) {
        let (_, asset, _) = awaited(service).await;
        let address = service.base.strip_prefix("http://").unwrap();
        let mut stalled = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET /v1/events HTTP/1.1\r\nhost: x\r\nlast-event-id: 0\r\nauthorization: Bearer {}\r\n\r\n",
            service.admin
        );
        stalled.write_all(request.as_bytes()).await.unwrap();
        let mut brisk = Listener::open(&format!("{}/v1/events", service.base), &service.admin, Some("0")).await;
        brisk.begins().await;
        // More than sockets and the hub hold.
        flood(service, &asset, 3000, 4 << 10).await;
        for id in 1..=3001 {
            assert_eq!(brisk.event().await["id"], id.to_string());
        }
        change(&service.base, &service.admin, &asset, "last").await;
        assert_eq!(brisk.event().await["id"], "3002");

        let mut text = Vec::new();
        while !text.windows(8).rev().take(40_000).any(|window| window == b"id: 3002") {
            let more = tokio::time::timeout(Duration::from_secs(20), stalled.read_buf(&mut text)).await.unwrap().unwrap();
            assert!(more > 0, "the stream goes on");
        }
        let text = String::from_utf8_lossy(&text);
        let ids = text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse::<i64>().ok());
        assert!(ids.eq(0..=3002));
    }
}
