//! Behind nginx, with the file in `infra/`.

use serde_json::json;

use super::stage::{PART, Stage};
use super::{behaves, sockets_pass, strangers_headers_mean_nothing};
use crate::support::transcript::noise;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_sends_files_of_the_embedded_store() {
    let stage = Stage::nginx(&[], None).await;
    let bytes = noise(3 << 20, 1);
    let asset = stage.asset("für 'dich'; \"x\".bin", &bytes, false).await;
    behaves(&stage, &asset, &bytes).await;
    strangers_headers_mean_nothing(&stage, &asset, &bytes).await;
    let told = stage.instance.log_text();
    assert!(!told.contains("X-Amz-Signature") && !told.contains("/d/gd_"), "links and signatures stay out of logs");
    let log = stage.access_log();
    assert!(log.contains(" /_gantry/- ") || log.contains(" /d/- "), "{log}");
    assert!(!log.contains("gd_") && !log.contains("X-Amz"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_fetches_what_is_in_several_files() {
    let stage = Stage::nginx(&[], None).await;
    let bytes = noise(2 * PART as u64 + 12345, 2);
    let asset = stage.asset("parts.bin", &bytes, true).await;
    behaves(&stage, &asset, &bytes).await;
    strangers_headers_mean_nothing(&stage, &asset, &bytes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slices_are_kept_by_object_and_version() {
    let stage = Stage::nginx(&[("GANTRY_DOWNLOADS__PROXY_CACHE", "true")], None).await;
    let bytes = noise(2 * PART as u64 + 12345, 3);
    let asset = stage.asset("parts.bin", &bytes, true).await;
    behaves(&stage, &asset, &bytes).await;
    let slices = || walk(&stage.dir.path().join("cache"));
    let kept = slices();
    assert_eq!(kept.len(), 11, "one for each mebibyte begun");
    // By other links, of which each has an address of its own at the store: the same slices.
    let url = stage.link(&asset, json!({})).await;
    let before = modified(&kept);
    assert!(stage.get(&url, &[]).await.body == bytes);
    assert_eq!(modified(&slices()), before);
    // Another asset with other bytes and the same name has slices of its own.
    let others = noise(2 * PART as u64 + 12345, 4);
    let other = stage.asset("parts.bin", &others, true).await;
    let url = stage.link(&other, json!({})).await;
    assert!(stage.get(&url, &[]).await.body == others);
    assert_eq!(slices().len(), 22);
    // What is deleted is not served from the cache either.
    let (status, _) = stage.call(reqwest::Method::DELETE, &format!("/v1/assets/{other}"), json!({})).await;
    assert_eq!(status, 204);
    assert_eq!(stage.get(&url, &[]).await.status, 410);
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn modified(files: &[std::path::PathBuf]) -> Vec<std::time::SystemTime> {
    files.iter().map(|file| std::fs::metadata(file).unwrap().modified().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inner_places_are_for_nobody_else() {
    let stage = Stage::nginx(&[], None).await;
    let asset = stage.asset("a.txt", b"hello", false).await;
    let file = walk(&stage.files()).into_iter().find(|file| std::fs::read(file).unwrap() == b"hello").unwrap();
    let name = file.strip_prefix(stage.files()).unwrap().display().to_string();
    for path in [
        format!("/_gantry/files/{name}"),
        format!("/_gantry/files//{name}"),
        format!("//_gantry/files/{name}"),
        format!("/d/..%2f_gantry/files/{name}"),
        format!("/x/../_gantry/files/{name}"),
        "/_gantry/files/../meta.db".to_owned(),
        "/_gantry/store".to_owned(),
        "/_gantry/cached".to_owned(),
    ] {
        let answer = stage.get(&path, &[("x-gantry-store-target", "/gantry/x")]).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
        assert_ne!(answer.body, b"hello", "{path}");
    }
    let url = stage.link(&asset, json!({})).await;
    assert_eq!(stage.get(&url, &[]).await.body, b"hello");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_is_told_how_fast_to_send() {
    let settings = [("GANTRY_DOWNLOADS__PROXY_LIMIT_RATE", "1MiB"), ("GANTRY_DOWNLOADS__PROXY_BUFFERING", "no")];
    let stage = Stage::nginx(&settings, None).await;
    let bytes = noise(3 << 20, 5);
    let asset = stage.asset("a.bin", &bytes, false).await;
    let url = stage.link(&asset, json!({})).await;
    let began = std::time::Instant::now();
    assert!(stage.get(&url, &[]).await.body == bytes);
    let took = began.elapsed().as_secs_f64();
    assert!((1.5..6.0).contains(&took), "3 MiB at 1 MiB per second took {took}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_says_is_not_for_clients() {
    // A store that is not there.
    let stage = Stage::nginx(&[], Some("127.0.0.1:9".to_owned())).await;
    let asset = stage.asset("parts.bin", &noise(2 * PART as u64, 6), true).await;
    let url = stage.link(&asset, json!({})).await;
    let answer = stage.get(&url, &[]).await;
    assert_eq!(answer.status, 502);
    let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(problem["code"], "unavailable");
    assert!(!answer.headers.contains_key("content-disposition") || answer.header("content-type").contains("problem"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_pass_nginx() {
    sockets_pass(&Stage::nginx(&[], None).await).await;
}
