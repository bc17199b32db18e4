//! What the command line makes of bytes that the store has lost: a reason and an end, never an endless download.

use std::time::Duration;

use serde_json::json;

use super::service::{MIB, Service, noise, sha256};
use crate::support::bucket::{data_file, flip_bit};
use crate::support::patience::{eventually, in_time};
use crate::support::requests;

/// What became of the data file.
#[derive(Clone, Copy, Debug)]
enum Loss {
    Gone,
    Empty,
    Half,
}

impl Loss {
    fn happen(self, file: &std::path::Path) {
        let cut = |len: u64| std::fs::File::options().write(true).open(file).unwrap().set_len(len).unwrap();
        match self {
            Self::Gone => std::fs::remove_file(file).unwrap(),
            Self::Empty => cut(0),
            Self::Half => cut(3 * MIB as u64 / 2),
        }
    }
}

async fn lose(service: &mut Service, loss: Loss, seed: u64) -> String {
    let file = service.file("f", 3 * MIB, seed);
    let id = service.ok(["put", "--quiet", file.to_str().unwrap()]).await;
    let file = data_file(&service.path("data/store/files"), &noise(3 * MIB, seed));
    // A process that has the file open would go on reading it.
    service.kill().await;
    loss.happen(&file);
    service.start_again().await;
    id
}

/// Through the service: what is known before the first byte has a status; what is not is refused when it is asked again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_bytes_are_a_reason_and_not_tried_for() {
    let mut service = Service::with(&["delivery=stream"]).await;
    for (loss, seed) in [(Loss::Gone, 1), (Loss::Empty, 2), (Loss::Half, 3)] {
        let id = lose(&mut service, loss, seed).await;
        let get = in_time("gantry get ends", service.run(["get", "-o", "back", &id])).await;
        assert_ne!(get.code, 0, "{loss:?}");
        assert!(get.err.contains("bytes_missing"), "{loss:?}: {}", get.err);
        assert!(!service.path("back").exists(), "{loss:?}");
        let content = format!("{}/v1/assets/{id}/content", service.url);
        let client = requests::client();
        let ask = |range: &'static str| client.get(&content).bearer_auth(&service.key).header("range", range).send();
        for range in ["bytes=2000000-", "bytes=2000000-2000009", "bytes=2000000-2000009,2500000-2500009"] {
            let answer = ask(range).await.unwrap();
            assert_eq!(answer.status(), 500, "{loss:?} {range}");
            assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["code"], "bytes_missing", "{loss:?} {range}");
        }
    }
    let log = std::fs::read_to_string(service.path("log.txt")).unwrap();
    assert!(log.contains("ERROR") && log.contains("stored bytes are damaged"), "{log}");
}

/// From the store: whatever it answers, the client's own budget ends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_cannot_deliver_uses_up_the_budget() {
    let mut service = Service::start().await;
    for (loss, seed) in [(Loss::Gone, 1), (Loss::Half, 2)] {
        let id = lose(&mut service, loss, seed).await;
        let begun = std::time::Instant::now();
        let get = service.run(["get", "--retry-max-time=2s", "-o", "back", &id]).await;
        assert_ne!(get.code, 0, "{loss:?}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{loss:?}: {:?}", begun.elapsed());
        assert!(!service.path("back").exists(), "{loss:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotted_file_is_never_called_right() {
    let service = Service::start().await;
    let bytes = noise(3 * MIB, 5);
    let file = service.file("f", bytes.len(), 5);
    let id = service.ok(["put", "--quiet", file.to_str().unwrap()]).await;
    flip_bit(&data_file(&service.path("data/store/files"), &bytes));
    for how in [json!({ "scan_only": true }), json!({})] {
        let asked = requests::client().post(format!("{}/v1/assets/{id}/reprocess", service.url));
        assert_eq!(asked.bearer_auth(&service.key).json(&how).send().await.unwrap().status(), 202);
    }
    let asset = format!("/v1/assets/{id}");
    eventually("the damage is noted", async || service.api(&asset).await["problems"][0]["code"] == "corrupt").await;
    let asset = service.api(&asset).await;
    assert_eq!((&asset["state"], &asset["sha256"]), (&json!("ready"), &json!(sha256(&bytes))));
    let get = service.run(["get", "-o", "back", &id]).await;
    assert_eq!(get.code, 6, "{}", get.err);
    assert!(!service.path("back").exists());
    let log = std::fs::read_to_string(service.path("log.txt")).unwrap();
    let line = log.lines().find(|line| line.contains("ERROR") && line.contains(&id)).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("corrupt") && line.contains(&sha256(&bytes)), "{line}");
}
