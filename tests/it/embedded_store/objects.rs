//! Objects: what goes in comes out, whole and in ranges, under any key.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier, Tag, Tagging};
use md5::{Digest as _, Md5};

use super::harness::{BUCKET, Server, code, get, multipart, noise, put};

#[tokio::test]
async fn bytes_come_back_as_they_went_in_at_every_size_that_matters() {
    let server = Server::start().await;
    let client = server.client();
    for size in [0, 1, 4095, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (3 << 20) + 7, (20 << 20) + 1] {
        let bytes = noise(size as u64, size);
        let answer = client.put_object().bucket(BUCKET).key("k").body(ByteStream::from(bytes.clone())).send().await;
        let etag = answer.unwrap().e_tag.unwrap();
        assert_eq!(etag, format!("\"{}\"", hex::encode(Md5::digest(&bytes))), "{size}");
        let head = client.head_object().bucket(BUCKET).key("k").send().await.unwrap();
        assert_eq!((head.content_length.unwrap() as usize, head.e_tag.unwrap()), (size, etag));
        assert!(get(&client, "k").await == bytes, "{size}");
    }
}

#[tokio::test]
async fn headers_and_metadata_come_back() {
    let server = Server::start().await;
    let client = server.client();
    let put = client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"x"));
    let put = put.content_type("text/plain; charset=utf-8").content_disposition("attachment; filename=\"a b\"");
    let put = put.cache_control("max-age=5").content_language("de").content_encoding("gzip");
    put.metadata("token", "abc").metadata("snow", "schn\u{e9}e").tagging("a=1&b=2").send().await.unwrap();
    let head = client.head_object().bucket(BUCKET).key("k").send().await.unwrap();
    assert_eq!(head.content_type.unwrap(), "text/plain; charset=utf-8");
    assert_eq!(head.content_disposition.unwrap(), "attachment; filename=\"a b\"");
    assert_eq!(head.cache_control.unwrap(), "max-age=5");
    assert_eq!(head.content_language.unwrap(), "de");
    assert_eq!(head.content_encoding.unwrap(), "gzip");
    let metadata = head.metadata.unwrap();
    assert_eq!(metadata["token"], "abc");
    let object = client.get_object().bucket(BUCKET).key("k").send().await.unwrap();
    assert_eq!(object.tag_count, Some(2));
    let big = "x".repeat(2100);
    let refused = client.put_object().bucket(BUCKET).key("k").metadata("big", big).send().await;
    assert_eq!(code(refused), "MetadataTooLarge");
}

#[tokio::test]
async fn response_headers_can_be_overridden() {
    let server = Server::start().await;
    let client = server.client();
    put(&client, "k", b"0123456789").await;
    for range in [None, Some("bytes=1-2".to_owned())] {
        let get = client.get_object().bucket(BUCKET).key("k").set_range(range);
        let get = get.response_content_type("image/png").response_content_disposition("attachment; filename=x.png");
        let object = get.send().await.unwrap();
        assert_eq!(object.content_type.unwrap(), "image/png");
        assert_eq!(object.content_disposition.unwrap(), "attachment; filename=x.png");
    }
}

