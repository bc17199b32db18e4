//! The same service on other stores: another S3 server, and one that lacks what the embedded store has.

use super::three_parts;
use crate::support::service::Shape;
use crate::{on_both_services, transcript};

fn seaweedfs() -> Shape {
    Shape { seaweedfs: true, ..Shape::default() }
}

/// Garage and others ignore `If-None-Match`: a URL could be used again after the scan.
fn without_conditions() -> Shape {
    Shape { capabilities: |found| found.conditional_put = false, ..Shape::default() }
}

/// Amazon wants to hear of checksums when the upload begins.
fn wanting_declarations() -> Shape {
    Shape { capabilities: |found| found.undeclared_checksums = false, ..Shape::default() }
}

on_both_services! {
    async fn a_put_on_seaweedfs(service, seaweedfs()) {
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "hello.txt", "size": 5}
            < 201 {"upload": {"id": "$small"}, "asset": {"id": "$asset"}, "put": {"url": "$url"}}
            > PUT $url [hello]
            | if-none-match: *
            < 200
            > POST /v1/uploads/$small/complete
            < 200
            > PUT $url [jello]
            | if-none-match: *
            < 412
            > GET /v1/assets/$asset?wait=20s&until=ready
            < 200 {"state": "ready"}
            > GET /v1/assets/$asset/content?delivery=stream
            | range: bytes=1-2
            < 206 [el]
            > GET /v1/assets/$asset/content
            < 302
            | location: $there
            > GET $there
            < 200 [hello]
        "#);
    }

    async fn parts_on_seaweedfs(service, seaweedfs()) {
        let (size, digest) = three_parts();
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "big.bin", "size": $size, "part_size": 5242880, "method": "multipart"}
            < 201 {"upload": {"id": "$big"}, "asset": {"id": "$large"},
                   "multipart": {"urls": [{"url": "$one"}, {"url": "$two"}, {"url": "$three"}]}}
            > PUT $two noise:5242880:2
            < 200
            > PUT $one noise:5242880:1
            < 200
            > POST /v1/uploads/$big/complete
            < 409 {"missing": "3"}
            > PUT $three noise:2621440:3
            < 200
            > POST /v1/uploads/$big/complete {"sha256": "$digest"}
            < 200
            > POST /v1/uploads/$big/complete
            < 200 {"id": "$large"}
            > GET /v1/assets/$large?wait=20s&until=ready
            < 200 {"state": "ready", "sha256": "$digest"}
            > GET /v1/assets/$large/content?delivery=stream
            < 200 sha256:$digest
            > POST /v1/uploads {"filename": "given-up.bin", "size": $size, "method": "multipart"}
            < 201 {"upload": {"id": "$given"}, "multipart": {"urls": [{"url": "$part"}]}}
            > DELETE /v1/uploads/$given
            < 204
        "#, size = size, digest = digest);
    }

    async fn a_put_without_conditions_is_a_part_in_disguise(service, without_conditions()) {
        for body in ["hello", ""] {
            transcript!(service, r#"
                > POST /v1/uploads {"filename": "a.txt", "size": $size}
                < 201 {"upload": {"id": "$upload", "method": "put"}, "asset": {"id": "$asset"},
                       "put": {"url": "$url", "headers": {"content-length": "$size"}}}
                > PUT $url [$body]
                < 200
                > POST /v1/uploads/$upload/complete
                < 200
                > PUT $url [$body]
                < 404
                > GET /v1/assets/$asset?wait=20s&until=ready
                < 200 {"state": "ready"}
                > GET /v1/assets/$asset/content?delivery=stream
                < 200 [$body]
            "#, size = body.len(), body = body);
        }
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "a.txt", "size": 5, "external_id": "x",
                "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}
            < 201 {"upload": {"id": "$upload"}, "put": {"url": "$url", "headers":
                {"x-amz-checksum-sha256": "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="}}}
            > POST /v1/uploads {"filename": "a.txt", "size": 5, "external_id": "x"}
            < 200 {"upload": {"id": "$upload", "method": "put"}, "put": {"method": "PUT"}}
            > PUT $url [jello]
            | x-amz-checksum-sha256: LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=
            < 400
        "#);
    }

    async fn checksums_are_declared_where_the_store_insists(service, wanting_declarations()) {
        let digest = super::sha256(b"hello");
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 5, "method": "multipart"}
            < 201 {"upload": {"id": "$bare"}}
            > POST /v1/uploads/$bare/urls {"parts": "1", "checksums": {"1": "sha256:$digest"}}
            < 422 {"field": "checksums"}
            > POST /v1/uploads {"filename": "a", "size": 5, "method": "multipart", "checksum": "sha256"}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}}
            > POST /v1/uploads/$upload/urls {"parts": "1", "checksums": {"1": "crc32c:AAAAAA=="}}
            < 422 {"field": "checksums"}
            > POST /v1/uploads/$upload/urls {"parts": "1", "checksums": {"1": "sha256:$digest"}}
            < 200 {"urls": [{"url": "$part"}]}
            > PUT $part [hello]
            | x-amz-checksum-sha256: LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=
            < 200
            > POST /v1/uploads/$upload/complete
            < 200
            > GET /v1/assets/$asset?wait=20s&until=ready
            < 200 {"state": "ready"}
        "#, digest = digest);
    }
}
