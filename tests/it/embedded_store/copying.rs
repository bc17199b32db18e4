//! Copies share bytes until the last of them is gone; copied parts do not.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::MetadataDirective;

use super::harness::{BUCKET, Server, code, complete, completed, create, get, multipart, noise, put};

#[tokio::test]
async fn a_copy_outlives_its_source_and_writes_no_byte() {
    let server = Server::start().await;
    let client = server.client();
    let parts = [noise(1, 5 << 20), noise(2, 33)];
    multipart(&client, "source", &parts).await;
    let source = format!("{BUCKET}/source");
    client.copy_object().bucket(BUCKET).key("copy").copy_source(&source).send().await.unwrap();
    assert_eq!(server.files().len(), 2);
    client.delete_object().bucket(BUCKET).key("source").send().await.unwrap();
    server.store.sweep().await.unwrap();
    assert!(get(&client, "copy").await == parts.concat());
    put(&client, "copy", b"other").await;
    server.store.sweep().await.unwrap();
    assert_eq!(server.files().len(), 1);
}

#[tokio::test]
async fn metadata_is_copied_or_replaced() {
    let server = Server::start().await;
    let client = server.client();
    let put = client.put_object().bucket(BUCKET).key("a").metadata("token", "1").tagging("t=1");
    put.body(ByteStream::from_static(b"x")).send().await.unwrap();
    let copy = |key: &str| client.copy_object().bucket(BUCKET).key(key).copy_source(format!("{BUCKET}/a"));
    copy("same").send().await.unwrap();
    let same = client.head_object().bucket(BUCKET).key("same").send().await.unwrap();
    assert_eq!(same.metadata.unwrap()["token"], "1");
    copy("new").metadata_directive(MetadataDirective::Replace).metadata("token", "2").send().await.unwrap();
    let new = client.head_object().bucket(BUCKET).key("new").send().await.unwrap();
    assert_eq!(new.metadata.unwrap()["token"], "2");
    assert_eq!(code(copy("a").send().await), "InvalidRequest", "a copy onto itself must change something");
    copy("a").metadata_directive(MetadataDirective::Replace).metadata("token", "3").send().await.unwrap();
    assert_eq!(get(&client, "a").await, b"x");
    assert_eq!(server.files().len(), 1);
}

#[tokio::test]
async fn conditions_on_the_source() {
    let server = Server::start().await;
    let client = server.client();
    put(&client, "a", b"x").await;
    let etag = client.head_object().bucket(BUCKET).key("a").send().await.unwrap().e_tag.unwrap();
    let copy = || client.copy_object().bucket(BUCKET).key("b").copy_source(format!("{BUCKET}/a"));
    assert_eq!(code(copy().copy_source_if_match("\"0\"").send().await), "PreconditionFailed");
    assert_eq!(code(copy().copy_source_if_none_match(&etag).send().await), "PreconditionFailed");
    copy().copy_source_if_match(&etag).send().await.unwrap();
    let missing = client.copy_object().bucket(BUCKET).key("b").copy_source(format!("{BUCKET}/none")).send().await;
    assert_eq!(code(missing), "NoSuchKey");
}

#[tokio::test]
async fn parts_can_be_copied_with_a_range() {
    let server = Server::start().await;
    let client = server.client();
    let source = noise(9, 12 << 20);
    put(&client, "weird key/+%", &source).await;
    let id = create(&client, "m").await;
    let mut parts = Vec::new();
    let ranges = [(0, 6 << 20), (6 << 20, 12 << 20)];
    for (number, (from, to)) in (1..).zip(ranges) {
        let copy = client.upload_part_copy().bucket(BUCKET).key("m").upload_id(&id).part_number(number);
        let copy = copy.copy_source(format!("{BUCKET}/weird%20key/%2B%25"));
        let copy = copy.copy_source_range(format!("bytes={from}-{}", to - 1)).send().await.unwrap();
        parts.push(completed(number, copy.copy_part_result.unwrap().e_tag.unwrap()));
    }
    let copy = client.upload_part_copy().bucket(BUCKET).key("m").upload_id(&id).part_number(3);
    let beyond = copy.copy_source(format!("{BUCKET}/weird%20key/%2B%25")).copy_source_range("bytes=0-99999999");
    assert_eq!(code(beyond.send().await), "InvalidArgument");
    complete(&client, "m", &id, parts).await.unwrap();
    assert!(get(&client, "m").await == source);
}
