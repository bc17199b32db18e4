//! Data files that were lost or cut behind the store's back: an error before the first byte, never a promise that is broken.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;

use aws_sdk_s3::Client;
use futures_util::TryStreamExt as _;
use gantry::blob::embedded::ReadError;
use gantry::blob::s3::{S3Blobs, S3Settings};
use gantry::blob::{BlobError, BlobStore as _};
use gantry::domain::clock::SystemClock;

use super::harness::{ACCESS, BUCKET, SECRET, Server, code, get, multipart, noise, put};

/// The data file that has exactly so many bytes.
fn data_file(server: &Server, size: u64) -> PathBuf {
    let shards = fs::read_dir(server.path().join("files")).unwrap();
    let files = shards.flat_map(|shard| fs::read_dir(shard.unwrap().path()).unwrap()).map(|file| file.unwrap().path());
    files.into_iter().find(|path| path.metadata().unwrap().len() == size).expect("a data file of that size")
}

async fn etag(client: &Client, key: &str) -> String {
    let head = client.head_object().bucket(BUCKET).key(key).send().await.unwrap();
    head.e_tag.unwrap().trim_matches('"').to_owned()
}

#[tokio::test]
async fn a_lost_or_cut_file_is_an_error_before_the_first_byte() {
    let server = Server::start().await;
    let client = server.client();
    let asked = async |range: &str| client.get_object().bucket(BUCKET).key("k").range(range).send().await;
    put(&client, "k", &noise(1, 3 << 20)).await;
    let file = data_file(&server, 3 << 20);
    let aside = file.with_extension("aside");
    // Read once, so that nothing that is remembered or open hides what happens next.
    assert_eq!(get(&client, "k").await.len(), 3 << 20);
    fs::rename(&file, &aside).unwrap();
    assert_eq!(code(client.get_object().bucket(BUCKET).key("k").send().await), "ObjectDamaged");
    assert_eq!(code(asked("bytes=5-9").await), "ObjectDamaged");
    let copy = client.upload_part_copy().bucket(BUCKET).key("c").copy_source(format!("{BUCKET}/k"));
    let id = super::harness::create(&client, "c").await;
    assert_eq!(code(copy.upload_id(id).part_number(1).send().await), "ObjectDamaged");
    fs::rename(&aside, &file).unwrap();
    assert_eq!(get(&client, "k").await.len(), 3 << 20, "the file came back, and with it the object");
    File::options().write(true).open(&file).unwrap().set_len((3 << 20) - 1).unwrap();
    let refused = client.get_object().bucket(BUCKET).key("k").send().await.unwrap_err();
    assert_eq!(refused.raw_response().unwrap().status().as_u16(), 500);
    let text = String::from_utf8(refused.raw_response().unwrap().body().bytes().unwrap().to_vec()).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(text.contains("<Code>ObjectDamaged</Code>") && !text.contains(name), "no path in an answer: {text}");
    put(&client, "k", b"again").await;
    assert_eq!(get(&client, "k").await, b"again");
}

#[tokio::test]
async fn what_is_whole_of_a_damaged_object_can_be_had() {
    let server = Server::start().await;
    let client = server.client();
    multipart(&client, "m", &[noise(1, 5 << 20), noise(2, 777)]).await;
    fs::remove_file(data_file(&server, 777)).unwrap();
    let asked = async |range: &str| client.get_object().bucket(BUCKET).key("m").range(range).send().await;
    assert_eq!(code(client.get_object().bucket(BUCKET).key("m").send().await), "ObjectDamaged");
    assert_eq!(code(asked("bytes=5242879-5242880").await), "ObjectDamaged");
    let whole = asked("bytes=0-5242879").await.unwrap().body.collect().await.unwrap();
    assert!(whole.to_vec() == noise(1, 5 << 20));
    let part = client.get_object().bucket(BUCKET).key("m").part_number(2).send().await;
    assert_eq!(code(part), "ObjectDamaged");
}

#[tokio::test]
async fn reading_from_within_says_the_same() {
    let server = Server::start().await;
    let client = server.client();
    put(&client, "k", &noise(1, 100_000)).await;
    let etag = etag(&client, "k").await;
    let read = async || {
        let bytes: Vec<bytes::Bytes> =
            server.store.read(BUCKET, "k", &etag, 0..100_000).await?.try_collect().await.unwrap();
        Ok::<_, ReadError>(bytes.concat().len())
    };
    assert_eq!(read().await.unwrap(), 100_000);
    fs::remove_file(data_file(&server, 100_000)).unwrap();
    assert!(matches!(read().await, Err(ReadError::Damaged(_))), "although it was read a moment ago");
    assert!(matches!(server.store.spans(BUCKET, "k", &etag, 0..1).await, Err(ReadError::Damaged(_))));
    assert!(matches!(server.store.data_file(BUCKET, "k", &etag).await, Err(ReadError::Damaged(_))));
    let settings = S3Settings {
        bucket: BUCKET.to_owned(),
        region: Some("us-east-1".to_owned()),
        endpoint: Some(format!("http://{}", server.address)),
        public_endpoint: None,
        path_style: true,
        credentials: Some((ACCESS.to_owned(), SECRET.to_owned())),
    };
    let blobs = S3Blobs::connect(settings, Arc::new(SystemClock)).await.unwrap();
    assert!(matches!(blobs.get("k", &etag, 0..1).await, Err(BlobError::Damaged(_))), "through a request as well");
    drop(client);
}
