//! Many parts, cut by the client, from the first call to the same bytes.

use std::time::Duration;

use sha2::Digest;

use crate::support::faulty::Fault;
use crate::support::requests;
use crate::support::service::Shape;
use crate::support::transcript::noise;
use crate::{on_both_services, transcript};

/// A service for small files, on a store that does not know how large they may be.
fn small() -> Shape {
    let mut shape = Shape { capabilities: |found| found.enforces_limits = false, ..Shape::default() };
    shape.settings.max_size = 6 << 20;
    shape
}

on_both_services! {
    async fn three_parts_travel_the_whole_way(service) {
        let bytes = [noise(5 << 20, 1), noise(6 << 20, 2), noise(777, 3)].concat();
        let digest = hex::encode(sha2::Sha256::digest(&bytes));
        transcript!(service, r#"
            > POST /s3/multipart {"filename": "ä b.bin", "type": "application/x-test",
                                  "metadata": {"name": "ä b.bin", "n": 5, "none": null, "deep": {"a": [true]}}}
            < 200 {"key": "$key", "uploadId": "$id", "bucket": "gantry"}
            > GET /s3/multipart/$id?key=$key
            < 200 [[]]
            > GET /s3/multipart/$id/1?key=$key
            < 200 {"url": "$one", "expires": "$expires"}
            > GET /s3/multipart/$id/batch?key=$key&partNumbers=2,7
            < 200 {"presignedUrls": {"2": "$two", "7": "$seven"}}
            > PUT $seven noise:777:3
            < 200
            | etag: $tag7
            > PUT $one noise:5242880:1
            < 200
            | etag: $tag1
            > PUT $two noise:6291456:2
            < 200
            | etag: $tag2
            > GET /v1/uploads/$id
            < 200 {"asset_id": "$key", "state": "open", "protocol": "companion", "method": "multipart",
                   "received_bytes": 11535113}
            > GET /s3/multipart/$id?key=$key
            < 200 [{"PartNumber": 1, "Size": 5242880, "ETag": "$tag1"}, {"PartNumber": 2, "Size": 6291456, "ETag": "$tag2"},
                   {"PartNumber": 7, "Size": 777, "ETag": "$tag7"}]
            > POST /s3/multipart/$id/complete?key=$key {"parts": [{"PartNumber": 7, "ETag": $tag7}, {"PartNumber": 1, "ETag": $tag1}, {"PartNumber": 2, "ETag": $tag2}]}
            < 200 {"location": "$location", "key": "$key", "bucket": "gantry"}
            > POST /s3/multipart/$id/complete?key=$key {"parts": [{"PartNumber": 7, "ETag": $tag7}, {"PartNumber": 1, "ETag": $tag1}, {"PartNumber": 2, "ETag": $tag2}]}
            < 200 {"location": "$location", "key": "$key", "bucket": "gantry"}
            > GET /s3/multipart/$id?key=$key
            < 200 [{"PartNumber": 1, "Size": 5242880, "ETag": "$tag1"}, {"PartNumber": 2, "Size": 6291456, "ETag": "$tag2"},
                   {"PartNumber": 7, "Size": 777, "ETag": "$tag7"}]
            > GET /s3/multipart/$id/1?key=$key
            < 409 {"error": "wrong_state"}
            > DELETE /s3/multipart/$id?key=$key
            < 409 {"error": "wrong_state"}
            > GET /v1/assets/$key?wait=20s&until=ready
            < 200 {"state": "ready", "filename": "ä b.bin", "declared_content_type": "application/x-test", "size": 11535113,
                   "sha256": "$digest", "metadata": {"name": "ä b.bin", "n": "5", "none": "null", "deep": "{\"a\":[true]}"}}
            > GET $location?delivery=stream
            | authorization: Bearer $admin
            < 200 sha256:$digest
        "#, digest = digest);
    }

    async fn the_list_of_parts_is_kept_for_a_while(service) {
        let names = transcript!(service, r#"
            > POST /s3/multipart {"filename": "a", "type": "text/plain"}
            < 200 {"key": "$key", "uploadId": "$id"}
            > GET /s3/multipart/$id/1?key=$key
            < 200 {"url": "$one"}
            > PUT $one [hello]
            < 200
            | etag: $tag
            > POST /s3/multipart/$id/complete?key=$key {"parts": [{"PartNumber": 1, "ETag": $tag}]}
            < 200 {"key": "$key"}
        "#);
        service.advance(Duration::from_secs(24 * 3600));
        service.engine.operations().run_sweep().await.unwrap();
        transcript!(service, r#"
            > GET /s3/multipart/$id?key=$key
            < 200 [{"PartNumber": 1, "Size": 5}]
        "#, id = names["id"], key = names["key"]);
        service.advance(Duration::from_secs(8 * 24 * 3600));
        service.engine.operations().run_sweep().await.unwrap();
        transcript!(service, r#"
            > GET /s3/multipart/$id?key=$key
            < 404 {"error": "gone"}
            > POST /s3/multipart/$id/complete?key=$key {"parts": [{"PartNumber": 1, "ETag": "x"}]}
            < 200 {"key": "$key"}
        "#, id = names["id"], key = names["key"]);
    }

    async fn a_lost_answer_is_given_again(service) {
        service.faults.on("complete_multipart", [Some(Fault::AnswerLost)]);
        transcript!(service, r#"
            > POST /s3/multipart {"filename": "a", "type": "text/plain"}
            < 200 {"key": "$key", "uploadId": "$id"}
            > GET /s3/multipart/$id/1?key=$key
            < 200 {"url": "$one"}
            > PUT $one [hello]
            < 200
            | etag: $tag
            > POST /s3/multipart/$id/complete?key=$key {"parts": [{"PartNumber": 1, "ETag": $tag}]}
            < 200 {"location": "$location", "key": "$key"}
            > POST /s3/multipart/$id/complete?key=$key {"parts": [{"PartNumber": 1, "ETag": $tag}]}
            < 200 {"location": "$location", "key": "$key"}
        "#);
        assert_eq!(super::ready(service).await["size"], 5);
    }

    async fn the_clients_list_is_held_against_the_stores(service) {
        let refused = async |names: &crate::support::transcript::Names, list: &str, code: &str| {
            transcript!(service, r#"
                > POST /s3/multipart/$id/complete?key=$key {"parts": $list}
                < 400 {"error": "$code"}
                > GET /v1/uploads/$id
                < 200 {"state": "open"}
            "#, id = names["id"], key = names["key"], list = list, code = code);
        };
        let names = transcript!(service, r#"
            > POST /s3/multipart {"filename": "a", "type": ""}
            < 200 {"key": "$key", "uploadId": "$id"}
            > GET /s3/multipart/$id/1?key=$key
            < 200 {"url": "$one"}
            > GET /s3/multipart/$id/2?key=$key
            < 200 {"url": "$two"}
            > PUT $one [too short]
            < 200
            | etag: $tag1
            > PUT $two [the end]
            < 200
            | etag: $tag2
        "#);
        let (one, two) = (&names["tag1"], &names["tag2"]);
        let part = |number: u16, tag: &str| format!("{{\"PartNumber\": {number}, \"ETag\": {tag}}}");
        refused(&names, "[]", "parts_differ").await;
        refused(&names, &format!("[{}]", part(1, one)), "parts_differ").await;
        refused(&names, &format!("[{}, {}]", part(1, one), part(2, one)), "parts_differ").await;
        refused(&names, &format!("[{}, {}]", part(1, one), part(3, two)), "parts_differ").await;
        refused(&names, &format!("[{}, {}]", part(1, one), part(1, one)), "invalid").await;
        // Nobody else could know where the file ends, and the first part is too small to be followed.
        refused(&names, &format!("[{}, {}]", part(1, one), part(2, two)), "invalid").await;
        transcript!(service, r#"
            > POST /v1/uploads/$id/complete
            < 422 {"field": "parts"}
            > PUT $one noise:5242880:1
            < 200
            | etag: $again
            > POST /s3/multipart/$id/complete?key=$key {"parts": [{"PartNumber": 2, "ETag": $tag2}, {"PartNumber": 1, "ETag": $again}]}
            < 200 {"key": "$key"}
        "#, id = names["id"], key = names["key"], one = names["one"], tag2 = two);
        assert_eq!(super::ready(service).await["size"], (5 << 20) + 7);
    }

    async fn more_than_is_accepted_is_given_up(service, small()) {
        transcript!(service, r#"
            > POST /s3/multipart {"filename": "a", "type": ""}
            < 200 {"key": "$key", "uploadId": "$id"}
            > GET /s3/multipart/$id/1?key=$key
            < 200 {"url": "$one"}
            > PUT $one noise:6291457:1
            < 200
            | etag: $tag
            > POST /s3/multipart/$id/complete?key=$key {"parts": [{"PartNumber": 1, "ETag": $tag}]}
            < 413 {"error": "too_large", "message": "At most 6291456 bytes are accepted."}
            > POST /s3/multipart/$id/complete?key=$key {"parts": [{"PartNumber": 1, "ETag": $tag}]}
            < 404 {"error": "gone"}
            > GET /v1/assets/$key
            < 200 {"state": "abandoned"}
        "#);
    }

    async fn many_complete_at_once(service) {
        let names = transcript!(service, r#"
            > POST /s3/multipart {"filename": "a", "type": "text/plain"}
            < 200 {"key": "$key", "uploadId": "$id"}
            > GET /s3/multipart/$id/1?key=$key
            < 200 {"url": "$one"}
            > PUT $one [hello]
            < 200
            | etag: $tag
        "#);
        let url = format!("{}/s3/multipart/{}/complete?key={}", service.base, names["id"], names["key"]);
        let body = format!("{{\"parts\": [{{\"PartNumber\": 1, \"ETag\": {}}}]}}", names["tag"]);
        let client = requests::client();
        let ask = async || {
            let answer = client.post(&url).bearer_auth(&service.admin).body(body.clone()).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            answer.text().await.unwrap()
        };
        let answers = futures_util::future::join_all((0..8).map(|_| ask())).await;
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!(super::ready(service).await["size"], 5);
    }

    async fn on_another_store(service, Shape { seaweedfs: true, ..Shape::default() }) {
        let names = transcript!(service, r#"
            > POST /s3/multipart {"filename": "a", "type": "text/plain"}
            < 200 {"key": "$key", "uploadId": "$id"}
            > GET /s3/multipart/$id/1?key=$key
            < 200 {"url": "$one"}
            > PUT $one noise:6291456:2
            < 200
            | etag: $tag1
            > GET /s3/multipart/$id/2?key=$key
            < 200 {"url": "$two"}
            > PUT $two [end]
            < 200
            | etag: $tag2
            > POST /s3/multipart/$id/complete?key=$key {"parts": [{"PartNumber": 2, "ETag": $tag2}, {"PartNumber": 1, "ETag": $tag1}]}
            < 200 {"location": "$location"}
            > POST /s3/multipart/$id/complete?key=$key {"parts": [{"PartNumber": 2, "ETag": $tag2}, {"PartNumber": 1, "ETag": $tag1}]}
            < 200 {"location": "$location"}
            > GET /s3/multipart/$id?key=$key
            < 200 [{"PartNumber": 1, "Size": 6291456}, {"PartNumber": 2, "Size": 3}]
        "#);
        assert_eq!(super::ready(service).await["size"], (6 << 20) + 3);
        for size in [3, 12_000_000] {
            let names = transcript!(service, "> GET /s3/params?filename=b\n< 200 {\"url\": \"$form\", \"fields\": {\"key\": \"$key\"}}");
            assert_eq!(super::post(&names["form"], super::form(&[], &noise(size, 1))).await.status(), 204);
            transcript!(service, "> GET /v1/assets/$key?wait=20s&until=ready\n< 200 {\"state\": \"ready\", \"size\": $size}", key = names["key"], size = size);
        }
        transcript!(service, "> GET /v1/uploads/$id\n< 200 {\"state\": \"completed\"}", id = names["id"]);
    }

    async fn giving_up_is_repeatable(service) {
        transcript!(service, r#"
            > POST /s3/multipart {"filename": "a", "type": "text/plain", "metadata": {}}
            < 200 {"key": "$key", "uploadId": "$id"}
            > GET /s3/multipart/$id/1?key=$key
            < 200 {"url": "$one"}
            > PUT $one [hello]
            < 200
            > DELETE /s3/multipart/$id?key=$key
            < 200 {}
            > DELETE /s3/multipart/$id?key=$key
            < 200 {}
            > GET /s3/multipart/$id?key=$key
            < 404 {"error": "gone"}
            > GET /s3/multipart/$id/1?key=$key
            < 404 {"error": "gone"}
            > POST /s3/multipart/$id/complete?key=$key {"parts": [{"PartNumber": 1, "ETag": "x"}]}
            < 404 {"error": "gone"}
        "#);
    }

    async fn nobody_is_rescued_who_may_go_on(service) {
        let names = transcript!(service, r#"
            > POST /s3/multipart {"filename": "a", "type": "text/plain"}
            < 200 {"key": "$key", "uploadId": "$id"}
            > GET /s3/multipart/$id/1?key=$key
            < 200 {"url": "$one"}
            > PUT $one [hello]
            < 200
        "#);
        service.advance(Duration::from_secs(700));
        let report = service.engine.operations().run_sweep().await.unwrap();
        assert_eq!((report.rescued, report.failed), (0, 0));
        service.advance(Duration::from_secs(8 * 24 * 3600));
        assert_eq!(service.engine.operations().run_sweep().await.unwrap().expired, 1);
        transcript!(service, r#"
            > GET /s3/multipart/$id?key=$key
            < 404 {"error": "gone"}
        "#, id = names["id"], key = names["key"]);
    }

    async fn nonsense_changes_nothing(service) {
        let names = transcript!(service, r#"
            > POST /s3/multipart {"filename": "a", "type": "text/plain"}
            < 200 {"key": "$key", "uploadId": "$id"}
        "#);
        let bodies = [
            "{}", "[1]", "nope", r#"{"filename": 5, "type": "a"}"#, r#"{"filename": "", "type": "a"}"#,
            r#"{"type": "a"}"#, r#"{"filename": "a"}"#, r#"{"filename": "a", "type": 7}"#, r#"{"filename": "a", "type": null}"#,
            r#"{"filename": "a", "type": "", "metadata": 5}"#, r#"{"filename": "..", "type": ""}"#,
        ];
        for body in bodies {
            transcript!(service, "> POST /s3/multipart $body\n< 400 {\"error\": \"$code\", \"message\": \"$message\", \"requestId\": \"$request\"}", body = body);
        }
        let big = "x".repeat(20_000);
        transcript!(service, "> POST /s3/multipart {\"filename\": \"a\", \"type\": \"\", \"metadata\": {\"x\": \"$big\"}}\n< 400", big = big);
        let (id, key) = (&names["id"], &names["key"]);
        let targets = [
            (format!("GET /s3/multipart/{id}"), 400), (format!("GET /s3/multipart/{id}?key="), 400),
            (format!("GET /s3/multipart/{id}?key=other"), 404), (format!("GET /s3/multipart/nonsense?key={key}"), 404),
            (format!("GET /s3/multipart/%00?key={key}"), 404),
            (format!("GET /s3/multipart/{id}/0?key={key}"), 400), (format!("GET /s3/multipart/{id}/10001?key={key}"), 400),
            (format!("GET /s3/multipart/{id}/-1?key={key}"), 400), (format!("GET /s3/multipart/{id}/x?key={key}"), 400),
            (format!("GET /s3/multipart/{id}/1"), 400), (format!("GET /s3/multipart/{id}/99999999999999999999?key={key}"), 400),
            (format!("GET /s3/multipart/{id}/batch?key={key}"), 400), (format!("GET /s3/multipart/{id}/batch?key={key}&partNumbers=1,"), 400),
            (format!("GET /s3/multipart/{id}/batch?key={key}&partNumbers=1,0"), 400), (format!("GET /s3/multipart/{id}/batch?partNumbers=1"), 400),
            (format!("DELETE /s3/multipart/{id}"), 400), (format!("DELETE /s3/multipart/{id}?key=x"), 404),
            ("GET /s3/params".to_owned(), 400), ("GET /s3/params?filename=".to_owned(), 400), ("GET /s3/params?type=a".to_owned(), 400),
            ("GET /s3/sts".to_owned(), 404),
        ];
        for (target, status) in targets {
            transcript!(service, "> $target\n< $status {\"error\": \"$code\", \"message\": \"$message\"}", target = target, status = status);
        }
        for body in ["{}", "5", r#"{"parts": 5}"#, r#"{"parts": [{"PartNumber": 1}]}"#, r#"{"parts": [{"PartNumber": "1", "ETag": "a"}]}"#,
            r#"{"parts": [{"PartNumber": -1, "ETag": "a"}]}"#, r#"{"parts": [{"PartNumber": 1.5, "ETag": "a"}]}"#,
            r#"{"parts": [{"PartNumber": 0, "ETag": "a"}]}"#, r#"{"parts": [{"PartNumber": 1, "ETag": 7}]}"#, r#"{"parts": []}"#,
            r#"{"parts": [{"PartNumber": 1, "ETag": "a"}]}"#] {
            let target = format!("POST /s3/multipart/{id}/complete?key={key} {body}");
            transcript!(service, "> $target\n< 400 {\"error\": \"$code\"}", target = target);
        }
        transcript!(service, r#"
            > GET /v1/assets
            < 200 {"assets": [{"id": "$key", "state": "awaiting"}]}
            > GET /v1/uploads/$id
            < 200 {"state": "open", "received": []}
        "#, id = id, key = key);
    }
}