#[tokio::test]
async fn ranges_within_and_across_parts() {
    let server = Server::start().await;
    let client = server.client();
    let parts = [noise(1, 5 << 20), noise(2, (5 << 20) + 3), noise(3, 11)];
    let whole = parts.concat();
    multipart(&client, "m", &parts).await;
    put(&client, "s", &whole).await;
    let (five, end) = (5 << 20, whole.len());
    let cases = [
        (0, 1),
        (0, end),
        (five - 1, five + 1),
        (five, five + 1),
        (five - 2, 2 * five + 5),
        (2 * five + 3, end),
        (end - 1, end),
        (1 << 20, (3 << 20) + 1),
    ];
    for key in ["m", "s"] {
        for (from, to) in cases {
            let range = format!("bytes={from}-{}", to - 1);
            let object = client.get_object().bucket(BUCKET).key(key).range(range).send().await.unwrap();
            assert_eq!(object.content_range.as_deref(), Some(&*format!("bytes {from}-{}/{end}", to - 1)));
            assert!(object.body.collect().await.unwrap().to_vec() == whole[from..to], "{key} {from}..{to}");
        }
        let suffix = client.get_object().bucket(BUCKET).key(key).range("bytes=-7").send().await.unwrap();
        assert!(suffix.body.collect().await.unwrap().to_vec() == whole[end - 7..]);
        let open = client.get_object().bucket(BUCKET).key(key).range(format!("bytes={}-", end - 3)).send().await;
        assert!(open.unwrap().body.collect().await.unwrap().to_vec() == whole[end - 3..]);
        let beyond = client.get_object().bucket(BUCKET).key(key).range(format!("bytes={end}-")).send().await;
        assert_eq!(code(beyond), "InvalidRange");
    }
}

#[tokio::test]
async fn parts_can_be_read_by_number() {
    let server = Server::start().await;
    let client = server.client();
    let parts = [noise(1, 5 << 20), noise(2, 9)];
    multipart(&client, "m", &parts).await;
    let head = client.head_object().bucket(BUCKET).key("m").part_number(1).send().await.unwrap();
    assert_eq!((head.parts_count, head.content_length), (Some(2), Some(5 << 20)));
    let second = client.get_object().bucket(BUCKET).key("m").part_number(2).send().await.unwrap();
    assert_eq!(second.body.collect().await.unwrap().to_vec(), parts[1]);
    assert_eq!(code(client.get_object().bucket(BUCKET).key("m").part_number(3).send().await), "InvalidPartNumber");
    put(&client, "s", b"abc").await;
    let only = client.get_object().bucket(BUCKET).key("s").part_number(1).send().await.unwrap();
    assert_eq!(only.body.collect().await.unwrap().to_vec(), b"abc");
}

#[tokio::test]
async fn keys_are_never_paths() {
    let server = Server::start().await;
    let client = server.client();
    let long = "\u{e9}".repeat(512);
    let keys = [
        "../../etc/passwd",
        "/absolute",
        "//",
        "a/../b",
        "..",
        "a/./b",
        "a//b",
        "a/",
        "a",
        "a/b",
        "meta.db",
        "files/00",
        "a\\b",
        "sp ace+plus%25&=?#",
        "\u{6f22}\u{5b57} \u{1f980}",
        "nul\0byte",
        "tab\tnew\nline",
        &long,
    ];
    let before = tree(server.path());
    for (index, key) in keys.iter().enumerate() {
        put(&client, key, &noise(index as u64, 100 + index)).await;
    }
    for (index, key) in keys.iter().enumerate() {
        assert!(get(&client, key).await == noise(index as u64, 100 + index), "{key:?}");
    }
    let outside: Vec<_> = tree(server.path()).into_iter().filter(|path| !before.contains(path)).collect();
    let ours = |name: &String| name.len() == 32 && name.bytes().all(|b| b.is_ascii_hexdigit());
    assert_eq!(outside.len(), keys.len());
    assert!(outside.iter().all(|path| ours(&path.rsplit('/').next().unwrap().to_owned())), "{outside:?}");
    let longer = format!("{long}x");
    assert_eq!(code(client.get_object().bucket(BUCKET).key(&longer).send().await), "KeyTooLongError");
    let refused = client.put_object().bucket(BUCKET).key(&longer).body(ByteStream::from_static(b"x")).send().await;
    assert_eq!(code(refused), "KeyTooLongError");
    for key in keys {
        client.delete_object().bucket(BUCKET).key(key).send().await.unwrap();
        assert_eq!(code(client.get_object().bucket(BUCKET).key(key).send().await), "NoSuchKey");
    }
}

