//! URLs of parts do not say how long the part is: what they can bring is bounded all the same.

use std::time::Duration;

use gantry::blob::{BlobKey, BlobStore as _};
use gantry::domain::quota::TenantQuota;
use gantry::engine::PatchTenant;

use crate::support::patience::eventually;
use crate::support::service::{Service, Shape};
use crate::support::transcript::Names;
use crate::{on_both_services, transcript};

/// On a store that takes every part, as all but the embedded one do.
fn unlimited() -> Shape {
    Shape { works: false, capabilities: |found| found.enforces_limits = false, ..Shape::default() }
}

/// A service for small files.
fn small() -> Shape {
    let mut shape = Shape::default();
    shape.settings.max_size = 1000;
    shape
}

/// An upload of at most a thousand bytes that the holder of its grant has opened, with the URL of the first part.
async fn granted(service: &Service) -> Names {
    transcript!(
        service,
        r#"
        > POST /v1/uploads {"max_size": 1000}
        < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$key"}, "grant": "$grant"}
        @ nobody
        > POST /u/$grant/s3/multipart {"filename": "a", "type": ""}
        < 200 {"key": "$key", "uploadId": "$upload"}
        > GET /u/$grant/s3/multipart/$upload/1?key=$key
        < 200 {"url": "$one"}
    "#
    )
}

/// An upload of whatever size, with URLs for its first two parts.
async fn of_any_size(service: &Service) -> Names {
    transcript!(
        service,
        r#"
        > POST /s3/multipart {"filename": "a", "type": ""}
        < 200 {"key": "$key", "uploadId": "$id"}
        > GET /s3/multipart/$id/batch?key=$key&partNumbers=1,2
        < 200 {"presignedUrls": {"1": "$one", "2": "$two"}}
    "#
    )
}

/// So many bytes of the default tenant are allowed.
async fn allow(service: &Service, bytes: u64) {
    let tenant = service.registry.tenant("default").await.unwrap().unwrap();
    let quota = Some(TenantQuota { bytes: Some(bytes), ..TenantQuota::default() });
    service.registry.patch_tenant(&tenant, PatchTenant { quota, ..PatchTenant::default() }).await.unwrap();
}

/// No part is left at the store.
async fn given_up(service: &Service) {
    eventually("the parts are given up", async || {
        service.blobs.list_multiparts(BlobKey::ORIGINALS_PREFIX, None).await.unwrap().items.is_empty()
    })
    .await;
}

