//! `put -r`: folders with their paths, patterns, what exists already, and many files with one summary.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::service::{MIB, Service, json_lines, noise, sha256};

/// A folder of small files; their paths.
fn folder(service: &Service) -> Vec<String> {
    let paths = ["album/one.jpg", "album/2026/two.jpg", "album/2026/draft.tmp", "album/.git/config", "album/ü b.txt"];
    for path in paths {
        write(service, path, path.as_bytes());
    }
    std::fs::create_dir(service.path("album/empty")).unwrap();
    paths.map(str::to_owned).to_vec()
}

fn write(service: &Service, path: impl AsRef<Path>, bytes: &[u8]) {
    let path = service.path(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Every asset as path (or name) and digest.
async fn there(service: &Service) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for asset in json_lines(&service.ok(["ls", "--json", "--state", "ready"]).await) {
        let path = asset["metadata"]["path"].as_str().or(asset["filename"].as_str()).unwrap().to_owned();
        assert!(path.ends_with(asset["filename"].as_str().unwrap()), "{asset}");
        found.push((path, asset["sha256"].as_str().unwrap().to_owned()));
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_keeps_its_paths_and_patterns_choose() {
    let service = Service::start().await;
    folder(&service);
    let plan = service.run(["put", "-r", "album", "--exclude", ".git", "--exclude=*.tmp", "--dry-run"]).await;
    assert_eq!((plan.code, plan.out.lines().count()), (0, 3), "{}{}", plan.out, plan.err);
    assert!(plan.err.contains("3 of 3 files would be sent"), "{}", plan.err);
    assert!(there(&service).await.is_empty(), "a dry run sends nothing");
    let put = service.run(["put", "-r", "album", "--exclude", ".git", "--exclude=*.tmp"]).await;
    assert_eq!(put.code, 0, "{}", put.err);
    assert!(put.err.contains("1 empty folders are left out"), "{}", put.err);
    let expected = ["album/2026/two.jpg", "album/one.jpg", "album/ü b.txt"];
    let expected: Vec<_> = expected.iter().map(|path| ((*path).to_owned(), sha256(path.as_bytes()))).collect();
    assert_eq!(there(&service).await, expected);
    for (path, _) in &expected {
        assert!(put.out.lines().any(|line| line.ends_with(&format!("  {path}"))), "{}", put.out);
    }
    let refused = service.run(["put", "album"]).await;
    assert!(refused.code == 2 && refused.err.contains("-r"), "{}", refused.err);
    let pattern = service.run(["put", "-r", "album", "--include", "["]).await;
    assert!(pattern.code == 2 && pattern.err.contains("no pattern"), "{}", pattern.err);
    let named = service.run(["put", "-r", "album", "--name", "x"]).await;
    assert_eq!(named.code, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_exists_is_skipped_refused_or_sent_again() {
    let service = Service::start().await;
    write(&service, "f.txt", b"first");
    let first = service.ok(["put", "-q", "f.txt"]).await;
    write(&service, "f.txt", b"second");
    assert_eq!(service.ok(["put", "-q", "--if-exists", "skip", "f.txt"]).await, first);
    let refused = service.run(["put", "--if-exists=fail", "f.txt"]).await;
    assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{}", refused.err);
    assert!(refused.err.contains(&first), "it says which: {}", refused.err);
    // Part of a longer name, and the same name in a folder, are other names.
    write(&service, "f.txt.bak", b"third");
    write(&service, "d/f.txt", b"fourth");
    service.ok(["put", "-q", "--if-exists=fail", "f.txt.bak"]).await;
    service.ok(["put", "-q", "-r", "--if-exists=fail", "d"]).await;
    let skipped = json_lines(&service.ok(["put", "--json", "-r", "--if-exists=skip", "d"]).await);
    assert_eq!(skipped.last().unwrap()["files"][0]["existed"], true);
    let plan = service.run(["put", "-r", "--if-exists=skip", "--dry-run", "d"]).await;
    assert!(plan.out.contains("exists") && plan.err.contains("0 of 1 files"), "{}{}", plan.out, plan.err);
    assert_ne!(service.ok(["put", "-q", "--if-exists=new", "f.txt"]).await, first);
}

/// More files than are shown one by one: two requests for each, one summary, and only what failed is sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_files_have_one_summary_and_go_on() {
    let service = Service::with(&["limits.max_size=2MiB"]).await;
    for number in 0..40 {
        write(&service, format!("many/{}/{number}.bin", number % 3), &noise(97 * number, number as u64));
    }
    write(&service, "many/large.bin", &noise(MIB + 1, 7));
    write(&service, "many/too-large-1.bin", &noise(3 * MIB, 8));
    write(&service, "many/too-large-2.bin", &noise(3 * MIB, 9));
    std::fs::write(service.path("many/unreadable"), "x").unwrap();
    std::fs::remove_file(service.path("many/unreadable")).unwrap();
    std::os::unix::fs::symlink("nowhere", service.path("many/unreadable")).unwrap();
    let put = service.run(["put", "-r", "many", "-v"]).await;
    assert_eq!((put.code, put.out.lines().count()), (7, 41), "{}", put.err);
    assert!(put.err.contains("2 files: ") && put.err.contains("too_large"), "{}", put.err);
    assert!(put.err.contains("many/too-large-1.bin, many/too-large-2.bin"), "{}", put.err);
    assert!(put.err.contains("41 of 44 files sent") && put.err.contains("3 failed"), "{}", put.err);
    assert!(put.err.trim_end().ends_with("gantry: 3 of 44 failed"), "{}", put.err);
    let requests = put.err.lines().filter(|line| line.starts_with("· ")).count();
    assert!(requests < 44 * 2 + 40, "{requests} requests: {}", put.err);
    let there_before = there(&service).await;
    assert_eq!(there_before.len(), 41);
    assert!(there_before.contains(&("many/large.bin".to_owned(), sha256(&noise(MIB + 1, 7)))));
    let again = service.run(["put", "-r", "many", "-v"]).await;
    assert!(again.err.contains("41 sent by an earlier run"), "{}", again.err);
    assert_eq!(there(&service).await, there_before, "nothing is sent twice");
    let results = json_lines(&service.run(["put", "-r", "many", "--json"]).await.out);
    let files = results.last().unwrap()["files"].as_array().unwrap().clone();
    assert_eq!(files.iter().filter(|file| file["error"] == Value::Null).count(), 41);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_may_only_upload_waits_for_many_files_too() {
    let service = Service::start().await;
    let key = service.post("/v1/keys", &serde_json::json!({ "scopes": ["upload"] })).await;
    for number in 0..12 {
        write(&service, format!("many/{number}"), &[number]);
    }
    let mut put = service.gantry(["put", "-r", "-q", "many"]);
    let put = put.env("GANTRY_API_KEY", key["key"].as_str().unwrap()).output().await.unwrap();
    assert!(put.status.success(), "{}", String::from_utf8_lossy(&put.stderr));
    assert_eq!(there(&service).await.len(), 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_is_kept() {
    let service = Service::start().await;
    service.file("f", MIB, 1);
    let since = Instant::now();
    let id = service.ok(["put", "-q", "--limit-rate", "512KiB/s", "f"]).await;
    let took = since.elapsed();
    assert!(took >= Duration::from_millis(1500), "1 MiB at 512 KiB/s took {took:?}");
    let since = Instant::now();
    service.ok(["get", "-q", "--limit-rate", "512KiB/s", "-o", "back", &id]).await;
    assert!(since.elapsed() >= Duration::from_millis(1500));
    assert!(std::fs::read(service.path("back")).unwrap() == noise(MIB, 1));
    for bad in ["fast", "0"] {
        assert_eq!(service.run(["put", "--limit-rate", bad, "f"]).await.code, 2);
    }
}
