//! A file that comes to an upload which has ended already, by every door: the same file gets the same answer, another one
//! of the same size is refused, whether the first one's digest is established yet or not.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::on_both_services;
use crate::support::requests;
use crate::support::service::{Service, Shape};

/// Jobs are not worked on: no digest is established.
fn idle() -> Shape {
    Shape { works: false, ..Shape::default() }
}

const FORM: &str = "multipart/form-data; boundary=B";

fn form(bytes: &str) -> String {
    format!("--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n{bytes}\r\n--B--\r\n")
}

struct Opened {
    service: String,
    upload: String,
    grant: String,
    asset: String,
}

async fn open(service: &Service, wish: Value) -> Opened {
    let request = requests::client().post(format!("{}/v1/uploads", service.base)).bearer_auth(&service.admin);
    let opened: Value = request.json(&wish).send().await.unwrap().json().await.unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Opened {
        service: service.base.clone(),
        upload: text(&opened["upload"]["id"]),
        grant: text(&opened["grant"]),
        asset: text(&opened["asset"]["id"]),
    }
}

impl Opened {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        requests::client().request(method, format!("{}{path}", self.service))
    }

    /// A whole file by one of the doors.
    fn send(&self, door: &str, bytes: &str) -> RequestBuilder {
        let Self { upload, grant, .. } = self;
        match door {
            "form" => {
                self.request(Method::POST, &format!("/u/{grant}/form")).header("content-type", FORM).body(form(bytes))
            }
            "s3 form" => {
                self.request(Method::POST, &format!("/s3/form/{grant}")).header("content-type", FORM).body(form(bytes))
            }
            "put" => {
                let request = self.request(Method::PUT, &format!("/v1/uploads/{upload}/content"));
                request.bearer_auth(grant).body(bytes.to_owned())
            }
            "files" => self.request(Method::POST, &format!("/u/{grant}/files")).body(bytes.to_owned()),
            "draft" => {
                let request = self.request(Method::POST, &format!("/u/{grant}/files"));
                request.header("upload-complete", "?1").body(bytes.to_owned())
            }
            _ => {
                let request = self.request(Method::POST, &format!("/u/{grant}/tus")).header("tus-resumable", "1.0.0");
                let request = request.header("content-type", "application/offset+octet-stream");
                request.header("upload-length", bytes.len()).body(bytes.to_owned())
            }
        }
    }
}

const DOORS: [&str; 6] = ["form", "s3 form", "put", "files", "draft", "tus"];

async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.unwrap().status()
}

/// Through every door, after the file came by `first`.
async fn only_the_same_file(opened: &Opened, first: &str) {
    for door in DOORS {
        assert!(status(opened.send(door, "hello")).await.is_success(), "{first}, {door}: the same");
        assert_eq!(status(opened.send(door, "jello")).await, 409, "{first}, {door}: another one");
        // Said before its bytes come, another length than that of the grant's file is nothing that the grant allows.
        let longer = if ["files", "draft", "tus"].contains(&door) { 403 } else { 409 };
        assert_eq!(status(opened.send(door, "hello!")).await, longer, "{first}, {door}: a longer one");
    }
}

