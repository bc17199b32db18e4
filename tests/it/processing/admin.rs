//! What operators see and do.

use gantry::blob::BlobStore;

use super::{TestSteps, bring, idle, row, settled, until, work};
use crate::support::service::Service;
use crate::support::transcript::Names;
use crate::{on_both_services, transcript};

async fn one_is_retried_and_one_discarded(service: &Service, names: &Names, lost: String, gone: String) {
    // Jobs of one millisecond come in any order.
    let (lost, gone, byte) = if names["one"] == lost { (lost, gone, 1) } else { (gone, lost, 2) };
    // What was lost is found again.
    let content = row(service, &lost).await.state.content().unwrap().clone();
    let bytes = gantry::blob::PutPayload::of(bytes::Bytes::from(vec![byte; 100_000]));
    service.blobs.put_object(&content.key, None, bytes).await.unwrap();
    transcript!(
        service,
        r#"
        > POST /v1/admin/jobs/$first/retry
        < 202
        > POST /v1/admin/jobs/$first/retry
        < 404
        > DELETE /v1/admin/jobs/$second {"reason": 7}
        < 422
        > DELETE /v1/admin/jobs/$second {"why": "?"}
        < 422
        > DELETE /v1/admin/jobs/$second {"reason": "$long"}
        < 422
        > DELETE /v1/admin/jobs/$second {"reason": " its sender <b>has</b> sent it again "}
        < 204
        > DELETE /v1/admin/jobs/$second {"reason": "twice"}
        < 404
        > GET /v1/admin/jobs/$second
        < 200 {"id": "$second", "state": "discarded", "discarded": {"reason": "its sender <b>has</b> sent it again"}}
        > GET /v1/admin/assets/$asset/jobs
        < 200 {"jobs": [{"id": "$second", "state": "discarded", "discarded": {"reason": "its sender <b>has</b> sent it again"}}]}
        > GET /v1/admin/audit?action=job.discard
        < 200 {"entries": [{"action": "job.discard", "after": {"reason": "its sender <b>has</b> sent it again"}}]}
        > POST /v1/admin/jobs/retry
        < 200 {"retried": 0}
    "#,
        first = names["first"],
        second = names["second"],
        asset = gone,
        long = "x".repeat(501)
    );
    until(service, &lost, |asset| asset.state.name() == "ready").await;
    transcript!(
        service,
        r#"
        > GET /v1/assets/$asset
        < 200 {"state": "failed", "reason": {"code": "bytes_missing"}}
    "#,
        asset = gone
    );
}

on_both_services! {
    async fn dead_letters_are_listed_retried_and_discarded(service, idle()) {
        let lost = bring(service, "lost.bin", vec![1; 100_000]).await;
        let gone = bring(service, "gone.bin", vec![2; 100_000]).await;
        for asset in [&lost, &gone] {
            let key = row(service, asset).await.state.content().unwrap().key.clone();
            service.blobs.delete(&key).await.unwrap();
        }
        let _working = work(service, TestSteps::default());
        for asset in [&lost, &gone] {
            assert_eq!(settled(service, asset).await.state.name(), "failed");
        }
        let foreign = service.foreign_key("other").await;
        let reader = service.key("read,upload,process").await;
        let names = transcript!(service, r#"
            > GET /v1/admin/jobs?state=dead
            < 200 {"jobs": [{"id": "$first", "kind": "process", "state": "dead", "asset_id": "$one", "tries": 8},
                {"id": "$second", "asset_id": "$other"}], "next_after": null}
            > GET /v1/admin/jobs?state=dead&limit=1
            < 200 {"jobs": [{"id": "$first"}], "next_after": "$first"}
            > GET /v1/admin/queues
            < 200 {"queues": [{"kind": "process", "dead": 2, "paused": false}, {"kind": "recheck"}, {"kind": "rescan"}, {"kind": "deliver"}, {"kind": "purge"}, {"kind": "erase"}]}
            > GET /v1/admin/alarms
            < 200 {"alarms": [{"code": "dead_letters"}, {"code": "assets_bytes_missing"}]}
            > GET /v1/admin/jobs?state=sleeping
            < 422
            > GET /v1/admin/jobs?kind=inspect
            < 422
            > GET /v1/admin/jobs?limit=0
            < 422
            @ $foreign
            > GET /v1/admin/jobs?state=dead
            < 200 {"jobs": []}
            > POST /v1/admin/jobs/$first/retry
            < 404
            > DELETE /v1/admin/jobs/$first
            < 404
            > POST /v1/admin/queues/process/pause
            < 403
            > GET /v1/admin/chores
            < 403
            @ $reader
            > GET /v1/admin/jobs
            < 403
            @ nobody
            > GET /v1/admin/jobs
            < 401
        "#, foreign = foreign, reader = reader);
        one_is_retried_and_one_discarded(service, &names, lost, gone).await;
    }

    async fn a_paused_kind_waits_and_goes_on(service, idle()) {
        transcript!(service, r#"
            > POST /v1/admin/queues/process/pause
            < 204
            > POST /v1/admin/queues/inspect/pause
            < 422
        "#);
        let asset = bring(service, "a.txt", "hello").await;
        let _working = work(service, TestSteps::default());
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        assert_eq!(row(service, &asset).await.state.name(), "stored");
        transcript!(service, r#"
            > GET /v1/admin/queues
            < 200 {"queues": [{"kind": "process", "ready": 1, "paused": true}, {"kind": "recheck"}, {"kind": "rescan"}, {"kind": "deliver"}, {"kind": "purge"}, {"kind": "erase"}]}
            > POST /v1/admin/queues/process/resume
            < 204
        "#);
        assert_eq!(settled(service, &asset).await.state.name(), "ready");
    }

    async fn hours_are_counted_once(service, idle()) {
        let asset = bring(service, "a.txt", "hello").await;
        let _working = work(service, TestSteps::default());
        settled(service, &asset).await;
        while service.engine.operations().roll_up_events().await.unwrap() == 0 {
            service.engine.operations().run_sweep().await.unwrap();
        }
        let from = service.database.store.now();
        let from = gantry::domain::clock::before(from, std::time::Duration::from_secs(7200));
        service.engine.operations().roll_up_events().await.unwrap();
        let hours = service.database.store.list_event_counts(service.tenant, from, service.database.store.now()).await.unwrap();
        let told: Vec<_> = hours.iter().map(|hour| (hour.kind.as_str(), hour.count, hour.bytes)).collect();
        assert!(told.contains(&("asset.stored", 1, 5)) && told.contains(&("asset.ready", 1, 0)), "{told:?}");
        transcript!(service, r#"
            > GET /v1/admin/stats?from=2000-01-01T00:00:00Z
            < 200
            > GET /v1/admin/stats?from=yesterday
            < 422
        "#);
    }
}
