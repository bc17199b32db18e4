//! Signatures: presigned URLs bind what they sign, expire, and cannot be widened.

use std::time::Duration;

use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

use super::harness::{ACCESS, BUCKET, Server, code, complete, completed, config, create, get, plain_client, put};
use crate::support::requests;

fn expires(seconds: u64) -> PresigningConfig {
    PresigningConfig::expires_in(Duration::from_secs(seconds)).unwrap()
}

/// Sends a presigned request as a browser would; `change` may alter it first. Returns status and body.
async fn send(
    signed: &PresignedRequest,
    body: &[u8],
    change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
) -> (u16, String) {
    let method = reqwest::Method::from_bytes(signed.method().as_bytes()).unwrap();
    send_to(signed, method, signed.uri(), body, change).await
}

async fn send_to(
    signed: &PresignedRequest,
    method: reqwest::Method,
    uri: &str,
    body: &[u8],
    change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
) -> (u16, String) {
    let mut request = requests::client().request(method, uri).body(body.to_vec());
    for (name, value) in signed.headers().filter(|(name, _)| !name.eq_ignore_ascii_case("content-length")) {
        request = request.header(name, value);
    }
    let answer = change(request).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.text().await.unwrap())
}

fn refused(answer: &(u16, String), status: u16, code: &str) {
    assert!(answer.0 == status && answer.1.contains(&format!("<Code>{code}</Code>")), "{answer:?}");
}

#[tokio::test]
async fn a_presigned_put_part_and_get_work() {
    let server = Server::start().await;
    let client = plain_client(server.address);
    let signed = client.put_object().bucket(BUCKET).key("a b/\u{e9}").presigned(expires(60)).await.unwrap();
    assert_eq!(send(&signed, b"hello", |request| request).await.0, 200);
    let signed = client.get_object().bucket(BUCKET).key("a b/\u{e9}").response_content_type("text/plain");
    let signed = signed.presigned(expires(60)).await.unwrap();
    assert_eq!(send(&signed, b"", |request| request).await, (200, "hello".to_owned()));
    let id = create(&client, "m").await;
    let part = client.upload_part().bucket(BUCKET).key("m").upload_id(&id).part_number(1);
    let signed = part.presigned(expires(60)).await.unwrap();
    assert_eq!(send(&signed, b"part", |request| request).await.0, 200);
    let etag = client.list_parts().bucket(BUCKET).key("m").upload_id(&id).send().await.unwrap();
    let etag = etag.parts()[0].e_tag().unwrap().to_owned();
    complete(&client, "m", &id, vec![completed(1, etag)]).await.unwrap();
    assert_eq!(get(&client, "m").await, b"part");
}

#[tokio::test]
async fn an_expired_url_is_dead_and_others_are_not_what_they_sign() {
    let server = Server::start().await;
    let client = plain_client(server.address);
    put(&client, "k", b"old").await;
    let signed = client.put_object().bucket(BUCKET).key("k").presigned(expires(1)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2100)).await;
    refused(&send(&signed, b"late", |request| request).await, 403, "AccessDenied");
    let signed = client.put_object().bucket(BUCKET).key("k").presigned(expires(60)).await.unwrap();
    let other_key = signed.uri().replacen("/k?", "/other?", 1);
    let put = reqwest::Method::PUT;
    refused(&send_to(&signed, put.clone(), &other_key, b"x", |r| r).await, 403, "SignatureDoesNotMatch");
    let later = signed.uri().replacen("X-Amz-Expires=60", "X-Amz-Expires=61", 1);
    refused(&send_to(&signed, put.clone(), &later, b"x", |r| r).await, 403, "SignatureDoesNotMatch");
    refused(&send_to(&signed, reqwest::Method::DELETE, signed.uri(), b"", |r| r).await, 403, "SignatureDoesNotMatch");
    let more = format!("{}&uploadId=x&partNumber=1", signed.uri());
    refused(&send_to(&signed, put.clone(), &more, b"x", |r| r).await, 403, "SignatureDoesNotMatch");
    let cut = signed.uri().split("&X-Amz-Signature").next().unwrap().to_owned();
    assert_eq!(send_to(&signed, put.clone(), &cut, b"x", |r| r).await.0, 403);
    let other_id = signed.uri().replacen(ACCESS, "nobody", 1);
    refused(&send_to(&signed, put, &other_id, b"x", |r| r).await, 403, "InvalidAccessKeyId");
    assert_eq!(get(&client, "k").await, b"old");
}

