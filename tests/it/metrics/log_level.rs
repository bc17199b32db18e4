//! The log level is changed while the service runs.

use serde_json::{Value, json};

use super::started;
use crate::support::patience::eventually_ok;
use crate::support::requests;

#[tokio::test]
async fn an_operator_changes_the_filter_and_the_audit_trail_tells_of_it() {
    let instance = started(&[("GANTRY_LOG__FORMAT", "json")]).await;
    let key = instance.key();
    let (client, url) = (requests::client(), format!("{}/v1/admin/log-level", instance.url));
    let filter = async || -> Value { client.get(&url).bearer_auth(&key).send().await.unwrap().json().await.unwrap() };
    let set = async |filter: &str| {
        let change = client.put(&url).bearer_auth(&key).json(&json!({ "filter": filter }));
        change.send().await.unwrap()
    };
    assert_eq!(filter().await, json!({ "filter": "info" }));
    let refused = set("info,gantry=loudly").await;
    assert_eq!(refused.status(), 422);
    let problem: Value = refused.json().await.unwrap();
    assert_eq!((&problem["code"], &problem["field"]), (&json!("invalid"), &json!("filter")), "{problem}");
    assert_eq!(set("  ").await.status(), 422);
    assert_eq!(filter().await["filter"], "info");

    assert!(!instance.log_text().contains("\"level\":\"DEBUG\""), "{}", instance.log_text());
    assert_eq!(set("warn,gantry::worker=debug").await.status(), 200);
    eventually_ok("lines of the workers at debug", async || match instance.log_text() {
        log if log.contains("\"level\":\"DEBUG\"") => Ok(()),
        log => Err(log),
    })
    .await;
    let lines = instance.log_text().lines().count();
    let named = requests::client().get(format!("{}/livez", instance.url)).header("x-request-id", "after-warn");
    named.send().await.unwrap();
    let log = instance.log_text();
    let since: Vec<_> = log.lines().skip(lines).filter(|line| line.contains("after-warn")).collect();
    assert!(since.is_empty(), "access lines are written at info: {since:#?}");

    let audit: Value = client
        .get(format!("{}/v1/admin/audit", instance.url))
        .bearer_auth(&key)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let entry = audit["entries"].as_array().unwrap().iter().find(|entry| entry["action"] == "log_level.change");
    let entry = entry.unwrap_or_else(|| panic!("{audit:#}"));
    assert_eq!(
        (&entry["before"], &entry["after"]["filter"]),
        (&json!({"filter": "info"}), &json!("warn,gantry::worker=debug"))
    );
}

#[tokio::test]
async fn only_an_operator_may() {
    let instance = started(&[]).await;
    instance.run(&["tenant", "create", "acme"]);
    let other = instance.run(&["key", "create", "--tenant", "acme", "--scopes", "admin"]);
    let (client, url) = (requests::client(), format!("{}/v1/admin/log-level", instance.url));
    assert_eq!(client.get(&url).bearer_auth(&other).send().await.unwrap().status(), 403);
    let change = client.put(&url).bearer_auth(&other).json(&json!({ "filter": "debug" }));
    assert_eq!(change.send().await.unwrap().status(), 403);
    assert_eq!(client.get(&url).send().await.unwrap().status(), 401);
}
