//! Grants for a file that is still to be chosen: a backend says how large and of what kind, whoever holds the grant brings
//! it by the protocol that they like.

use serde_json::{Value, json};

use crate::support::requests;
use crate::support::service::{Service, Shape};
use crate::{on_both_services, transcript};

/// What the backend gets for a wish.
async fn opened(service: &Service, wish: Value) -> Value {
    let request = requests::client().post(format!("{}/v1/uploads", service.base)).bearer_auth(&service.admin);
    let answer = request.body(wish.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    answer.json().await.unwrap()
}

async fn note(service: &Service) -> Value {
    let wish = json!({"max_size": 100, "content_types": ["text/*"], "metadata": {"by": "backend"}, "expires_in": "1h"});
    opened(service, wish).await
}

/// The asset, once nothing more will happen to it.
async fn settled(service: &Service, opened: &Value) -> Value {
    let path = format!("/v1/assets/{}?wait=20s&until=ready", opened["asset"]["id"].as_str().unwrap());
    let request = requests::client().get(format!("{}{path}", service.base)).bearer_auth(&service.admin);
    request.send().await.unwrap().json().await.unwrap()
}

/// On a store that takes every part, as all but the embedded one do; companion::limits has the other.
fn unlimited() -> Shape {
    Shape { capabilities: |found| found.enforces_limits = false, ..Shape::default() }
}

/// A creation by tus, without any credential but the address.
fn tus(opened: &Value, headers: &[(&str, &str)]) -> reqwest::RequestBuilder {
    let request = requests::client().post(opened["endpoints"]["tus"].as_str().unwrap());
    let request = request.header("tus-resumable", "1.0.0");
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

on_both_services! {
    async fn a_wish_for_a_chosen_file_is_checked(service) {
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "a.txt"}
            < 422 {"code": "invalid", "field": "size"}
            > POST /v1/uploads {"filename": "a.txt", "size": 1, "max_size": 1}
            < 422 {"field": "max_size"}
            > POST /v1/uploads {"size": 1}
            < 422 {"field": "filename"}
            > POST /v1/uploads {"max_size": 99999999999999999}
            < 413
            > POST /v1/uploads {"max_size": 10, "part_size": 5242880}
            < 422 {"field": "size"}
            > POST /v1/uploads {"max_size": 10, "method": "put"}
            < 422 {"field": "size"}
            > POST /v1/uploads {"max_size": 10, "content_types": ["image"]}
            < 422 {"field": "content_types"}
            > POST /v1/uploads {"max_size": 10, "content_types": ["image/*"], "content_type": "text/plain"}
            < 422 {"field": "content_type"}
            > POST /v1/uploads {"max_size": 10, "expires_in": "8d"}
            < 422 {"field": "expires_in"}
            > POST /v1/uploads {"max_size": 10, "external_id": "avatar"}
            < 201 {"upload": {"id": "$upload", "max_size": 10, "method": "append", "state": "open"}, "asset": {"size": 0}}
            > POST /v1/uploads {"max_size": 10, "external_id": "avatar"}
            < 200 {"upload": {"id": "$upload"}}
            > POST /v1/uploads {"max_size": 11, "external_id": "avatar"}
            < 409
            > DELETE /v1/uploads/$upload
            < 204
        "#);
    }

    async fn lists_of_types_are_bounded(service) {
        let wish = json!({"max_size": 1, "content_types": vec!["image/*"; 65]});
        let request = requests::client().post(format!("{}/v1/uploads", service.base)).bearer_auth(&service.admin);
        let answer = request.body(wish.to_string()).send().await.unwrap();
        let problem: Value = answer.json().await.unwrap();
        assert_eq!((&problem["status"], &problem["field"]), (&json!(422), &json!("content_types")));
    }

    async fn tus_brings_a_chosen_file(service) {
        let opened = note(service).await;
        let big = tus(&opened, &[("upload-length", "101")]).send().await.unwrap();
        assert_eq!(big.status(), 413);
        // "image/png"
        let wrong = [("upload-length", "5"), ("upload-metadata", "filetype aW1hZ2UvcG5n")];
        assert_eq!(tus(&opened, &wrong).send().await.unwrap().status(), 400);
        // "note.txt", "text/x-note", by: "me"
        let metadata = "filename bm90ZS50eHQ=,filetype dGV4dC94LW5vdGU=,by bWU=,page Mg==";
        let right = [("upload-length", "5"), ("upload-metadata", metadata)];
        let created = tus(&opened, &right).send().await.unwrap();
        assert_eq!(created.status(), 201);
        let url = created.headers()["location"].to_str().unwrap().to_owned();
        let ask = |method: &str| {
            let request = requests::client().request(method.parse().unwrap(), &url);
            request.header("tus-resumable", "1.0.0")
        };
        let head = ask("HEAD").send().await.unwrap();
        assert_eq!((&head.headers()["upload-length"], &head.headers()["upload-metadata"]), (&"5".parse().unwrap(), &metadata.parse().unwrap()));
        let patch = ask("PATCH").header("upload-offset", "0").header("content-type", "application/offset+octet-stream");
        assert_eq!(patch.body("hello").send().await.unwrap().status(), 204);
        let asset = settled(service, &opened).await;
        assert_eq!((&asset["state"], &asset["filename"], &asset["size"]), (&json!("ready"), &json!("note.txt"), &json!(5)));
        assert_eq!(asset["metadata"], json!({"by": "backend", "page": "2"}));
        // For one upload, and for nothing else.
        assert_eq!(tus(&opened, &[("upload-length", "6")]).send().await.unwrap().status(), 403);
    }

    async fn a_length_that_is_not_said_is_bounded_too(service) {
        let opened = note(service).await;
        let deferred = [("upload-defer-length", "1")];
        let created = tus(&opened, &deferred).send().await.unwrap();
        let url = created.headers()["location"].to_str().unwrap().to_owned();
        let patch = async |offset: &str, body: &'static [u8]| {
            let request = requests::client().patch(&url).header("tus-resumable", "1.0.0");
            let request = request.header("content-type", "application/offset+octet-stream");
            request.header("upload-offset", offset).body(body).send().await.unwrap().status()
        };
        assert_eq!(patch("0", &[b'a'; 99]).await, 204);
        assert_eq!(patch("99", b"aa").await, 413);
        assert_eq!(patch("99", b"a").await, 204);
        let request = requests::client().patch(&url).header("tus-resumable", "1.0.0").header("upload-offset", "100");
        let request = request.header("upload-length", "100").header("content-type", "application/offset+octet-stream");
        assert_eq!(request.send().await.unwrap().status(), 204);
        assert_eq!(settled(service, &opened).await["state"], "ready");
    }

    async fn what_the_bytes_are_counts_in_the_end(service) {
        let opened = note(service).await;
        let headers = [("upload-length", "8"), ("content-type", "application/offset+octet-stream")];
        let png = tus(&opened, &headers).body(&b"\x89PNG\r\n\x1a\n"[..]).send().await.unwrap();
        assert_eq!(png.status(), 201);
        let asset = settled(service, &opened).await;
        assert_eq!((&asset["state"], &asset["reason"]["code"]), (&json!("rejected"), &json!("type_not_allowed")));
    }

    async fn the_ietf_protocol_brings_a_chosen_file(service) {
        let opened = note(service).await;
        let post = |bytes: String, kind: &'static str| {
            let request = requests::client().post(opened["endpoints"]["files"].as_str().unwrap());
            let request = request.header("content-disposition", "attachment; filename=\"a.txt\"").header("content-type", kind);
            request.header("upload-complete", "?1").header("upload-draft-interop-version", "6").body(bytes).send()
        };
        assert_eq!(post("a".repeat(101), "text/plain").await.unwrap().status(), 413);
        assert_eq!(post("hello".to_owned(), "image/png").await.unwrap().status(), 400);
        assert!(post("hello".to_owned(), "text/plain").await.unwrap().status().is_success());
        let asset = settled(service, &opened).await;
        assert_eq!((&asset["state"], &asset["filename"]), (&json!("ready"), &json!("a.txt")));
    }

    async fn a_form_brings_a_chosen_file(service) {
        let opened = note(service).await;
        let url = opened["endpoints"]["form"].as_str().unwrap();
        let form = |name: &str, kind: &str, bytes: &str| {
            let head = format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: {kind}");
            let body = format!("--x\r\n{head}\r\n\r\n{bytes}\r\n--x--\r\n");
            let request = requests::client().post(url).header("content-type", "multipart/form-data; boundary=x");
            request.body(body)
        };
        assert_eq!(form("a.png", "image/png", "hello").send().await.unwrap().status(), 400);
        assert_eq!(form("a.txt", "text/plain", &"a".repeat(101)).send().await.unwrap().status(), 413);
        assert_eq!(form("C: a.txt", "text/plain", "hello").send().await.unwrap().status(), 200);
        let asset = settled(service, &opened).await;
        assert_eq!((&asset["state"], &asset["declared_content_type"]), (&json!("ready"), &json!("text/plain")));
    }

    async fn one_put_brings_a_chosen_file(service) {
        let opened = note(service).await;
        let path = format!("/v1/uploads/{}/content", opened["upload"]["id"].as_str().unwrap());
        let put = async |kind: &str, bytes: String| {
            let request = requests::client().put(format!("{}{path}", service.base)).header("content-type", kind);
            request.bearer_auth(opened["grant"].as_str().unwrap()).body(bytes).send().await.unwrap().status()
        };
        assert_eq!(put("image/png", "hello".to_owned()).await, 422);
        assert_eq!(put("application/octet-stream", "a".repeat(101)).await, 413);
        assert_eq!(put("application/octet-stream", "hello".to_owned()).await, 200);
        assert_eq!(settled(service, &opened).await["state"], "ready");
    }

    async fn uppy_brings_a_chosen_file_in_parts(service, unlimited()) {
        let opened = note(service).await;
        let base = opened["endpoints"]["s3"].as_str().unwrap().to_owned();
        let (big, right) = ("a".repeat(101), "hello".to_owned());
        for (bytes, expected) in [(big, 413), (right, 200)] {
            let opened = if expected == 413 { note(service).await } else { opened.clone() };
            let base = if expected == 413 { opened["endpoints"]["s3"].as_str().unwrap() } else { &base };
            let http = requests::client();
            let wish = json!({"filename": "a.txt", "type": "text/plain", "metadata": {}});
            let post = |url: String, body: Value| http.post(url).header("content-type", "application/json").body(body.to_string());
            let created: Value = post(format!("{base}/multipart"), wish).send().await.unwrap().json().await.unwrap();
            let (id, key) = (created["uploadId"].as_str().unwrap(), created["key"].as_str().unwrap());
            let signed = http.get(format!("{base}/multipart/{id}/1?key={key}")).send().await.unwrap();
            let signed: Value = signed.json().await.unwrap();
            let part = http.put(signed["url"].as_str().unwrap()).body(bytes).send().await.unwrap();
            let etag = part.headers()["etag"].to_str().unwrap();
            let parts = json!({"parts": [{"PartNumber": 1, "ETag": etag}]});
            let done = post(format!("{base}/multipart/{id}/complete?key={key}"), parts).send().await.unwrap();
            assert_eq!(done.status(), expected);
        }
        assert_eq!(settled(service, &opened).await["filename"], "a.txt");
    }
}