#[tokio::test]
async fn a_signed_length_type_or_checksum_must_be_kept() {
    let server = Server::start().await;
    let client = plain_client(server.address);
    let signed = client.put_object().bucket(BUCKET).key("k").content_length(5).presigned(expires(60)).await.unwrap();
    assert_eq!(send(&signed, b"hello", |request| request).await.0, 200);
    refused(&send(&signed, b"hello, and more", |request| request).await, 403, "SignatureDoesNotMatch");
    refused(&send(&signed, b"hi", |request| request).await, 403, "SignatureDoesNotMatch");
    let signed = client.put_object().bucket(BUCKET).key("k").content_type("image/png").presigned(expires(60)).await;
    let signed = signed.unwrap();
    assert_eq!(send(&signed, b"x", |request| request).await.0, 200);
    let bare = requests::client().put(signed.uri()).header("content-type", "text/html").body("x").send().await;
    assert_eq!(bare.unwrap().status().as_u16(), 403);
    let sum = BASE64.encode(Sha256::digest(b"hello"));
    let put = client.put_object().bucket(BUCKET).key("k").checksum_sha256(&sum);
    let signed = put.presigned(expires(60)).await.unwrap();
    assert_eq!(send(&signed, b"hello", |request| request).await.0, 200);
    refused(&send(&signed, b"jello", |request| request).await, 400, "BadDigest");
    let unsigned = requests::client().put(signed.uri()).body("jello").send().await.unwrap();
    assert_eq!(unsigned.status().as_u16(), 403, "a signed checksum cannot be left out");
    let put = client.put_object().bucket(BUCKET).key("once").if_none_match("*").presigned(expires(60)).await.unwrap();
    assert_eq!(send(&put, b"first", |request| request).await.0, 200);
    refused(&send(&put, b"second", |request| request).await, 412, "PreconditionFailed");
    assert_eq!(get(&client, "once").await, b"first");
}

/// Without this the holder of a presigned PUT could read any object through `x-amz-copy-source`.
#[tokio::test]
async fn unsigned_amz_headers_cannot_widen_a_url() {
    let server = Server::start().await;
    let client = plain_client(server.address);
    put(&client, "secret", b"the secret").await;
    let signed = client.put_object().bucket(BUCKET).key("mine").presigned(expires(60)).await.unwrap();
    for (name, value) in [
        ("x-amz-copy-source", format!("/{BUCKET}/secret")),
        ("x-amz-meta-a", "b".to_owned()),
        ("x-amz-tagging", "a=b".to_owned()),
        ("x-amz-checksum-crc32", "AAAAAA==".to_owned()),
    ] {
        let answer = send(&signed, b"", |request| request.header(name, value)).await;
        refused(&answer, 403, "AccessDenied");
    }
    assert_eq!(code(client.get_object().bucket(BUCKET).key("mine").send().await), "NoSuchKey");
    let id = create(&client, "m").await;
    let part = client.upload_part().bucket(BUCKET).key("m").upload_id(&id).part_number(1);
    let signed = part.presigned(expires(60)).await.unwrap();
    let answer = send(&signed, b"", |request| request.header("x-amz-copy-source", format!("{BUCKET}/secret"))).await;
    refused(&answer, 403, "AccessDenied");
}

#[tokio::test]
async fn a_body_that_is_not_the_signed_one_is_refused() {
    let server = Server::start().await;
    let client = plain_client(server.address);
    put(&client, "k", b"old").await;
    let signed = client.put_object().bucket(BUCKET).key("k").presigned(expires(60)).await.unwrap();
    let other = hex::encode(Sha256::digest(b"other"));
    let answer = send(&signed, b"real", |request| request.header("x-amz-content-sha256", other)).await;
    refused(&answer, 400, "XAmzContentSHA256Mismatch");
    assert_eq!(get(&client, "k").await, b"old");
    server.await_files(1).await;
}

#[tokio::test]
async fn wrong_keys_and_old_signatures_are_refused() {
    let server = Server::start().await;
    let wrong = aws_sdk_s3::config::Credentials::new(ACCESS, "wrong", None, None, "test");
    let client = aws_sdk_s3::Client::from_conf(config(server.address).credentials_provider(wrong).build());
    assert_eq!(code(client.list_buckets().send().await), "SignatureDoesNotMatch");
    let nobody = aws_sdk_s3::config::Credentials::new("nobody", "wrong", None, None, "test");
    let client = aws_sdk_s3::Client::from_conf(config(server.address).credentials_provider(nobody).build());
    assert_eq!(code(client.list_buckets().send().await), "InvalidAccessKeyId");
    let url = format!("http://{}/{BUCKET}/k?AWSAccessKeyId={ACCESS}&Expires=9999999999&Signature=x", server.address);
    let answer = requests::get(url).await.unwrap();
    assert_eq!(answer.status().as_u16(), 400);
    assert!(answer.text().await.unwrap().contains("AWS4-HMAC-SHA256"));
}

#[tokio::test]
async fn a_store_without_keys_does_not_open() {
    let dir = tempfile::tempdir().unwrap();
    for (access, secret) in [("", "s"), ("a", ""), ("", "")] {
        let mut settings = super::harness::settings(dir.path());
        settings.access_key = access.to_owned();
        settings.secret_key = secret.to_owned();
        let clock = std::sync::Arc::new(gantry::domain::clock::SystemClock);
        let entropy = std::sync::Arc::new(gantry::domain::clock::OsEntropy);
        assert!(gantry::blob::embedded::EmbeddedStore::open(settings, clock, entropy).is_err());
    }
}
