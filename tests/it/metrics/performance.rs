//! Figures of calls, and caches that an operator clears.

use std::process::Stdio;

use serde_json::{Value, json};

use super::started;
use crate::support::database::Place;
use crate::support::patience::eventually_ok;
use crate::support::process::Instance;
use crate::support::requests;

#[tokio::test]
async fn routes_verbs_and_calls_have_figures_until_they_are_reset() {
    let instance = started(&[]).await;
    let (client, key) = (requests::client(), instance.key());
    for _ in 0..5 {
        let wish = json!({ "filename": "a", "size": 5 });
        let made = client.post(format!("{}/v1/uploads", instance.url)).bearer_auth(&key).json(&wish);
        assert_eq!(made.send().await.unwrap().status(), 201);
    }
    let url = format!("{}/v1/admin/performance", instance.url);
    let figures = async || -> Value { client.get(&url).bearer_auth(&key).send().await.unwrap().json().await.unwrap() };
    let listed = figures().await;
    let find = |listed: &Value, kind: &str, name: &str| {
        let mut calls = listed["calls"].as_array().unwrap().iter();
        calls.find(|call| call["kind"] == kind && call["name"] == name).cloned()
    };
    for (kind, name) in [("route", "POST /v1/uploads"), ("engine", "uploads::create_upload"), ("database", "commit")] {
        let call = find(&listed, kind, name).unwrap_or_else(|| panic!("no {kind} {name} in {listed:#}"));
        assert!(call["count"].as_u64().unwrap() >= 5, "{call}");
        let of = |name: &str| call[name].as_f64().unwrap();
        assert!(0.0 < of("p50_ms") && of("p50_ms") <= of("p90_ms") && of("p90_ms") <= of("p99_ms"), "{call}");
        assert!(of("p99_ms") <= of("max_ms") && of("max_ms") <= of("total_ms"), "{call}");
    }
    assert_eq!(find(&listed, "route", "POST /v1/uploads").unwrap()["count"], 5);
    assert_eq!(client.delete(&url).bearer_auth(&key).send().await.unwrap().status(), 204);
    assert_eq!(find(&figures().await, "route", "POST /v1/uploads"), None);

    let stats = |more: &[&str]| {
        let mut command = instance.gantry(&["stats"]);
        let output = command.args(more).env("GANTRY_URL", &instance.url).env("GANTRY_API_KEY", &key).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let printed = stats(&[]);
    assert!(printed.contains("GET /v1/admin/performance") && printed.contains("api_keys"), "{printed}");
    let lines = stats(&["--json", "--kind", "database"]);
    assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).unwrap()["kind"] == "database"), "{lines}");
}

#[tokio::test]
async fn what_another_process_changed_is_seen_once_caches_are_cleared() {
    let instance = started(&[]).await;
    let (client, key) = (requests::client(), instance.key());
    instance.run(&["tenant", "create", "acme"]);
    let theirs = instance.run(&["key", "create", "--tenant", "acme", "--scopes", "upload,read"]);
    let listed = async || client.get(format!("{}/v1/assets", instance.url)).bearer_auth(&theirs).send().await.unwrap();
    let url = format!("{}/v1/admin/caches", instance.url);
    let clear = async || client.delete(&url).bearer_auth(&key).send().await.unwrap().status();
    let names = async || listed().await.status();
    assert_eq!(clear().await, 204);
    assert_eq!(names().await, 200);
    // Another process does not tell the service.
    instance.run(&["key", "revoke", &theirs, "--tenant", "acme"]);
    assert_eq!(clear().await, 204);
    assert_eq!(names().await, 401, "the key is read anew");
    let caches: Value = client.get(&url).bearer_auth(&key).send().await.unwrap().json().await.unwrap();
    let keys = caches["caches"].as_array().unwrap().iter().find(|cache| cache["cache"] == "api_keys").unwrap();
    assert!(keys["hits"].as_u64().unwrap() > 0 && keys["misses"].as_u64().unwrap() > 1, "{caches}");
    let audit = client.get(format!("{}/v1/admin/audit", instance.url)).bearer_auth(&key).send().await.unwrap();
    let audit = audit.text().await.unwrap();
    assert_eq!(audit.matches("caches.clear").count(), 2, "{audit}");
    assert_eq!(client.delete(&url).bearer_auth(&theirs).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn slow_statements_are_logged_without_their_values() {
    // Every statement takes longer.
    let instance = started(&[("GANTRY_DATABASE__SLOW_QUERY", "1ns"), ("GANTRY_LOG__FORMAT", "json")]).await;
    let wish = json!({ "filename": "confidential.txt", "size": 5 });
    let made = requests::client().post(format!("{}/v1/uploads", instance.url)).bearer_auth(instance.key()).json(&wish);
    assert_eq!(made.send().await.unwrap().status(), 201);
    eventually_ok("the statements are logged", async || match instance.log_text() {
        log if log.contains("slow statement") && log.contains("INSERT INTO upload") => Ok(()),
        log => Err(log),
    })
    .await;
    assert!(!instance.log_text().contains("confidential"), "{}", instance.log_text());
}

#[tokio::test]
async fn a_log_that_takes_no_lines_stops_nobody() {
    let instance = Instance::new(Place::fresh_file(), &[]);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut serving = instance.gantry(&["serve"]).stdout(Stdio::null()).stderr(full).spawn().unwrap();
    let text = async || match requests::client().get(format!("{}/metrics", instance.url)).send().await {
        Ok(answer) => answer.text().await.unwrap(),
        Err(_) => String::new(),
    };
    let dropped = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("gantry_log_dropped_total "));
        line.map_or(0, |count| count.parse::<u64>().unwrap())
    };
    eventually_ok("lines are counted", async || match text().await {
        text if dropped(&text) > 1 => Ok(()),
        text => Err(text),
    })
    .await;
    assert!(text().await.contains("gantry_panics_total 0\n"));
    serving.kill().unwrap();
    serving.wait().unwrap();
}
