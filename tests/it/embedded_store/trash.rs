//! Trash: bytes go when nobody needs them, and not before.

use std::sync::Arc;
use std::time::Duration;

use gantry::blob::embedded::{EmbeddedOpenError, EmbeddedStore};
use gantry::domain::clock::{ManualClock, OsEntropy, SystemClock, Timestamp};
use tokio_util::sync::CancellationToken;

use super::harness::{
    BUCKET, Server, client, complete, completed, create, get, multipart, noise, put, serve, settings,
};
use crate::support::patience::eventually;

#[tokio::test]
async fn overwritten_and_deleted_bytes_are_collected() {
    let server = Server::start().await;
    let client = server.client();
    put(&client, "k", b"one").await;
    put(&client, "k", b"two").await;
    multipart(&client, "m", &[noise(1, 5 << 20), noise(2, 10)]).await;
    client.delete_object().bucket(BUCKET).key("m").send().await.unwrap();
    assert_eq!(server.files().len(), 4);
    let swept = server.store.sweep().await.unwrap();
    assert_eq!((swept.trash, swept.orphans, server.files().len()), (2, 0, 1));
    assert_eq!(get(&client, "k").await, b"two");
}

#[tokio::test]
async fn a_slow_reader_keeps_what_it_reads() {
    let server = Server::start().await;
    let client = server.client();
    let parts: Vec<Vec<u8>> = (0..6).map(|seed| noise(seed, 5 << 20)).collect();
    multipart(&client, "m", &parts).await;
    let reading = client.get_object().bucket(BUCKET).key("m").send().await.unwrap();
    let mut body = reading.body;
    let mut received = body.next().await.unwrap().unwrap().to_vec();
    client.delete_object().bucket(BUCKET).key("m").send().await.unwrap();
    assert_eq!(server.store.sweep().await.unwrap().trash, 0);
    assert_eq!(server.files().len(), 6, "later segments are not opened yet and must stay");
    while let Some(chunk) = body.next().await {
        received.extend_from_slice(&chunk.unwrap());
    }
    assert!(received == parts.concat());
    drop(body);
    eventually("the reader is done, so the bytes go", async || {
        server.store.sweep().await.unwrap();
        server.files().is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_writers_and_the_collector_together() {
    let server = Server::start().await;
    let client = server.client();
    put(&client, "k", &noise(0, 3 << 20)).await;
    let stop = CancellationToken::new();
    let collector = {
        let (store, stop) = (server.store.clone(), stop.clone());
        tokio::spawn(async move {
            while !stop.is_cancelled() {
                store.sweep().await.unwrap();
            }
        })
    };
    let writer = {
        let client = client.clone();
        tokio::spawn(async move {
            for seed in 1..60 {
                put(&client, "k", &noise(seed, 3 << 20)).await;
            }
        })
    };
    let mut reads = 0;
    while !writer.is_finished() {
        let bytes = get(&client, "k").await;
        let whole = (0..60).any(|seed| bytes[..16] == noise(seed, 16)[..] && bytes == noise(seed, 3 << 20));
        assert!(whole, "every read is one version, whole");
        reads += 1;
    }
    stop.cancel();
    collector.await.unwrap();
    writer.await.unwrap();
    assert!(reads > 3);
    server.store.sweep().await.unwrap();
    assert_eq!(server.files().len(), 1);
}

#[tokio::test]
async fn orphans_are_swept_and_strangers_are_not() {
    let server = Server::start().await;
    put(&server.client(), "k", b"x").await;
    let orphan = server.path().join("files/ab").join("ab".repeat(16));
    let stranger = server.path().join("files/ab/readme");
    std::fs::write(&orphan, b"left by a crash").unwrap();
    std::fs::write(&stranger, b"put here by hand").unwrap();
    assert_eq!(server.store.sweep().await.unwrap().orphans, 1);
    assert!(!orphan.exists() && stranger.exists());
    assert_eq!(get(&server.client(), "k").await, b"x");
}

#[tokio::test]
async fn an_upload_in_progress_is_no_orphan() {
    let server = Server::start().await;
    let client = super::harness::plain_client(server.address);
    let (sender, body) = super::http_face::slow_body(3 << 20);
    let put = tokio::spawn(client.put_object().bucket(BUCKET).key("k").content_length(3 << 20).body(body).send());
    sender.send(noise(1, 2 << 20).into()).await.unwrap();
    server.await_files(1).await;
    assert_eq!(server.store.sweep().await.unwrap().orphans, 0);
    sender.send(noise(2, 1 << 20).into()).await.unwrap();
    drop(sender);
    put.await.unwrap().unwrap();
    assert!(get(&client, "k").await == [noise(1, 2 << 20), noise(2, 1 << 20)].concat());
}

#[tokio::test]
async fn grace_and_tombstones_follow_the_clock() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap()));
    let mut settings = settings(dir.path());
    settings.trash_grace = Duration::from_secs(60);
    settings.tombstone_ttl = Duration::from_secs(3600);
    let clock_of_store: Arc<dyn gantry::domain::clock::Clock> = clock.clone();
    let store = EmbeddedStore::open(settings, clock_of_store, Arc::new(OsEntropy)).unwrap();
    store.ensure_bucket(BUCKET).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(store.clone(), listener, gantry::http::server::ServerLimits::default(), stop));
    let id = create(&client, "m").await;
    let part = super::harness::part_of(&client, "m", &id, 1, b"x".to_vec()).await;
    let etag = complete(&client, "m", &id, vec![part.clone()]).await.unwrap();
    client.delete_object().bucket(BUCKET).key("m").send().await.unwrap();
    clock.advance(Duration::from_secs(59));
    assert_eq!(store.sweep().await.unwrap().trash, 0);
    clock.advance(Duration::from_secs(1));
    assert_eq!(store.sweep().await.unwrap().trash, 1);
    assert_eq!(complete(&client, "m", &id, vec![completed(1, part.e_tag.clone().unwrap())]).await, Ok(etag));
    clock.advance(Duration::from_secs(3600));
    assert_eq!(store.sweep().await.unwrap().tombstones, 1);
    assert_eq!(complete(&client, "m", &id, vec![part]).await.unwrap_err(), "NoSuchUpload");
    server.abort();
}

