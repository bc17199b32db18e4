//! kill -9 around a delivery: it arrives at least once, with the same id.

use serde_json::{Value, json};

use crate::support::database::Place;
use crate::support::patience::eventually_ok;
use crate::support::process::Instance;
use crate::support::receiver::Receiver;
use crate::support::requests;

const SETTINGS: [(&str, &str); 2] =
    [("GANTRY_WEBHOOKS__ALLOW_HTTP", "true"), ("GANTRY_WEBHOOKS__ALLOW_NETWORKS", "127.0.0.0/8")];

async fn post(instance: &Instance, key: &str, path: &str, body: Value) -> Value {
    let request = requests::client().post(format!("{}{path}", instance.url)).bearer_auth(key).body(body.to_string());
    request.send().await.unwrap().json().await.unwrap()
}

/// The id of the message about the file's being ready, and how often it came.
async fn survives(place: Place, point: &str, times: usize) {
    let receiver = Receiver::start().await;
    let mut instance = Instance::new(place, &SETTINGS);
    instance.start(None).await;
    let key = instance.key();
    let hook = post(&instance, &key, "/v1/webhooks", json!({"url": receiver.url, "events": ["asset.ready"]})).await;
    let secret = hook["secret"].as_str().unwrap().to_owned();
    instance.kill();
    instance.start(Some(point)).await;
    let opened = post(&instance, &key, "/v1/uploads", json!({"filename": "a.txt", "size": 5})).await;
    let put = requests::client().put(opened["put"]["url"].as_str().unwrap()).header("if-none-match", "*").body("hello");
    assert_eq!(put.send().await.unwrap().status(), 200);
    let complete = format!("{}/v1/uploads/{}/complete", instance.url, opened["upload"]["id"].as_str().unwrap());
    // The answer may be lost: the process ends as soon as the work is done.
    let _ = requests::client().post(complete).bearer_auth(&key).send().await;
    assert!(!instance.ended().await.success());
    instance.start(None).await;
    receiver.until(times).await;
    let rows = instance.rows().await;
    eventually_ok("no jobs are left", async || match rows.count_jobs().await.unwrap() {
        (0, 0) => Ok(()),
        left => Err((left, instance.log_text())),
    })
    .await;
    let came = receiver.came();
    assert_eq!(came.len(), times);
    assert!(came.iter().all(|message| message.id() == came[0].id() && message.verifies(&secret)));
    assert_eq!(came[0].json()["data"]["asset_id"], opened["asset"]["id"]);
    let log = instance.log_text();
    assert!(!log.contains("whsec_") && !log.contains(&receiver.url), "{log}");
}

macro_rules! on_both {
    ($($name:ident: $point:literal, $times:literal;)*) => { $(
        mod $name {
            #[tokio::test]
            async fn sqlite() {
                let dir = std::sync::Arc::new(tempfile::TempDir::new().unwrap());
                super::survives(crate::support::database::Place::Sqlite(dir), $point, $times).await;
            }

            #[tokio::test]
            async fn postgres() {
                super::survives(crate::support::database::Place::fresh_schema().await, $point, $times).await;
            }
        }
    )* };
}

on_both! {
    dies_when_the_event_is_written_and_nothing_sent: "job_settled", 1;
    dies_when_it_is_sent_and_not_written_down: "webhook_sent", 2;
}
