//! Multipart uploads: parts in any order, completed once and for all, aborted without a trace.

use std::time::{Duration, Instant};

use aws_sdk_s3::primitives::ByteStream;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use md5::{Digest as _, Md5};

use super::harness::{
    BUCKET, Server, code, complete, completed, create, get, multipart, noise, part_of, plain_client, put,
};

#[tokio::test]
async fn parts_come_in_any_order_and_the_etag_is_that_of_s3() {
    let server = Server::start().await;
    let client = server.client();
    let parts = [noise(1, 5 << 20), noise(2, 6 << 20), noise(3, 1)];
    let id = create(&client, "m").await;
    let mut listed =
        join_all([3, 1, 2].map(|number: i32| part_of(&client, "m", &id, number, parts[number as usize - 1].clone())))
            .await;
    assert_eq!(code(client.get_object().bucket(BUCKET).key("m").send().await), "NoSuchKey", "invisible until complete");
    listed.sort_by_key(|part| part.part_number);
    let etag = complete(&client, "m", &id, listed).await.unwrap();
    let digests: Vec<u8> = parts.iter().flat_map(|part| Md5::digest(part).to_vec()).collect();
    assert_eq!(etag, format!("\"{}-3\"", hex::encode(Md5::digest(&digests))));
    assert!(get(&client, "m").await == parts.concat());
}