#[tokio::test]
async fn maintenance_runs_until_it_is_told_to_stop() {
    let server = Server::with(|settings| settings.maintain_every = Duration::from_millis(20)).await;
    let orphan = server.path().join("files/cd").join("cd".repeat(16));
    std::fs::write(&orphan, b"left by a crash").unwrap();
    let stop = CancellationToken::new();
    let task = {
        let (store, stop) = (server.store.clone(), stop.clone());
        tokio::spawn(async move { store.maintain(stop).await })
    };
    put(&server.client(), "k", b"one").await;
    put(&server.client(), "k", b"two").await;
    server.await_files(1).await;
    assert!(!orphan.exists());
    stop.cancel();
    task.await.unwrap();
}

/// A fresh database over old data files would take all of them for orphans.
#[tokio::test]
async fn a_store_that_lost_its_metadata_does_not_open() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on(settings(dir.path())).await;
    put(&server.client(), "k", b"x").await;
    let (path, files) = (server.path().to_owned(), server.files());
    drop(server);
    let open = || EmbeddedStore::open(settings(&path), Arc::new(SystemClock), Arc::new(OsEntropy));
    eventually("it is let go of", async || open().is_ok()).await;
    for name in ["meta.db", "meta.db-wal", "meta.db-shm"] {
        let _ = std::fs::remove_file(path.join(name));
    }
    assert!(matches!(open(), Err(EmbeddedOpenError::MetadataMissing(_))));
    assert_eq!(files.len(), 1);
}