on_both_services! {
    async fn before_its_digest_is_established(service, idle()) {
        for first in DOORS {
            let opened = open(service, json!({ "max_size": 100 })).await;
            assert!(status(opened.send(first, "hello")).await.is_success(), "{first}");
            only_the_same_file(&opened, first).await;
        }
    }

    async fn after_its_digest_is_established(service) {
        for wish in [json!({ "max_size": 100 }), json!({ "filename": "a", "size": 5 }), json!({ "filename": "a", "size": 5, "method": "append" })] {
            let opened = open(service, wish).await;
            assert!(status(opened.send("form", "hello")).await.is_success());
            let path = format!("/v1/assets/{}?wait=20s&until=ready", opened.asset);
            let asset: Value = opened.request(Method::GET, &path).bearer_auth(&service.admin).send().await.unwrap().json().await.unwrap();
            assert_eq!(asset["state"], "ready");
            only_the_same_file(&opened, "form").await;
        }
    }

    // A file that went straight to the store, and then comes again by the other doors.
    async fn after_a_signed_put(service, idle()) {
        let request = requests::client().post(format!("{}/v1/uploads", service.base)).bearer_auth(&service.admin);
        let request = request.json(&json!({ "filename": "a", "size": 5, "method": "put" }));
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let put = requests::client().put(text(&answer["put"]["url"])).header("if-none-match", "*").body("hello");
        assert!(status(put).await.is_success());
        let opened = Opened {
            service: service.base.clone(),
            upload: text(&answer["upload"]["id"]),
            grant: text(&answer["grant"]),
            asset: text(&answer["asset"]["id"]),
        };
        let complete = |body: Value| {
            opened.request(Method::POST, &format!("/v1/uploads/{}/complete", opened.upload)).bearer_auth(&opened.grant).json(&body)
        };
        assert!(status(complete(json!({}))).await.is_success());
        only_the_same_file(&opened, "signed put").await;
        // The end of the upload, said again with a digest.
        let digest = |bytes: &str| hex::encode(sha2::Sha256::digest(bytes.as_bytes()));
        assert!(status(complete(json!({ "sha256": digest("hello") }))).await.is_success());
        assert_eq!(status(complete(json!({ "sha256": digest("jello") }))).await, 409);
    }

    // Creations that bring no bytes: nothing shows that the file is the same, unless a digest does.
    async fn without_bytes(service, idle()) {
        let opened = open(service, json!({ "max_size": 100 })).await;
        assert!(status(opened.send("form", "hello")).await.is_success());
        let tus = || opened.request(Method::POST, &format!("/u/{}/tus", opened.grant)).header("tus-resumable", "1.0.0");
        assert_eq!(status(tus().header("upload-length", "5")).await, 409);
        assert_eq!(status(tus().header("upload-defer-length", "1")).await, 409);
        let files = || {
            let request = opened.request(Method::POST, &format!("/u/{}/files", opened.grant));
            request.header("upload-complete", "?0").header("upload-length", "5")
        };
        assert_eq!(status(files()).await, 409);
        let digest = |bytes: &str| {
            use base64::Engine as _;
            let base64 = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(bytes.as_bytes()));
            format!("sha-256=:{base64}:")
        };
        assert_eq!(status(files().header("repr-digest", digest("jello"))).await, 409);
        assert_eq!(status(files().header("repr-digest", digest("hello"))).await, 201);
        // An empty file has no other bytes.
        let empty = open(service, json!({ "max_size": 100 })).await;
        for _ in 0..2 {
            let request = empty.request(Method::POST, &format!("/u/{}/tus", empty.grant)).header("tus-resumable", "1.0.0");
            assert_eq!(status(request.header("upload-length", "0")).await, 201);
            assert_eq!(status(empty.send("files", "")).await, 201);
        }
    }

    // Two at once: one file arrives, and who brought the other one hears that.
    async fn two_files_at_once(service) {
        for _ in 0..3 {
            let opened = open(service, json!({ "max_size": 100 })).await;
            let (one, other) = tokio::join!(status(opened.send("form", "hello")), status(opened.send("form", "jello")));
            let path = format!("/v1/assets/{}/content?delivery=stream", opened.asset);
            let wait = format!("/v1/assets/{}?wait=20s&until=ready", opened.asset);
            assert!(status(opened.request(Method::GET, &wait).bearer_auth(&service.admin)).await.is_success());
            let stored = opened.request(Method::GET, &path).bearer_auth(&service.admin).send().await.unwrap();
            let stored = stored.text().await.unwrap();
            for (sent, status) in [("hello", one), ("jello", other)] {
                assert_eq!(status.is_success(), sent == stored, "{one} {other} {stored}");
            }
        }
    }
}
