//! An operator's release from quarantine.

use std::time::Duration;

use gantry::blob::BlobStore;

use super::{TestSteps, idle, row, settled, work};
use crate::support::service::Service;
use crate::{on_both_services, transcript};

/// An asset that is rejected, because the bytes are not those that were declared; kept for a day.
async fn rejected(service: &Service) -> String {
    let mut names = transcript!(
        service,
        r#"
        > POST /v1/uploads {"filename": "a.txt", "size": 5, "method": "put"}
        < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "put": {"url": "$url"}}
        > PUT $url [hello]
        | if-none-match: *
        < 200
        > POST /v1/uploads/$upload/complete {"sha256": "$other"}
        < 200
    "#,
        other = "00".repeat(32)
    );
    let asset = names.remove("asset").unwrap();
    assert_eq!(settled(service, &asset).await.state.name(), "rejected");
    asset
}

on_both_services! {
    async fn an_operator_releases_what_was_rejected(service, idle()) {
        let _working = work(service, TestSteps::default());
        let asset = rejected(service).await;
        let foreign = service.foreign_key("acme").await;
        let processor = service.key("read,upload,process").await;
        transcript!(service, r#"
            @ $foreign
            > POST /v1/admin/assets/$asset/release {"reason": "it is mine"}
            < 403
            @ $processor
            > POST /v1/admin/assets/$asset/release {"reason": "I know it"}
            < 403
            @ nobody
            > POST /v1/admin/assets/$asset/release {"reason": "hello"}
            < 401
        "#, asset = asset, foreign = foreign, processor = processor);
        service.advance(Duration::from_millis(1));
        transcript!(service, r#"
            > POST /v1/admin/assets/$asset/release {"reason": "  "}
            < 422
            > POST /v1/admin/assets/$asset/release {}
            < 422
            > GET /v1/assets/$asset/content?delivery=stream
            < 403 {"code": "rejected"}
            > POST /v1/admin/assets/$asset/release {"reason": "the declaration was wrong"}
            | x-request-id: my-release
            < 204
            > GET /v1/assets/$asset
            < 200 {"state": "ready", "content_type": "text/plain"}
            > GET /v1/assets/$asset/content?delivery=stream
            < 200 [hello]
            > POST /v1/admin/assets/$asset/release {"reason": "once more"}
            < 409 {"code": "wrong_state"}
            > POST /v1/admin/assets/019aa3c1-0000-7000-8000-000000000001/release {"reason": "unknown"}
            < 404
            > GET /v1/admin/audit?subject=asset:$asset&action=asset.release
            < 200 {"entries": [{"action": "asset.release", "before": {"state": "rejected", "code": "digest_mismatch"},
                "after": {"state": "ready", "reason": "the declaration was wrong"}, "request_id": "my-release"}]}
        "#, asset = asset);
        let events = service.database.store.list_events(asset.parse().unwrap(), 0, 100).await.unwrap();
        assert_eq!(events.last().unwrap().kind, "asset.ready");
        assert_eq!(row(service, &asset).await.state.leftover(), None);
        // What is ready stays beyond the end of its quarantine.
        service.advance(Duration::from_secs(3 * 24 * 3600));
        service.engine.operations().run_sweep().await.unwrap();
        transcript!(service, "> GET /v1/assets/$asset/content?delivery=stream\n< 200 [hello]", asset = asset);
    }

    async fn what_is_gone_is_not_released(service, idle()) {
        let _working = work(service, TestSteps::default());
        let (expired, lost) = (rejected(service).await, rejected(service).await);
        let key = row(service, &lost).await.state.content().unwrap().key.clone();
        service.blobs.delete(&key).await.unwrap();
        transcript!(service, r#"
            > POST /v1/admin/assets/$lost/release {"reason": "a false alarm"}
            < 410 {"code": "gone"}
        "#, lost = lost);
        // Its removal may begin at any moment.
        service.advance(Duration::from_secs(24 * 3600 - 5));
        transcript!(service, r#"
            > POST /v1/admin/assets/$expired/release {"reason": "a false alarm"}
            < 410 {"code": "gone"}
        "#, expired = expired);
        service.advance(Duration::from_secs(10));
        service.engine.operations().run_sweep().await.unwrap();
        transcript!(service, r#"
            > POST /v1/admin/assets/$expired/release {"reason": "a false alarm"}
            < 410 {"code": "gone"}
            > GET /v1/assets/$expired
            < 200 {"state": "rejected", "reason": {"code": "digest_mismatch"}}
        "#, expired = expired);
    }
}
