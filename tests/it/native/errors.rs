//! Bad input: a clear 4xx with its code, and nothing left behind.

use std::time::Duration;

use crate::support::requests;
use crate::support::service::Shape;
use crate::{on_both_services, transcript};

fn with_short_urls() -> Shape {
    let mut shape = Shape::default();
    shape.settings.upload_timeouts.url_ttl = Duration::from_secs(1);
    shape
}

on_both_services! {
    async fn bad_names_and_sizes(service) {
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "../../etc/passwd", "size": 1}
            < 422 {"code": "invalid", "field": "filename"}
            > POST /v1/uploads {"filename": "../\"quote\"\nnewline🦀", "size": 1}
            < 422 {"code": "invalid", "field": "filename"}
            > POST /v1/uploads {"filename": "", "size": 1}
            < 422 {"field": "filename"}
            > POST /v1/uploads {"filename": "a", "size": -1}
            < 422 {"code": "invalid"}
            > POST /v1/uploads {"filename": "a", "size": 1.5}
            < 422 {"code": "invalid"}
            > POST /v1/uploads {"filename": "a"}
            < 422 {"code": "invalid"}
            > POST /v1/uploads {"filename": "a", "size": 1, "sise": 2}
            < 422 {"code": "invalid"}
            > POST /v1/uploads {"filename": "a", "size": 18446744073709551615}
            < 413 {"code": "too_large"}
            > POST /v1/uploads {"filename": "a", "size": 18446744073709551616}
            < 422 {"code": "invalid"}
            > POST /v1/uploads {"filename": "a", "size": 6000000000, "method": "put"}
            < 413 {"code": "too_large", "limit": 5368709120}
            > POST /v1/uploads {"filename": "a", "size": 60000000000, "part_size": 5242880}
            < 422 {"field": "part_size"}
            > GET /v1/assets
            < 200 {"assets": []}
        "#);
    }

    async fn bad_fields(service) {
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 1, "part_size": 1}
            < 422 {"field": "part_size"}
            > POST /v1/uploads {"filename": "a", "size": 1, "content_type": "nonsense"}
            < 422 {"field": "content_type"}
            > POST /v1/uploads {"filename": "a", "size": 1, "sha256": "abc"}
            < 422 {"field": "sha256"}
            > POST /v1/uploads {"filename": "a", "size": 1, "external_id": ""}
            < 422 {"field": "external_id"}
            > POST /v1/uploads {"filename": "a", "size": 1, "policy": "strict"}
            < 422 {"field": "policy"}
            > POST /v1/uploads {"filename": "a", "size": 1, "urls": 10001}
            < 422 {"field": "urls"}
            > POST /v1/uploads [not json]
            < 422 {"code": "invalid_json"}
            > POST /v1/uploads
            < 422 {"code": "invalid"}
            > POST /v1/uploads {"filename": "a", "size": 1}
            | idempotency-key: ""
            < 422 {"field": "Idempotency-Key"}
            > GET /v1/assets
            < 200 {"assets": []}
        "#);
        let long = "x".repeat(20_000);
        let body = serde_json::json!({"filename": "a", "size": 1, "metadata": {"k": long}}).to_string();
        transcript!(service, r#"
            > POST /v1/uploads $body
            < 422 {"field": "metadata"}
        "#, body = body);
    }

    async fn bad_parts(service) {
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 10485760, "part_size": 5242880}
            < 201 {"upload": {"id": "$upload"}, "multipart": {"urls": [{"url": "$one"}, {}]}}
            > POST /v1/uploads/$upload/urls {"parts": "3"}
            < 422 {"code": "invalid", "field": "parts"}
            > POST /v1/uploads/$upload/urls {"parts": "0"}
            < 422 {"field": "parts"}
            > POST /v1/uploads/$upload/urls {"parts": [10001]}
            < 422 {"field": "parts"}
            > POST /v1/uploads/$upload/urls {"parts": []}
            < 422 {"field": "parts"}
            > POST /v1/uploads/$upload/urls {"parts": "2-1"}
            < 422 {"field": "parts"}
            > POST /v1/uploads/$upload/urls {"parts": "1", "checksums": {"1": "md5:x"}}
            < 422 {"field": "checksums"}
            > POST /v1/uploads/$upload/urls {"parts": "1", "checksums": {"zero": "sha256:x"}}
            < 422 {"field": "checksums"}
            > PUT $one noise:5242881:1
            < 403
            > PUT $one noise:5242879:1
            < 403
            > GET /v1/uploads/$upload
            < 200 {"received": []}
            > POST /v1/uploads {"filename": "a", "size": 5}
            < 201 {"upload": {"id": "$put"}, "put": {"url": "$url"}}
            > POST /v1/uploads/$put/urls {"parts": "1"}
            < 422 {"field": "parts"}
            > PUT $url [six666]
            | if-none-match: *
            < 403
            > PUT $url [hello]
            < 403
            > POST /v1/uploads/$put/complete
            < 409 {"code": "incomplete"}
        "#);
    }

    async fn an_expired_url_stores_nothing(service, with_short_urls()) {
        let names = transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 5}
            < 201 {"upload": {"id": "$upload"}, "put": {"url": "$url"}}
        "#);
        tokio::time::sleep(Duration::from_millis(2500)).await;
        transcript!(service, r#"
            > PUT $url [hello]
            | if-none-match: *
            < 403
            > POST /v1/uploads/$upload/complete
            < 409 {"code": "incomplete"}
        "#, url = names["url"], upload = names["upload"]);
    }

    async fn nothing_is_here(service) {
        transcript!(service, r#"
            > GET /v1/nothing
            < 404 {"code": "not_found"}
            | content-type: application/problem+json
            > DELETE /v1/uploads
            < 405 {"code": "method_not_allowed"}
            | allow: POST,GET,HEAD
            > GET /v1/uploads/nonsense
            < 404 {"code": "not_found"}
            > GET /v1/assets/%00%ff
            < 404
            > GET /v1/assets/../../etc/passwd
            < 404
        "#);
    }

    async fn a_nul_in_a_text_is_refused(service) {
        let client = requests::client();
        let nul = serde_json::json!({ "reason": "a\u{0}b" }).to_string();
        let named = serde_json::json!({ "filename": "a", "size": 1, "metadata": { "k": ["\u{0}"] } }).to_string();
        let id = "01890000-0000-7000-8000-000000000000";
        for (method, path, body) in [
            ("DELETE", format!("/v1/admin/jobs/{id}"), &nul[..]),
            ("POST", format!("/v1/admin/assets/{id}/release"), &nul),
            ("POST", "/v1/uploads".to_owned(), &named),
            ("PUT", "/v1/policies/a".to_owned(), r#"{"name_pattern": "\u0000"}"#),
        ] {
            let request = client.request(method.parse().unwrap(), format!("{}{path}", service.base));
            let answer = request.bearer_auth(&service.admin).body(body.to_owned()).send().await.unwrap();
            assert_eq!(answer.status(), 422, "{method} {path}");
            assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["code"], "invalid", "{method} {path}");
        }
        for (path, status) in [
            ("/v1/assets?content_type=a%00/*", 200),
            ("/v1/assets?content_type=a%00/b", 200),
            ("/v1/assets?name=abc%00", 200),
            ("/v1/assets?external_id=a%00", 200),
            ("/v1/admin/audit?actor=a%00", 200),
            ("/v1/assets?tenant=a%00", 404),
            ("/v1/policies/a%00", 404),
            ("/v1/tenants/a%00", 404),
        ] {
            let answer = client.get(format!("{}{path}", service.base)).bearer_auth(&service.admin).send().await.unwrap();
            assert_eq!(answer.status(), status, "{path}: {:?}", answer.text().await);
        }
        let tus = client.post(format!("{}/tus", service.base)).bearer_auth(&service.admin).header("tus-resumable", "1.0.0");
        let tus = tus.header("upload-length", "1").header("upload-metadata", "k AA==").send().await.unwrap();
        assert!(tus.status().is_client_error(), "{}", tus.status());
    }

    async fn every_problem_says_which_request(service) {
        transcript!(service, r#"
            > GET /v1/assets/nonsense
            | x-request-id: my-own-id
            < 404 {"request_id": "my-own-id", "status": 404, "title": "Not Found", "type": "urn:gantry:problem:not_found"}
            | x-request-id: my-own-id
            > GET /v1/assets/nonsense
            | x-request-id: not one"that can be logged
            < 404 {"request_id": "$made"}
            | x-request-id: $made
        "#);
    }

    async fn bodies_have_a_bound(service) {
        let huge = "x".repeat(5 << 20);
        let url = format!("{}/v1/uploads", service.base);
        let client = requests::client();
        let answer = client.post(&url).bearer_auth(&service.admin).body(huge).send().await.unwrap();
        assert_eq!(answer.status(), 413);
        assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["code"], "body_too_large");
    }
}
