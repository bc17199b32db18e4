//! A whole file as the body of one PUT through the service.

use crate::support::requests;
use crate::support::transcript::noise;
use crate::{on_both_services, transcript};

on_both_services! {
    async fn one_put_brings_a_file(service) {
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "a.txt", "size": 5, "method": "append"}
            < 201 {"upload": {"id": "$upload", "method": "append"}, "asset": {"id": "$asset"}, "grant": "$grant"}
            > PUT /v1/uploads/$upload/content [hello!]
            < 413 {"code": "too_large", "limit": 5}
            > PUT /v1/uploads/$upload/content [hell]
            < 422 {"code": "invalid", "field": "size"}
            > GET /v1/uploads/$upload
            < 200 {"state": "open", "received_bytes": 0}
            @ $grant
            > PUT /v1/uploads/$upload/content [hello]
            < 200 {"id": "$asset"}
            > PUT /v1/uploads/$upload/content [hello]
            < 200 {"id": "$asset"}
            > PUT /v1/uploads/$upload/content [hello!]
            < 409 {"code": "conflict"}
            > GET /v1/assets/$asset?wait=20s&until=ready
            < 200 {"state": "ready", "size": 5}
        "#);
    }

    async fn whatever_way_was_chosen_at_first(service) {
        for method in ["auto", "put", "multipart"] {
            transcript!(service, r#"
                > POST /v1/uploads {"filename": "a.bin", "size": 12000001, "method": "$method"}
                < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}}
                > PUT /v1/uploads/$upload/content noise:12000001:6
                < 200 {"id": "$asset"}
                > GET /v1/assets/$asset?wait=20s&until=ready
                < 200 {"state": "ready", "size": 12000001}
                > DELETE /v1/assets/$asset
                < 204
                > PUT /v1/uploads/$upload/content noise:12000001:6
                < 410 {"code": "gone"}
            "#, method = method);
        }
    }

    async fn a_part_of_a_file_is_not_taken_for_it(service) {
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "a.txt", "max_size": 100, "method": "append"}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}}
            > PUT /v1/uploads/$upload/content?resumableChunkNumber=1&resumableTotalChunks=3 [hello]
            < 400 {"code": "part_of_a_file"}
            > PUT /v1/uploads/$upload/content [hello]
            | content-range: bytes 0-4/15
            < 400 {"code": "part_of_a_file"}
            > GET /v1/uploads/$upload
            < 200 {"state": "open", "received_bytes": 0}
            > PUT /v1/uploads/$upload/content?resumableChunkNumber=1&resumableTotalChunks=1 [hello]
            | content-range: bytes 0-4/5
            < 200 {"id": "$asset", "size": 5}
        "#);
    }

    async fn what_cannot_be_the_file_leaves_its_way_alone(service) {
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "a.bin", "size": 5, "method": "multipart"}
            < 201 {"upload": {"id": "$upload"}, "multipart": {"urls": [{"url": "$url"}]}}
            > PUT /v1/uploads/$upload/content [hello!]
            < 413 {"code": "too_large", "limit": 5}
            > PUT /v1/uploads/$upload/content [hell]
            < 422 {"code": "invalid", "field": "size"}
            > PUT $url [hello]
            < 200
            > POST /v1/uploads/$upload/complete
            < 200
        "#);
    }

    async fn a_body_of_no_announced_length_is_counted(service) {
        use futures_util::stream;
        let names = transcript!(service, r#"
            > POST /v1/uploads {"filename": "a.bin", "size": 30000000, "method": "append"}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}}
        "#);
        let url = format!("{}/v1/uploads/{}/content", service.base, names["upload"]);
        let put = async |pieces: Vec<Result<Vec<u8>, std::io::Error>>| {
            let body = reqwest::Body::wrap_stream(stream::iter(pieces));
            requests::client().put(&url).bearer_auth(&service.admin).body(body).send().await
        };
        let (half, more) = (noise(15_000_000, 1), noise(15_000_001, 1));
        assert_eq!(put(vec![Ok(half.clone())]).await.unwrap().status(), 422);
        assert_eq!(put(vec![Ok(half.clone()), Ok(more)]).await.unwrap().status(), 413);
        let _ = put(vec![Ok(half.clone()), Err(std::io::Error::other("cut"))]).await;
        assert_eq!(put(vec![Ok(half.clone()), Ok(half.clone())]).await.unwrap().status(), 200);
        transcript!(service, r#"
            > GET /v1/assets/$asset?wait=20s&until=ready
            < 200 {"state": "ready", "size": 30000000}
        "#, asset = names["asset"]);
    }

    async fn bytes_from_elsewhere_are_not_written_over(service) {
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 5, "method": "put"}
            < 201 {"upload": {"id": "$upload"}, "put": {"url": "$url"}}
            > PUT $url [hello]
            | if-none-match: *
            < 200
            > PUT /v1/uploads/$upload/content [jello]
            < 409 {"code": "wrong_state"}
            > POST /v1/uploads/$upload/complete
            < 200
        "#);
    }
}
