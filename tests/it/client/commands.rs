//! What the command line says of itself: help, versions, completions, requests; and `watch`, `open`, `admin`.

use serde_json::json;

use super::service::{Service, json_lines, sha256};
use crate::support::requests;

async fn out(service: &Service, arguments: &[&str]) -> String {
    let ended = service.run(arguments).await;
    assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.err);
    ended.out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn help_names_the_environment_and_only_options_that_are_read() {
    let service = Service::start().await;
    let help = out(&service, &["--help"]).await;
    for word in ["GANTRY_URL", "GANTRY_API_KEY", "GANTRY_CLIENT_PROFILE", "--config", "sync", "admin"] {
        assert!(help.contains(word), "{word} is not in {help}");
    }
    for command in ["put", "get", "ls", "stat", "whoami", "sync", "watch"] {
        let help = out(&service, &[command, "--help"]).await;
        assert!(help.contains("GANTRY_URL") && help.contains("GANTRY_API_KEY"), "{command}: {help}");
        assert!(!help.contains("--set") && !help.contains("--config"), "{command} reads no settings: {help}");
        let long: Vec<_> = help.lines().filter(|line| line.chars().count() > 130).collect();
        assert!(long.is_empty(), "{command}: {long:#?}");
    }
    assert!(out(&service, &["serve", "--help"]).await.contains("--set"));
    assert!(out(&service, &["key", "create", "--help"]).await.contains("--set"));
    for refused in [["put", "--set=listen=x", "f"], ["--set=listen=x", "put", "f"]] {
        let ended = service.run(refused).await;
        assert!(ended.code == 2 && ended.err.contains("--set"), "{}", ended.err);
    }
    assert_eq!(service.run(["--set=listen=127.0.0.1:1", "check-config"]).await.code, 0);
    assert_eq!(service.run(["check-config", "--set=listen=nonsense"]).await.code, 1);
    let wrong = service.run(["lss"]).await;
    assert!(wrong.code == 2 && wrong.err.contains("'ls'"), "a wrong command has a suggestion: {}", wrong.err);
    assert_eq!(service.run(["upload", "nowhere"]).await.code, 1, "names that others use are understood");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_completions_and_manuals_are_made() {
    let service = Service::start().await;
    let version = out(&service, &["--version"]).await;
    let named = regex::Regex::new(r"^gantry \d+\.\d+\.\d+( \([0-9a-f]{7,40}\))?\n$").unwrap();
    assert!(named.is_match(&version), "{version}");
    for (shell, word) in [("bash", "complete -F"), ("zsh", "#compdef gantry"), ("fish", "complete -c gantry")] {
        let script = out(&service, &["completions", shell]).await;
        assert!(script.contains(word) && script.contains("whoami"), "{shell}");
    }
    assert!(out(&service, &["man"]).await.contains(".TH gantry 1"));
    out(&service, &["man", "pages"]).await;
    for page in ["gantry.1", "gantry-put.1", "gantry-admin-jobs.1"] {
        assert!(service.path("pages").join(page).exists(), "{page}");
    }
    let colour = service.gantry(["nonsense"]).env("NO_COLOR", "1").env("CLICOLOR_FORCE", "0").output().await.unwrap();
    assert!(!colour.stderr.contains(&b'\x1b'));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_said_without_secrets() {
    let service = Service::start().await;
    service.file("f", 100, 1);
    let put = service.run(["put", "-vv", "f"]).await;
    assert!(put.err.contains("· POST /v1/uploads: 201 in") && put.err.contains(", request "), "{}", put.err);
    assert!(put.err.contains("· PUT 127.0.0.1 (signed): 200"), "{}", put.err);
    let link = service.ok(["link", "-q", put.out.trim()]).await;
    let get = service.run(["get", "-vv", "-o", "back", &link]).await;
    assert_eq!(get.code, 0, "{}", get.err);
    let secret = link.rsplit('/').next().unwrap();
    for text in [&put.err, &get.err] {
        for hidden in ["X-Amz", "gk_", "Signature", secret] {
            assert!(!text.contains(hidden), "{hidden} is in {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_asset_is_watched_to_its_end() {
    let service = Service::start().await;
    service.file("f", 100, 1);
    let id = service.ok(["put", "-q", "--no-wait", "f"]).await;
    let watched = service.run(["watch", &id]).await;
    assert_eq!(watched.code, 0, "{}", watched.err);
    assert!(watched.out.contains("asset.ready"), "{}", watched.out);
    let wish = json!({ "filename": "f", "size": 3, "method": "multipart", "sha256": sha256(b"abc") });
    let opened = service.post("/v1/uploads", &wish).await;
    let url = opened["multipart"]["urls"][0]["url"].as_str().unwrap();
    assert!(requests::client().put(url).body("xyz").send().await.unwrap().status().is_success());
    let upload = opened["upload"]["id"].as_str().unwrap();
    service.post(&format!("/v1/uploads/{upload}/complete"), &json!({})).await;
    let rejected = service.run(["watch", "--json", opened["asset"]["id"].as_str().unwrap()]).await;
    assert_eq!(rejected.code, 6, "{}", rejected.err);
    assert_eq!(json_lines(&rejected.out).last().unwrap()["state"], "rejected");
    assert_eq!(service.run(["watch", "01a1fcaa-182f-7392-9bfa-443ddd006b9a"]).await.code, 4);
    let opened = service.ok(["open", "--print", &id]).await;
    assert!(opened.starts_with(&service.url) && opened.contains("/d/"), "{opened}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sees_uploads_jobs_webhooks_and_the_audit_trail() {
    let service = Service::with(&["webhooks.allow_http=true", "webhooks.allow_networks=127.0.0.1/32"]).await;
    let wish = json!({ "filename": "slow.bin", "size": 11 });
    let upload = service.post("/v1/uploads", &wish).await;
    let id = upload["upload"]["id"].as_str().unwrap();
    assert!(out(&service, &["admin", "uploads"]).await.contains("slow.bin"));
    assert!(out(&service, &["ls", "--uploads", "--state=open"]).await.starts_with(id));
    assert!(out(&service, &["stat", id]).await.contains("0 B of 11 B (0 %)"));
    assert_eq!(service.run(["ls", "--uploads", "--sort=name"]).await.code, 2);
    assert_eq!(service.run(["ls", "--idle-for=1s"]).await.code, 2);
    // A queue that is paused keeps its jobs.
    service.call(reqwest::Method::POST, "/v1/admin/queues/process/pause").await;
    service.file("f", 100, 1);
    service.ok(["put", "-q", "--no-wait", "f"]).await;
    let jobs = json_lines(&out(&service, &["admin", "jobs", "--json", "--kind=process", "--limit=1"]).await);
    let job = jobs[0]["id"].as_str().unwrap();
    assert!(out(&service, &["admin", "jobs", "--state=ready"]).await.contains(job));
    assert!(out(&service, &["admin", "jobs", "show", job]).await.contains("process"));
    assert_eq!(out(&service, &["admin", "dead-letters"]).await, "");
    assert_eq!(out(&service, &["admin", "dead-letters", "retry", "--all"]).await, "0 jobs are ready again.\n");
    let unknown = "01a1fcaa-182f-7392-9bfa-443ddd006b9a";
    assert_eq!(service.run(["admin", "jobs", "discard", unknown]).await.code, 4);
    assert_eq!(service.run(["admin", "jobs", "retry"]).await.code, 2);
    let endpoint = json!({ "url": "http://127.0.0.1:9/", "events": ["asset.*"] });
    let webhook = service.post("/v1/webhooks", &endpoint).await;
    let webhook = webhook["id"].as_str().unwrap();
    assert!(out(&service, &["admin", "webhooks"]).await.contains("http://127.0.0.1:9/"));
    let tested = out(&service, &["admin", "webhooks", "test", webhook]).await;
    let deliveries = out(&service, &["admin", "webhooks", "deliveries", webhook]).await;
    assert!(deliveries.contains(tested.trim()), "{deliveries}");
    let test_again = service.run(["admin", "webhooks", "replay", webhook, tested.trim()]).await;
    assert_eq!(test_again.code, 4, "a test is no delivery of an event: {}", test_again.err);
    let audit = out(&service, &["admin", "audit", "--action", "webhook.", "--limit", "5"]).await;
    assert!(audit.lines().count() >= 1 && audit.contains("webhook."), "{audit}");
}
