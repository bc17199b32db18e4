//! Two processes on one PostgreSQL and one S3 server: cut, frozen, drained.

use std::time::{Duration, Instant};

use super::Tus;
use crate::support::bucket::Bucket;
use crate::support::database::Place;
use crate::support::patience::all_read;
use crate::support::process::Instance;
use crate::support::transcript::noise;

const MEGABYTE: u64 = 1_000_000;

/// Two nodes of one service.
async fn nodes() -> ([Instance; 2], [Tus; 2]) {
    let (place, store) = (Place::fresh_schema().await, Bucket::for_processes().await);
    let settings: Vec<_> = store.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut nodes = [Instance::new(place.clone(), &settings), Instance::new(place, &settings)];
    for node in &mut nodes {
        node.start(None).await;
    }
    let key = nodes[0].key();
    let clients = [0, 1].map(|n: usize| Tus::at(&nodes[n].url, &key));
    (nodes, clients)
}

fn slice(bytes: &[u8], from: u64, to: u64) -> &[u8] {
    &bytes[from as usize..to as usize]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_reset_cut_goes_on_at_the_other_node_within_a_second() {
    const SIZE: u64 = 20 * MEGABYTE;
    let (_nodes, [here, there]) = nodes().await;
    let bytes = noise(SIZE, 50);
    let id = here.create(SIZE).await;
    let stream = here.begun(&id, 0, slice(&bytes, 0, 12 * MEGABYTE), SIZE).await;
    all_read(&stream).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    // No goodbye: a reset.
    stream.set_zero_linger().unwrap();
    drop(stream);
    let cut = Instant::now();
    let at = there.offset(&id).await;
    assert_eq!(at, 12 * MEGABYTE, "everything that came was acknowledged");
    assert_eq!(there.send(&id, at, slice(&bytes, at, at + 1000).to_vec()).await.status(), 204);
    assert!(cut.elapsed() < Duration::from_secs(1), "{:?}", cut.elapsed());
    assert_eq!(there.send(&id, at + 1000, slice(&bytes, at + 1000, SIZE).to_vec()).await.status(), 204);
    assert!(here.content(&id).await == bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_cut_after_every_megabyte_finishes() {
    // Some parts, and a tail in each of them.
    const CUTS: usize = 60;
    const SIZE: u64 = CUTS as u64 * MEGABYTE;
    let (_nodes, clients) = nodes().await;
    let bytes = noise(SIZE, 51);
    let id = clients[0].create(SIZE).await;
    let (mut at, mut cuts) = (0, 0);
    while at < SIZE {
        let tus = &clients[cuts % 2];
        tus.cut(&id, at, slice(&bytes, at, at + MEGABYTE), SIZE - at).await;
        let now = clients[(cuts + 1) % 2].offset(&id).await;
        assert!(now >= at, "{at} was acknowledged, {now} is there");
        (at, cuts) = (now, cuts + 1);
    }
    assert_eq!(cuts, CUTS, "nothing was sent twice");
    assert!(clients[0].content(&id).await == bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_nodes_bytes_are_refused() {
    const SIZE: u64 = 20 * MEGABYTE;
    let (nodes, [frozen, awake]) = nodes().await;
    let (bytes, wrong) = (noise(SIZE, 52), noise(SIZE, 53));
    let id = frozen.create(SIZE).await;
    let mut stream = frozen.begun(&id, 0, slice(&bytes, 0, 9 * MEGABYTE), SIZE).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    nodes[0].signal("STOP");
    let rest = slice(&wrong, 9 * MEGABYTE, SIZE).to_vec();
    let zombie = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let _ = stream.write_all(&rest).await;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.map(|_| String::from_utf8_lossy(&answer).into_owned())
    });
    // Longer than its lease.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let at = awake.offset(&id).await;
    assert!(at <= 9 * MEGABYTE, "{at}");
    let half = slice(&bytes, at, 15 * MEGABYTE).to_vec();
    assert_eq!(awake.send(&id, at, half).await.status(), 204);
    nodes[0].signal("CONT");
    let answer = zombie.await.unwrap();
    assert!(!answer.as_ref().is_ok_and(|answer| answer.starts_with("HTTP/1.1 2")), "{answer:?}");
    assert_eq!(awake.offset(&id).await, 15 * MEGABYTE, "what the zombie brought does not count");
    assert_eq!(awake.send(&id, 15 * MEGABYTE, slice(&bytes, 15 * MEGABYTE, SIZE).to_vec()).await.status(), 204);
    assert!(frozen.content(&id).await == bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_with_a_hundred_uploads_keeps_every_byte() {
    const PIECE: u64 = 50_000;
    let (mut nodes, [stopping, staying]) = nodes().await;
    let bytes = noise(2 * PIECE, 54);
    let mut streams = Vec::new();
    for _ in 0..100 {
        let id = stopping.create(2 * PIECE).await;
        let stream = stopping.begun(&id, 0, slice(&bytes, 0, PIECE), 2 * PIECE).await;
        streams.push((id, stream));
    }
    for (_, stream) in &streams {
        all_read(stream).await;
    }
    // From the sockets to where it counts; too short for a client to be called slow.
    tokio::time::sleep(Duration::from_millis(500)).await;
    nodes[0].signal("TERM");
    assert!(nodes[0].ended().await.success(), "{}", nodes[0].log_text());
    for (id, _stream) in streams {
        let at = staying.offset(&id).await;
        assert_eq!(at, PIECE, "what came is kept");
        assert_eq!(staying.send(&id, at, slice(&bytes, at, 2 * PIECE).to_vec()).await.status(), 204);
        assert!(staying.content(&id).await == bytes);
    }
}
