//! Version, discovery, HEAD, PATCH, DELETE: items 1 to 20 and 34 of the checklist.

use std::time::Duration;

use super::{Tus, chunked};
use crate::support::service::{Service, Shape};
use crate::support::transcript::{Names, noise};
use crate::{on_both_services, transcript};

pub(super) const CONTENT: &str = "application/offset+octet-stream";

/// A fresh upload of eleven bytes.
async fn eleven(service: &Service) -> Names {
    transcript!(
        service,
        r#"
        ~ tus-resumable: 1.0.0
        > POST /tus
        | upload-length: 11
        | upload-metadata: filename aGVsbG8udHh0,x
        < 201
        | location: $url
        | upload-offset: 0
        | tus-resumable: 1.0.0
    "#
    )
}

on_both_services! {
    async fn a_look_tells_how_it_stands(service) {
        let names = eleven(service).await;
        transcript!(service, r#"
            ~ tus-resumable: 1.0.0
            ~ authorization: Bearer $admin
            > HEAD $url
            < 200
            | upload-offset: 0
            | upload-length: 11
            | cache-control: no-store
            | upload-metadata: filename aGVsbG8udHh0,x
            | upload-defer-length:
            | upload-concat:
            | tus-resumable: 1.0.0
        "#, url = names["url"], admin = service.admin);
    }

    async fn a_file_in_two_appends(service) {
        let names = eleven(service).await;
        transcript!(service, r#"
            ~ tus-resumable: 1.0.0
            ~ authorization: Bearer $admin
            ~ content-type: application/offset+octet-stream
            > PATCH $url [hello ]
            | upload-offset: 0
            < 204
            | upload-offset: 6
            | tus-resumable: 1.0.0
            > PATCH $url [hello ]
            | upload-offset: 0
            < 409 {"code": "offset_mismatch", "offset": 6}
            | tus-resumable: 1.0.0
            > HEAD $url
            < 200
            | upload-offset: 6
            > PATCH $url []
            | upload-offset: 6
            < 204
            | upload-offset: 6
            > PATCH $url [world]
            | upload-offset: 6
            < 204
            | upload-offset: 11
            | upload-expires:
            > HEAD $url
            < 200
            | upload-offset: 11
            | upload-expires:
            > PATCH $url []
            | upload-offset: 11
            < 204
            | upload-offset: 11
            > PATCH $url [x]
            | upload-offset: 11
            < 413
            > GET /v1/assets
            < 200 {"assets": [{"id": "$asset", "filename": "hello.txt", "size": 11, "metadata": {"x": ""}}]}
            > GET /v1/assets/$asset?wait=20s&until=ready
            < 200 {"state": "ready"}
            > GET /v1/assets/$asset/content?delivery=stream
            < 200 [hello world]
        "#, url = names["url"], admin = service.admin);
    }

    async fn every_request_says_its_version(service) {
        let names = eleven(service).await;
        transcript!(service, r#"
            ~ authorization: Bearer $admin
            ~ content-type: application/offset+octet-stream
            ~ upload-offset: 0
            > POST /tus
            | upload-length: 5
            < 412
            | tus-version: 1.0.0
            | tus-resumable: 1.0.0
            > POST /tus
            | upload-length: 5
            | tus-resumable: 0.2.2
            < 412
            | tus-version: 1.0.0
            > PATCH $url [hello]
            < 412
            | tus-version: 1.0.0
            > PATCH $url [hello]
            | tus-resumable: 2.0.0
            < 412
            > DELETE $url
            < 412
            > HEAD $url
            | tus-resumable: 9
            < 412
            | upload-offset:
            > HEAD $url
            < 200
            | upload-offset: 0
        "#, url = names["url"], admin = service.admin);
    }

    async fn options_tell_what_there_is(service) {
        for path in ["/tus", "/tus/", "/tus/anything", "/u/gu_x/tus"] {
            transcript!(service, r#"
                @ nobody
                > OPTIONS $path
                | tus-resumable: nonsense
                < 204
                | tus-version: 1.0.0
                | tus-extension: creation,creation-with-upload,creation-defer-length,expiration,checksum,checksum-trailer,termination,concatenation
                | tus-max-size: 50000000000000
                | tus-checksum-algorithm: sha1,sha256,sha512,md5,crc32
                | tus-resumable:
            "#, path = path);
        }
    }

    async fn methods_may_be_overridden(service) {
        let names = eleven(service).await;
        transcript!(service, r#"
            ~ authorization: Bearer $admin
            ~ tus-resumable: 1.0.0
            ~ content-type: application/offset+octet-stream
            > POST $url [hello]
            | x-http-method-override: PATCH
            | upload-offset: 0
            < 204
            | upload-offset: 5
            > GET $url
            < 405
            > POST $url
            < 405
            > POST $url
            | x-http-method-override: OPTIONS
            < 405
            > POST $url
            | x-http-method-override: DELETE
            < 204
            > HEAD $url
            < 404
            > PUT /tus
            < 405
        "#, url = names["url"], admin = service.admin);
    }

    async fn bad_headers_are_told_and_change_nothing(service) {
        let names = eleven(service).await;
        for (offset, status) in [("-1", 400), ("x", 400), ("", 400), ("1.5", 400), ("99999999999999999999", 400), ("1", 409), ("9223372036854775807", 409)] {
            transcript!(service, r#"
                ~ authorization: Bearer $admin
                ~ tus-resumable: 1.0.0
                > PATCH $url [hello]
                | content-type: application/offset+octet-stream
                | upload-offset: $offset
                < $status
                | tus-resumable: 1.0.0
            "#, url = names["url"], admin = service.admin, offset = offset, status = status);
        }
        transcript!(service, r#"
            ~ authorization: Bearer $admin
            ~ tus-resumable: 1.0.0
            > PATCH $url [hello]
            | content-type: application/offset+octet-stream
            < 400
            > PATCH $url [hello]
            | content-type: application/octet-stream
            | upload-offset: 0
            < 415
            > PATCH $url [hello]
            | upload-offset: 0
            < 415
            > PATCH $url [hello world and more]
            | content-type: application/offset+octet-stream
            | upload-offset: 0
            < 413
            > PATCH $url [hello]
            | content-type: application/offset+octet-stream
            | upload-offset: 0
            | upload-length: 12
            < 400
            > HEAD $url
            < 200
            | upload-offset: 0
            | upload-length: 11
        "#, url = names["url"], admin = service.admin);
    }

    async fn the_unknown_the_terminated_and_the_expired_are_404(service) {
        let names = eleven(service).await;
        let base = &service.base;
        transcript!(service, r#"
            ~ authorization: Bearer $admin
            ~ tus-resumable: 1.0.0
            ~ content-type: application/offset+octet-stream
            ~ upload-offset: 0
            > DELETE $url
            < 204
            | tus-resumable: 1.0.0
        "#, url = names["url"], admin = service.admin);
        let old = eleven(service).await;
        service.advance(Duration::from_secs(7 * 24 * 3600));
        let unknown = [format!("{base}/tus/01900000-0000-7000-8000-000000000000"), format!("{base}/tus/x")];
        for url in [names["url"].clone(), old["url"].clone()].iter().chain(&unknown) {
            transcript!(service, r#"
                ~ authorization: Bearer $admin
                ~ tus-resumable: 1.0.0
                ~ content-type: application/offset+octet-stream
                ~ upload-offset: 0
                > HEAD $url
                < 404
                | upload-offset:
                | tus-resumable: 1.0.0
                > PATCH $url [hello]
                < 404
                > DELETE $url
                < 404
            "#, url = url, admin = service.admin);
        }
    }

    async fn a_terminated_file_is_gone(service) {
        let names = eleven(service).await;
        let tus = Tus::new(service);
        let id = names["url"].rsplit('/').next().unwrap();
        tus.send(id, 0, "hello world").await;
        assert_eq!(tus.content(id).await, "hello world");
        transcript!(service, r#"
            ~ authorization: Bearer $admin
            ~ tus-resumable: 1.0.0
            > DELETE $url
            < 204
            > HEAD $url
            < 404
            > DELETE $url
            < 404
        "#, url = names["url"], admin = service.admin);
    }

    async fn bodies_without_a_length(service) {
        let tus = Tus::new(service);
        let bytes = noise(20 << 20, 4);
        let id = tus.create(bytes.len() as u64).await;
        let pieces = bytes.chunks(1 << 20).map(<[u8]>::to_vec).collect();
        let answer = tus.send(&id, 0, chunked(pieces, Duration::ZERO)).await;
        assert_eq!(answer.status(), 204);
        assert_eq!(answer.headers()["upload-offset"], "20971520");
        assert!(tus.content(&id).await == bytes);

        let id = tus.create(10).await;
        let answer = tus.send(&id, 0, chunked(vec![vec![b'a'; 11]], Duration::ZERO)).await;
        assert_eq!(answer.status(), 413);
    }

    async fn a_broken_connection_keeps_every_byte(service) {
        let tus = Tus::new(service);
        let bytes = noise(20_000_000, 5);
        let id = tus.create(20_000_000).await;
        tus.cut(&id, 0, &bytes[..11_111_111], 20_000_000).await;
        tus.offset_becomes(&id, 11_111_111).await;
        tus.cut(&id, 11_111_111, &bytes[11_111_111..11_111_112], 100).await;
        tus.offset_becomes(&id, 11_111_112).await;
        let answer = tus.send(&id, 11_111_112, bytes[11_111_112..].to_vec()).await;
        assert_eq!(answer.status(), 204);
        assert!(tus.content(&id).await == bytes);
    }

    async fn expiry_is_told_and_moves(service) {
        let names = eleven(service).await;
        let look = |answer: &reqwest::Response| {
            httpdate::parse_http_date(answer.headers()["upload-expires"].to_str().unwrap()).unwrap()
        };
        let tus = Tus::new(service);
        let id = names["url"].rsplit('/').next().unwrap();
        let first = look(&tus.send(id, 0, "hel").await);
        service.advance(Duration::from_secs(3600));
        let second = look(&tus.send(id, 3, "lo ").await);
        assert!(second >= first + Duration::from_secs(3599));
        service.advance(Duration::from_secs(7 * 24 * 3600 - 60));
        assert_eq!(tus.offset(id).await, 6);
    }
}

fn without_conditions() -> Shape {
    Shape { capabilities: |found| found.conditional_put = false, ..Shape::default() }
}

fn seaweedfs() -> Shape {
    Shape { seaweedfs: true, ..Shape::default() }
}

on_both_services! {
    async fn a_store_without_conditions(service, without_conditions()) {
        for body in ["", "hello world"] {
            let tus = Tus::new(service);
            let id = tus.create(body.len() as u64).await;
            if !body.is_empty() {
                assert_eq!(tus.send(&id, 0, body).await.status(), 204);
            }
            assert_eq!(tus.content(&id).await, body);
        }
    }

    async fn another_store(service, seaweedfs()) {
        let tus = Tus::new(service);
        let bytes = noise(17_000_000, 6);
        let id = tus.create(17_000_000).await;
        tus.cut(&id, 0, &bytes[..9_000_000], 17_000_000).await;
        tus.offset_becomes(&id, 9_000_000).await;
        assert_eq!(tus.send(&id, 9_000_000, bytes[9_000_000..].to_vec()).await.status(), 204);
        assert!(tus.content(&id).await == bytes);
        let id = tus.create(5).await;
        assert_eq!(tus.send(&id, 0, "hello").await.status(), 204);
        assert_eq!(tus.content(&id).await, "hello");
    }
}
