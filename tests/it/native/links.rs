//! Links: narrow, counted, expiring, revocable.

use std::time::Duration;

use super::ready;
use crate::{on_both_services, transcript};

on_both_services! {
    async fn a_link_opens_without_a_credential(service) {
        let names = ready(service, "report.txt", "hello").await;
        transcript!(service, r#"
            > POST /v1/assets/$asset/links {"expires_in": "1h", "filename": "für dich.txt"}
            < 201 {"id": "$id", "url": "$url", "asset_id": "$asset", "disposition": "attachment"}
            @ nobody
            > GET $url?delivery=stream
            < 200 [hello]
            | content-disposition: attachment; filename="f_r dich.txt"; filename*=UTF-8''f%C3%BCr%20dich.txt
            > HEAD $url
            < 200
            | content-length: 5
            > GET $url
            < 302
            | location: $there
            | referrer-policy: no-referrer
            > GET $there
            < 200 [hello]
            | content-disposition: attachment; filename="f_r dich.txt"; filename*=UTF-8''f%C3%BCr%20dich.txt
        "#, asset = names["asset"]);
    }

    async fn links_end(service) {
        let names = ready(service, "a.txt", "hello").await;
        let names = transcript!(service, r#"
            > POST /v1/assets/$asset/links {"expires_in": 60}
            < 201 {"url": "$short"}
            > POST /v1/assets/$asset/links {"uses": 2}
            < 201 {"url": "$twice"}
            > POST /v1/assets/$asset/links {}
            < 201 {"id": "$id", "url": "$revoked"}
            > HEAD $twice
            < 200
            > GET $twice
            < 302
            > GET $twice
            < 302
            > GET $twice
            < 410 {"code": "gone", "state": "used up"}
            > HEAD $twice
            < 410
            > GET $revoked
            < 302
            > DELETE /v1/links/$id
            < 204
            > DELETE /v1/links/$id
            < 204
            > GET $revoked
            < 410 {"code": "gone"}
        "#, asset = names["asset"]);
        service.advance(Duration::from_secs(60));
        transcript!(service, r#"
            > GET $short
            < 410 {"code": "gone"}
        "#, short = names["short"]);
    }

    async fn a_link_is_for_its_network(service) {
        let names = ready(service, "a.txt", "hello").await;
        transcript!(service, r#"
            > POST /v1/assets/$asset/links {"ip": "192.0.2.0/24"}
            < 201 {"url": "$far", "ip": "192.0.2.0/24"}
            > POST /v1/assets/$asset/links {"ip": "127.0.0.0/8"}
            < 201 {"url": "$near"}
            > GET $far
            < 410
            > GET $near
            < 200 [hello]
        "#, asset = names["asset"]);
    }

    async fn many_links_in_one_request(service) {
        let names = ready(service, "a.txt", "hello").await;
        transcript!(service, r#"
            > POST /v1/links {"links": [{"asset": "$asset"}, {"asset": "nonsense"}, {"asset_id": "$asset", "expires_in": 0},
                                        {"asset": "$asset", "disposition": "inline"}]}
            < 200 {"links": [{"url": "$one", "asset_id": "$asset"}, {"error": {"code": "not_found"}},
                             {"error": {"code": "invalid", "field": "expires_in"}}, {"url": "$two"}]}
            > GET $one
            < 302
            > GET $two?delivery=stream
            < 200 [hello]
            | content-disposition: inline; filename="a.txt"
        "#, asset = names["asset"]);
    }

    async fn a_repeated_request_returns_the_same_links(service) {
        let names = ready(service, "a.txt", "hello").await;
        transcript!(service, r#"
            > POST /v1/assets/$asset/links {"uses": 1}
            | idempotency-key: k
            < 201 {"id": "$id", "url": "$url"}
            > POST /v1/assets/$asset/links {"uses": 1}
            | idempotency-key: k
            < 201 {"id": "$id", "url": "$url"}
            > POST /v1/assets/$asset/links {"uses": 2}
            | idempotency-key: k
            < 422 {"code": "idempotency_key_reused"}
        "#, asset = names["asset"]);
    }

    async fn forged_links_open_nothing(service) {
        let names = ready(service, "a.txt", "hello").await;
        let names = transcript!(service, r#"
            > POST /v1/assets/$asset/links {}
            < 201 {"url": "$url"}
            > GET /d/nonsense
            < 404 {"code": "not_found"}
            > GET $url&x
            < 404
        "#, asset = names["asset"]);
        let token = names["url"].rsplit('/').next().unwrap().to_owned();
        for (at, _) in token.char_indices().step_by(7) {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let url = format!("{}/d/{}", service.base, String::from_utf8(forged).unwrap());
            assert_eq!(reqwest::get(url).await.unwrap().status(), 404);
        }
    }

    async fn markup_is_never_shown_in_place(service) {
        let names = ready(service, "page.html", "<!doctype html><script>alert(1)</script>").await;
        transcript!(service, r#"
            > GET /v1/assets/$asset/content?disposition=inline&delivery=stream
            < 200
            | content-type: text/html
            | content-disposition: attachment; filename="page.html"
            | content-security-policy: sandbox; default-src 'none'
            | x-content-type-options: nosniff
            > GET /v1/assets/$asset/content?disposition=inline
            < 302
            | location: $there
            > GET $there
            < 200
            | content-disposition: attachment; filename="page.html"
        "#, asset = names["asset"]);
    }
}
