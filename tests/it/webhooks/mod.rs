//! Webhooks from the event to the receiver and back: a real server at the other end, on both databases.

mod api;
mod crashes;
mod deliveries;
mod nodes;
mod replays;
mod trouble;

use serde_json::{Value, json};

use crate::support::patience::eventually_ok;
use crate::support::receiver::Receiver;
use crate::support::requests;
use crate::support::service::Service;
use crate::transcript;

/// A webhook at this receiver; (id, secret).
pub async fn hook(service: &Service, receiver: &Receiver, events: &str) -> (String, String) {
    let mut names = transcript!(
        service,
        r#"
        > POST /v1/webhooks {"url": "$url", "events": ["$events"]}
        < 201 {"id": "$webhook", "secret": "$secret", "state": "active"}
        | cache-control: no-store
    "#,
        url = receiver.url,
        events = events
    );
    (names.remove("webhook").unwrap(), names.remove("secret").unwrap())
}

pub async fn get(service: &Service, path: &str) -> Value {
    let url = format!("{}{path}", service.base);
    let answer = requests::client().get(url).bearer_auth(&service.admin).send().await.unwrap();
    answer.json().await.unwrap()
}

pub async fn post(service: &Service, path: &str, body: Value) -> Value {
    let url = format!("{}{path}", service.base);
    let request = requests::client().post(url).bearer_auth(&service.admin).body(body.to_string());
    request.send().await.unwrap().json().await.unwrap_or(json!(null))
}

pub async fn log(service: &Service, webhook: &str) -> Vec<Value> {
    let page = get(service, &format!("/v1/webhooks/{webhook}/deliveries?limit=1000")).await;
    page["deliveries"].as_array().unwrap().clone()
}

/// Waits until every delivery of the log is as wanted.
pub async fn until(service: &Service, webhook: &str, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    eventually_ok(what, async || {
        let log = log(service, webhook).await;
        if wanted(&log) { Ok(log) } else { Err(log) }
    })
    .await
}

/// So many deliveries, all in this state.
pub async fn all(service: &Service, webhook: &str, count: usize, state: &str) -> Vec<Value> {
    let wanted = |log: &[Value]| log.len() == count && log.iter().all(|delivery| delivery["state"] == state);
    until(service, webhook, &format!("{count} {state}"), wanted).await
}
