//! Listings: order, prefixes, delimiters, pages, and keys that XML cannot say.

use aws_sdk_s3::Client;
use aws_sdk_s3::types::EncodingType;
use futures_util::future::join_all;

use super::harness::{BUCKET, Server, create, put};

const KEYS: [&str; 12] = ["a", "a/1", "a/2", "a/b/1", "a/b/2", "a0", "b/1", "b/2", "c", "c/", "\u{e9}/x", "\u{1f980}"];

async fn filled() -> Server {
    let server = Server::start().await;
    let client = server.client();
    join_all(KEYS.iter().map(|key| put(&client, key, b"x"))).await;
    server
}

/// All pages of one listing: keys and prefixes as they came.
async fn walk(client: &Client, prefix: &str, delimiter: Option<&str>, size: i32) -> Vec<String> {
    let (mut seen, mut token) = (Vec::new(), None);
    loop {
        let list = client.list_objects_v2().bucket(BUCKET).prefix(prefix).max_keys(size);
        let list = list.set_delimiter(delimiter.map(str::to_owned)).set_continuation_token(token);
        let page = list.send().await.unwrap();
        assert!(page.key_count.unwrap() <= size);
        let mut names: Vec<String> = page.contents().iter().map(|object| object.key().unwrap().to_owned()).collect();
        names.extend(page.common_prefixes().iter().map(|prefix| prefix.prefix().unwrap().to_owned()));
        names.sort();
        seen.extend(names);
        token = page.next_continuation_token;
        assert_eq!(page.is_truncated.unwrap(), token.is_some());
        if token.is_none() {
            return seen;
        }
    }
}

#[tokio::test]
async fn every_page_size_gives_the_same_listing() {
    let server = filled().await;
    let client = server.client();
    for size in [1, 2, 3, 5, 1000] {
        assert_eq!(walk(&client, "", None, size).await, KEYS);
        let rolled = ["a", "a/", "a0", "b/", "c", "c/", "\u{e9}/", "\u{1f980}"];
        assert_eq!(walk(&client, "", Some("/"), size).await, rolled);
        assert_eq!(walk(&client, "a/", Some("/"), size).await, ["a/1", "a/2", "a/b/"]);
        assert_eq!(walk(&client, "a/b", None, size).await, ["a/b/1", "a/b/2"]);
        assert!(walk(&client, "zzz", Some("/"), size).await.is_empty());
    }
}

#[tokio::test]
async fn the_first_version_pages_by_marker() {
    let server = filled().await;
    let client = server.client();
    let (mut seen, mut marker) = (Vec::new(), None::<String>);
    loop {
        let page =
            client.list_objects().bucket(BUCKET).delimiter("/").max_keys(2).set_marker(marker).send().await.unwrap();
        let mut names: Vec<String> = page.contents().iter().map(|object| object.key().unwrap().to_owned()).collect();
        names.extend(page.common_prefixes().iter().map(|prefix| prefix.prefix().unwrap().to_owned()));
        names.sort();
        seen.extend(names);
        marker = page.next_marker;
        if page.is_truncated != Some(true) {
            break;
        }
    }
    assert_eq!(seen, ["a", "a/", "a0", "b/", "c", "c/", "\u{e9}/", "\u{1f980}"]);
}

#[tokio::test]
async fn start_after_and_the_empty_page() {
    let server = filled().await;
    let client = server.client();
    let after = client.list_objects_v2().bucket(BUCKET).start_after("b/2").send().await.unwrap();
    assert_eq!(after.contents()[0].key(), Some("c"));
    let none = client.list_objects_v2().bucket(BUCKET).max_keys(0).send().await.unwrap();
    assert_eq!((none.contents().len(), none.is_truncated), (0, Some(false)));
}

#[tokio::test]
async fn awkward_keys_are_encoded_on_request() {
    let server = Server::start().await;
    let client = server.client();
    put(&client, "a b+%\u{1}\r\n&<>", b"x").await;
    let list = client.list_objects_v2().bucket(BUCKET).encoding_type(EncodingType::Url).send().await.unwrap();
    assert_eq!(list.contents()[0].key(), Some("a%20b%2B%25%01%0D%0A%26%3C%3E"));
    client.delete_object().bucket(BUCKET).key("a b+%\u{1}\r\n&<>").send().await.unwrap();
    put(&client, "a b+%&<>", b"x").await;
    let list = client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    assert_eq!(list.contents()[0].key(), Some("a b+%&<>"));
}

#[tokio::test]
async fn a_thousand_keys_below_one_prefix_cost_one_line() {
    let server = Server::start().await;
    let client = server.client();
    for chunk in (0..1200).collect::<Vec<_>>().chunks(100) {
        join_all(chunk.iter().map(|index| {
            let client = &client;
            async move { put(client, &format!("deep/{index:05}"), b"").await }
        }))
        .await;
    }
    put(&client, "zebra", b"").await;
    assert_eq!(walk(&client, "", Some("/"), 1000).await, ["deep/", "zebra"]);
    assert_eq!(walk(&client, "deep/", None, 1000).await.len(), 1200);
}

#[tokio::test]
async fn uploads_are_listed_by_key_and_age_in_pages() {
    let server = Server::start().await;
    let client = server.client();
    let mut expected = Vec::new();
    for key in ["a", "a", "a", "b/1", "b/2", "c"] {
        expected.push((key.to_owned(), create(&client, key).await));
    }
    for size in [1, 2, 4, 1000] {
        let (mut seen, mut key, mut id) = (Vec::new(), None, None);
        loop {
            let list = client.list_multipart_uploads().bucket(BUCKET).max_uploads(size);
            let page = list.set_key_marker(key).set_upload_id_marker(id).send().await.unwrap();
            seen.extend(
                page.uploads()
                    .iter()
                    .map(|upload| (upload.key().unwrap().to_owned(), upload.upload_id().unwrap().to_owned())),
            );
            (key, id) = (page.next_key_marker, page.next_upload_id_marker);
            if page.is_truncated != Some(true) {
                break;
            }
        }
        assert_eq!(seen, expected, "{size}");
    }
    let rolled = client.list_multipart_uploads().bucket(BUCKET).delimiter("/").send().await.unwrap();
    assert_eq!((rolled.uploads().len(), rolled.common_prefixes().len()), (4, 1));
    let prefix = client.list_multipart_uploads().bucket(BUCKET).prefix("b/").send().await.unwrap();
    assert_eq!(prefix.uploads().len(), 2);
    let after = client.list_multipart_uploads().bucket(BUCKET).key_marker("a").send().await.unwrap();
    assert_eq!(after.uploads()[0].key(), Some("b/1"), "without an id the marker is all of its key");
}
