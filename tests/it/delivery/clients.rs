//! Downloaders that we did not write, through every delivery: the bytes are the same.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::stage::{PART, Stage};
use crate::support::transcript::noise;

fn run(dir: &Path, program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).current_dir(dir).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {words}{}", String::from_utf8_lossy(&output.stdout));
}

/// Whole, in parallel ranges, and resumed in the middle.
async fn fetched(stage: &Stage, asset: &str, bytes: &[u8]) {
    let url = format!("{}{}", stage.url, stage.link(asset, json!({})).await);
    let dir = tempfile::TempDir::new().unwrap();
    let check = |name: &str| assert!(std::fs::read(dir.path().join(name)).unwrap() == bytes, "{name}");
    let begun = |name: &str| std::fs::write(dir.path().join(name), &bytes[..bytes.len() / 3]).unwrap();
    tokio::task::block_in_place(|| {
        run(dir.path(), "curl", &["-fsSL", "-o", "curl", &url]);
        check("curl");
        begun("curl-resumed");
        run(dir.path(), "curl", &["-fsSL", "-C", "-", "-o", "curl-resumed", &url]);
        check("curl-resumed");
        run(dir.path(), "wget", &["-q", "-O", "wget", &url]);
        check("wget");
        begun("wget-resumed");
        run(dir.path(), "wget", &["-q", "-c", "-O", "wget-resumed", &url]);
        check("wget-resumed");
        let aria = ["-q", "-x8", "-s8", "-k1M", "--allow-overwrite=true", "--file-allocation=none"];
        run(dir.path(), "aria2c", &[&aria[..], &["-o", "aria2", &url]].concat());
        check("aria2");
        begun("aria2-resumed");
        run(dir.path(), "aria2c", &[&aria[..], &["-c", "-o", "aria2-resumed", &url]].concat());
        check("aria2-resumed");
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_redirect_and_stream() {
    let stage = Stage::bare(&[]).await;
    let bytes = noise(2 * PART as u64 + 777, 1);
    let asset = stage.asset("a.bin", &bytes, true).await;
    fetched(&stage, &asset, &bytes).await;
    let stage = Stage::bare(&[("GANTRY_DELIVERY", "stream")]).await;
    let asset = stage.asset("a.bin", &bytes, true).await;
    fetched(&stage, &asset, &bytes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_nginx() {
    let bytes = noise(2 * PART as u64 + 777, 2);
    for cache in ["false", "true"] {
        let stage = Stage::nginx(&[("GANTRY_DOWNLOADS__PROXY_CACHE", cache)], None).await;
        for multipart in [false, true] {
            let asset = stage.asset("a.bin", &bytes, multipart).await;
            fetched(&stage, &asset, &bytes).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_apache() {
    let stage = Stage::apache(&[]).await;
    let bytes = noise(2 * PART as u64 + 777, 3);
    let asset = stage.asset("a.bin", &bytes, false).await;
    fetched(&stage, &asset, &bytes).await;
}
