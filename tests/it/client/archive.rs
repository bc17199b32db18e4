//! The toolchain's own directory, more than a gigabyte of real files in one archive: the client is killed twenty times
//! at random points and the server ten times, and what comes back is the same, whichever way it is fetched.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt as _;
use rand::RngExt as _;
use sha2::{Digest as _, Sha256};
use tokio::process::Command;

use super::service::{MIB, Service};
use crate::support::requests;
use crate::support::seed;

const CLIENT_KILLS: usize = 20;
const SERVER_KILLS: usize = 10;
const CONCURRENCY: usize = 4;
const PART_SIZE: u64 = 8 << 20;

async fn archive(service: &Service) -> (PathBuf, u64) {
    let made = service.path("toolchain.tar");
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().await.unwrap().stdout;
    let sysroot = String::from_utf8(sysroot).unwrap();
    let tar = Command::new("tar").arg("cf").arg(&made).args(["-C", sysroot.trim_end(), "."]).status();
    assert!(tar.await.unwrap().success());
    let size = std::fs::metadata(&made).unwrap().len();
    assert!(size > 1_000_000_000, "{size} bytes are too few to prove anything");
    (made, size)
}

async fn sha256_of(path: &Path) -> String {
    let sum = Command::new("sha256sum").arg(path).output().await.unwrap().stdout;
    String::from_utf8(sum).unwrap().split_whitespace().next().unwrap().to_owned()
}

/// What an address answers, hashed as it comes; redirects are followed.
async fn sha256_at(service: &Service, path: &str) -> String {
    let request = requests::client().get(format!("{}{path}", service.url)).bearer_auth(&service.key);
    let mut body = request.send().await.unwrap().error_for_status().unwrap().bytes_stream();
    let mut hash = Sha256::new();
    while let Some(piece) = body.next().await {
        hash.update(piece.unwrap());
    }
    hex::encode(hash.finalize())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_archive_arrives_whatever_is_killed() {
    let mut rng = seed::rng("a_real_archive_arrives_whatever_is_killed");
    let mut service = Service::start().await;
    let (file, size) = archive(&service).await;
    let put = ["put", "--quiet", "--part-size=8MiB", "--retry-max-time=120s", file.to_str().unwrap()];
    service.proxy.slow_down(16 * MIB);
    let mut safe: Vec<u64> = Vec::new();
    for round in 0..CLIENT_KILLS {
        let mut child = service.gantry(put).spawn().unwrap();
        if round % 2 == 1 && round / 2 < SERVER_KILLS {
            tokio::time::sleep(Duration::from_millis(rng.random_range(50..1000))).await;
            service.kill().await;
            service.start_again().await;
        }
        let patience = Duration::from_millis(rng.random_range(20..2500));
        assert!(tokio::time::timeout(patience, child.wait()).await.is_err(), "it ended before it was killed");
        child.kill().await.unwrap();
        if let Some(upload) = service.journalled_upload() {
            let received = service.received(&upload).await;
            assert!(safe.iter().all(|part| received.contains(part)), "a part that was there is gone");
            safe = received;
        }
    }
    println!("{} parts are there after {CLIENT_KILLS} kills of the client", safe.len());
    service.proxy.full_speed();
    let id = service.ok(put).await;
    let (parts, puts) = (size.div_ceil(PART_SIZE) as usize, service.proxy.puts().len());
    println!("{puts} parts were sent for {parts}");
    assert!(puts <= parts + (CLIENT_KILLS + SERVER_KILLS) * CONCURRENCY, "more than what was in flight");

    let expected = sha256_of(&file).await;
    assert_eq!(service.api(&format!("/v1/assets/{id}")).await["sha256"], expected);
    service.ok(["get", "--quiet", "-o", "back.tar", &id]).await;
    assert_eq!(sha256_of(&service.path("back.tar")).await, expected, "gantry get");
    assert_eq!(sha256_at(&service, &format!("/v1/assets/{id}/content?delivery=redirect")).await, expected);
    assert_eq!(sha256_at(&service, &format!("/v1/assets/{id}/content?delivery=stream")).await, expected);
}
