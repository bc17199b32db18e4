//! Creation: items 1 to 11 of the checklist, and uploads whose clients have never heard of the drafts.

use super::{Ietf, chunked};
use crate::support::transcript::noise;
use crate::{on_both_services, transcript};

on_both_services! {
    async fn a_whole_file_in_one_request(service) {
        transcript!(service, r#"
            > POST /files [hello]
            | upload-complete: ?1
            | content-type: text/plain; charset=utf-8
            | content-disposition: attachment; filename="fallback"; filename*=UTF-8''na%C3%AFve.txt
            < 201 {"upload": {"id": "$upload", "state": "completed", "size": 5}, "asset": {"id": "$asset"}}
            | location: $url
            | upload-complete: ?1
            | upload-offset: 5
            | upload-limit: max-size=50000000000000
            | upload-draft-interop-version:
            > GET /v1/uploads/$upload
            < 200 {"protocol": "ietf", "state": "completed", "received_bytes": 5}
            > GET /v1/assets/$asset?wait=20s&until=ready
            < 200 {"state": "ready", "filename": "naïve.txt", "size": 5, "declared_content_type": "text/plain; charset=utf-8"}
            > GET /v1/assets/$asset/content?delivery=stream
            < 200 [hello]
        "#);
    }

    async fn a_careful_creation(service) {
        let names = transcript!(service, r#"
            > POST /files
            | upload-complete: ?0
            | upload-length: 11
            < 201
            | location: $url
            | upload-complete: ?0
            | upload-offset: 0
            | upload-limit: max-size=50000000000000, max-age=6…
        "#);
        transcript!(service, r#"
            ~ authorization: Bearer $admin
            > HEAD $url
            < 204
            | upload-complete: ?0
            | upload-offset: 0
            | upload-length: 11
            | upload-limit: max-size=50000000000000, max-age=6…
            | cache-control: no-store
            > GET $url
            < 204
            | upload-offset: 0
        "#, url = names["url"]);
    }

    async fn the_first_bytes_come_along(service) {
        let names = transcript!(service, r#"
            > POST /files [hello ]
            | upload-complete: ?0
            < 201
            | location: $url
            | upload-complete: ?0
            | upload-offset: 6
        "#);
        transcript!(service, r#"
            ~ authorization: Bearer $admin
            > HEAD $url
            < 204
            | upload-length:
            | upload-offset: 6
            > PATCH $url [world]
            | content-type: application/partial-upload
            | upload-offset: 6
            | upload-complete: ?1
            < 200 {"upload": {"size": 11}, "asset": {"id": "$asset"}}
            | upload-offset: 11
            | upload-complete: ?1
            > GET /v1/assets/$asset?wait=20s&until=ready
            < 200 {"size": 11}
            > GET /v1/assets/$asset/content?delivery=stream
            < 200 [hello world]
        "#, url = names["url"]);
    }

    async fn content_without_a_length(service) {
        for size in [0, 5, 20 << 20] {
            let (ietf, bytes) = (Ietf::new(service), noise(size, 40));
            let pieces = bytes.chunks(1 << 20).map(<[u8]>::to_vec).collect();
            let body = chunked(pieces, std::time::Duration::ZERO);
            let answer = ietf.request("POST", "/files").header("upload-complete", "?1").body(body).send().await.unwrap();
            assert_eq!(answer.status(), 201);
            assert_eq!(answer.headers()["upload-offset"], size.to_string().as_str());
            let result: serde_json::Value = answer.json().await.unwrap();
            assert_eq!(result["upload"]["size"], size);
            assert!(ietf.content(result["upload"]["id"].as_str().unwrap()).await == bytes);
        }
    }

    async fn an_empty_file(service) {
        transcript!(service, r#"
            > POST /files []
            | upload-complete: ?1
            < 201 {"upload": {"size": 0, "state": "completed"}}
            | upload-complete: ?1
            | upload-offset: 0
            > POST /files []
            | upload-complete: ?0
            | upload-draft-interop-version: 6
            < 201
            | location: $url
            | upload-complete: ?0
            > PATCH $url []
            | authorization: Bearer $admin
            | upload-draft-interop-version: 6
            | content-type: application/partial-upload
            | upload-complete: ?1
            | upload-offset: 0
            < 200 {"upload": {"size": 0}}
        "#);
    }

    async fn lengths_that_contradict_each_other(service) {
        transcript!(service, r#"
            > POST /files [hello]
            | upload-complete: ?1
            | upload-length: 6
            < 400 {"type": "https://iana.org/assignments/http-problem-types#inconsistent-upload-length"}
            | upload-complete: ?0
            > POST /files [hello]
            | upload-complete: ?0
            | upload-length: 4
            < 400 {"type": "https://iana.org/assignments/http-problem-types#inconsistent-upload-length"}
            | upload-complete: ?0
            > POST /files
            | upload-complete: ?0
            | upload-length: 60000000000000
            < 413
            | upload-limit: max-size=50000000000000, max-age=604800
            > GET /v1/assets
            < 200 {"assets": []}
        "#);
    }

    async fn an_ordinary_upload_hears_nothing_of_drafts(service) {
        for (name, value) in [("x-ordinary", "1"), ("upload-draft-interop-version", "11"), ("upload-draft-interop-version", "2")] {
            let request = Ietf::new(service).request("POST", "/files").header(name, value).header("upload-complete", "?1");
            let request = if name == "x-ordinary" { Ietf::new(service).request("POST", "/files") } else { request };
            let answer = request.header("content-type", "application/x-www-form-urlencoded").body("hello").send().await.unwrap();
            assert_eq!(answer.status(), 201, "{name} {value}");
            assert!(answer.headers().keys().all(|name| !name.as_str().starts_with("upload-")), "{:?}", answer.headers());
            let result: serde_json::Value = answer.json().await.unwrap();
            assert_eq!(result["upload"]["state"], "completed");
        }
        transcript!(service, r#"
            > POST /files [half]
            | upload-complete: ?0
            | upload-draft-interop-version: 11
            < 400
            > POST /files [half]
            | upload-incomplete: ?1
            | upload-draft-interop-version: 2
            < 400
            > POST /files [--x]
            | content-type: multipart/form-data; boundary=x
            < 415
            > POST /files
            | upload-length: 0
            < 400
            > GET /v1/assets
            < 200 {"assets": [{"declared_content_type": null}, {}, {}]}
            > POST /files
            < 201 {"upload": {"size": 0, "state": "completed"}, "asset": {"id": "$empty"}}
            | upload-complete:
            > GET /v1/assets/$empty?wait=20s&until=ready
            < 200 {"state": "ready", "size": 0}
        "#);
    }

    async fn options_tell_the_limits(service) {
        for path in ["/files", "/files/", "/files/x", "/u/gu_x/files"] {
            transcript!(service, r#"
                @ nobody
                > OPTIONS $path
                < 204
                | upload-limit: max-size=50000000000000, max-age=604800
                | accept-patch: application/partial-upload
                > OPTIONS $path
                | upload-draft-interop-version: 6
                < 204
                | upload-limit: max-size=50000000000000, expires=604800
                | upload-draft-interop-version: 6
                > OPTIONS $path
                | origin: https://app.example
                | access-control-request-method: PATCH
                < 204
                | access-control-allow-origin: https://app.example
                | access-control-allow-methods: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS
                | upload-limit: max-size=50000000000000, max-age=604800
            "#, path = path);
        }
    }
}
