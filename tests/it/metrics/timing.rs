//! `Server-Timing`: for callers of the API, and for nobody else.

use serde_json::{Value, json};

use super::started;
use crate::support::requests;

/// Milliseconds by name.
fn timing(answer: &reqwest::Response) -> Option<Vec<(String, f64)>> {
    let value = answer.headers().get("server-timing")?.to_str().unwrap();
    let parts = value.split(", ").map(|part| part.split_once(";dur=").unwrap());
    Some(parts.map(|(name, millis)| (name.to_owned(), millis.parse().unwrap())).collect())
}

#[tokio::test]
async fn callers_see_where_the_time_went() {
    let instance = started(&[("GANTRY_CORS_ORIGINS", "https://app.example")]).await;
    let (key, client) = (instance.key(), requests::client());
    let create = client.post(format!("{}/v1/uploads", instance.url)).bearer_auth(&key);
    let create = create.json(&json!({"filename": "a", "size": 20_000_000, "method": "multipart"}));
    let created = create.send().await.unwrap();
    assert_eq!(created.status(), 201);
    let spent = timing(&created).expect("no Server-Timing");
    let names: Vec<_> = spent.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["total", "db", "store"]);
    let [total, database, store] = [spent[0].1, spent[1].1, spent[2].1];
    assert!(database > 0.0 && store > 0.0 && total + 0.2 >= database + store, "{spent:?}");
    assert!(created.headers().get("timing-allow-origin").is_none());

    let list = client.get(format!("{}/v1/assets", instance.url)).bearer_auth(&key);
    let listed = list.header("origin", "https://app.example").send().await.unwrap();
    assert!(timing(&listed).is_some());
    assert_eq!(listed.headers()["timing-allow-origin"], "https://app.example");
    let stranger =
        client.get(format!("{}/v1/assets", instance.url)).bearer_auth(&key).header("origin", "https://evil.example");
    assert!(stranger.send().await.unwrap().headers().get("timing-allow-origin").is_none());
}

/// Times would tell which ids of keys and of other tenants' files exist, and downloads are no business of pages that embed them.
#[tokio::test]
async fn nobody_else_does() {
    let instance = started(&[]).await;
    let (key, client) = (instance.key(), requests::client());
    for path in ["/livez", "/readyz", "/metrics", "/"] {
        assert!(timing(&client.get(format!("{}{path}", instance.url)).send().await.unwrap()).is_none(), "{path}");
    }
    let wrong = client.get(format!("{}/v1/assets", instance.url)).bearer_auth("gk_unknown").send().await.unwrap();
    assert_eq!((wrong.status().as_u16(), timing(&wrong)), (401, None));
    let unknown = format!("{}/v1/assets/01890000-0000-7000-8000-000000000000", instance.url);
    let unknown = client.get(unknown).bearer_auth(&key).send().await.unwrap();
    assert_eq!((unknown.status().as_u16(), timing(&unknown)), (404, None));
    let create = client.post(format!("{}/v1/uploads", instance.url)).bearer_auth(&key);
    let opened: Value = create.json(&json!({"filename": "a", "size": 5})).send().await.unwrap().json().await.unwrap();
    let asset = opened["asset"]["id"].as_str().unwrap();
    let content = client.get(format!("{}/v1/assets/{asset}/content", instance.url)).bearer_auth(&key);
    assert_eq!(timing(&content.send().await.unwrap()), None);
}
