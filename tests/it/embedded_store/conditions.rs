//! Conditional requests, and the races that they exist for.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use futures_util::future::join_all;

use super::harness::{BUCKET, Server, code, completed, create, get, noise, part_of, put};

#[tokio::test]
async fn reads() {
    let server = Server::start().await;
    let client = server.client();
    put(&client, "k", b"x").await;
    let head = client.head_object().bucket(BUCKET).key("k").send().await.unwrap();
    let (etag, modified) = (head.e_tag.unwrap(), head.last_modified.unwrap());
    let get = || client.get_object().bucket(BUCKET).key("k");
    get().if_match(&etag).send().await.unwrap();
    assert_eq!(code(get().if_match("\"0\"").send().await), "PreconditionFailed");
    assert_eq!(code(get().if_none_match(&etag).send().await), "304");
    get().if_none_match("\"0\"").send().await.unwrap();
    assert_eq!(code(get().if_modified_since(modified).send().await), "304");
    let before = DateTime::from_secs(modified.secs() - 1);
    get().if_modified_since(before).send().await.unwrap();
    assert_eq!(code(get().if_unmodified_since(before).send().await), "PreconditionFailed");
    assert_eq!(code(client.head_object().bucket(BUCKET).key("k").if_none_match(&etag).send().await), "304");
}

#[tokio::test]
async fn writes() {
    let server = Server::start().await;
    let client = server.client();
    let put = || client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"x"));
    assert_eq!(code(put().if_match("\"0\"").send().await), "NoSuchKey");
    let etag = put().if_none_match("*").send().await.unwrap().e_tag.unwrap();
    assert_eq!(code(put().if_none_match("*").send().await), "PreconditionFailed");
    assert_eq!(code(put().if_match("\"0\"").send().await), "PreconditionFailed");
    put().if_match(&etag).send().await.unwrap();
    assert_eq!(code(put().if_none_match("\"0\"").send().await), "NotImplemented");
    let delete = || client.delete_object().bucket(BUCKET).key("k");
    assert_eq!(code(delete().if_match("\"0\"").send().await), "PreconditionFailed");
    delete().if_match(&etag).send().await.unwrap();
}

async fn race<F: Future<Output = bool>>(racers: impl Iterator<Item = F>) -> usize {
    join_all(racers).await.into_iter().filter(|won| *won).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_first_writers_one_wins_and_its_bytes_stay() {
    let server = Server::start().await;
    for round in 0..20 {
        let key = format!("race-{round}");
        let attempt = |racer: u64| {
            let (client, key) = (server.client(), key.clone());
            async move {
                let put = client.put_object().bucket(BUCKET).key(&key).if_none_match("*");
                put.body(ByteStream::from(noise(racer, 2000))).send().await.is_ok().then_some(racer)
            }
        };
        let results = join_all((0..16).map(|racer| tokio::spawn(attempt(racer)))).await;
        let winners: Vec<u64> = results.into_iter().filter_map(|result| result.unwrap()).collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(get(&server.client(), &key).await, noise(winners[0], 2000));
    }
    server.await_files(20).await;
}

async fn ready(client: &Client, key: &str, bytes: Vec<u8>) -> (String, aws_sdk_s3::types::CompletedPart) {
    let id = create(client, key).await;
    let part = part_of(client, key, &id, 1, bytes).await;
    (id, part)
}

async fn complete_if_absent(client: &Client, key: &str, id: &str, part: aws_sdk_s3::types::CompletedPart) -> bool {
    let listed = aws_sdk_s3::types::CompletedMultipartUpload::builder().parts(part).build();
    let done = client.complete_multipart_upload().bucket(BUCKET).key(key).upload_id(id).multipart_upload(listed);
    done.if_none_match("*").send().await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_uploads_to_one_key_one_completes() {
    let server = Server::start().await;
    let client = server.client();
    for round in 0..5 {
        let key = format!("race-{round}");
        let uploads = join_all((0..8).map(|racer| ready(&client, &key, noise(racer, 100)))).await;
        let racers = uploads.into_iter().map(|(id, part)| {
            let (client, key) = (&client, &key);
            async move { complete_if_absent(client, key, &id, part).await }
        });
        assert_eq!(race(racers).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_complete_the_same_upload_and_all_hear_the_same() {
    let server = Server::start().await;
    let client = server.client();
    for round in 0..10 {
        let key = format!("same-{round}");
        let (id, part) = ready(&client, &key, noise(round, 1000)).await;
        let racers = (0..16).map(|_| {
            let (client, key, id) = (&client, &key, &id);
            let part = completed(1, part.e_tag.clone().unwrap());
            async move { complete_if_absent(client, key, id, part).await }
        });
        assert_eq!(race(racers).await, 16, "a repeated completion succeeds, even under a condition it met itself");
        assert_eq!(get(&client, &key).await, noise(round, 1000));
    }
}

#[tokio::test]
async fn an_unmet_condition_leaves_the_upload_open() {
    let server = Server::start().await;
    let client = server.client();
    put(&client, "k", b"first").await;
    let (id, part) = ready(&client, "k", b"second".to_vec()).await;
    assert!(!complete_if_absent(&client, "k", &id, part.clone()).await);
    client.delete_object().bucket(BUCKET).key("k").send().await.unwrap();
    assert!(complete_if_absent(&client, "k", &id, part).await);
    assert_eq!(get(&client, "k").await, b"second");
}