on_both_services! {
    async fn a_grant_brings_no_more_than_it_allows_in_all_its_parts(service) {
        let names = granted(service).await;
        let names = transcript!(service, r#"
            @ nobody
            > GET /u/$grant/s3/multipart/$upload/batch?key=$key&partNumbers=2,3
            < 200 {"presignedUrls": {"2": "$two", "3": "$three"}}
            > PUT $one noise:1001:1
            < 400
            > PUT $two noise:600:1
            < 200
            > PUT $three noise:401:1
            < 400
            > PUT $one noise:401:1
            < 400
            > PUT $two noise:0:1
            < 200
            > PUT $one noise:1000:1
            < 200
            | etag: $tag
            > PUT $three [x]
            < 400
            > GET /u/$grant/s3/multipart/$upload?key=$key
            < 200 [{"PartNumber": 1, "Size": 1000}, {"PartNumber": 2, "Size": 0}]
        "#, grant = names["grant"], upload = names["upload"], key = names["key"], one = names["one"]);
        assert!(!names["two"].contains("content-length"), "its length is not told at signing");
    }

    async fn a_file_that_fits_is_taken(service) {
        let names = granted(service).await;
        transcript!(service, r#"
            @ nobody
            > PUT $one noise:1000:1
            < 200
            | etag: $tag
            > POST /u/$grant/s3/multipart/$upload/complete?key=$key {"parts": [{"PartNumber": 1, "ETag": $tag}]}
            < 200 {"key": "$key"}
        "#, grant = names["grant"], upload = names["upload"], key = names["key"], one = names["one"]);
        assert_eq!(super::ready(service).await["size"], 1000);
    }

    async fn the_largest_file_that_is_accepted_bounds_the_parts(service, small()) {
        let names = of_any_size(service).await;
        transcript!(service, r#"
            > PUT $one noise:1001:1
            < 400
            > PUT $one noise:900:1
            < 200
            > PUT $two noise:101:1
            < 400
        "#, one = names["one"], two = names["two"]);
    }

    async fn what_the_quota_has_left_bounds_the_parts(service) {
        allow(service, 1500).await;
        let names = of_any_size(service).await;
        transcript!(service, r#"
            > PUT $one noise:1501:1
            < 400
            > PUT $one noise:1000:1
            < 200
            > PUT $two noise:501:1
            < 400
            > DELETE /s3/multipart/$id?key=$key
            < 200 {}
            > POST /v1/uploads {"filename": "b", "size": 1000}
            < 201 {"upload": {"id": "$reserved"}}
            > POST /s3/multipart {"filename": "c", "type": ""}
            < 200 {"key": "$later", "uploadId": "$small"}
            > GET /s3/multipart/$small/1?key=$later
            < 200 {"url": "$short"}
            > PUT $short noise:501:1
            < 400
            > PUT $short noise:500:1
            < 200
        "#, one = names["one"], two = names["two"], id = names["id"], key = names["key"]);
        allow(service, 1 << 62).await;
    }

    async fn elsewhere_no_url_is_signed_that_cannot_be_needed(service, unlimited()) {
        let names = granted(service).await;
        transcript!(service, r#"
            @ nobody
            > GET /u/$grant/s3/multipart/$upload/2?key=$key
            < 400 {"error": "invalid"}
            > GET /u/$grant/s3/multipart/$upload/batch?key=$key&partNumbers=1,2
            < 400 {"error": "invalid"}
        "#, grant = names["grant"], upload = names["upload"], key = names["key"]);
        let numbers = |range: std::ops::Range<u32>| range.map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        let names = of_any_size(service).await;
        transcript!(service, r#"
            > GET /s3/multipart/$id/batch?key=$key&partNumbers=$most
            < 200
            > GET /s3/multipart/$id/33?key=$key
            < 400 {"error": "invalid"}
            > PUT $one [first]
            < 200
            > GET /s3/multipart/$id/33?key=$key
            < 200
            > GET /s3/multipart/$id/34?key=$key
            < 400 {"error": "invalid"}
        "#, id = names["id"], key = names["key"], one = names["one"], most = numbers(1..33));
    }

    async fn elsewhere_the_next_url_finds_what_is_over(service, unlimited()) {
        let names = granted(service).await;
        transcript!(service, r#"
            @ nobody
            > PUT $one noise:1001:1
            < 200
            > GET /u/$grant/s3/multipart/$upload/1?key=$key
            < 413 {"error": "too_large"}
            > GET /u/$grant/s3/multipart/$upload/1?key=$key
            < 404 {"error": "gone"}
            @ $admin
            > GET /v1/assets/$key
            < 200 {"state": "abandoned"}
        "#, grant = names["grant"], upload = names["upload"], key = names["key"], one = names["one"], admin = service.admin);
        given_up(service).await;
    }

    async fn elsewhere_the_sweep_finds_what_is_over(service, unlimited()) {
        let names = granted(service).await;
        transcript!(service, "> PUT $one noise:1001:1\n< 200", one = names["one"]);
        service.advance(Duration::from_secs(600));
        assert_eq!(service.engine.operations().run_sweep().await.unwrap().failed, 0);
        transcript!(service, r#"
            > GET /v1/uploads/$upload
            < 200 {"state": "aborted"}
        "#, upload = names["upload"]);
        given_up(service).await;
    }

    async fn a_completion_that_the_quota_refuses_gives_the_parts_up(service, unlimited()) {
        let names = of_any_size(service).await;
        allow(service, 1500).await;
        transcript!(service, r#"
            > PUT $one noise:1501:1
            < 200
            | etag: $tag
            > POST /s3/multipart/$id/complete?key=$key {"parts": [{"PartNumber": 1, "ETag": $tag}]}
            < 413 {"error": "quota_exceeded"}
            > GET /v1/uploads/$id
            < 200 {"state": "aborted"}
        "#, one = names["one"], id = names["id"], key = names["key"]);
        given_up(service).await;
        assert_eq!(service.database.store.sum_usage(service.tenant).await.unwrap().bytes, 0);
        allow(service, 1 << 62).await;
    }

    async fn a_completion_that_leaves_parts_out_gives_up_what_is_over(service, unlimited()) {
        let names = granted(service).await;
        transcript!(service, r#"
            @ nobody
            > PUT $one noise:1001:1
            < 200
            > POST /u/$grant/s3/multipart/$upload/complete?key=$key {"parts": [{"PartNumber": 2, "ETag": "x"}]}
            < 413 {"error": "too_large"}
        "#, grant = names["grant"], upload = names["upload"], key = names["key"], one = names["one"]);
        given_up(service).await;
    }
}
