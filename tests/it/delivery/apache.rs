//! Behind Apache with mod_xsendfile, with the file in `infra/`.

use serde_json::json;

use super::stage::{PART, Stage};
use super::{behaves, sockets_pass, strangers_headers_mean_nothing};
use crate::support::transcript::noise;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apache_sends_files_of_the_embedded_store() {
    let stage = Stage::apache(&[]).await;
    let bytes = noise(3 << 20, 1);
    let asset = stage.asset("für 'dich'; \"x\".bin", &bytes, false).await;
    behaves(&stage, &asset, &bytes).await;
    strangers_headers_mean_nothing(&stage, &asset, &bytes).await;
    let log = stage.access_log();
    assert!(log.contains("GET") && !log.contains("gd_"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_several_files_is_streamed_through_apache() {
    let stage = Stage::apache(&[]).await;
    let bytes = noise(2 * PART as u64 + 12345, 2);
    let asset = stage.asset("parts.bin", &bytes, true).await;
    behaves(&stage, &asset, &bytes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apache_sends_nothing_from_elsewhere() {
    let stage = Stage::apache(&[]).await;
    let asset = stage.asset("a.txt", b"hello", false).await;
    let url = stage.link(&asset, json!({})).await;
    let answer = stage.get(&url, &[("x-sendfile", "/etc/passwd")]).await;
    assert_eq!(answer.body, b"hello");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_pass_apache() {
    sockets_pass(&Stage::apache(&[]).await).await;
}
