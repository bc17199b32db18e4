//! One PUT and many parts, from creation to the same bytes.

use std::time::Duration;

use super::{PART, three_parts};
use crate::support::requests;
use crate::support::service::Shape;
use crate::{on_both_services, transcript};

/// Nobody works on jobs: assets stay `stored`.
fn idle() -> Shape {
    Shape { works: false, ..Shape::default() }
}

on_both_services! {
    async fn a_small_file_travels_the_whole_way(service) {
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "hello.txt", "size": 5, "content_type": "text/html"}
            < 201 {"upload": {"id": "$upload", "asset_id": "$asset", "state": "open", "method": "put", "size": 5},
                   "asset": {"id": "$asset", "state": "awaiting", "filename": "hello.txt"},
                   "put": {"url": "$url", "method": "PUT", "headers": {"content-length": "5", "if-none-match": "*"}}}
            > POST /v1/uploads/$upload/complete
            < 409 {"code": "incomplete", "missing": "1", "retryable": false}
            > PUT $url [hello]
            | if-none-match: *
            < 200
            > PUT $url [jello]
            | if-none-match: *
            < 412
            > POST /v1/uploads/$upload/complete
            < 200 {"id": "$asset", "state": "stored"}
            > GET /v1/assets/$asset?wait=10s&until=ready
            < 200 {"state": "ready", "content_type": "text/plain", "declared_content_type": "text/html",
                   "digest": "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}
            > POST /v1/uploads/$upload/complete
            < 200 {"id": "$asset", "state": "ready"}
            > PUT $url [jello]
            | if-none-match: *
            < 412
            > GET /v1/assets/$asset/content?delivery=stream
            < 200 [hello]
            | content-type: text/plain; charset=utf-8
            | content-disposition: attachment; filename="hello.txt"
            | x-content-type-options: nosniff
            > GET /v1/assets/$asset/content
            < 302
            | location: $there
            | cache-control: no-store
            > GET $there
            < 200 [hello]
            > DELETE /v1/assets/$asset
            < 204
        "#);
    }

    async fn parts_in_any_order_become_one_file(service) {
        let (size, digest) = three_parts();
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "big.bin", "size": $size, "method": "multipart", "part_size": 5242880}
            < 201 {"upload": {"id": "$upload", "method": "multipart", "part_count": 3, "received": []},
                   "asset": {"id": "$asset"},
                   "multipart": {"part_size": 5242880, "part_count": 3, "urls": [
                       {"part": 1, "url": "$one", "headers": {"content-length": "5242880"}},
                       {"part": 2, "url": "$two"},
                       {"part": 3, "url": "$three", "headers": {"content-length": "2621440"}}]}}
            > PUT $three noise:2621440:3
            < 200
            > PUT $one noise:5242880:1
            < 200
            > POST /v1/uploads/$upload/complete
            < 409 {"code": "incomplete", "missing": "2"}
            > GET /v1/uploads/$upload
            < 200 {"state": "open", "received": [{"part": 1, "size": 5242880}, {"part": 3, "size": 2621440}],
                   "received_bytes": 7864320}
            > PUT $two noise:5242880:2
            < 200
            > POST /v1/uploads/$upload/complete {"sha256": "$digest"}
            < 200 {"id": "$asset"}
            > GET /v1/assets/$asset?wait=20s&until=ready
            < 200 {"state": "ready", "sha256": "$digest", "size": $size}
            > GET /v1/uploads/$upload
            < 200 {"state": "completed"}
            > PUT $two noise:5242880:9
            < 404
            > GET /v1/assets/$asset/content?delivery=stream
            < 200 sha256:$digest
        "#, size = size, digest = digest);
    }

    async fn creating_again_resumes(service) {
        let (size, _) = three_parts();
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "big.bin", "size": $size, "part_size": 5242880, "external_id": "job 7"}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset", "external_id": "job 7"},
                   "multipart": {"urls": [{"url": "$one"}, {}, {}]}}
            > PUT $one noise:5242880:1
            < 200
            > POST /v1/uploads {"filename": "big.bin", "size": $size, "part_size": 5242880, "external_id": "job 7"}
            < 200 {"upload": {"id": "$upload", "received": [{"part": 1, "size": 5242880}]}, "asset": {"id": "$asset"},
                   "multipart": {"urls": [{"part": 2}, {"part": 3}]}}
            > POST /v1/uploads {"filename": "big.bin", "size": 6, "external_id": "job 7"}
            < 409 {"code": "conflict"}
            > DELETE /v1/uploads/$upload
            < 204
            > POST /v1/uploads {"filename": "big.bin", "size": 6, "external_id": "job 7"}
            < 201
        "#, size = size);
    }

    async fn an_idempotency_key_makes_one_upload(service) {
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 3}
            | idempotency-key: "once"
            < 201 {"upload": {"id": "$upload"}, "put": {"url": "$url"}}
            > POST /v1/uploads {"filename": "a", "size": 3}
            | idempotency-key: once
            < 200 {"upload": {"id": "$upload"}}
            > POST /v1/uploads {"filename": "b", "size": 3}
            | idempotency-key: once
            < 422 {"code": "idempotency_key_reused"}
            > PUT $url [abc]
            | if-none-match: *
            < 200
            > POST /v1/uploads/$upload/complete
            < 200
            > POST /v1/uploads {"filename": "a", "size": 3}
            | idempotency-key: once
            < 200 {"upload": {"id": "$upload", "state": "completed"}}
        "#);
        service.advance(Duration::from_secs(25 * 3600));
        service.engine.operations().run_retention().await.unwrap();
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "b", "size": 3}
            | idempotency-key: once
            < 201
        "#);
    }

    async fn part_urls_by_range_list_and_template(service) {
        let names = transcript!(service, r#"
            > POST /v1/uploads {"filename": "big.bin", "size": 52428800000, "part_size": 5242880, "urls": 0}
            < 201 {"upload": {"id": "$upload", "part_count": 10000}, "multipart": {"urls": []}}
            > POST /v1/uploads/$upload/urls {"parts": "7-8,9999"}
            < 200 {"urls": [{"part": 7, "url": "$seven"}, {"part": 8}, {"part": 9999}]}
            > POST /v1/uploads/$upload/urls {"parts": [8, 7]}
            < 200 {"urls": [{"part": 7}, {"part": 8}]}
            > POST /v1/uploads/$upload/urls {"parts": "1,10000", "form": "compact"}
            < 200 {"template": "$template", "signatures": ["$first", "$last"], "part_size": 5242880}
        "#);
        let answer = requests::client()
            .post(format!("{}/v1/uploads/{}/urls", service.base, names["upload"]))
            .bearer_auth(&service.admin)
            .body(r#"{"parts": "1-10000"}"#)
            .send().await.unwrap().json::<serde_json::Value>().await.unwrap();
        let urls = answer["urls"].as_array().unwrap();
        assert_eq!(urls.len(), 10_000);
        assert!(urls.iter().zip(1..).all(|(url, part)| url["part"] == part));
        for (part, signature) in [("1", &names["first"]), ("10000", &names["last"])] {
            let url = names["template"].replace("{part}", part).replace("{signature}", signature);
            let sent = requests::client().put(url).body(vec![0; PART as usize]).send().await.unwrap();
            assert_eq!(sent.status(), 200);
        }
        transcript!(service, r#"
            > GET /v1/uploads/$upload
            < 200 {"received": [{"part": 1, "size": 5242880}, {"part": 10000, "size": 5242880}]}
            > POST /v1/uploads/$upload/complete
            < 409 {"missing": "2-9999"}
        "#, upload = names["upload"]);
    }

    async fn checksums_bind_the_bytes(service, idle()) {
        let digest = super::sha256(b"hello");
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 5, "sha256": "$digest"}
            < 201 {"put": {"url": "$url", "headers": {"x-amz-checksum-sha256": "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="}},
                   "upload": {"id": "$upload"}}
            > PUT $url [jello]
            | if-none-match: *
            | x-amz-checksum-sha256: LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=
            < 400
            > PUT $url [hello]
            | if-none-match: *
            < 403
            > PUT $url [hello]
            | if-none-match: *
            | x-amz-checksum-sha256: LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=
            < 200
            > POST /v1/uploads/$upload/complete {"sha256": "0000000000000000000000000000000000000000000000000000000000000000"}
            < 422 {"code": "invalid", "field": "sha256"}
            > POST /v1/uploads/$upload/complete
            < 200

            > POST /v1/uploads {"filename": "a", "size": 5, "method": "multipart"}
            < 201 {"upload": {"id": "$parts"}}
            > POST /v1/uploads/$parts/urls {"parts": "1", "checksums": {"1": "sha256:$digest"}}
            < 200 {"urls": [{"url": "$part", "headers": {"content-length": "5",
                   "x-amz-checksum-sha256": "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="}}]}
            > PUT $part [jello]
            | x-amz-checksum-sha256: LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=
            < 400
            > GET /v1/uploads/$parts
            < 200 {"received": []}
            > PUT $part [hello]
            | x-amz-checksum-sha256: LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=
            < 200
            > POST /v1/uploads/$parts/complete
            < 200
        "#, digest = digest);
    }

    async fn a_list_of_parts_is_checked(service, idle()) {
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 5, "method": "multipart"}
            < 201 {"upload": {"id": "$upload"}, "multipart": {"urls": [{"url": "$one"}]}}
            > PUT $one [hello]
            < 200
            | etag: $etag
            > POST /v1/uploads/$upload/complete {"parts": [{"part": 1, "etag": "\"0123\""}]}
            < 409 {"code": "parts_differ", "part": 1}
            > POST /v1/uploads/$upload/complete {"parts": [{"part": 2}]}
            < 409 {"code": "parts_differ", "part": 2}
            > POST /v1/uploads/$upload/complete {"parts": [{"PartNumber": 1, "ETag": $etag}]}
            < 200 {"state": "stored"}
        "#);
    }

    async fn a_wrong_digest_is_rejected_and_never_served(service) {
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 5}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "put": {"url": "$url"}}
            > PUT $url [hello]
            | if-none-match: *
            < 200
            > POST /v1/uploads/$upload/complete {"sha256": "0000000000000000000000000000000000000000000000000000000000000000"}
            < 200
            > GET /v1/assets/$asset?wait=20s&until=rejected
            < 200 {"state": "rejected", "reason": {"code": "digest_mismatch"}}
            > GET /v1/assets/$asset/content
            < 403 {"code": "rejected", "reason": "digest_mismatch"}
            > GET /v1/assets/$asset/content?delivery=stream
            < 403 {"code": "rejected"}
            > HEAD /v1/assets/$asset/content
            < 403
            > POST /v1/assets/$asset/links {}
            < 403 {"code": "rejected"}
        "#);
    }

    async fn the_edges_of_a_size(service) {
        for (size, method) in [(0u64, "put"), (1, "put"), (16 << 20, "put"), ((16 << 20) + 1, "multipart")] {
            let digest = super::sha256(&crate::support::transcript::noise(size, 7));
            let names = transcript!(service, r#"
                > POST /v1/uploads {"filename": "edge.bin", "size": $size}
                < 201 {"upload": {"id": "$upload", "method": "$method"}, "asset": {"id": "$asset"}}
            "#, size = size, method = method);
            send(service, &names["upload"], size).await;
            transcript!(service, r#"
                > POST /v1/uploads/$upload/complete {"sha256": "$digest"}
                < 200
                > GET /v1/assets/$asset?wait=20s&until=ready
                < 200 {"state": "ready", "sha256": "$digest"}
                > GET /v1/assets/$asset/content?delivery=stream
                < 200 sha256:$digest
                | content-length: $size
                > GET /v1/assets/$asset/content
                < 302
                | location: $there
                > GET $there
                < 200 sha256:$digest
            "#, size = size, digest = digest, upload = names["upload"], asset = names["asset"]);
        }
    }

    async fn exactly_one_part_and_one_byte_more(service) {
        for (size, count) in [(PART, 1), (PART + 1, 2)] {
            let digest = super::sha256(&crate::support::transcript::noise(size, 7));
            let names = transcript!(service, r#"
                > POST /v1/uploads {"filename": "edge.bin", "size": $size, "method": "multipart", "part_size": 5242880}
                < 201 {"upload": {"id": "$upload", "part_count": $count}, "asset": {"id": "$asset"}}
            "#, size = size, count = count);
            send(service, &names["upload"], size).await;
            transcript!(service, r#"
                > POST /v1/uploads/$upload/complete
                < 200
                > GET /v1/assets/$asset?wait=20s&until=ready
                < 200 {"state": "ready", "sha256": "$digest"}
            "#, digest = digest, upload = names["upload"], asset = names["asset"]);
        }
    }

    async fn an_aborted_upload_is_over(service) {
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 10485760, "part_size": 5242880}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "multipart": {"urls": [{"url": "$one"}, {}]}}
            > PUT $one noise:5242880:1
            < 200
            > DELETE /v1/uploads/$upload
            < 204
            > DELETE /v1/uploads/$upload
            < 204
            > POST /v1/uploads/$upload/urls {"parts": "1"}
            < 410 {"code": "gone", "state": "aborted"}
            > POST /v1/uploads/$upload/complete
            < 410 {"code": "gone", "state": "aborted"}
            > GET /v1/uploads/$upload
            < 200 {"state": "aborted"}
            > GET /v1/assets/$asset
            < 200 {"state": "abandoned"}
            > GET /v1/assets/$asset/content
            < 410
        "#);
    }

    async fn a_completed_upload_cannot_be_aborted(service) {
        let names = super::ready(service, "kept.txt", "kept").await;
        transcript!(service, r#"
            > DELETE /v1/uploads/$upload
            < 409 {"code": "wrong_state", "state": "completed"}
            > GET /v1/assets/$asset/content?delivery=stream
            < 200 [kept]
        "#, upload = names["upload"], asset = names["asset"]);
    }

    async fn time_ends_an_upload(service) {
        let names = transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 10485760, "part_size": 5242880}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "grant": "$grant"}
        "#);
        service.advance(Duration::from_secs(7 * 24 * 3600));
        transcript!(service, r#"
            > POST /v1/uploads/$upload/urls {"parts": "1"}
            < 410 {"code": "gone", "state": "expired"}
            @ $grant
            > GET /v1/uploads/$upload
            < 401
        "#, upload = names["upload"], grant = names["grant"]);
        assert_eq!(service.engine.operations().run_sweep().await.unwrap().expired, 1);
        transcript!(service, r#"
            > GET /v1/uploads/$upload
            < 200 {"state": "expired"}
            > GET /v1/assets/$asset
            < 200 {"state": "abandoned"}
        "#, upload = names["upload"], asset = names["asset"]);
    }

    async fn check_creates_nothing(service) {
        transcript!(service, r#"
            > POST /v1/uploads/check {"filename": "a", "size": 5}
            < 200 {"accepted": true, "limits": {"max_size": 50000000000000}}
            > POST /v1/uploads/check {"filename": "a", "size": 50000000000001}
            < 413 {"code": "too_large", "limit": 50000000000000}
            > GET /v1/assets
            < 200 {"assets": [], "next": null}
            @ nobody
            > GET /v1/limits
            < 200 {"max_parts": 10000, "min_part_size": 5242880, "checksums": ["sha256", "crc32c", "crc64nvme"]}
        "#);
    }
}

/// Sends an upload's bytes from seed 7, by whatever method it was given.
async fn send(service: &crate::support::service::Service, upload: &str, size: u64) {
    let bytes = crate::support::transcript::noise(size, 7);
    let client = requests::client();
    let ask = |path: String, body: &'static str| {
        client.post(format!("{}/v1/uploads{path}", service.base)).bearer_auth(&service.admin).body(body)
    };
    let looked = client.get(format!("{}/v1/uploads/{upload}", service.base)).bearer_auth(&service.admin);
    let looked: serde_json::Value = looked.send().await.unwrap().json().await.unwrap();
    if looked["method"] == "put" {
        // The URL was in the answer to the creation; a client that lost it creates again. Here the engine signs.
        let id = upload.parse().unwrap();
        let row = service.database.store.find_upload(id).await.unwrap().unwrap();
        use gantry::blob::BlobStore;
        let signed = service.blobs.sign_put(&row.key, size, None, Duration::from_secs(60)).await.unwrap();
        let put = client.put(signed.url).header("if-none-match", "*").header("content-length", size).body(bytes);
        assert_eq!(put.send().await.unwrap().status(), 200);
        return;
    }
    let urls = ask(format!("/{upload}/urls"), r#"{"parts": "1-2"}"#);
    let mut answer: serde_json::Value = urls.send().await.unwrap().json().await.unwrap();
    if answer.get("urls").is_none() {
        answer = ask(format!("/{upload}/urls"), r#"{"parts": "1"}"#).send().await.unwrap().json().await.unwrap();
    }
    let part_size = looked["part_size"].as_u64().unwrap() as usize;
    for (url, body) in answer["urls"].as_array().unwrap().iter().zip(bytes.chunks(part_size)) {
        let put = client.put(url["url"].as_str().unwrap()).body(body.to_vec());
        assert_eq!(put.send().await.unwrap().status(), 200);
    }
}
