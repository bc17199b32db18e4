//! Grants for many files: any number of uploads by every protocol, counted and limited, and nothing else to be seen.

use serde_json::{Value, json};

use super::ready;
use crate::support::requests;
use crate::support::service::Service;
use crate::{on_both_services, transcript};

async fn granted(service: &Service, wish: Value) -> Value {
    let request = requests::client().post(format!("{}/v1/grants", service.base)).bearer_auth(&service.admin);
    let answer = request.body(wish.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    answer.json().await.unwrap()
}

/// Files and bytes that the grant counts.
async fn counted(service: &Service, grant: &Value) -> [i64; 2] {
    let url = format!("{}/v1/grants/{}", service.base, grant["id"].as_str().unwrap());
    let answer: Value =
        requests::client().get(url).bearer_auth(&service.admin).send().await.unwrap().json().await.unwrap();
    ["files", "bytes"].map(|name| answer[name].as_i64().unwrap())
}

on_both_services! {
    async fn a_wish_is_checked(service) {
        transcript!(service, r#"
            > POST /v1/grants {"max_files": 0, "expires_in": 60}
            < 422 {"field": "max_files"}
            > POST /v1/grants {"expires_in": 0}
            < 422 {"field": "expires_in"}
            > POST /v1/grants {"expires_in": "367d"}
            < 422 {"field": "expires_in"}
            > POST /v1/grants {"expires_in": 60, "sender": ["age"]}
            < 422 {"field": "sender"}
            > POST /v1/grants {"expires_in": 60, "policy": "unheard-of"}
            < 422 {"field": "policy"}
            > POST /v1/grants {"expires_in": 60, "content_types": ["images"]}
            < 422 {"field": "content_types"}
            > POST /v1/grants {"expires_in": 60, "max_file": 3}
            < 422
            > POST /v1/grants {}
            < 422
        "#);
    }

    async fn grants_are_listed_and_revoked(service) {
        let key = service.key("upload").await;
        let other = service.key("upload").await;
        transcript!(service, r#"
            @ $key
            > POST /v1/grants {"max_files": 2, "expires_in": "1h", "sender": ["name", "note", "name"], "metadata": {"for": "them"}}
            < 201 {"id": "$id", "grant": "$grant", "url": "$url", "max_files": 2, "files": 0, "bytes": 0, "sender": ["name", "note"],
                   "policy": "default", "metadata": {"for": "them"}, "revoked_at": null, "endpoints": {"tus": "$tus", "put": "$put"}}
            | cache-control: no-store
            > GET /v1/grants
            < 200 {"grants": [{"id": "$id", "max_files": 2}], "next": null}
            > GET /v1/grants/$id
            < 200 {"id": "$id"}
            @ $other
            > GET /v1/grants
            < 200 {"grants": [], "next": null}
            > GET /v1/grants/$id
            < 403
            > DELETE /v1/grants/$id
            < 403
            @ $grant
            > GET /v1/grants
            < 403
            > POST /v1/grants {"expires_in": 60}
            < 403
            > POST /v1/uploads {"filename": "a.txt", "size": 5}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset", "metadata": {"for": "them"}}}
            @ $key
            > DELETE /v1/grants/$id
            < 204
            > DELETE /v1/grants/$id
            < 204
            > GET /v1/grants/$id
            < 200 {"id": "$id", "files": 1, "bytes": 5}
            @ $grant
            > GET /v1/uploads/$upload
            < 401
            > POST /v1/uploads {"filename": "b.txt", "size": 5}
            < 401
        "#, key = key, other = other);
    }

    async fn the_same_request_gives_the_same_grant(service) {
        let wish = json!({ "expires_in": 60, "max_files": 3 }).to_string();
        let url = format!("{}/v1/grants", service.base);
        let mut ids = Vec::new();
        for _ in 0..2 {
            let request = requests::client().post(&url).bearer_auth(&service.admin).header("idempotency-key", "once");
            let made: Value = request.body(wish.clone()).send().await.unwrap().json().await.unwrap();
            ids.push((made["id"].clone(), made["grant"].clone()));
        }
        assert_eq!(ids[0], ids[1]);
    }

    async fn holders_see_what_was_sent_with_the_grant_and_nothing_else(service) {
        let others = ready(service, "secret.txt", "hello").await;
        let grant = granted(service, json!({ "expires_in": 3600 })).await;
        transcript!(service, r#"
            @ $grant
            > POST /v1/uploads {"filename": "a.txt", "size": 5}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "put": {"url": "$there"}}
            > PUT $there [hello]
            | if-none-match: *
            < 200
            > POST /v1/uploads/$upload/complete
            < 200
            > GET /v1/assets/$asset?wait=20s&until=ready
            < 200 {"state": "ready", "filename": "a.txt"}
            > GET /v1/assets/$asset/content
            < 403
            > POST /v1/assets/$asset/links {}
            < 403
            > DELETE /v1/assets/$asset
            < 403
            > GET /v1/assets
            < 403
            > GET /v1/uploads
            < 403
            > GET /v1/events
            < 403
            > GET /v1/assets/$secret
            < 404
            > GET /v1/uploads/$hidden
            < 404
            > DELETE /v1/uploads/$hidden
            < 404
            > GET /v1/limits
            < 200
        "#, grant = grant["grant"].as_str().unwrap(), secret = others["asset"], hidden = others["upload"]);
    }

    async fn limits_are_exact_and_given_back(service) {
        let grant = granted(service, json!({ "max_files": 2, "max_bytes": 20, "max_size": 15, "expires_in": 3600 })).await;
        transcript!(service, r#"
            @ $grant
            > POST /v1/uploads {"filename": "large", "size": 16}
            < 413 {"code": "too_large", "limit": 15}
            > POST /v1/uploads {"filename": "a", "size": 15}
            < 201 {"upload": {"id": "$first"}}
            > POST /v1/uploads {"filename": "b", "size": 6}
            < 403 {"code": "grant_used_up", "limit": "bytes"}
            > POST /v1/uploads {"filename": "b", "size": 5}
            < 201
            > POST /v1/uploads {"filename": "c", "size": 0}
            < 403 {"code": "grant_used_up", "limit": "files"}
            > DELETE /v1/uploads/$first
            < 204
            > POST /v1/uploads {"filename": "c", "size": 15}
            < 201
        "#, grant = grant["grant"].as_str().unwrap());
        assert_eq!(counted(service, &grant).await, [2, 20]);
        service.assert_sums().await;
    }

    async fn many_at_once_stay_within_the_limit(service) {
        let grant = granted(service, json!({ "max_files": 20, "expires_in": 3600 })).await;
        let attempts = (0..60).map(|number| {
            let wish = json!({ "filename": format!("{number}.txt"), "size": 1 });
            let request = requests::client().post(format!("{}/v1/uploads", service.base));
            let request = request.bearer_auth(grant["grant"].as_str().unwrap()).body(wish.to_string());
            async move { request.send().await.unwrap().status().as_u16() }
        });
        let statuses = futures_util::future::join_all(attempts).await;
        let of = |status| statuses.iter().filter(|got| **got == status).count();
        assert_eq!([of(201), of(403)], [20, 40], "{statuses:?}");
        assert_eq!(counted(service, &grant).await, [20, 20]);
    }

    async fn every_protocol_sends_by_the_grant(service) {
        let grant = granted(service, json!({ "max_files": 5, "max_size": 100, "content_types": ["text/*"], "expires_in": 3600 })).await;
        let at = |name: &str| grant["endpoints"][name].as_str().unwrap().to_owned();
        transcript!(service, r#"
            @ nobody
            > PUT $put/notes.txt [hello]
            | content-type: text/plain
            < 200 {"filename": "notes.txt", "size": 5}
            > POST $tus
            | tus-resumable: 1.0.0
            | upload-length: 5
            | upload-metadata: filename bi50eHQ=
            < 201
            | location: $upload
            > HEAD $upload
            | tus-resumable: 1.0.0
            < 200
            | upload-offset: 0
            > POST $tus
            | tus-resumable: 1.0.0
            | upload-length: 101
            < 413
            > POST $tus
            | tus-resumable: 1.0.0
            | upload-concat: partial
            | upload-length: 5
            < 403
            > POST $files [hello]
            | content-type: text/plain
            < 201
            > POST $s3/multipart {"filename": "u.txt", "type": "text/plain"}
            < 200 {"uploadId": "$id", "key": "$key"}
            > GET $s3/multipart/$id?key=$key
            < 200
            > POST $s3/multipart {"filename": "u.png", "type": "image/png"}
            < 400
        "#, put = at("put").trim_end_matches('/'), tus = at("tus"), files = at("files"), s3 = at("s3"));
        let form = "--B\r\ncontent-disposition: form-data; name=\"sender_name\"\r\n\r\nAda\r\n--B\r\n\
            content-disposition: form-data; name=\"file\"; filename=\"f.txt\"\r\ncontent-type: text/plain\r\n\r\nhello\r\n--B--\r\n";
        let request = requests::client().post(at("form")).header("content-type", "multipart/form-data; boundary=B");
        assert_eq!(request.body(form).send().await.unwrap().status(), 200);
        assert_eq!(counted(service, &grant).await, [5, 20]);
        let request = requests::client().post(at("form")).header("content-type", "multipart/form-data; boundary=B");
        assert_eq!(request.body(form).send().await.unwrap().status(), 403);
        let names = transcript!(service, r#"
            > GET /v1/assets?name=f.txt
            < 200 {"assets": [{"filename": "f.txt", "metadata": {"sender_name": "Ada"}}]}
        "#);
        drop(names);
    }

    async fn a_file_that_broke_off_counts_no_longer(service) {
        let grant = granted(service, json!({ "max_files": 1, "max_bytes": 5, "expires_in": 3600 })).await;
        let put = grant["endpoints"]["put"].as_str().unwrap().to_owned();
        transcript!(service, r#"
            @ nobody
            > PUT $put/large.txt [hello world]
            < 403 {"code": "grant_used_up", "limit": "bytes"}
            > PUT $put/small.txt [hello]
            < 200
            > PUT $put/small.txt [hello]
            < 403 {"code": "grant_used_up", "limit": "files"}
        "#, put = put.trim_end_matches('/'));
        assert_eq!(counted(service, &grant).await, [1, 5]);
    }

    async fn a_grant_ends_with_its_time(service) {
        let grant = granted(service, json!({ "expires_in": 60 })).await;
        let names = transcript!(service, r#"
            @ $grant
            > POST /v1/uploads {"filename": "a.txt", "size": 5}
            < 201 {"upload": {"id": "$upload", "expires_at": "$until"}}
        "#, grant = grant["grant"].as_str().unwrap());
        assert!(names["until"].as_str() <= grant["expires_at"].as_str().unwrap(), "{names:?} {grant}");
        service.advance(std::time::Duration::from_secs(61));
        transcript!(service, r#"
            @ $grant
            > POST /v1/uploads {"filename": "b.txt", "size": 5}
            < 401
            > GET /v1/uploads/$upload
            < 401
        "#, grant = grant["grant"].as_str().unwrap(), upload = names["upload"]);
    }
}
