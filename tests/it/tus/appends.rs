//! Appends when stores fail, clients stall, and memory is short.

use std::time::Duration;

use gantry::blob::{BlobKey, BlobStore};

use super::{Tus, chunked, ledger};
use crate::on_both_services;
use crate::support::faulty::Fault::{AnswerLost, Refused};
use crate::support::patience::eventually;
use crate::support::service::Shape;
use crate::support::transcript::noise;

/// What the row says, without asking anybody to let go.
fn impatient() -> Shape {
    let mut shape = Shape::default();
    shape.settings.body_pace.idle = Duration::from_millis(1500);
    shape
}

/// Room for four blocks of a quarter of a mebibyte.
fn cramped() -> Shape {
    let mut shape = Shape::default();
    shape.settings.append_memory = 1 << 20;
    shape
}

on_both_services! {
    async fn many_tiny_appends(service) {
        let (tus, bytes) = (Tus::new(service), noise(300, 21));
        let id = tus.create(300).await;
        for (n, chunk) in bytes.chunks(3).enumerate() {
            assert_eq!(tus.send(&id, n as u64 * 3, chunk.to_vec()).await.status(), 204);
            assert!(ledger(service, &id).await.tail.len() <= 9);
        }
        assert!(tus.content(&id).await == bytes);
    }

    async fn the_store_loses_answers(service) {
        let (tus, bytes) = (Tus::new(service), noise(20_000_000, 22));
        service.faults.on("put_part", [Some(AnswerLost), None, Some(Refused)]);
        service.faults.on("put_object", [Some(AnswerLost)]);
        service.faults.on("complete_multipart", [Some(AnswerLost)]);
        let id = tus.create(20_000_000).await;
        assert_eq!(tus.send(&id, 0, bytes[..19_000_000].to_vec()).await.status(), 204);
        assert_eq!(tus.send(&id, 19_000_000, bytes[19_000_000..].to_vec()).await.status(), 204);
        assert!(service.faults.are_spent());
        assert!(tus.content(&id).await == bytes);
    }

    async fn a_small_files_answer_is_lost(service) {
        let tus = Tus::new(service);
        service.faults.on("put_object", [Some(AnswerLost)]);
        let id = tus.create(5).await;
        assert_eq!(tus.send(&id, 0, "hello").await.status(), 204);
        assert!(service.faults.are_spent());
        assert_eq!(tus.content(&id).await, "hello");
    }

    async fn other_bytes_that_were_never_acknowledged_are_replaced(service) {
        let tus = Tus::new(service);
        let id = tus.create(5).await;
        // Somebody who was cut off before the row knew of it.
        let upload = service.database.store.find_upload(id.parse().unwrap()).await.unwrap().unwrap();
        let jello = gantry::blob::PutPayload::of(bytes::Bytes::from_static(b"jello"));
        service.blobs.put_object(&upload.key, Some(&upload.write_token), jello).await.unwrap();
        assert_eq!(tus.send(&id, 0, "hello").await.status(), 204);
        assert_eq!(tus.content(&id).await, "hello");
    }

    async fn the_store_is_away(service) {
        let (tus, bytes) = (Tus::new(service), noise(20_000_000, 23));
        let id = tus.create(20_000_000).await;
        assert_eq!(tus.send(&id, 0, bytes[..9_000_000].to_vec()).await.status(), 204);
        service.faults.on("put_part", [Some(Refused); 12]);
        let refused = tus.send(&id, 9_000_000, bytes[9_000_000..].to_vec()).await;
        assert_eq!(refused.status(), 503);
        assert!(refused.headers().contains_key("retry-after"));
        service.faults.clear();
        let at = tus.offset(&id).await;
        assert_eq!(at, 9_000_000);
        assert_eq!(tus.send(&id, at, bytes[at as usize..].to_vec()).await.status(), 204);
        assert!(tus.content(&id).await == bytes);
    }

    async fn the_database_loses_answers(service) {
        let (tus, bytes) = (Tus::new(service), noise(20_000_000, 24));
        let id = tus.create(20_000_000).await;
        service.faults.on_commit_of("UpdateUpload", [None, Some(AnswerLost), Some(Refused), Some(AnswerLost), None, Some(AnswerLost)]);
        assert_eq!(tus.send(&id, 0, bytes.clone()).await.status(), 204);
        assert!(service.faults.are_spent());
        assert!(tus.content(&id).await == bytes);
    }

    async fn a_silent_clients_bytes_are_made_safe(service) {
        let tus = Tus::new(service);
        let id = tus.create(10).await;
        let body = chunked(vec![b"hello".to_vec(), b"world".to_vec()], Duration::from_secs(5));
        let sending = tokio::spawn(tus.patch(&id, 0, body).send());
        eventually("the first bytes are safe", async || ledger(service, &id).await.offset == 5).await;
        assert_eq!(sending.await.unwrap().unwrap().status(), 204);
        assert_eq!(tus.content(&id).await, "helloworld");
    }

    async fn a_client_that_falls_silent_is_cut_off(service, impatient()) {
        let tus = Tus::new(service);
        let id = tus.create(10).await;
        let body = chunked(vec![b"hello".to_vec(), b"never".to_vec()], Duration::from_millis(1200));
        let patient = tus.send(&id, 0, body).await;
        assert_eq!(patient.status(), 204);
        let id = tus.create(10).await;
        let body = futures_util::StreamExt::chain(
            futures_util::stream::iter([Ok::<_, std::io::Error>(b"hello".to_vec())]),
            futures_util::stream::pending(),
        );
        let cut = tus.send(&id, 0, reqwest::Body::wrap_stream(body)).await;
        assert_eq!(cut.status(), 503);
        assert_eq!(tus.offset(&id).await, 5);
    }

    async fn little_memory_is_enough_for_many(service, cramped()) {
        let tus = Tus::new(service);
        let mut work = Vec::new();
        for seed in 0..4 {
            let bytes = noise(10_000_000, 30 + seed);
            let id = tus.create(10_000_000).await;
            let sending = tus.patch(&id, 0, bytes.clone()).send();
            work.push((id, bytes, tokio::spawn(sending)));
        }
        for (id, bytes, sending) in work {
            assert_eq!(sending.await.unwrap().unwrap().status(), 204);
            assert!(tus.content(&id).await == bytes);
        }
    }

    async fn nothing_is_left_beside_the_object(service) {
        let (tus, bytes) = (Tus::new(service), noise(9_000_000, 25));
        let id = tus.create(9_000_000).await;
        for at in [0, 3_000_000, 6_000_000] {
            assert_eq!(tus.send(&id, at, bytes[at as usize..at as usize + 3_000_000].to_vec()).await.status(), 204);
        }
        eventually("no tails are left", async || {
            service.engine.operations().run_sweep().await.unwrap();
            service.blobs.list(BlobKey::TAILS_PREFIX, None).await.unwrap().items.is_empty()
        })
        .await;
        assert!(service.database.store.list_relayed_parts(id.parse().unwrap()).await.unwrap().is_empty());
    }
}
