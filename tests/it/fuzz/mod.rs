//! Requests that are nearly right, by the thousand: real requests of every protocol and of the embedded store, with values, headers and
//! bytes changed by chance. A client's mistake gets an answer below 500 or a closed connection, never a panic, and the
//! service goes on.
//!
//! `GANTRY_TEST_FUZZ_REQUESTS` says how many (a short run by default); the seed is printed, and the request that broke something.

mod seeds;
mod words;

use std::panic::PanicHookInfo;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gantry::blob::{BlobStore, ResponseHeaders};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use seeds::{Seed, seeds};
use words::{HEADERS, VALUES};

use crate::native::ready;
use crate::support::database::Database;
use crate::support::service::{Service, Shape};

const REQUESTS: usize = 10_000;
/// A request that says less than it announced is given up after this.
const PATIENCE: Duration = Duration::from_millis(400);

/// One or a few changes.
fn mutate(seed: &Seed, rng: &mut StdRng) -> (Seed, Option<Vec<u8>>) {
    let (mut seed, mut length) = (seed.clone(), None);
    for _ in 0..rng.random_range(1..4) {
        let value = VALUES.choose(rng).unwrap().to_vec();
        match rng.random_range(0..10) {
            0 | 1 => seed.headers.push((HEADERS.choose(rng).unwrap().as_bytes().to_vec(), value)),
            2 => {
                if let Some((_, of)) = pick(&mut seed.headers, rng) {
                    *of = value;
                }
            }
            3 => {
                if let Some(again) = pick(&mut seed.headers, rng).cloned() {
                    seed.headers.push(again);
                }
            }
            4 => {
                let at = rng.random_range(0..=seed.headers.len().saturating_sub(1));
                if at < seed.headers.len() {
                    seed.headers.remove(at);
                }
            }
            5 => {
                seed.target = splice(seed.target.as_bytes(), &percent_encoded(&value), rng)
                    .iter()
                    .map(|byte| char::from(*byte))
                    .collect();
            }
            6 | 7 => seed.body = splice(&seed.body, &value, rng),
            8 => {
                if let Some(byte) = pick(&mut seed.body, rng) {
                    *byte ^= 1 << rng.random_range(0..8);
                }
            }
            _ => length = Some(value),
        }
    }
    (seed, length)
}

fn pick<'a, T>(of: &'a mut [T], rng: &mut StdRng) -> Option<&'a mut T> {
    (!of.is_empty()).then(|| rng.random_range(0..of.len())).and_then(|at| of.get_mut(at))
}

/// Puts `value` in the place of a piece.
fn splice(of: &[u8], value: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let from = rng.random_range(0..=of.len());
    let to = (from + rng.random_range(0..12)).min(of.len());
    [&of[..from], value, &of[to..]].concat()
}

fn percent_encoded(value: &[u8]) -> Vec<u8> {
    value.iter().flat_map(|byte| format!("%{byte:02X}").into_bytes()).collect()
}

/// The status; `None` if the connection ended without an answer, or nothing more came.
async fn send(address: &str, bytes: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The service may have closed before everything was sent.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, async {
        let mut chunk = [0; 4096];
        while answer.len() < 16 {
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => break,
                Ok(read) => answer.extend(&chunk[..read]),
            }
        }
    })
    .await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    text.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// Panics in the sources of the product, in whatever task.
fn panics() -> &'static AtomicUsize {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if info.location().is_some_and(|place| place.file().starts_with("src/")) {
                PANICS.fetch_add(1, Ordering::SeqCst);
            }
            before(info);
        }));
    });
    &PANICS
}

fn requests() -> usize {
    std::env::var("GANTRY_TEST_FUZZ_REQUESTS").map_or(REQUESTS, |text| text.parse().unwrap())
}