fn tree(dir: &std::path::Path) -> Vec<String> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => paths.extend(tree(&path)),
            false => paths.push(path.to_string_lossy().into_owned()),
        }
    }
    paths
}

#[tokio::test]
async fn deleting_one_and_many() {
    let server = Server::start().await;
    let client = server.client();
    for key in ["a", "b", "c"] {
        put(&client, key, b"x").await;
    }
    client.delete_object().bucket(BUCKET).key("never-there").send().await.unwrap();
    let identifier = |key: &str| ObjectIdentifier::builder().key(key).build().unwrap();
    let conditional = ObjectIdentifier::builder().key("c").e_tag("\"00000000000000000000000000000000\"").build();
    let delete = Delete::builder().objects(identifier("a")).objects(identifier("x")).objects(conditional.unwrap());
    let answer = client.delete_objects().bucket(BUCKET).delete(delete.build().unwrap()).send().await.unwrap();
    assert_eq!(answer.deleted().len(), 2, "what was not there counts as deleted");
    assert_eq!(answer.errors()[0].code(), Some("PreconditionFailed"));
    let left = client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    assert_eq!(left.contents().iter().map(|object| object.key().unwrap()).collect::<Vec<_>>(), ["b", "c"]);
}

#[tokio::test]
async fn tags() {
    let server = Server::start().await;
    let client = server.client();
    put(&client, "k", b"x").await;
    let tag = Tag::builder().key("stage").value("done").build().unwrap();
    let tagging = Tagging::builder().tag_set(tag.clone()).build().unwrap();
    client.put_object_tagging().bucket(BUCKET).key("k").tagging(tagging.clone()).send().await.unwrap();
    let got = client.get_object_tagging().bucket(BUCKET).key("k").send().await.unwrap();
    assert_eq!(got.tag_set(), [tag]);
    client.delete_object_tagging().bucket(BUCKET).key("k").send().await.unwrap();
    let none = client.get_object_tagging().bucket(BUCKET).key("k").send().await.unwrap();
    assert!(none.tag_set().is_empty());
    let refused = client.put_object_tagging().bucket(BUCKET).key("nobody").tagging(tagging).send().await;
    assert_eq!(code(refused), "NoSuchKey");
}

#[tokio::test]
async fn buckets() {
    let server = Server::start().await;
    let client = server.client();
    client.create_bucket().bucket("second").send().await.unwrap();
    assert_eq!(code(client.create_bucket().bucket("second").send().await), "BucketAlreadyOwnedByYou");
    let buckets = client.list_buckets().send().await.unwrap();
    let names: Vec<_> = buckets.buckets().iter().map(|bucket| bucket.name().unwrap()).collect();
    assert_eq!(names, [BUCKET, "second"]);
    client.head_bucket().bucket("second").send().await.unwrap();
    client.get_bucket_location().bucket("second").send().await.unwrap();
    assert_eq!(code(client.get_object().bucket("third").key("k").send().await), "NoSuchBucket");
    assert_eq!(code(client.list_objects_v2().bucket("third").send().await), "NoSuchBucket");
    put(&client, "k", b"x").await;
    assert_eq!(code(client.delete_bucket().bucket(BUCKET).send().await), "BucketNotEmpty");
    client.delete_bucket().bucket("second").send().await.unwrap();
    assert_eq!(code(client.delete_bucket().bucket("second").send().await), "NoSuchBucket");
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let server = Server::start().await;
    let client = server.client();
    let encrypted = client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"x"));
    let encrypted = encrypted.server_side_encryption(aws_sdk_s3::types::ServerSideEncryption::Aes256);
    assert_eq!(code(encrypted.send().await), "NotImplemented");
    assert_eq!(code(client.get_object().bucket(BUCKET).key("k").version_id("x").send().await), "NoSuchVersion");
    assert_eq!(code(client.get_bucket_policy().bucket(BUCKET).send().await), "NotImplemented");
}
