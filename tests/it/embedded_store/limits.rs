//! Bounds: how many bodies at once, how large, how much memory.

use aws_sdk_s3::primitives::ByteStream;

use super::harness::{BUCKET, Server, code, get, noise, plain_client, put};
use super::http_face::slow_body;
use crate::support::patience::eventually_ok;

#[tokio::test]
async fn beyond_the_cap_a_body_is_refused_before_it_is_read() {
    let server = Server::with(|settings| settings.max_bodies = 2).await;
    let client = plain_client(server.address);
    let mut held = Vec::new();
    for key in ["a", "b"] {
        let (sender, body) = slow_body(3 << 20);
        let put = client.put_object().bucket(BUCKET).key(key).content_length(3 << 20).body(body);
        let task = tokio::spawn(put.send());
        sender.send(noise(1, 2 << 20).into()).await.unwrap();
        held.push((sender, task));
    }
    server.await_files(2).await;
    let third = || client.put_object().bucket(BUCKET).key("c").body(ByteStream::from_static(b"x"));
    let refused = third().send().await;
    assert_eq!(refused.as_ref().unwrap_err().raw_response().unwrap().status().as_u16(), 503);
    assert_eq!(code(refused), "SlowDown");
    for (sender, task) in held {
        sender.send(noise(2, 1 << 20).into()).await.unwrap();
        drop(sender);
        task.await.unwrap().unwrap();
    }
    third().send().await.unwrap();
    assert!(get(&client, "a").await == [noise(1, 2 << 20), noise(2, 1 << 20)].concat());
}

#[tokio::test]
async fn a_slot_is_free_again_when_its_client_is_gone() {
    let server = Server::with(|settings| settings.max_bodies = 1).await;
    let client = plain_client(server.address);
    for _ in 0..5 {
        let (sender, body) = slow_body(3 << 20);
        let put = client.put_object().bucket(BUCKET).key("a").content_length(3 << 20).body(body);
        let task = tokio::spawn(put.send());
        sender.send(noise(1, 2 << 20).into()).await.unwrap();
        server.await_files(1).await;
        task.abort();
        drop(sender);
        server.await_files(0).await;
    }
    eventually_ok("the slot is free", async || {
        client.put_object().bucket(BUCKET).key("a").body(ByteStream::from_static(b"x")).send().await
    })
    .await;
}

#[tokio::test]
async fn a_body_beyond_five_gibibytes_is_refused_by_its_length() {
    let server = Server::start().await;
    let client = plain_client(server.address);
    let (_sender, body) = slow_body((5 << 30) + 1);
    let put = client.put_object().bucket(BUCKET).key("k").content_length((5 << 30) + 1).body(body);
    assert_eq!(code(put.send().await), "EntityTooLarge");
}

#[tokio::test]
async fn the_floor_of_free_space_is_kept() {
    let server = Server::with(|settings| settings.min_free = u64::MAX / 2).await;
    let client = plain_client(server.address);
    let put = client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"x")).send().await;
    assert_eq!(put.as_ref().unwrap_err().raw_response().unwrap().status().as_u16(), 507);
    assert_eq!(code(put), "InsufficientStorage");
}

#[tokio::test]
async fn a_second_process_cannot_open_the_same_store() {
    let server = Server::start().await;
    put(&server.client(), "k", b"x").await;
    let clock = std::sync::Arc::new(gantry::domain::clock::SystemClock);
    let entropy = std::sync::Arc::new(gantry::domain::clock::OsEntropy);
    let second = gantry::blob::embedded::EmbeddedStore::open(super::harness::settings(server.path()), clock, entropy);
    assert!(matches!(second, Err(gantry::blob::embedded::EmbeddedOpenError::Locked(_))));
}
