//! Log lines: a search for the id of an asset or of a request finds every line about it.

use serde_json::{Value, json};

use crate::support::database::Place;
use crate::support::patience::eventually_ok;
use crate::support::process::Instance;
use crate::support::requests;

fn lines(instance: &Instance) -> Vec<Value> {
    instance.log_text().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[tokio::test]
async fn an_asset_and_a_request_are_found_by_their_ids() {
    let place = Place::fresh_file();
    let mut instance = Instance::new(place, &[("GANTRY_LOG__FORMAT", "json")]);
    instance.start(None).await;
    let key = instance.key();
    let client = requests::client();
    let create = client.post(format!("{}/v1/uploads", instance.url)).bearer_auth(&key);
    let create = create.header("x-request-id", "trace-create-1").json(&json!({"filename": "a.txt", "size": 5}));
    let opened: Value = create.send().await.unwrap().json().await.unwrap();
    let (upload, asset) = (opened["upload"]["id"].as_str().unwrap(), opened["asset"]["id"].as_str().unwrap());
    let content = client.put(format!("{}/v1/uploads/{upload}/content", instance.url)).bearer_auth(&key);
    let put = content.header("x-request-id", "trace-put-1").body("hello").send().await.unwrap();
    assert!(put.status().is_success(), "{}", put.text().await.unwrap());

    let about = |lines: &[Value], text: &str| -> Vec<Value> {
        lines.iter().filter(|line| line.to_string().contains(text)).cloned().collect()
    };
    let found = eventually_ok("the job's line is written", async || {
        let found = about(&lines(&instance), asset);
        if found.iter().any(|line| line["message"] == "job done") { Ok(found) } else { Err(instance.log_text()) }
    })
    .await;
    let access = |id: &str| {
        let mut lines = found.iter().filter(|line| line["request_id"] == id && line["message"] == "request");
        lines.next().cloned().unwrap_or_else(|| panic!("no access line of {id} names the asset: {found:#?}"))
    };
    let (created, put) = (access("trace-create-1"), access("trace-put-1"));
    assert_eq!((&created["method"], &created["route"]), (&json!("POST"), &json!("/v1/uploads")));
    assert_eq!((&put["status"], &put["bytes_in"], &put["upload"]), (&json!(200), &json!(5), &json!(upload)));
    assert_eq!(put["client"], "127.0.0.1");
    assert!(put["credential"].as_str().unwrap().starts_with("key:"), "{put}");
    assert!(put["tenant"].is_string() && put["bytes_out"].is_u64() && put["duration_ms"].is_f64(), "{put}");
    for line in lines(&instance) {
        for (name, value) in line.as_object().unwrap() {
            let number = value.as_str().is_some_and(|text| text.parse::<f64>().is_ok());
            assert!(!number, "{name} is a number in quotes: {line}");
            assert!(!value.as_str().is_some_and(|text| text.contains("Some(") || text.contains("Err(")), "{line}");
        }
    }
}

#[tokio::test]
async fn a_line_shows_every_cause_of_a_failure_once_and_the_answer_shows_none() {
    let place = Place::Sqlite(std::sync::Arc::new(tempfile::TempDir::new().unwrap()));
    let nobody = format!("tcp://127.0.0.1:{}", crate::support::process::free_port());
    let mut instance = Instance::new(place, &[("GANTRY_LOG__FORMAT", "json"), ("GANTRY_CLAMD", &nobody)]);
    instance.start(None).await;
    let (key, client) = (instance.key(), reqwest::Client::new());
    let create = client.post(format!("{}/v1/uploads", instance.url)).bearer_auth(&key);
    let opened: Value =
        create.json(&json!({"filename": "a.txt", "size": 5})).send().await.unwrap().json().await.unwrap();
    let (upload, asset) = (opened["upload"]["id"].as_str().unwrap(), opened["asset"]["id"].as_str().unwrap());
    let put = client.put(format!("{}/v1/uploads/{upload}/content", instance.url)).bearer_auth(&key).body("hello");
    assert!(put.send().await.unwrap().status().is_success());
    let waits = eventually_ok("the job waits for the scanner", async || {
        let found = lines(&instance).into_iter().find(|line| line["message"] == "job waits");
        found.ok_or_else(|| instance.log_text())
    })
    .await;
    assert_eq!(waits["why"], "clamd does not answer: Connection refused (os error 111)");
    let shown = client.get(format!("{}/v1/assets/{asset}", instance.url)).bearer_auth(&key);
    let shown = shown.send().await.unwrap().text().await.unwrap();
    assert!(!shown.contains("clamd") && !shown.contains("refused"), "{shown}");
}
