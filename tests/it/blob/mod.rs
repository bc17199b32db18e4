//! The conformance suite of the blob port, run on every store at hand.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use gantry::blob::{BlobError, BlobStore, ByteStream, ResponseHeaders, SignedUrl, StoredPart};
use gantry::domain::checksum::{ChecksumAlgorithm, PartChecksum};
use gantry::domain::plan::PartNumber;
use rand::RngExt;
use reqwest::StatusCode;

use crate::support::bucket::{Bucket, probe_capabilities};
use crate::support::requests;
use crate::support::seed;

const MINUTE: Duration = Duration::from_secs(60);
const PART: usize = 5 << 20;

/// Runs one test body on every store.
macro_rules! on_every_store {
    ($(async fn $name:ident($bucket:ident) $body:block)*) => { $(
        mod $name {
            use super::*;

            async fn body($bucket: Bucket) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn seaweedfs() {
                body(Bucket::seaweedfs().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn embedded() {
                body(Bucket::embedded().await).await;
            }
        }
    )* };
}

mod relayed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_store_can_do_what_it_is_taken_to_do() {
    let bucket = Bucket::embedded().await;
    assert_eq!(probe_capabilities(&bucket.blobs).await, gantry::app::embedded_capabilities());
}

fn noise(len: usize) -> Bytes {
    seed::noise(len, seed::fresh("noise")).into()
}

fn sha256(bytes: &[u8]) -> PartChecksum {
    use sha2::Digest;
    let digest: [u8; 32] = sha2::Sha256::digest(bytes).into();
    gantry::domain::checksum::Sha256Digest(digest).into()
}

fn part(number: u64) -> PartNumber {
    PartNumber::new(number).unwrap()
}

async fn all(stream: ByteStream) -> Result<Vec<u8>, BlobError> {
    let chunks: Vec<Bytes> = stream.try_collect().await?;
    Ok(chunks.concat())
}

/// Sends bytes as a browser would: its own Content-Length and the signed headers, nothing else.
async fn put(signed: &SignedUrl, body: Bytes) -> StatusCode {
    let mut request = requests::client().put(&signed.url).header("content-length", body.len()).body(body);
    for (name, value) in signed.headers.iter().filter(|(name, _)| *name != "content-length") {
        request = request.header(*name, value);
    }
    request.send().await.unwrap().status()
}

async fn put_part(blobs: &impl BlobStore, key: &str, id: &str, number: u64, body: Bytes) -> StatusCode {
    let urls = blobs.sign_parts(key, id, MINUTE).await.unwrap();
    let mut url = String::new();
    urls.write(part(number), body.len() as u64, None, &mut url);
    requests::client().put(url).header("content-length", body.len()).body(body).send().await.unwrap().status()
}

async fn parts(blobs: &impl BlobStore, key: &str, id: &str) -> Vec<StoredPart> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = blobs.list_parts(key, id, after).await.unwrap();
        found.extend(page.items);
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

on_every_store! {
    async fn the_probe_finds_a_capable_store(bucket) {
        let found = &probe_capabilities(&bucket.blobs).await;
        assert!(found.conditional_put && found.part_checksums && found.metadata, "{found:?}");
        assert!(found.unequal_parts && found.repeated_complete, "{found:?}");
        assert_eq!(bucket.blobs.list("", None).await.unwrap().items, []);
        assert!(bucket.blobs.list_multiparts("", None).await.unwrap().items.is_empty());
    }

    async fn a_signed_put_works_once(bucket) {
        let blobs = &bucket.blobs;
        let (body, other) = (noise(100_000), noise(100_000));
        let signed = blobs.sign_put("k/once", body.len() as u64, None, MINUTE).await.unwrap();
        assert_eq!(put(&signed, body.clone()).await, StatusCode::OK);
        assert_eq!(put(&signed, other).await, StatusCode::PRECONDITION_FAILED);
        let facts = blobs.head("k/once").await.unwrap().unwrap();
        assert_eq!(facts.size, 100_000);
        assert_eq!(all(blobs.get("k/once", &facts.etag, 0..100_000).await.unwrap()).await.unwrap(), body);
    }

    async fn a_signed_put_is_bound_to_its_length_checksum_and_time(bucket) {
        let blobs = &bucket.blobs;
        let body = noise(1000);
        for wrong in [999, 1001] {
            let signed = blobs.sign_put("k/len", wrong, None, MINUTE).await.unwrap();
            assert!(put(&signed, body.clone()).await.is_client_error());
        }
        let signed = blobs.sign_put("k/sum", 1000, Some(&sha256(b"something else")), MINUTE).await.unwrap();
        assert!(put(&signed, body.clone()).await.is_client_error());
        let signed = blobs.sign_put("k/late", 1000, None, Duration::from_secs(1)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2500)).await;
        assert!(put(&signed, body.clone()).await.is_client_error());
        let mut forged = blobs.sign_put("k/mine", 1000, None, MINUTE).await.unwrap();
        forged.url = forged.url.replace("k/mine", "k/yours");
        assert!(put(&forged, body.clone()).await.is_client_error());
        for key in ["k/len", "k/sum", "k/late", "k/mine", "k/yours"] {
            assert_eq!(blobs.head(key).await.unwrap(), None, "{key}");
        }
        let signed = blobs.sign_put("k/sum", 1000, Some(&sha256(&body)), MINUTE).await.unwrap();
        assert_eq!(put(&signed, body).await, StatusCode::OK);
    }

    async fn parts_become_an_object(bucket) {
        let blobs = &bucket.blobs;
        let key = "k/parts";
        let bodies = [noise(PART), noise(PART), noise(1)];
        let id = blobs.create_multipart(key, "secret-token", None, None).await.unwrap();
        for number in [3, 1, 2] {
            assert_eq!(put_part(blobs, key, &id, number, bodies[number as usize - 1].clone()).await, StatusCode::OK);
        }
        let listed = parts(blobs, key, &id).await;
        assert_eq!(listed.iter().map(|p| (p.number.get(), p.size)).collect::<Vec<_>>(), [
            (1, PART as u64), (2, PART as u64), (3, 1),
        ]);
        assert_eq!(blobs.head(key).await.unwrap(), None);
        let (etag, _) = blobs.complete_multipart(key, &id, &listed).await.unwrap();
        let facts = blobs.head(key).await.unwrap().unwrap();
        assert_eq!((facts.size, &facts.etag), (2 * PART as u64 + 1, &etag));
        assert_eq!(facts.token.as_deref(), Some("secret-token"));
        assert!(facts.modified.is_some());
        let expected = bodies.concat();
        let range = PART as u64 - 3..PART as u64 + 4;
        let middle = all(blobs.get(key, &etag, range).await.unwrap()).await.unwrap();
        assert_eq!(middle, expected[PART - 3..PART + 4]);
        // A part URL is dead once the upload is complete.
        assert!(put_part(blobs, key, &id, 1, noise(PART)).await.is_client_error());
        assert_eq!(all(blobs.get(key, &etag, 0..facts.size).await.unwrap()).await.unwrap(), expected);
    }

    async fn a_part_is_bound_to_its_length_and_checksum(bucket) {
        let blobs = &bucket.blobs;
        let key = "k/bound";
        // As the engine does: declared only where the store insists, because not every store lists what it demands.
        let declared = (!blobs.capabilities().undeclared_checksums).then_some(ChecksumAlgorithm::Sha256);
        let id = blobs.create_multipart(key, "t", declared, None).await.unwrap();
        let body = noise(1000);
        let send = async |len: u64, sum: &PartChecksum| {
            let mut url = String::new();
            blobs.sign_parts(key, &id, MINUTE).await.unwrap().write(part(1), len, Some(sum), &mut url);
            let request = requests::client().put(url).header(sum.algorithm.header(), &sum.base64);
            request.body(body.clone()).send().await.unwrap().status()
        };
        assert!(send(999, &sha256(&body)).await.is_client_error());
        assert!(send(1000, &sha256(b"no")).await.is_client_error());
        assert_eq!(parts(blobs, key, &id).await, []);
        assert_eq!(send(1000, &sha256(&body)).await, StatusCode::OK);
        let listed = parts(blobs, key, &id).await;
        blobs.complete_multipart(key, &id, &listed).await.unwrap();
        assert_eq!(blobs.head(key).await.unwrap().unwrap().size, 1000);
    }

    async fn a_part_sent_again_counts_once(bucket) {
        let blobs = &bucket.blobs;
        let key = "k/again";
        let id = blobs.create_multipart(key, "t", None, None).await.unwrap();
        put_part(blobs, key, &id, 1, noise(1000)).await;
        let stale = parts(blobs, key, &id).await;
        // SeaweedFS keeps both and tells them apart by the second.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let fresh = noise(2000);
        put_part(blobs, key, &id, 1, fresh.clone()).await;
        let listed = parts(blobs, key, &id).await;
        assert_eq!(listed.iter().map(|p| (p.number.get(), p.size)).collect::<Vec<_>>(), [(1, 2000)]);
        assert_ne!(listed, stale);
        let (etag, _) = blobs.complete_multipart(key, &id, &listed).await.unwrap();
        assert_eq!(all(blobs.get(key, &etag, 0..2000).await.unwrap()).await.unwrap(), fresh);
    }

    async fn a_part_that_never_was_is_refused_and_the_upload_survives(bucket) {
        let blobs = &bucket.blobs;
        let key = "k/invented";
        let id = blobs.create_multipart(key, "t", None, None).await.unwrap();
        put_part(blobs, key, &id, 1, noise(1000)).await;
        let listed = parts(blobs, key, &id).await;
        let mut invented = listed.clone();
        invented[0].etag = "0123456789abcdef0123456789abcdef".to_owned();
        let refused = blobs.complete_multipart(key, &id, &invented).await;
        assert!(matches!(refused, Err(BlobError::BadParts(_))), "{refused:?}");
        invented[0] = StoredPart { number: part(2), ..listed[0].clone() };
        let refused = blobs.complete_multipart(key, &id, &invented).await;
        assert!(matches!(refused, Err(BlobError::BadParts(_))), "{refused:?}");
        blobs.complete_multipart(key, &id, &listed).await.unwrap();
    }

    async fn an_aborted_upload_is_gone(bucket) {
        let blobs = &bucket.blobs;
        let key = "k/abort";
        let id = blobs.create_multipart(key, "t", None, None).await.unwrap();
        put_part(blobs, key, &id, 1, noise(10)).await;
        let open = blobs.list_multiparts("k/", None).await.unwrap().items;
        assert_eq!(open.iter().map(|u| (u.key.as_str(), &u.store_id)).collect::<Vec<_>>(), [(key, &id)]);
        blobs.abort_multipart(key, &id).await.unwrap();
        blobs.abort_multipart(key, &id).await.unwrap();
        assert!(matches!(blobs.list_parts(key, &id, None).await, Err(BlobError::NotFound)));
        assert!(blobs.list_multiparts("k/", None).await.unwrap().items.is_empty());
        assert!(put_part(blobs, key, &id, 1, noise(10)).await.is_client_error());
    }

    async fn reads_are_pinned_to_one_object(bucket) {
        let blobs = &bucket.blobs;
        blobs.put("k/pin", noise(100)).await.unwrap();
        let first = blobs.head("k/pin").await.unwrap().unwrap();
        blobs.put("k/pin", noise(100)).await.unwrap();
        let stale = blobs.get("k/pin", &first.etag, 0..100).await.err();
        assert!(matches!(stale, Some(BlobError::Precondition)), "{stale:?}");
        let missing = blobs.get("k/none", &first.etag, 0..100).await.err();
        assert!(matches!(missing, Some(BlobError::NotFound | BlobError::Precondition)), "{missing:?}");
    }

    async fn listings_page_in_key_order(bucket) {
        let blobs = &bucket.blobs;
        let mut keys: Vec<String> = (0..12).map(|i| format!("list/{i:02}")).collect();
        keys.push("list/ünï".to_owned());
        for key in keys.iter().rev() {
            blobs.put(key, noise(3)).await.unwrap();
        }
        blobs.put("other", noise(3)).await.unwrap();
        let page = blobs.list("list/", None).await.unwrap();
        assert_eq!(page.items.iter().map(|o| o.key.clone()).collect::<Vec<_>>(), keys);
        assert!(page.items.iter().all(|o| o.size == 3 && o.modified.is_some()) && page.next.is_none());
        let rest = blobs.list("list/", Some("list/09")).await.unwrap();
        assert_eq!(rest.items.len(), 3);
        for key in &keys {
            blobs.delete(key).await.unwrap();
            blobs.delete(key).await.unwrap();
        }
        assert!(blobs.list("list/", None).await.unwrap().items.is_empty());
    }

    async fn a_signed_get_presents_the_object_as_told(bucket) {
        let blobs = &bucket.blobs;
        let body = noise(1000);
        blobs.put("k/get", body.clone()).await.unwrap();
        let shown = ResponseHeaders {
            content_type: Some("text/plain".to_owned()),
            disposition: Some("attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20%C3%A4.txt".to_owned()),
            cache_control: Some("private, max-age=60".to_owned()),
        };
        let signed = blobs.sign_get("k/get", &shown, MINUTE).await.unwrap();
        let answer = requests::client().get(&signed.url).header("range", "bytes=10-19").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
        let header = |name: &str| answer.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
        assert_eq!(header("content-type"), shown.content_type);
        assert_eq!(header("content-disposition"), shown.disposition);
        assert_eq!(answer.bytes().await.unwrap(), body.slice(10..20));
        let tampered = signed.url.replace("text%2Fplain", "text%2Fhtml");
        assert_eq!(requests::client().get(tampered).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    }

    async fn the_edges_of_a_size(bucket) {
        let blobs = &bucket.blobs;
        let empty = blobs.sign_put("k/0", 0, None, MINUTE).await.unwrap();
        assert_eq!(put(&empty, Bytes::new()).await, StatusCode::OK);
        assert_eq!(blobs.head("k/0").await.unwrap().unwrap().size, 0);
        let one = blobs.sign_put("k/1", 1, None, MINUTE).await.unwrap();
        assert_eq!(put(&one, noise(1)).await, StatusCode::OK);
        let facts = blobs.head("k/1").await.unwrap().unwrap();
        assert_eq!(all(blobs.get("k/1", &facts.etag, 0..1).await.unwrap()).await.unwrap().len(), 1);
        // A single empty part is how zero bytes travel to a store without conditional writes.
        let id = blobs.create_multipart("k/empty-part", "t", None, None).await.unwrap();
        assert_eq!(put_part(blobs, "k/empty-part", &id, 1, Bytes::new()).await, StatusCode::OK);
        let listed = parts(blobs, "k/empty-part", &id).await;
        blobs.complete_multipart("k/empty-part", &id, &listed).await.unwrap();
        assert_eq!(blobs.head("k/empty-part").await.unwrap().unwrap().size, 0);
    }

    async fn part_lists_page(bucket) {
        let blobs = &bucket.blobs;
        let key = "k/many";
        let id = blobs.create_multipart(key, "t", None, None).await.unwrap();
        let urls = blobs.sign_parts(key, &id, MINUTE).await.unwrap();
        let client = requests::client();
        let mut rng = seed::rng("part_lists_page");
        let mut numbers: Vec<u64> = (1..=1100).collect();
        numbers.push(10_000);
        for i in (1..numbers.len()).rev() {
            numbers.swap(i, rng.random_range(0..=i));
        }
        for number in &numbers {
            let mut url = String::new();
            urls.write(part(*number), 1, None, &mut url);
            assert_eq!(client.put(url).body("x").send().await.unwrap().status(), StatusCode::OK);
        }
        numbers.sort_unstable();
        let listed = parts(blobs, key, &id).await;
        assert_eq!(listed.iter().map(|p| u64::from(p.number.get())).collect::<Vec<_>>(), numbers);
        blobs.abort_multipart(key, &id).await.unwrap();
    }
}
