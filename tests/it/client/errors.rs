//! Every way to fail has its exit code, its words, and no secrets.

use serde_json::json;

use super::service::{Ended, PART, Service, noise, sha256};
use crate::support::requests;

const UNKNOWN: &str = "01a1fcaa-182f-7392-9bfa-443ddd006b9a";

fn failed(ended: &Ended, code: i32, word: &str) {
    assert_eq!(ended.code, code, "{}", ended.err);
    assert!(ended.err.contains(word), "{word:?} is not in {}", ended.err);
    assert_eq!(ended.out, "", "nothing on standard output");
    for secret in ["X-Amz-", "gk_", "Signature"] {
        assert!(!ended.err.contains(secret), "{}", ended.err);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_meaning_has_its_exit_code() {
    let service = Service::with(&["limits.max_size=6MiB"]).await;
    let (small, large) = (service.file("small", 10, 1), service.file("large", 7 << 20, 1));
    let (small, large) = (small.to_str().unwrap(), large.to_str().unwrap());
    failed(&service.run(["get", UNKNOWN]).await, 4, "not_found");
    failed(&service.run(["stat", "../limits"]).await, 4, "not_found");
    failed(&service.run(["link", UNKNOWN]).await, 4, "not_found");
    failed(&service.run(["put", large]).await, 5, "too_large");
    failed(&service.run(["put", "-", small]).await, 2, "sent alone");
    failed(&service.run(["put", "-", "--external-id", "x"]).await, 2, "require a file");
    failed(&service.run(["put", "."]).await, 2, "a directory");
    failed(&service.run(["put", "nowhere"]).await, 1, "No such file");
    failed(&service.run(["put", small, large, "--name", "x"]).await, 2, "require a single file");
    failed(&service.run(["put", small, "--part-size=1KiB"]).await, 2, "part size");
    failed(&service.run(["put", small, "--sha256", &"00".repeat(32)]).await, 6, "not sha256:");
    failed(&service.run(["get", "no-id"]).await, 2, "neither an asset id nor a link");
    failed(&service.run(["nonsense"]).await, 2, "nonsense");
    let partly = service.run(["put", "--quiet", small, large]).await;
    assert_eq!((partly.code, partly.out.lines().count()), (7, 1), "{}", partly.err);
    assert!(partly.err.contains("large: ") && partly.err.contains("1 of 2 failed"), "{}", partly.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_come_from_the_environment_or_a_file() {
    let service = Service::start().await;
    let without = |arguments: &[&str]| {
        let mut command = service.gantry(arguments);
        command.env_remove("GANTRY_API_KEY");
        command
    };
    let run = async |mut command: tokio::process::Command| super::service::ended(command.output().await.unwrap());
    failed(&run(without(&["ls"])).await, 3, "GANTRY_API_KEY");
    let mut wrong = without(&["ls"]);
    wrong.env("GANTRY_API_KEY", "gk_nonsense.nonsense");
    failed(&run(wrong).await, 3, "unauthenticated");
    std::fs::write(service.path("key"), format!("{}\n", service.key)).unwrap();
    let mut file = without(&["ls"]);
    file.env("GANTRY_API_KEY_FILE", service.path("key"));
    assert_eq!(run(file).await.code, 0);
    let mut elsewhere = without(&["ls", "--url", "files.example"]);
    elsewhere.env("GANTRY_API_KEY", &service.key);
    failed(&run(elsewhere).await, 2, "not the address of a server");
}

/// Created with a wrong digest, as a broken client would: rejected, and never handed out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_rejected_is_blocked() {
    let service = Service::start().await;
    let wish = json!({ "filename": "f", "size": 3, "method": "multipart", "sha256": sha256(b"abc") });
    let opened = service.post("/v1/uploads", &wish).await;
    let url = opened["multipart"]["urls"][0]["url"].as_str().unwrap();
    assert!(requests::client().put(url).body("xyz").send().await.unwrap().status().is_success());
    let id = opened["upload"]["id"].as_str().unwrap();
    let asset = service.post(&format!("/v1/uploads/{id}/complete"), &json!({})).await;
    let asset = asset["id"].as_str().unwrap();
    service.api(&format!("/v1/assets/{asset}?wait=10s&until=rejected")).await;
    failed(&service.run(["get", asset]).await, 9, "rejected");
    failed(&service.run(["link", asset]).await, 9, "rejected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_overwrites_nothing_unasked_and_mixes_nothing() {
    let service = Service::start().await;
    let file = service.file("up", 2 * PART, 2);
    let id = service.ok(["put", "-q", "--part-size=5MiB", file.to_str().unwrap()]).await;
    std::fs::write(service.path("down"), "precious").unwrap();
    failed(&service.run(["get", "-o", "down", &id]).await, 1, "--force");
    assert_eq!(std::fs::read(service.path("down")).unwrap(), b"precious");
    failed(&service.run(["get", "-f", "-o", "/dev/null", &id]).await, 2, "not a regular file");
    // The beginning of something else, and a state that says so.
    std::fs::write(service.path("down.part"), noise(PART, 99)).unwrap();
    std::fs::write(service.path("down.part.json"), r#"{"etag":"\"other\"","size":10485760,"sha256":null}"#).unwrap();
    service.ok(["get", "-q", "-f", "-o", "down", &id]).await;
    assert!(std::fs::read(service.path("down")).unwrap() == noise(2 * PART, 2));
    // The right beginning by name, but with a hole, as a crash of the machine may leave it.
    let asset = service.api(&format!("/v1/assets/{id}")).await;
    service.proxy.slow_down(4 << 20);
    let mut get = service.gantry(["get", "-q", "-o", "third", &id]).spawn().unwrap();
    crate::support::patience::eventually("some bytes", async || {
        std::fs::metadata(service.path("third.part")).is_ok_and(|part| part.len() > 1 << 20)
    })
    .await;
    get.kill().await.unwrap();
    service.proxy.full_speed();
    let len = std::fs::metadata(service.path("third.part")).unwrap().len();
    std::fs::write(service.path("third.part"), vec![0; usize::try_from(len).unwrap()]).unwrap();
    service.ok(["get", "-q", "-o", "third", &id]).await;
    assert_eq!(asset["sha256"], sha256(&std::fs::read(service.path("third")).unwrap()));
}