/// Sends changed requests and looks at each answer; the statuses seen.
async fn barrage(address: &str, seeds: &[Seed], rng: &mut StdRng) -> std::collections::BTreeMap<Option<u16>, usize> {
    let (panics, mut seen) = (panics(), std::collections::BTreeMap::new());
    for _ in 0..requests() / 16 {
        let batch: Vec<Vec<u8>> = (0..16)
            .map(|_| {
                let (seed, length) = mutate(seeds.choose(rng).unwrap(), rng);
                seed.bytes(address, length.as_deref())
            })
            .collect();
        let before = panics.load(Ordering::SeqCst);
        let answers = futures_util::future::join_all(batch.iter().map(|bytes| send(address, bytes))).await;
        for (bytes, status) in batch.iter().zip(answers) {
            let wrong = status.is_some_and(|status| matches!(status, 500 | 502 | 504));
            assert!(!wrong, "{status:?} for\n{}", String::from_utf8_lossy(bytes));
            *seen.entry(status).or_default() += 1;
        }
        let shown = || batch.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect::<Vec<_>>().join("\n---\n");
        assert_eq!(panics.load(Ordering::SeqCst), before, "a panic for one of\n{}", shown());
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nearly_right_requests_of_every_protocol() {
    let mut rng = crate::support::seed::rng("fuzz");
    let service = Service::start(Database::sqlite().await, Shape::default()).await;
    let (asset, client) = (
        ready(&service, "a.txt", "hello world").await["asset"].clone(),
        crate::support::requests::client_without_redirects(),
    );
    let open = client.post(format!("{}/v1/uploads", service.base)).bearer_auth(&service.admin);
    let open = open.json(&serde_json::json!({"filename": "o", "size": 5})).send().await.unwrap();
    let opened: serde_json::Value = open.json().await.unwrap();
    let tus = client.post(format!("{}/tus", service.base)).bearer_auth(&service.admin);
    let tus = tus.header("tus-resumable", "1.0.0").header("upload-length", "1000").send().await.unwrap();
    let created = tus.status();
    let Some(location) = tus.headers().get("location").cloned() else {
        panic!("{created}: {}", tus.text().await.unwrap());
    };
    let tus = location.to_str().unwrap().trim_start_matches(&service.base).to_owned();
    let all = seeds(&service.admin, &asset, opened["upload"]["id"].as_str().unwrap(), &tus);
    let address = service.base.trim_start_matches("http://").to_owned();
    let seen = barrage(&address, &all, &mut rng).await;
    println!("{seen:?}");
    // It was heard, and it goes on.
    let good: usize =
        seen.iter().filter(|(status, _)| status.is_some_and(|status| status < 300)).map(|(_, many)| many).sum();
    assert!(good > requests() / 50, "{seen:?}");
    assert_eq!(send(&address, &Seed::new("GET", "/livez").bytes(&address, None)).await, Some(200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nearly_right_requests_to_the_embedded_store() {
    let mut rng = crate::support::seed::rng("fuzz of the store");
    let service = Service::start(Database::sqlite().await, Shape::default()).await;
    let origin = service.blobs.public_origin();
    let address = origin.trim_start_matches("http://").to_owned();
    let ttl = Duration::from_secs(3600);
    service.blobs.put("fuzz/a", b"hello world".as_slice().into()).await.unwrap();
    let store_id = service.blobs.create_multipart("fuzz/m", "token", None, None).await.unwrap();
    let get = service.blobs.sign_get("fuzz/a", &ResponseHeaders::default(), ttl).await.unwrap();
    let part = service
        .blobs
        .sign_part("fuzz/m", &store_id, gantry::domain::plan::PartNumber::new(1).unwrap(), ttl)
        .await
        .unwrap();
    let put = service.blobs.sign_put("fuzz/p", 5, None, ttl).await.unwrap();
    let target = |url: &str| url.trim_start_matches(&origin).to_owned();
    let mut all = vec![
        Seed::new("GET", target(&get.url)).header("range", "bytes=0-3"),
        Seed::new("PUT", target(&part.url)).body(b"hello"),
        Seed::new("PUT", target(&part.url))
            .header("content-encoding", "aws-chunked")
            .header("x-amz-decoded-content-length", "5")
            .body(b"5;chunk-signature=0\r\nhello\r\n0;chunk-signature=0\r\n\r\n"),
        Seed::new("PUT", target(&part.url))
            .header("x-amz-trailer", "x-amz-checksum-crc32c")
            .header("content-encoding", "aws-chunked")
            .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
            .header("x-amz-decoded-content-length", "5")
            .body(b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:mnG7TA==\r\n\r\n"),
        Seed::new("GET", "/gantry?list-type=2&prefix=a&max-keys=5"),
        Seed::new("POST", "/gantry/fuzz/m?uploads"),
    ];
    let put_seed = put
        .headers
        .iter()
        .fold(Seed::new("PUT", target(&put.url)).body(b"hello"), |seed, (name, value)| seed.header(name, value));
    all.push(put_seed);
    let seen = barrage(&address, &all, &mut rng).await;
    println!("{seen:?}");
    let bytes = service.blobs.head("fuzz/a").await.unwrap().unwrap();
    assert_eq!(bytes.size, 11);
}
