//! The memory of the process is bounded by settings, however many clients send at once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::database::Place;
use crate::support::process::Instance;
use crate::support::requests;

const MIB: u64 = 1 << 20;
const CLIENTS: usize = 16;
const FILES_OF_EACH: usize = 4;

/// Sends a file through the service, and reads it again.
async fn send_and_fetch(client: &reqwest::Client, url: &str, key: &str, bytes: &[u8]) {
    let wish = json!({ "filename": "a.bin", "size": bytes.len() });
    let opened = client.post(format!("{url}/v1/uploads")).bearer_auth(key).json(&wish).send().await.unwrap();
    let opened: Value = opened.json().await.unwrap();
    let (upload, asset) = (opened["upload"]["id"].as_str().unwrap(), opened["asset"]["id"].as_str().unwrap());
    let put = client.put(format!("{url}/v1/uploads/{upload}/content")).bearer_auth(key).body(bytes.to_vec());
    assert_eq!(put.send().await.unwrap().status(), 200);
    let ready = format!("{url}/v1/assets/{asset}?wait=60s&until=ready");
    let ready: Value = client.get(ready).bearer_auth(key).send().await.unwrap().json().await.unwrap();
    assert_eq!(ready["state"], "ready", "{ready}");
    let content = format!("{url}/v1/assets/{asset}/content?delivery=stream");
    let content = client.get(content).bearer_auth(key).send().await.unwrap();
    assert_eq!(content.bytes().await.unwrap().len(), bytes.len());
}

/// The sum that `config/default.toml` names holds at 16 clients.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_clients_take_no_more_than_the_settings_allow() {
    let settings = [
        ("GANTRY_APPENDS__MEMORY", "64MiB"),
        ("GANTRY_SERVER__JSON_MEMORY", "4MiB"),
        ("GANTRY_SERVER__HTTP2_WINDOWS", "0"),
    ];
    let mut instance = Instance::new(Place::fresh_file(), &settings);
    instance.start(None).await;
    let (url, key, bytes) = (instance.url.clone(), instance.key(), vec![7; 4 << 20]);
    let (largest, ended) = (AtomicU64::new(0), AtomicBool::new(false));
    let clients = (0..CLIENTS).map(|_| async {
        let client = requests::client();
        for _ in 0..FILES_OF_EACH {
            send_and_fetch(&client, &url, &key, &bytes).await;
        }
    });
    let watch = async {
        while !ended.load(Ordering::Relaxed) {
            largest.fetch_max(instance.memory(), Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let work = async {
        futures_util::future::join_all(clients).await;
        ended.store(true, Ordering::Relaxed);
    };
    tokio::join!(watch, work);
    let largest = largest.into_inner() / MIB;
    assert!(largest < 64 + 4 + 384, "{largest} MiB");
}