#[tokio::test]
async fn completing_again_answers_the_same() {
    let server = Server::start().await;
    let client = server.client();
    let (id, etag) = multipart(&client, "m", &[noise(1, 100)]).await;
    let part = completed(1, hex::encode(Md5::digest(noise(1, 100))));
    assert_eq!(complete(&client, "m", &id, vec![part.clone()]).await, Ok(etag.clone()));
    // Even when the object is gone: the upload was completed, and that is what is asked.
    client.delete_object().bucket(BUCKET).key("m").send().await.unwrap();
    assert_eq!(complete(&client, "m", &id, vec![part.clone()]).await, Ok(etag));
    assert_eq!(code(client.get_object().bucket(BUCKET).key("m").send().await), "NoSuchKey", "and nothing is done");
    assert_eq!(complete(&client, "other", &id, vec![part]).await.unwrap_err(), "NoSuchUpload");
    let other = completed(1, "0".repeat(32));
    assert_eq!(complete(&client, "m", &id, vec![other]).await.unwrap_err(), "NoSuchUpload");
    let abort = client.abort_multipart_upload().bucket(BUCKET).key("m").upload_id(&id).send().await;
    assert_eq!(code(abort), "NoSuchUpload");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_the_upload_survives() {
    let server = Server::start().await;
    let client = server.client();
    let id = create(&client, "m").await;
    let one = part_of(&client, "m", &id, 1, noise(1, 5 << 20)).await;
    let two = part_of(&client, "m", &id, 2, noise(2, 100)).await;
    let three = part_of(&client, "m", &id, 3, noise(3, 100)).await;
    let refused = async |parts| complete(&client, "m", &id, parts).await.unwrap_err();
    assert_eq!(refused(vec![]).await, "MalformedXML");
    assert_eq!(refused(vec![two.clone(), one.clone()]).await, "InvalidPartOrder");
    assert_eq!(refused(vec![one.clone(), one.clone()]).await, "InvalidPartOrder");
    assert_eq!(refused(vec![completed(1, "0".repeat(32))]).await, "InvalidPart");
    assert_eq!(refused(vec![one.clone(), completed(9, "0".repeat(32))]).await, "InvalidPart");
    assert_eq!(refused(vec![one.clone(), two.clone(), three.clone()]).await, "EntityTooSmall");
    for number in [0, 10_001, -1] {
        let put = client.upload_part().bucket(BUCKET).key("m").upload_id(&id).part_number(number);
        assert_eq!(code(put.body(ByteStream::from_static(b"x")).send().await), "InvalidArgument", "{number}");
    }
    let foreign = client.upload_part().bucket(BUCKET).key("other").upload_id(&id).part_number(1);
    assert_eq!(code(foreign.body(ByteStream::from_static(b"x")).send().await), "NoSuchUpload");
    // A subset with a gap is fine, and what is not listed goes away.
    complete(&client, "m", &id, vec![one, three]).await.unwrap();
    assert!(get(&client, "m").await == [noise(1, 5 << 20), noise(3, 100)].concat());
    server.store.sweep().await.unwrap();
    assert_eq!(server.files().len(), 2);
}

#[tokio::test]
async fn a_part_that_comes_again_replaces_the_first() {
    let server = Server::start().await;
    let client = server.client();
    let id = create(&client, "m").await;
    let old = part_of(&client, "m", &id, 1, noise(1, 1000)).await;
    let new = part_of(&client, "m", &id, 1, noise(2, 2000)).await;
    assert_eq!(complete(&client, "m", &id, vec![old]).await.unwrap_err(), "InvalidPart");
    complete(&client, "m", &id, vec![new]).await.unwrap();
    assert_eq!(get(&client, "m").await, noise(2, 2000));
    server.store.sweep().await.unwrap();
    assert_eq!(server.files().len(), 1);
}

#[tokio::test]
async fn aborting_leaves_nothing_and_ends_everything() {
    let server = Server::start().await;
    let client = server.client();
    put(&client, "m", b"the old object").await;
    let id = create(&client, "m").await;
    let part = part_of(&client, "m", &id, 1, noise(1, 100)).await;
    let abort = || client.abort_multipart_upload().bucket(BUCKET).key("m").upload_id(&id);
    abort().send().await.unwrap();
    assert_eq!(code(abort().send().await), "NoSuchUpload");
    assert_eq!(complete(&client, "m", &id, vec![part]).await.unwrap_err(), "NoSuchUpload");
    assert_eq!(code(client.list_parts().bucket(BUCKET).key("m").upload_id(&id).send().await), "NoSuchUpload");
    let late = client.upload_part().bucket(BUCKET).key("m").upload_id(&id).part_number(2);
    assert_eq!(code(late.body(ByteStream::from_static(b"x")).send().await), "NoSuchUpload");
    assert_eq!(get(&client, "m").await, b"the old object");
    server.store.sweep().await.unwrap();
    assert_eq!(server.files().len(), 1);
}

#[tokio::test]
async fn a_part_in_flight_when_the_upload_is_aborted_is_refused() {
    let server = Server::start().await;
    let client = plain_client(server.address);
    let id = create(&client, "m").await;
    let (sender, body) = super::http_face::slow_body(3 << 20);
    let part = {
        let (client, id) = (client.clone(), id.clone());
        tokio::spawn(async move {
            let put = client.upload_part().bucket(BUCKET).key("m").upload_id(id).part_number(1);
            code(put.content_length(3 << 20).body(body).send().await)
        })
    };
    sender.send(noise(1, 2 << 20).into()).await.unwrap();
    server.await_files(1).await;
    client.abort_multipart_upload().bucket(BUCKET).key("m").upload_id(&id).send().await.unwrap();
    sender.send(noise(2, 1 << 20).into()).await.unwrap();
    drop(sender);
    assert_eq!(part.await.unwrap(), "NoSuchUpload");
    server.await_files(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_parts_are_listed_completed_and_read() {
    let server = Server::start().await;
    let client = plain_client(server.address);
    let id = create(&client, "big").await;
    // All but the last must have 5 MiB to be completed, so one real object of them would be 50 GB: list them all,
    // complete the largest tail that is allowed, and complete many parts in `five_gigabytes_of_parts`.
    let put = |number: i32| {
        let (client, id) = (client.clone(), id.clone());
        async move { part_of(&client, "big", &id, number, number.to_string().into_bytes()).await }
    };
    let parts: Vec<_> = stream::iter(1..=10_000).map(put).buffered(32).collect().await;
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let list = client.list_parts().bucket(BUCKET).key("big").upload_id(&id).set_part_number_marker(marker);
        let page = list.send().await.unwrap();
        assert!(page.parts().len() <= 1000);
        for part in page.parts() {
            let number = part.part_number().unwrap();
            assert_eq!(part.size(), Some(number.to_string().len() as i64));
            seen.push(completed(number, part.e_tag().unwrap().to_owned()));
        }
        marker = page.next_part_number_marker;
        if page.is_truncated != Some(true) {
            break;
        }
    }
    assert_eq!(seen, parts);
    let small = client.list_parts().bucket(BUCKET).key("big").upload_id(&id).part_number_marker("9990").max_parts(3);
    let small = small.send().await.unwrap();
    let numbers: Vec<_> = small.parts().iter().map(|part| part.part_number().unwrap()).collect();
    assert_eq!((numbers, small.is_truncated), (vec![9991, 9992, 9993], Some(true)));
    complete(&client, "big", &id, vec![parts[9_999].clone()]).await.unwrap();
    assert_eq!(get(&client, "big").await, b"10000");
    let started = Instant::now();
    server.store.sweep().await.unwrap();
    assert_eq!(server.files().len(), 1, "9999 parts that were not listed are gone");
    assert!(started.elapsed() < Duration::from_secs(60));
}
