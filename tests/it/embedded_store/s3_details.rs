//! Details of S3 that clients and their users come to rely on: what errors tell, what a URL may say, what is listed.

use std::time::Duration;

use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{ChecksumMode, Delete, ObjectAttributes, ObjectIdentifier};
use gantry::blob::presign::{BucketEndpoint, DayKey, PresignRequest, SigningCredentials, presign};
use gantry::domain::clock::{Clock as _, SystemClock};

use super::harness::{
    ACCESS, BUCKET, SECRET, Server, code, complete, config, create, get, multipart, noise, part_of, plain_client, put,
};
use crate::support::requests;

/// A URL that this test signs itself: with `query` beside the signature, and with signed `headers`.
fn signed(
    server: &Server,
    method: &'static str,
    key: &str,
    query: Vec<(&'static str, &str)>,
    headers: Vec<(&'static str, String)>,
) -> String {
    let bucket = BucketEndpoint {
        scheme: "http".to_owned(),
        host: server.address.to_string(),
        base_path: format!("/{BUCKET}"),
        region: "us-east-1".to_owned(),
    };
    let credentials = SigningCredentials {
        access_key: ACCESS.to_owned(),
        secret_key: SECRET.to_owned(),
        session_token: None,
        expires_at: None,
    };
    let now = SystemClock.now();
    let day = DayKey::derive(credentials, "us-east-1", now);
    presign(&bucket, &day, PresignRequest { method, key, query, headers }, now, Duration::from_secs(60)).url
}

async fn text(answer: reqwest::Response) -> (u16, String) {
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_wrong_signature_is_explained() {
    let server = Server::start().await;
    let url = signed(&server, "GET", "a b", vec![("x-id", "GetObject")], Vec::new());
    let answer = requests::get(url.replacen("/a%20b?", "/a%20c?", 1)).await.unwrap();
    let id = answer.headers()["x-amz-request-id"].to_str().unwrap().to_owned();
    let (status, told) = text(answer).await;
    assert_eq!(status, 403);
    let canonical =
        format!("<CanonicalRequest>GET\n/{BUCKET}/a%20c\nX-Amz-Algorithm=AWS4-HMAC-SHA256&amp;X-Amz-Credential=");
    let lines = format!("x-id=GetObject\nhost:{}\n\nhost\nUNSIGNED-PAYLOAD</CanonicalRequest>", server.address);
    let said = [
        "<Message>The request signature we calculated does not match",
        "<StringToSign>AWS4-HMAC-SHA256\n",
        &canonical,
        &lines,
        &format!("<AWSAccessKeyId>{ACCESS}</AWSAccessKeyId>"),
        &format!("<Resource>/{BUCKET}/a c</Resource><RequestId>{id}</RequestId></Error>"),
    ];
    assert!(said.iter().all(|part| told.contains(part)), "{told}");
    assert!(!told.contains(SECRET));
    let credentials = aws_sdk_s3::config::Credentials::new(ACCESS, "another-secret", None, None, "test");
    let wrong = aws_sdk_s3::Client::from_conf(config(server.address).credentials_provider(credentials).build());
    let refused = wrong.list_buckets().send().await.unwrap_err();
    let told = String::from_utf8(refused.raw_response().unwrap().body().bytes().unwrap().to_vec()).unwrap();
    assert!(told.contains("<CanonicalRequest>GET\n/\n") && told.contains("\nx-amz-date:"), "{told}");
}

#[tokio::test]
async fn every_error_names_its_resource_and_request() {
    let server = Server::start().await;
    let url = signed(&server, "GET", "<none>", vec![("x-id", "GetObject")], Vec::new());
    let answer = requests::get(url).await.unwrap();
    let id = answer.headers()["x-amz-request-id"].to_str().unwrap().to_owned();
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    let (_, told) = text(answer).await;
    let expected = format!("<Resource>/{BUCKET}/&lt;none&gt;</Resource><RequestId>{id}</RequestId></Error>");
    assert!(told.contains("<Code>NoSuchKey</Code><Message>") && told.ends_with(&expected), "{told}");
}

#[tokio::test]
async fn headers_of_proxies_are_nobodys_business() {
    let server = Server::start().await;
    let url = signed(&server, "PUT", "k", vec![("x-id", "PutObject")], Vec::new());
    let sent = requests::client().put(&url).header("x-amz-cf-id", "abc").header("x-amzn-trace-id", "Root=1");
    assert_eq!(sent.body("hello").send().await.unwrap().status(), 200);
    assert_eq!(get(&server.client(), "k").await, b"hello");
}

#[tokio::test]
async fn framing_is_never_stored_as_the_file() {
    let server = Server::start().await;
    let url = signed(&server, "PUT", "k", vec![("x-id", "PutObject")], Vec::new());
    for encoding in ["aws-chunked", "gzip, AWS-Chunked"] {
        let sent = requests::client().put(&url).header("content-encoding", encoding);
        let sent = sent.header("x-amz-content-sha256", "UNSIGNED-PAYLOAD").body("5\r\nhello\r\n0\r\n\r\n");
        let (status, told) = text(sent.send().await.unwrap()).await;
        assert!(status == 400 && told.contains("<Code>InvalidRequest</Code>"), "{told}");
    }
    assert!(server.files().is_empty());
    let client = plain_client(server.address);
    let whole = client.put_object().bucket(BUCKET).key("k").content_encoding("deflate, aws-chunked, gzip");
    whole.body(ByteStream::from_static(b"as it is")).send().await.unwrap();
    let head = client.head_object().bucket(BUCKET).key("k").send().await.unwrap();
    assert_eq!(head.content_encoding(), Some("deflate, gzip"));
}

#[tokio::test]
async fn a_plus_in_a_copy_source_is_a_blank() {
    let server = Server::start().await;
    let client = server.client();
    for (key, body) in [("a b", "blank"), ("a+b", "plus"), ("c+d", "only plus")] {
        put(&client, key, body.as_bytes()).await;
    }
    for (source, body) in [("a+b", "blank"), ("a%20b", "blank"), ("a%2Bb", "plus"), ("c+d", "only plus")] {
        let copy = client.copy_object().bucket(BUCKET).key("to").copy_source(format!("/{BUCKET}/{source}"));
        copy.send().await.unwrap();
        assert_eq!(get(&client, "to").await, body.as_bytes(), "{source}");
    }
    let none = client.copy_object().bucket(BUCKET).key("to").copy_source(format!("/{BUCKET}/e+f")).send().await;
    assert_eq!(code(none), "NoSuchKey");
}

#[tokio::test]
async fn a_delete_whose_condition_does_not_hold_deletes_nothing() {
    let server = Server::start().await;
    let client = server.client();
    put(&client, "k", b"hello").await;
    let delete = || client.delete_object().bucket(BUCKET).key("k");
    assert_eq!(code(delete().if_match("\"other\"").send().await), "PreconditionFailed");
    assert_eq!(code(delete().if_match_size(4).send().await), "PreconditionFailed");
    let long_ago = DateTime::from_secs(1_000_000_000);
    assert_eq!(code(delete().if_match_last_modified_time(long_ago).send().await), "PreconditionFailed");
    for (name, value) in [
        ("if-none-match", "*"),
        ("if-unmodified-since", "Sat, 01 Jan 2000 00:00:00 GMT"),
        ("if-modified-since", "Sat, 01 Jan 2000 00:00:00 GMT"),
    ] {
        let unknown = delete().customize().mutate_request(move |request| {
            request.headers_mut().insert(name, value);
        });
        assert_eq!(code(unknown.send().await), "NotImplemented", "{name}");
    }
    let wrong = ObjectIdentifier::builder().key("k").size(4).build().unwrap();
    let many = client.delete_objects().bucket(BUCKET).delete(Delete::builder().objects(wrong).build().unwrap());
    let answer = many.send().await.unwrap();
    assert_eq!(answer.errors()[0].code(), Some("PreconditionFailed"));
    assert_eq!(get(&client, "k").await, b"hello");
    let head = client.head_object().bucket(BUCKET).key("k").send().await.unwrap();
    let right = delete().if_match(head.e_tag().unwrap()).if_match_size(5);
    right.if_match_last_modified_time(*head.last_modified().unwrap()).send().await.unwrap();
    assert_eq!(code(delete().if_match_size(5).send().await), "NoSuchKey");
}

#[tokio::test]
async fn what_a_signed_query_says_is_done_or_refused() {
    let server = Server::start().await;
    let client = server.client();
    let query = vec![
        ("x-id", "PutObject"),
        ("x-amz-meta-color", "blue"),
        ("x-amz-tagging", "stage=done"),
        ("x-amz-checksum-crc32", "AAAAAA=="),
        ("x-amz-sdk-checksum-algorithm", "CRC32"),
    ];
    let url = signed(&server, "PUT", "k", query, Vec::new());
    assert_eq!(requests::client().put(&url).body("hello").send().await.unwrap().status(), 200);
    let head = client.head_object().bucket(BUCKET).key("k").send().await.unwrap();
    assert_eq!(head.metadata().unwrap()["color"], "blue");
    let tags = client.get_object_tagging().bucket(BUCKET).key("k").send().await.unwrap();
    assert_eq!((tags.tag_set()[0].key(), tags.tag_set()[0].value()), ("stage", "done"));
    for (name, value) in [("x-amz-acl", "public-read"), ("x-amz-server-side-encryption", "AES256")] {
        let url = signed(&server, "PUT", "l", vec![("x-id", "PutObject"), (name, value)], Vec::new());
        assert_eq!(requests::client().put(&url).body("hello").send().await.unwrap().status(), 501, "{name}");
    }
    let added = format!("{url}&x-amz-meta-evil=1");
    assert_eq!(requests::client().put(added).body("hello").send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn a_browser_that_is_sent_here_is_protected() {
    let server = Server::start().await;
    let client = server.client();
    let stored =
        client.put_object().bucket(BUCKET).key("k").metadata("gantry-token", "secret").content_type("text/html");
    stored.body(ByteStream::from_static(b"<script>")).send().await.unwrap();
    let asked = async |content_type: &str, range: &str| {
        let query = vec![("x-id", "GetObject"), ("response-content-type", content_type)];
        let url = signed(&server, "GET", "k", query, Vec::new());
        requests::client().get(url).header("range", range).send().await.unwrap()
    };
    for (content_type, policy) in [
        ("text/html", "sandbox; default-src 'none'"),
        ("image/svg+xml", "sandbox; default-src 'none'"),
        ("video/mp4", "sandbox allow-same-origin; default-src 'none'; media-src 'self'"),
    ] {
        for (range, status) in [("bytes=0-", 206), ("bytes=1-2", 206), ("", 200)] {
            let answer = asked(content_type, range).await;
            assert_eq!(answer.status().as_u16(), status);
            assert_eq!(answer.headers()["content-security-policy"], policy, "{content_type}");
            assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
            assert!(!answer.headers().contains_key("x-amz-meta-gantry-token"));
        }
    }
    let head = client.head_object().bucket(BUCKET).key("k").send().await.unwrap();
    assert_eq!(head.metadata().unwrap()["gantry-token"], "secret", "whoever has the key is told");
}

#[tokio::test]
async fn listings_name_owners_and_come_in_pages() {
    let server = Server::start().await;
    let client = server.client();
    put(&client, "k", b"x").await;
    let v1 = client.list_objects().bucket(BUCKET).delimiter("").send().await.unwrap();
    assert_eq!((v1.contents()[0].owner().unwrap().id(), v1.delimiter()), (Some("gantry"), None));
    let v2 = client.list_objects_v2().bucket(BUCKET).fetch_owner(true).send().await.unwrap();
    assert_eq!(v2.contents()[0].owner().unwrap().id(), Some("gantry"));
    assert!(client.list_objects_v2().bucket(BUCKET).send().await.unwrap().contents()[0].owner().is_none());
    let id = create(&client, "m").await;
    let parts = client.list_parts().bucket(BUCKET).key("m").upload_id(&id).send().await.unwrap();
    assert_eq!((parts.owner().unwrap().id(), parts.initiator().unwrap().id()), (Some("gantry"), Some("gantry")));
    let uploads = client.list_multipart_uploads().bucket(BUCKET).send().await.unwrap();
    assert_eq!(uploads.uploads()[0].owner().unwrap().id(), Some("gantry"));
    for name in ["aaa", "zzz"] {
        client.create_bucket().bucket(name).send().await.unwrap();
    }
    let page = client.list_buckets().max_buckets(2).send().await.unwrap();
    let names = |page: &aws_sdk_s3::operation::list_buckets::ListBucketsOutput| {
        page.buckets().iter().map(|bucket| bucket.name().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&page), ["aaa", BUCKET]);
    let rest = client.list_buckets().max_buckets(2).continuation_token(page.continuation_token().unwrap());
    let rest = rest.send().await.unwrap();
    assert_eq!((names(&rest), rest.continuation_token()), (vec!["zzz".to_owned()], None));
    assert_eq!(code(client.list_buckets().max_buckets(0).send().await), "InvalidArgument");
}

#[tokio::test]
async fn objects_without_versions_are_their_own() {
    let server = Server::start().await;
    let client = server.client();
    for key in ["a", "b/1", "b/2", "c"] {
        put(&client, key, b"x").await;
    }
    let list = || client.list_object_versions().bucket(BUCKET);
    let all = list().send().await.unwrap();
    let seen: Vec<_> =
        all.versions().iter().map(|v| (v.key().unwrap(), v.version_id().unwrap(), v.is_latest())).collect();
    assert_eq!(seen, ["a", "b/1", "b/2", "c"].map(|key| (key, "null", Some(true))));
    let page = list().max_keys(2).delimiter("/").send().await.unwrap();
    assert_eq!((page.versions().len(), page.common_prefixes()[0].prefix()), (1, Some("b/")));
    let marker = page.next_key_marker().unwrap();
    let rest = list().delimiter("/").key_marker(marker).version_id_marker("null").send().await.unwrap();
    assert_eq!((rest.versions()[0].key(), rest.is_truncated()), (Some("c"), Some(false)));
    client.delete_object().bucket(BUCKET).key("a").version_id("null").send().await.unwrap();
    assert_eq!(list().send().await.unwrap().versions().len(), 3);
}

#[tokio::test]
async fn attributes_parts_and_tags_are_told_as_amazon_tells_them() {
    let server = Server::start().await;
    let client = server.client();
    let (_, etag) = multipart(&client, "m", &[noise(1, 5 << 20), noise(2, 10)]).await;
    let asked = client.get_object_attributes().bucket(BUCKET).key("m").object_attributes(ObjectAttributes::Etag);
    assert_eq!(asked.send().await.unwrap().e_tag(), Some(etag.trim_matches('"')), "without quotes");
    let listed =
        client.get_object_attributes().bucket(BUCKET).key("m").object_attributes(ObjectAttributes::ObjectParts);
    let listed = listed.send().await.unwrap();
    let sums: Vec<_> = listed.object_parts().unwrap().parts().iter().map(|part| part.checksum_crc64_nvme()).collect();
    let part = client.get_object().bucket(BUCKET).key("m").part_number(2).checksum_mode(ChecksumMode::Enabled);
    let part = part.send().await.unwrap();
    assert!(part.checksum_crc64_nvme().is_some());
    assert_eq!(part.checksum_crc64_nvme(), sums[1]);
    let head = client.head_object().bucket(BUCKET).key("m").part_number(1).checksum_mode(ChecksumMode::Enabled);
    assert_eq!(head.send().await.unwrap().checksum_crc64_nvme(), sums[0]);
    let whole = client.head_object().bucket(BUCKET).key("m").checksum_mode(ChecksumMode::Enabled);
    assert!(!sums.contains(&whole.send().await.unwrap().checksum_crc64_nvme()));
    client.put_object().bucket(BUCKET).key("t").tagging("a=1&b=2").send().await.unwrap();
    let url = signed(&server, "HEAD", "t", vec![("x-id", "HeadObject")], Vec::new());
    let head = requests::client().head(url).send().await.unwrap();
    assert_eq!(head.headers()["x-amz-tagging-count"], "2");
}

#[tokio::test]
async fn a_bucket_has_its_own_rules_only_and_goes_with_its_uploads() {
    let server = Server::with(|settings| settings.cors_origins = vec!["*".to_owned()]).await;
    let client = server.client();
    assert_eq!(code(client.get_bucket_cors().bucket(BUCKET).send().await), "NoSuchCORSConfiguration");
    client.create_bucket().bucket("second").send().await.unwrap();
    let id = client.create_multipart_upload().bucket("second").key("m").send().await.unwrap().upload_id.unwrap();
    let part = client.upload_part().bucket("second").key("m").upload_id(&id).part_number(1);
    part.body(ByteStream::from_static(b"gone")).send().await.unwrap();
    let other = create(&client, "m").await;
    client.delete_bucket().bucket("second").send().await.unwrap();
    server.store.sweep().await.unwrap();
    assert!(server.files().is_empty(), "its parts are removed");
    let part = part_of(&client, "m", &other, 1, b"stays".to_vec()).await;
    complete(&client, "m", &other, vec![part]).await.unwrap();
}
