//! What each route says it accepts: to the holder of a grant what the grant allows, and behind proxies how large one
//! request may be.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::requests;
use crate::support::service::{Service, Shape};
use crate::{on_both_services, transcript};

/// Behind a proxy that lets bodies of 100 MB through.
fn behind_a_proxy() -> Shape {
    let mut shape = Shape::default();
    shape.settings.max_request_body = Some(100_000_000);
    shape
}

async fn granted(service: &Service, wish: Value) -> Value {
    let request = requests::client().post(format!("{}/v1/uploads", service.base)).bearer_auth(&service.admin);
    let answer = request.body(wish.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    answer.json().await.unwrap()
}

on_both_services! {
    async fn a_grants_holder_is_told_the_grants_limits(service) {
        service.advance(Duration::from_secs(1));
        for wish in [json!({"filename": "a", "size": 1000, "method": "append"}), json!({"max_size": 1000, "method": "append"})] {
            let opened = granted(service, wish).await;
            let endpoint = |name: &str| opened["endpoints"][name].as_str().unwrap().to_owned();
            transcript!(service, r#"
                > OPTIONS $tus
                < 204
                | tus-max-size: 1000
                > OPTIONS $files
                | upload-draft-interop-version: 6
                < 204
                | upload-limit: max-size=1000, expires=604…
                > POST $files
                | upload-draft-interop-version: 6
                | upload-complete: ?0
                < 201
                | upload-limit: max-size=1000, expires=604…
                | location: $at
                > HEAD $at
                | upload-draft-interop-version: 6
                < 204
                | upload-limit: max-size=1000, expires=604…
                > PATCH $at noise:1001:1
                | upload-draft-interop-version: 6
                | content-type: application/partial-upload
                | upload-offset: 0
                | upload-complete: ?0
                < $refused
                @ $grant
                > GET /v1/limits
                < 200 {"max_size": 1000, "max_put_size": 1000, "max_append_size": 1000}
                > OPTIONS /tus
                < 204
                | tus-max-size: 1000
            "#, tus = endpoint("tus"), files = endpoint("files"), grant = opened["grant"].as_str().unwrap(),
                refused = if opened["upload"]["size"].is_null() { "413" } else { "400" });
        }
    }

    // A credential that is none does not hide what everybody may know.
    async fn a_key_is_told_the_limits_of_its_tenants_policy(service) {
        transcript!(service, r#"
            > PUT /v1/policies/default {"max_size": 5000, "content_types": ["image/*", "text/plain"]}
            < 200
            > PATCH /v1/tenants/default {"quota": {"bytes": 100}}
            < 200
            > POST /v1/uploads {"filename": "a.txt", "size": 30, "content_type": "text/plain"}
            < 201
            > GET /v1/limits
            < 200 {"max_size": 5000, "max_filename_characters": 255, "content_types": ["image/*", "text/plain"], "quota_left": 70}
            > OPTIONS /tus
            < 204
            | tus-max-size: 5000
            > OPTIONS $base/tus
            < 204
            | tus-max-size: 50000000000000
            > OPTIONS $base/u/gu_nonsense/tus
            < 204
            | tus-max-size: 50000000000000
            @ gk_nonsense
            > GET /v1/limits
            < 200 {"max_size": 50000000000000}
        "#, base = service.base);
    }

    async fn clients_are_told_how_large_a_request_may_be(service, behind_a_proxy()) {
        let request = format!("{}/v1/limits", service.base);
        let limits: Value = requests::get(request).await.unwrap().json().await.unwrap();
        assert_eq!(limits["max_append_request_size"], 100_000_000);
        let limit = "max-size=50000000000000, max-append-size=100000000, max-age=604800";
        transcript!(service, r#"
            ~ authorization: Bearer $admin
            > OPTIONS $base/files
            < 204
            | upload-limit: $limit
            > POST $base/files
            | upload-complete: ?0
            < 201
            | upload-limit: max-size=50000000000000, max-append-size=100000000, max-age=…
            > OPTIONS $base/tus
            < 204
            | upload-limit: max-append-size=100000000
            > POST $base/tus
            | tus-resumable: 1.0.0
            | upload-length: 5
            < 201
            | upload-limit: max-append-size=100000000
            | location: $at
            > HEAD $at
            | tus-resumable: 1.0.0
            < 200
            | upload-limit: max-append-size=100000000
        "#, base = service.base, limit = limit, admin = service.admin);
    }

    async fn nothing_is_said_of_requests_without_such_a_bound(service) {
        transcript!(service, r#"
            > OPTIONS /tus
            < 204
            | upload-limit:
            > OPTIONS /files
            < 204
            | upload-limit: max-size=50000000000000, max-age=604800
        "#);
    }
}
