//! `?after=`: pages and long polls.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{ask, awaited, change, texts};
use crate::native::ready;
use crate::{on_both_services, transcript};

on_both_services! {
    async fn a_file_arrives_page_by_page(service) {
        let names = ready(service, "a.txt", "hello").await;
        let told = transcript!(service, r#"
            > GET /v1/events?after=0&limit=2
            | accept: application/json
            < 200 {"events": [
                {"id": "1", "type": "asset.created", "asset_id": "$asset", "seq": 1, "at": "$at",
                    "data": {"upload_id": "$upload", "filename": "$name"}},
                {"id": "2", "type": "upload.completing", "asset_id": "$asset", "seq": 2,
                    "data": {"upload_id": "$upload", "filename": "$name"}}], "next": "2"}
            | cache-control: no-store
            | content-type: application/json
            > GET /v1/events?after=2
            < 200 {"events": [
                {"id": "3", "type": "upload.completed", "data": {"filename": "$name"}},
                {"id": "4", "type": "asset.stored", "data": {"filename": "$name"}},
                {"id": "5", "type": "asset.processing", "data": {"filename": "$name"}},
                {"id": "6", "type": "asset.ready", "data": {"content_type": "text/plain", "sha256": "$sha256", "filename": "$name"}}],
                "next": "6"}
            > GET /v1/assets/$asset
            < 200 {"sha256": "$sha256", "filename": "$name"}
            > GET /v1/events?after=6
            < 200 {"events": [], "next": "6"}
            > GET /v1/assets/$asset/events?after=5
            < 200 {"events": [{"id": "6"}], "next": "6"}
        "#, asset = names["asset"], upload = names["upload"]);
        assert!(told["at"].ends_with('Z') && told["sha256"].len() == 64, "{}", told["sha256"]);
    }

    async fn nonsense_is_refused_with_400(service) {
        awaited(service).await;
        transcript!(service, r#"
            > GET /v1/events?after=x
            < 400 {"code": "invalid", "field": "after"}
            > GET /v1/events?after=-1
            < 400 {"code": "invalid", "field": "after"}
            > GET /v1/events?after=2
            < 400 {"code": "invalid", "field": "after", "retryable": false}
            > GET /v1/events
            | last-event-id: '; DROP TABLE event
            < 400 {"code": "invalid", "field": "Last-Event-ID"}
            > GET /v1/events
            | last-event-id: 2
            < 400 {"code": "invalid"}
            > GET /v1/events?after=0&limit=1001
            < 422 {"field": "limit"}
            > GET /v1/events?after=0&what=1
            < 422 {"field": "query"}
            > GET /v1/events?after=1
            < 200 {"events": [], "next": "1"}
        "#);
    }

    async fn what_is_forgotten_is_gone(service) {
        let (_, asset, _) = awaited(service).await;
        for name in ["b", "c", "d"] {
            change(&service.base, &service.admin, &asset, name).await;
        }
        transcript!(service, "
            > GET /v1/events?after=1
            < 200
        ");
        service.advance(Duration::from_secs(31 * 24 * 3600));
        change(&service.base, &service.admin, &asset, "e").await;
        service.engine.operations().run_sweep().await.unwrap();
        service.engine.operations().run_retention().await.unwrap();
        transcript!(service, r#"
            > GET /v1/events?after=1
            < 410 {"code": "gone", "state": "forgotten", "retryable": false}
            > GET /v1/events
            | last-event-id: 1
            < 410 {"code": "gone"}
            > GET /v1/assets/$asset/events?after=3
            < 410 {"code": "gone"}
            > GET /v1/events?after=0&limit=1
            < 200 {"events": [{"id": "5", "seq": 5, "type": "asset.changed"}]}
            > GET /v1/events?after=4&limit=1
            < 200 {"events": [{"id": "5"}]}
            > GET /v1/assets/$asset/events?after=0&limit=2
            < 200 {"events": [{"id": "5"}, {"id": "6", "type": "upload.expired"}]}
        "#, asset = asset);
    }

    async fn a_long_poll_ends_with_what_happens_on_another_node(service) {
        let (_, asset, _) = awaited(service).await;
        let (node, _) = service.another_node().await;
        let waiting = {
            let (url, key) = (format!("{}/v1/events?after=1&wait=30s", service.base), service.admin.clone());
            tokio::spawn(async move { ask(&url, &key, None).await.json::<Value>().await.unwrap() })
        };
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!waiting.is_finished());
        let happened = Instant::now();
        change(&node, &service.admin, &asset, "b").await;
        let page = waiting.await.unwrap();
        assert!(happened.elapsed() < Duration::from_secs(5));
        assert_eq!(texts(page["events"].as_array().unwrap(), "type"), ["asset.changed"]);
        assert_eq!(page["next"], "2");
    }

    async fn a_long_poll_without_events_ends_in_time(service) {
        let (_, asset, _) = awaited(service).await;
        let started = Instant::now();
        transcript!(service, r#"
            > GET /v1/assets/$asset/events?after=1&wait=1s
            < 200 {"events": [], "next": "1"}
        "#, asset = asset);
        assert!((1..10).contains(&started.elapsed().as_secs()));
    }

    async fn tenants_see_their_own(service) {
        awaited(service).await;
        let foreign = service.foreign_key("other").await;
        transcript!(service, r#"
            @ $foreign
            > GET /v1/events?after=0
            < 200 {"events": [], "next": "0"}
            > POST /v1/uploads {"filename": "b", "size": 1}
            < 201 {"asset": {"id": "$theirs"}}
            > GET /v1/events?after=0
            < 200 {"events": [{"id": "1", "asset_id": "$theirs"}], "next": "1"}
            @ $admin
            > GET /v1/events?after=1
            < 200 {"events": []}
            > GET /v1/assets/$theirs/events?after=0
            < 404
        "#, foreign = foreign);
    }
}
