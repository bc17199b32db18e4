//! What only this store has: a limit for all parts of one multipart upload together, and keys that are closed.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;

use super::harness::{BUCKET, Server, code, complete, completed, create, get, noise, plain_client, put};
use super::http_face::slow_body;
use crate::support::patience::in_time;
use crate::support::requests;

/// CreateMultipartUpload with a limit in bytes.
async fn create_limited(client: &Client, key: &str, limit: &'static str) -> Result<String, String> {
    let created = client.create_multipart_upload().bucket(BUCKET).key(key).customize().mutate_request(move |request| {
        request.headers_mut().insert("x-gantry-max-bytes", limit);
    });
    match created.send().await {
        Ok(created) => Ok(created.upload_id.unwrap()),
        Err(refused) => Err(code::<(), _>(Err(refused))),
    }
}

/// UploadPart; the entity tag or the S3 code.
async fn send_part(client: &Client, id: &str, number: i32, body: ByteStream) -> Result<String, String> {
    let part = client.upload_part().bucket(BUCKET).key("k").upload_id(id).part_number(number).body(body);
    match part.send().await {
        Ok(part) => Ok(part.e_tag.unwrap()),
        Err(refused) => Err(code::<(), _>(Err(refused))),
    }
}

fn bytes(size: usize) -> ByteStream {
    ByteStream::from(noise(7, size))
}

async fn close(client: &Client, key: &str, seconds: &'static str) {
    let closing = client.delete_object().bucket(BUCKET).key(key).customize().mutate_request(move |request| {
        request.headers_mut().insert("x-gantry-close-seconds", seconds);
    });
    closing.send().await.unwrap();
}

#[tokio::test]
async fn parts_have_a_limit_together() {
    let server = Server::start().await;
    let client = plain_client(server.address);
    let id = create_limited(&client, "k", "1000").await.unwrap();
    let refused = Err("EntityTooLarge".to_owned());
    assert_eq!(send_part(&client, &id, 1, bytes(1001)).await, refused);
    assert!(send_part(&client, &id, 1, bytes(600)).await.is_ok());
    assert_eq!(send_part(&client, &id, 2, bytes(401)).await, refused, "each fits, the sum does not");
    assert!(send_part(&client, &id, 2, bytes(400)).await.is_ok());
    assert_eq!(send_part(&client, &id, 3, bytes(1)).await, refused);
    assert!(send_part(&client, &id, 1, bytes(600)).await.is_ok(), "a part that is sent again takes no more room");
    assert_eq!(send_part(&client, &id, 1, bytes(601)).await, refused);
    assert!(send_part(&client, &id, 1, bytes(0)).await.is_ok());
    put(&client, "source", &noise(1, 700)).await;
    let copy = client.upload_part_copy().bucket(BUCKET).key("k").copy_source(format!("{BUCKET}/source"));
    assert_eq!(code(copy.upload_id(&id).part_number(3).send().await), "EntityTooLarge", "copies count as well");
    let tag = send_part(&client, &id, 2, bytes(1000)).await.unwrap();
    complete(&client, "k", &id, vec![completed(2, tag)]).await.unwrap();
    assert_eq!(get(&client, "k").await, noise(7, 1000));
    assert_eq!(create_limited(&client, "k", "many").await, Err("InvalidArgument".to_owned()));
    let free = create(&client, "k").await;
    assert!(send_part(&client, &free, 1, bytes(5000)).await.is_ok(), "no limit, where none was told");
}

#[tokio::test]
async fn bytes_on_their_way_count_before_they_are_there() {
    let server = Server::start().await;
    let client = plain_client(server.address);
    let id = create_limited(&client, "k", "3145728").await.unwrap();
    let (sender, body) = slow_body(2 << 20);
    let (slow, named) = (client.clone(), id.clone());
    let first = tokio::spawn(async move { send_part(&slow, &named, 1, body).await });
    sender.send(vec![1; 1 << 20].into()).await.unwrap();
    server.await_files(1).await;
    let refused = Err("EntityTooLarge".to_owned());
    assert_eq!(send_part(&client, &id, 2, bytes((1 << 20) + 1)).await, refused, "no byte of the first has its row yet");
    let again = send_part(&client, &id, 1, bytes(2 << 20));
    assert!(in_time("another try of the same part", again).await.is_ok());
    sender.send(vec![1; 1 << 20].into()).await.unwrap();
    drop(sender);
    first.await.unwrap().unwrap();
    assert!(send_part(&client, &id, 2, bytes(1 << 20)).await.is_ok());
    assert_eq!(send_part(&client, &id, 3, bytes(1)).await, refused);
}

#[tokio::test]
async fn a_closed_key_takes_nothing_more() {
    let server = Server::start().await;
    let client = plain_client(server.address);
    let expires = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let signed_put = client.put_object().bucket(BUCKET).key("k").presigned(expires.clone()).await.unwrap();
    let id = create(&client, "k").await;
    let part = client.upload_part().bucket(BUCKET).key("k").upload_id(&id).part_number(1);
    let signed_part = part.presigned(expires).await.unwrap();
    let send = async |url: &str| requests::client().put(url).body("late").send().await.unwrap().status().as_u16();
    assert_eq!((send(signed_put.uri()).await, send(signed_part.uri()).await), (200, 200));
    close(&client, "k", "3600").await;
    assert_eq!((send(signed_put.uri()).await, send(signed_part.uri()).await), (403, 404));
    assert_eq!(code(client.get_object().bucket(BUCKET).key("k").send().await), "NoSuchKey");
    assert_eq!(code(client.create_multipart_upload().bucket(BUCKET).key("k").send().await), "AccessDenied");
    put(&client, "other", b"x").await;
    let copy = client.copy_object().bucket(BUCKET).key("k").copy_source(format!("{BUCKET}/other"));
    assert_eq!(code(copy.send().await), "AccessDenied");
    close(&client, "k", "1").await;
    assert_eq!(send(signed_put.uri()).await, 403, "closed for longer already");
    server.store.sweep().await.unwrap();
    assert_eq!(server.files().len(), 1, "of what was under the key nothing is left");
    close(&client, "other", "0").await;
    put(&client, "other", b"its time is over").await;
}

#[tokio::test]
async fn nobody_else_sets_a_limit_or_closes_a_key() {
    let server = Server::start().await;
    let client = plain_client(server.address);
    let expires = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let signed = client.delete_object().bucket(BUCKET).key("k").presigned(expires).await.unwrap();
    let request = requests::client().delete(signed.uri()).header("x-gantry-close-seconds", "3600");
    assert_eq!(request.send().await.unwrap().status(), 403, "the header is not what was signed");
    put(&client, "k", b"still open").await;
}
