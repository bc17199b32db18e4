//! What the bucket holds for nobody, and what only looks like it.

use bytes::Bytes;
use gantry::blob::{BlobKey, BlobStore};
use gantry::domain::ids::{AssetId, TenantId, UploadId};
use gantry::engine::{OrphanKind, OrphanedBlob};
use uuid::Uuid;

use super::{filled, idle};
use crate::support::service::Service;
use crate::{on_both_services, transcript};

async fn search(service: &Service, apply: bool) -> Vec<OrphanedBlob> {
    // The store stamps what it keeps with the real time; ours stands still.
    service.advance(std::time::Duration::from_secs(60));
    let mut found = Vec::new();
    let report = service.engine.operations().scan_orphans(apply, |orphan| found.push(orphan.clone())).await.unwrap();
    assert_eq!(report.orphans, found.len() as u64);
    assert_eq!(report.removed, if apply { report.orphans } else { 0 });
    found
}

fn nobody() -> String {
    let ids = (TenantId(Uuid::now_v7()), AssetId(Uuid::now_v7()), UploadId(Uuid::now_v7()));
    BlobKey::Original { tenant: ids.0, asset: ids.1, upload: ids.2 }.path()
}

on_both_services! {
    async fn leftovers_are_shown_and_then_removed(service, idle()) {
        let (object, multipart) = (nobody(), nobody());
        service.blobs.put(&object, Bytes::from_static(b"lost")).await.unwrap();
        let id = service.blobs.create_multipart(&multipart, "t", None, None).await.unwrap();
        let shown = search(service, false).await;
        assert_eq!(shown, [
            OrphanedBlob { kind: OrphanKind::Object, key: object.clone(), store_id: None, size: 4 },
            OrphanedBlob { kind: OrphanKind::Multipart, key: multipart, store_id: Some(id), size: 0 },
        ]);
        assert!(service.blobs.head(&object).await.unwrap().is_some());
        assert_eq!(search(service, true).await, shown);
        assert_eq!(search(service, true).await, []);
    }

    async fn what_lives_is_never_touched(service) {
        let ready = crate::native::ready(service, "a.txt", "hello").await;
        let open = filled(service).await;
        // Strangers in the same bucket, and in our own folder.
        for key in ["backup.tar", "gantry/o/readme.txt", "gantry/other"] {
            service.blobs.put(key, Bytes::from_static(b"not ours")).await.unwrap();
        }
        assert_eq!(search(service, true).await, []);
        transcript!(service, r#"
            > GET /v1/assets/$asset/content?delivery=stream
            < 200 [hello]
            > POST /v1/uploads/$open/complete
            < 200
        "#, asset = ready["asset"], open = open["upload"]);
        for key in ["backup.tar", "gantry/o/readme.txt", "gantry/other"] {
            service.blobs.delete(key).await.unwrap();
        }
    }

    async fn another_instances_bucket_is_not_searched(service, idle()) {
        service.blobs.put(&BlobKey::Instance.path(), Bytes::from_static(b"somebody else")).await.unwrap();
        service.blobs.put(&nobody(), Bytes::from_static(b"theirs")).await.unwrap();
        assert!(service.engine.operations().scan_orphans(true, |_| {}).await.is_err());
        assert!(!service.engine.operations().mark_bucket().await.unwrap());
        service.blobs.put(&BlobKey::Instance.path(), Bytes::from_static(b"test")).await.unwrap();
        assert_eq!(search(service, true).await.len(), 1);
    }
}
