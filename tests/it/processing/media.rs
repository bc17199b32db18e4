//! Facts and derivatives in the pipeline: what is kept, replaced, resumed and cleaned up.

use gantry::blob::{BlobKey, BlobStore};

use super::{TestSteps, bring, idle, made_by, nothing_owed, photo, row, settled, until, work};
use crate::support::faulty::Fault::Refused;
use crate::support::patience::eventually;
use crate::support::servers::clamd;
use crate::support::service::Service;
use crate::{on_both_services, transcript};

fn drawing() -> TestSteps {
    TestSteps { media: true, ..TestSteps::default() }
}

async fn stored_derivatives(service: &Service) -> Vec<String> {
    let page = service.blobs.list(BlobKey::DERIVATIVES_PREFIX, None).await.unwrap();
    page.items.into_iter().map(|object| object.key).collect()
}

on_both_services! {
    async fn a_photo_gets_smaller_forms(service, idle()) {
        let asset = bring(service, "photo.jpg", photo()).await;
        transcript!(service, r#"
            > GET /v1/assets/$asset/content?variant=thumb-64
            < 409
        "#, asset = asset);
        let _working = work(service, drawing());
        settled(service, &asset).await;
        transcript!(service, r#"
            > GET /v1/assets/$asset
            < 200 {"state": "ready", "details": {"kind": "image", "width": 640, "height": 480}, "derivatives": [
                {"variant": "thumb-64", "content_type": "image/webp", "width": 64, "height": 48},
                {"variant": "thumb-64", "content_type": "image/jpeg", "width": 64, "height": 48}]}
            > GET /v1/assets/$asset/content?variant=thumb-64&delivery=stream&disposition=inline
            < 200
            | content-type: image/webp
            | content-disposition: inline; filename="photo.jpg.thumb-64.webp"
            > GET /v1/assets/$asset/content?variant=thumb-64&format=jpeg&delivery=stream
            < 200
            | content-type: image/jpeg
            > GET /v1/assets/$asset/content?variant=thumb-64
            < 302
            > GET /v1/assets/$asset/content?variant=thumb-64&format=avif
            < 404
            > GET /v1/assets/$asset/content?variant=thumb-65
            < 404
            > GET /v1/assets/$asset/content?format=jpeg
            < 422
            > POST /v1/assets/$asset/links {"expires_in": 60}
            < 201 {"url": "$url"}
            > GET $url?variant=thumb-64
            < 302
        "#, asset = asset);
        assert_eq!(stored_derivatives(service).await.len(), 2);
        service.assert_clean().await;
    }

    async fn another_look_replaces_them_and_deleting_removes_them(service, idle()) {
        let asset = bring(service, "photo.jpg", photo()).await;
        let _working = work(service, drawing());
        let before = settled(service, &asset).await;
        nothing_owed(service).await;
        transcript!(service, r#"
            > POST /v1/admin/reprocess {"content_type": "image/jpeg"}
            < 202 {"enqueued": 1, "skipped": 0}
        "#);
        let after = until(service, &asset, |asset| asset.revision > before.revision).await;
        assert_eq!(after.state.name(), "ready");
        nothing_owed(service).await;
        let named = |asset: &gantry::domain::asset::Asset| -> Vec<String> {
            asset.state.content().unwrap().findings.derivatives.iter().map(|made| made.key.clone()).collect()
        };
        let mut now = named(&after);
        now.sort();
        assert!(now.iter().all(|key| !named(&before).contains(key)));
        eventually("only the new derivatives", async || stored_derivatives(service).await == now).await;
        transcript!(service, r#"
            > DELETE /v1/assets/$asset
            < 204
        "#, asset = asset);
        eventually("no derivatives of a deleted asset", async || stored_derivatives(service).await.is_empty()).await;
    }

    async fn a_try_goes_on_at_the_step_that_failed(service, idle()) {
        let asset = bring(service, "photo.jpg", photo()).await;
        service.faults.on("put_object", [None, Some(Refused)]);
        let _working = work(service, TestSteps { clamd: Some(clamd()), ..drawing() });
        // The first derivative was stored, the second was not.
        until(service, &asset, |asset| asset.state.name() == "ready").await;
        let found = row(service, &asset).await.state.content().unwrap().findings.clone();
        assert_eq!(found.derivatives.len(), 2);
        assert!(found.derivatives.iter().all(|made| made.key.contains("-2-")), "{found:?}");
        assert_eq!(stored_derivatives(service).await.len(), 2, "the first try's are removed");
        nothing_owed(service).await;
    }

    async fn a_picture_that_is_too_large_to_be_decoded_is_ready_with_a_problem(service, idle()) {
        let script = r#"python3 - <<'PY'
import struct, zlib
def chunk(kind, data): return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
head = struct.pack('>IIBBBBB', 50000, 50000, 1, 0, 0, 0, 0)
pack = zlib.compressobj(9)
rows = b''.join(pack.compress(bytes(6251)) for _ in range(50000)) + pack.flush()
open('bomb.png', 'wb').write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(b'IDAT', rows) + chunk(b'IEND', b''))
PY"#;
        let asset = bring(service, "bomb.png", made_by(script, "bomb.png")).await;
        let broken = photo();
        let broken = bring(service, "broken.jpg", broken[..broken.len() / 2].to_vec()).await;
        let _working = work(service, drawing());
        settled(service, &asset).await;
        transcript!(service, r#"
            > GET /v1/assets/$asset
            < 200 {"state": "ready", "details": {"kind": "image", "width": 50000, "height": 50000},
                   "problems": [{"code": "image_too_large"}]}
            > GET /v1/assets/$asset/content
            < 302
        "#, asset = asset);
        // A damaged picture is somebody's file all the same.
        assert_eq!(settled(service, &broken).await.state.name(), "ready");
        nothing_owed(service).await;
    }

    async fn a_machine_that_cannot_examine_files_is_no_verdict_on_them(service, idle()) {
        let asset = bring(service, "photo.jpg", photo()).await;
        let _working = work(service, TestSteps { broken_scratch: true, ..drawing() });
        settled(service, &asset).await;
        transcript!(service, r#"
            > GET /v1/assets/$asset
            < 200 {"state": "ready", "content_type": "image/jpeg", "problems": [{"code": "not_examined"}]}
        "#, asset = asset);
        nothing_owed(service).await;
    }
}
