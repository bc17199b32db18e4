//! What nobody asked for and must happen all the same.

use std::time::Duration;

use gantry::blob::{BlobKey, Blobs};

use super::{filled, idle, told};
use crate::support::faulty::Fault::Refused;
use crate::support::patience::eventually;
use crate::{on_both_services, transcript};

const MINUTE: Duration = Duration::from_secs(60);

on_both_services! {
    async fn an_upload_whose_every_part_is_there_is_completed(service, idle()) {
        let names = filled(service).await;
        assert!(service.engine.sweep().await.unwrap().is_empty());
        service.advance(10 * MINUTE);
        assert_eq!(service.engine.sweep().await.unwrap().rescued, 1);
        transcript!(service, r#"
            > GET /v1/uploads/$upload
            < 200 {"state": "completed"}
            > POST /v1/uploads/$upload/complete
            < 200 {"id": "$asset", "state": "stored"}
        "#, upload = names["upload"], asset = names["asset"]);
    }

    async fn a_put_that_nobody_completed_is_completed(service, idle()) {
        let names = transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 5}
            < 201 {"asset": {"id": "$asset"}, "put": {"url": "$url"}}
            > PUT $url [hello]
            | if-none-match: *
            < 200
        "#);
        service.advance(10 * MINUTE);
        assert_eq!(service.engine.sweep().await.unwrap().rescued, 1);
        assert_eq!(told(service, &names["asset"]).await.last().unwrap(), "asset.stored");
    }

    async fn a_live_upload_is_left_alone(service, idle()) {
        let names = transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 10485760, "part_size": 5242880}
            < 201 {"upload": {"id": "$upload"}, "multipart": {"urls": [{"url": "$one"}, {"url": "$two"}]}}
            > PUT $one noise:5242880:1
            < 200
        "#);
        for _ in 0..20 {
            service.advance(60 * MINUTE);
            let report = service.engine.sweep().await.unwrap();
            assert_eq!((report.rescued, report.expired, report.cleaned, report.failed), (0, 0, 0, 0));
        }
        transcript!(service, r#"
            > PUT $two noise:5242880:2
            < 200
            > POST /v1/uploads/$upload/complete
            < 200 {"state": "stored"}
        "#, upload = names["upload"], two = names["two"]);
    }

    async fn an_expired_upload_leaves_nothing(service, idle()) {
        let names = transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 10485760, "part_size": 5242880}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "multipart": {"urls": [{"url": "$one"}, {}]}}
            > PUT $one noise:5242880:1
            < 200
        "#);
        service.advance(Duration::from_secs(7 * 24 * 3600));
        service.engine.sweep().await.unwrap();
        settled(service).await;
        assert_eq!(told(service, &names["asset"]).await, ["asset.created", "upload.expired", "asset.abandoned"]);
    }

    async fn a_put_after_the_end_is_removed(service, idle()) {
        let names = transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 5}
            < 201 {"upload": {"id": "$upload"}, "put": {"url": "$url"}}
            > DELETE /v1/uploads/$upload
            < 204
        "#);
        settled(service).await;
        // The URL still works at the store: what it brings is removed when it cannot work any more.
        transcript!(service, r#"
            > PUT $url [late!]
            | if-none-match: *
            < 200
        "#, url = names["url"]);
        service.advance(60 * MINUTE);
        assert_eq!(service.engine.sweep().await.unwrap().cleaned, 1);
        assert!(service.blobs.list(BlobKey::ORIGINALS, None).await.unwrap().items.is_empty());
        assert!(service.engine.sweep().await.unwrap().is_empty());
    }

    async fn an_abort_that_the_store_refuses_is_tried_again(service, idle()) {
        let names = filled(service).await;
        service.faults.on("abort_multipart", [Some(Refused); 2]);
        transcript!(service, r#"
            > DELETE /v1/uploads/$upload
            < 204
        "#, upload = names["upload"]);
        while !service.faults.are_spent() {
            service.engine.sweep().await.unwrap();
            service.advance(MINUTE);
        }
        service.engine.sweep().await.unwrap();
        assert!(service.blobs.list_multiparts(BlobKey::ORIGINALS, None).await.unwrap().items.is_empty());
    }

    async fn two_sweepers_at_once_do_no_harm(service, idle()) {
        for _ in 0..10 {
            filled(service).await;
        }
        let (_, other) = service.another_node().await;
        service.advance(10 * MINUTE);
        let (one, two) = tokio::join!(service.engine.sweep(), other.sweep());
        let (one, two) = (one.unwrap(), two.unwrap());
        assert!(one.rescued + two.rescued >= 10, "{one:?} {two:?}");
        assert_eq!(service.database.store.count_jobs().await.unwrap(), (10, 0));
    }

    async fn rejected_bytes_go_after_quarantine(service) {
        let names = transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 5}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "put": {"url": "$url"}}
            > PUT $url [hello]
            | if-none-match: *
            < 200
            > POST /v1/uploads/$upload/complete {"sha256": "0000000000000000000000000000000000000000000000000000000000000000"}
            < 200
            > GET /v1/assets/$asset?wait=20s&until=rejected
            < 200 {"state": "rejected"}
        "#);
        service.advance(Duration::from_secs(23 * 3600));
        service.engine.sweep().await.unwrap();
        assert_eq!(service.blobs.list(BlobKey::ORIGINALS, None).await.unwrap().items.len(), 1);
        service.advance(Duration::from_secs(2 * 3600));
        assert_eq!(service.engine.sweep().await.unwrap().purged, 1);
        assert!(service.blobs.list(BlobKey::ORIGINALS, None).await.unwrap().items.is_empty());
        transcript!(service, r#"
            > GET /v1/assets/$asset
            < 200 {"state": "rejected", "reason": {"code": "digest_mismatch"}}
        "#, asset = names["asset"]);
    }
}

/// Waits until the clean-up after an abort or expiry, which nobody waits for, is through.
async fn settled(service: &crate::support::service::Service) {
    eventually("everything is cleaned up", async || {
        service.blobs.list_multiparts(BlobKey::ORIGINALS, None).await.unwrap().items.is_empty()
            && service.engine.sweep().await.unwrap().cleaned == 0
    })
    .await;
}
