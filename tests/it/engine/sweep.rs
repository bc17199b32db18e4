//! What nobody asked for and must happen all the same.

use std::time::Duration;

use gantry::blob::{BlobKey, BlobStore};

use super::{filled, idle, told};
use crate::support::faulty::Fault::{AnswerLost, Refused};
use crate::support::patience::eventually;
use crate::support::requests;
use crate::support::service::{Service, Shape};
use crate::support::transcript::Names;
use crate::{on_both_services, transcript};

const MINUTE: Duration = Duration::from_secs(60);

on_both_services! {
    async fn an_upload_whose_every_part_is_there_is_completed(service, idle()) {
        let names = filled(service).await;
        assert!(service.engine.operations().run_sweep().await.unwrap().is_empty());
        service.advance(10 * MINUTE);
        assert_eq!(service.engine.operations().run_sweep().await.unwrap().rescued, 1);
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
        assert_eq!(service.engine.operations().run_sweep().await.unwrap().rescued, 1);
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
            let report = service.engine.operations().run_sweep().await.unwrap();
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
        service.engine.operations().run_sweep().await.unwrap();
        settled(service).await;
        assert_eq!(told(service, &names["asset"]).await, ["asset.created", "upload.expired", "asset.abandoned"]);
    }

    async fn a_put_after_the_end_is_removed(service, unlimited()) {
        let names = transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 5}
            < 201 {"upload": {"id": "$upload"}, "put": {"url": "$url"}}
            > DELETE /v1/uploads/$upload
            < 204
        "#);
        settled(service).await;
        // The URL still works at the store: what it brings is counted, and is removed soon.
        let late = async || {
            transcript!(service, r#"
                > PUT $url [late!]
                | if-none-match: *
                < 200
            "#, url = names["url"]);
        };
        late().await;
        assert_eq!(reserved(service).await, (5, 0), "bytes, and no open upload");
        service.advance(MINUTE);
        assert_eq!(service.engine.operations().run_sweep().await.unwrap().cleaned, 1);
        assert!(stored(service).await.is_empty());
        late().await;
        assert_eq!(reserved(service).await, (5, 0));
        service.advance(60 * MINUTE);
        assert_eq!(service.engine.operations().run_sweep().await.unwrap().cleaned, 1);
        assert!(stored(service).await.is_empty());
        assert_eq!(reserved(service).await, (0, 0), "the URL is dead");
        assert!(service.engine.operations().run_sweep().await.unwrap().is_empty());
    }

    async fn a_put_after_the_deletion_is_removed(service, Shape { works: true, ..unlimited() }) {
        let names = crate::native::ready(service, "a", "hello").await;
        transcript!(service, "> DELETE /v1/assets/$asset\n< 204", asset = names["asset"]);
        eventually("the object is removed", async || stored(service).await.is_empty()).await;
        assert_eq!(reserved(service).await, (5, 0), "another five bytes can come");
        transcript!(service, r#"
            > PUT $url [again]
            | if-none-match: *
            < 200
        "#, url = names["url"]);
        service.advance(MINUTE);
        service.engine.operations().run_sweep().await.unwrap();
        assert!(stored(service).await.is_empty());
        service.advance(60 * MINUTE);
        service.engine.operations().run_sweep().await.unwrap();
        assert_eq!(reserved(service).await, (0, 0));
        assert!(service.engine.operations().run_sweep().await.unwrap().is_empty());
    }

    async fn the_embedded_store_takes_no_put_after_the_end(service) {
        let ended = transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 5}
            < 201 {"upload": {"id": "$upload"}, "put": {"url": "$url"}}
            > DELETE /v1/uploads/$upload
            < 204
            > PUT $url [late!]
            | if-none-match: *
            < 403
        "#);
        assert_eq!(reserved(service).await, (0, 0), "nothing can come, so nothing is kept for it");
        let deleted = crate::native::ready(service, "a", "hello").await;
        transcript!(service, "> DELETE /v1/assets/$asset\n< 204", asset = deleted["asset"]);
        for url in [&ended["url"], &deleted["url"]] {
            let put = requests::client().put(url).header("if-none-match", "*").body("again");
            let status = put.send().await.unwrap().status().as_u16();
            assert!([403, 412].contains(&status), "closed, or not removed yet: {status}");
        }
        eventually("the object is removed", async || stored(service).await.is_empty()).await;
        transcript!(service, r#"
            > PUT $url [again]
            | if-none-match: *
            < 403
        "#, url = deleted["url"]);
        assert_eq!(reserved(service).await, (0, 0));
    }

    async fn parts_of_an_upload_that_has_ended_are_refused(service, idle()) {
        let names = filled(service).await;
        transcript!(service, r#"
            > DELETE /v1/uploads/$upload
            < 204
            > PUT $one [hello]
            < 404
        "#, upload = names["upload"], one = names["one"]);
        assert!(service.blobs.list_multiparts(BlobKey::ORIGINALS_PREFIX, None).await.unwrap().items.is_empty());
    }

    async fn a_multipart_upload_whose_answer_was_lost_goes_with_its_upload(service, unlimited()) {
        let create = async |wish: &str| {
            transcript!(service, r#"
                > POST /v1/uploads {"filename": "a", "size": 5, $wish}
                < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "grant": "$grant"}
            "#, wish = wish)
        };
        let lose = async |names: &Names| {
            let upload = service.database.store.find_upload(names["upload"].parse().unwrap()).await.unwrap().unwrap();
            service.blobs.create_multipart(&upload.key, "lost", None, None).await.unwrap();
        };
        for wish in [r#""method": "put""#, r#""method": "multipart""#, r#""method": "append""#] {
            let names = create(wish).await;
            lose(&names).await;
            transcript!(service, "> DELETE /v1/uploads/$upload\n< 204", upload = names["upload"]);
        }
        settled(service).await;
        // The answer is lost when the holder of a grant turns to another way, who then gives up.
        let names = create(r#""method": "put""#).await;
        service.faults.on("create_multipart", [Some(AnswerLost)]);
        transcript!(service, r#"
            > POST /u/$grant/s3/multipart {"filename": "a", "type": ""}
            < 503
            > DELETE /v1/uploads/$upload
            < 204
        "#, grant = names["grant"], upload = names["upload"]);
        settled(service).await;
        // Completed with the id of the second try.
        let names = filled(service).await;
        lose(&names).await;
        transcript!(service, "> POST /v1/uploads/$upload/complete\n< 200", upload = names["upload"]);
        assert_eq!(service.blobs.list_multiparts(BlobKey::ORIGINALS_PREFIX, None).await.unwrap().items.len(), 1);
        service.advance(10 * MINUTE);
        service.engine.operations().run_sweep().await.unwrap();
        assert!(service.blobs.list_multiparts(BlobKey::ORIGINALS_PREFIX, None).await.unwrap().items.is_empty());
        assert_eq!(stored(service).await.len(), 1, "its own object stays");
        assert!(service.engine.operations().run_sweep().await.unwrap().is_empty(), "asked once");
    }

    async fn a_key_that_the_store_does_not_close_at_once_is_closed_later(service, idle()) {
        let names = filled(service).await;
        service.faults.on("close_key", [Some(Refused); 2]);
        transcript!(service, "> DELETE /v1/uploads/$upload\n< 204", upload = names["upload"]);
        while !service.faults.are_spent() {
            service.engine.operations().run_sweep().await.unwrap();
            service.advance(MINUTE);
        }
        service.engine.operations().run_sweep().await.unwrap();
        assert!(service.blobs.list_multiparts(BlobKey::ORIGINALS_PREFIX, None).await.unwrap().items.is_empty());
    }

    async fn an_abort_that_the_store_refuses_is_tried_again(service, unlimited()) {
        let names = filled(service).await;
        service.faults.on("abort_multipart", [Some(Refused); 2]);
        transcript!(service, r#"
            > DELETE /v1/uploads/$upload
            < 204
        "#, upload = names["upload"]);
        while !service.faults.are_spent() {
            service.engine.operations().run_sweep().await.unwrap();
            service.advance(MINUTE);
        }
        service.engine.operations().run_sweep().await.unwrap();
        assert!(service.blobs.list_multiparts(BlobKey::ORIGINALS_PREFIX, None).await.unwrap().items.is_empty());
    }

    async fn two_sweepers_at_once_do_no_harm(service, idle()) {
        for _ in 0..10 {
            filled(service).await;
        }
        let (_, other) = service.another_node().await;
        service.advance(10 * MINUTE);
        let (one, two) = tokio::join!(service.engine.operations().run_sweep(), other.operations().run_sweep());
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
        service.engine.operations().run_sweep().await.unwrap();
        assert_eq!(service.blobs.list(BlobKey::ORIGINALS_PREFIX, None).await.unwrap().items.len(), 1);
        service.advance(Duration::from_secs(2 * 3600));
        assert_eq!(service.engine.operations().run_sweep().await.unwrap().purged, 1);
        assert!(service.blobs.list(BlobKey::ORIGINALS_PREFIX, None).await.unwrap().items.is_empty());
        transcript!(service, r#"
            > GET /v1/assets/$asset
            < 200 {"state": "rejected", "reason": {"code": "digest_mismatch"}}
        "#, asset = names["asset"]);
    }
}

/// On a store that does not close keys, as all but the embedded one; nobody works on jobs.
fn unlimited() -> Shape {
    Shape { capabilities: |found| found.enforces_limits = false, ..idle() }
}

/// What the default tenant's quota counts: bytes and open uploads.
async fn reserved(service: &Service) -> (i64, i64) {
    service.assert_sums().await;
    let used = service.database.store.sum_usage(service.tenant).await.unwrap();
    (used.bytes, used.uploads)
}

/// Keys of the objects that assets have.
async fn stored(service: &Service) -> Vec<String> {
    let page = service.blobs.list(BlobKey::ORIGINALS_PREFIX, None).await.unwrap();
    page.items.into_iter().map(|object| object.key).collect()
}

/// Waits until the clean-up after an abort or expiry, which nobody waits for, is through.
async fn settled(service: &Service) {
    eventually("everything is cleaned up", async || {
        service.blobs.list_multiparts(BlobKey::ORIGINALS_PREFIX, None).await.unwrap().items.is_empty()
            && service.engine.operations().run_sweep().await.unwrap().cleaned == 0
    })
    .await;
}
