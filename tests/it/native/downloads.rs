//! Content on the wire: ranges, conditions, HEAD, names.

use super::ready;
use crate::support::requests;
use crate::support::service::Shape;
use crate::{on_both_services, transcript};

on_both_services! {
    async fn ranges(service) {
        let names = ready(service, "a.txt", "0123456789").await;
        transcript!(service, r#"
            > GET /v1/assets/$asset/content?delivery=stream
            | range: bytes=2-4
            < 206 [234]
            | content-range: bytes 2-4/10
            | content-length: 3
            | accept-ranges: bytes
            > GET /v1/assets/$asset/content?delivery=stream
            | range: bytes=-2
            < 206 [89]
            | content-range: bytes 8-9/10
            > GET /v1/assets/$asset/content?delivery=stream
            | range: bytes=8-100
            < 206 [89]
            > GET /v1/assets/$asset/content?delivery=stream
            | range: bytes=10-
            < 416
            | content-range: bytes */10
            > GET /v1/assets/$asset/content?delivery=stream
            | range: chapters=1-2
            < 200 [0123456789]
            > GET /v1/assets/$asset/content
            | range: bytes=2-4
            < 302
            | location: $there
            > GET $there
            | range: bytes=2-4
            < 206 [234]
            > GET /v1/assets/$asset/content
            | range: bytes=10-
            < 416
        "#, asset = names["asset"]);
    }

    async fn several_ranges_come_as_parts(service) {
        let names = ready(service, "a.txt", "0123456789").await;
        let url = format!("{}/v1/assets/{}/content?delivery=stream", service.base, names["asset"]);
        let client = requests::client();
        let answer = client.get(url).bearer_auth(&service.admin).header("range", "bytes=0-1,8-9").send().await.unwrap();
        assert_eq!(answer.status(), 206);
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let (kind, length) = (header("content-type"), header("content-length"));
        let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap().to_owned();
        let body = answer.text().await.unwrap();
        assert_eq!(body.len().to_string(), length);
        let expected = format!(
            "\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 0-1/10\r\n\r\n01\
             \r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 8-9/10\r\n\r\n89\
             \r\n--{boundary}--\r\n"
        );
        assert_eq!(body, expected);
    }

    async fn conditions(service) {
        let asset = ready(service, "a.txt", "0123456789").await["asset"].clone();
        let names = transcript!(service, r#"
            > HEAD /v1/assets/$asset/content
            < 200
            | etag: $etag
            | last-modified: $date
            | content-length: 10
            | repr-digest: sha-256=:hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=:
        "#, asset = asset);
        transcript!(service, r#"
            > GET /v1/assets/$asset/content
            | if-none-match: $etag
            < 304
            | etag: $tag
            > GET /v1/assets/$asset/content?delivery=stream
            | if-modified-since: $date
            < 304
            > GET /v1/assets/$asset/content
            | if-match: "other"
            < 412 {"code": "precondition_failed"}
            > GET /v1/assets/$asset/content?delivery=stream
            | if-range: $etag
            | range: bytes=0-0
            < 206 [0]
            > GET /v1/assets/$asset/content
            | if-range: "other"
            | range: bytes=0-0
            < 200 [0123456789]
            > HEAD /v1/assets/$asset/content
            | range: bytes=0-0
            < 200
            | content-length: 10
        "#, asset = asset, etag = names["etag"], date = names["date"]);
    }

    async fn an_empty_file_has_no_ranges(service) {
        let names = ready(service, "empty", "").await;
        transcript!(service, r#"
            > GET /v1/assets/$asset/content?delivery=stream
            < 200 []
            | content-length: 0
            > GET /v1/assets/$asset/content?delivery=stream
            | range: bytes=0-
            < 416
            | content-range: bytes */0
            > GET /v1/assets/$asset/content
            < 302
            | location: $there
            > GET $there
            < 200 []
        "#, asset = names["asset"]);
    }

    async fn nothing_is_served_before_it_is_ready(service, Shape { works: false, ..Shape::default() }) {
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 3}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "put": {"url": "$url"}}
            > GET /v1/assets/$asset/content
            < 409 {"code": "not_ready", "state": "awaiting", "retryable": true}
            | retry-after: 1
            > PUT $url [abc]
            | if-none-match: *
            < 200
            > POST /v1/uploads/$upload/complete
            < 200
            > POST /v1/assets/$asset/links {}
            < 201 {"url": "$link"}
            > GET $link
            < 409 {"code": "not_ready", "state": "stored"}
            > GET /v1/assets/$asset/content?delivery=stream
            < 409 {"code": "not_ready", "state": "stored"}
            > DELETE /v1/assets/$asset
            < 204
            > GET $link
            < 410
        "#);
    }

    async fn variants_and_odd_questions(service) {
        let names = ready(service, "a.txt", "abc").await;
        transcript!(service, r#"
            > GET /v1/assets/$asset/content?variant=thumb-256
            < 404
            > GET /v1/assets/$asset/content?delivery=pigeon
            < 422 {"field": "delivery"}
            > GET /v1/assets/$asset/content?disposition=sideways
            < 422 {"field": "disposition"}
            > GET /v1/assets/$asset/content?x=1
            < 422 {"field": "query"}
            > POST /v1/assets/$asset/content
            < 405 {"code": "method_not_allowed"}
        "#, asset = names["asset"]);
    }
}
