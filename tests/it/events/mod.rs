//! Events on the wire: pages, long polls, SSE and WebSocket tell the same.

mod drains;
mod limits;
mod pages;
pub mod sockets;
mod streams;

use gantry::domain::event::{EventKind, NewEvent};
use gantry::domain::ids::{AssetId, TenantId};
use gantry::store::{RowChange, Store, Tx};
use serde_json::{Map, Value};

use crate::support::patience::in_time;
use crate::support::requests;
use crate::support::service::Service;
use crate::transcript;

/// A client of SSE that reads what is told.
pub struct Listener {
    answer: reqwest::Response,
    unread: String,
}

/// One block of a stream.
#[derive(Debug, Default, PartialEq)]
pub struct Block {
    pub id: Option<String>,
    pub retry: Option<String>,
    pub data: Value,
}

impl Listener {
    /// Opens a stream, coming back behind `last` if there is one.
    pub async fn open(url: &str, key: &str, last: Option<&str>) -> Self {
        let answer = ask(url, key, last).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["x-accel-buffering"], "no");
        Self { answer, unread: String::new() }
    }

    /// The next block; `None` at the end of the stream.
    pub async fn block(&mut self) -> Option<Block> {
        loop {
            if let Some((block, rest)) = self.unread.split_once("\n\n") {
                let (block, rest) = (parse(block), rest.to_owned());
                self.unread = rest;
                if block != Block::default() {
                    return Some(block);
                }
                continue;
            }
            let more = in_time("something is told", self.answer.chunk()).await;
            self.unread.push_str(std::str::from_utf8(&more.ok()??).unwrap());
        }
    }

    /// Where the stream says that it begins.
    pub async fn begins(&mut self) -> String {
        let block = self.block().await.unwrap();
        assert_eq!((block.retry.as_deref(), &block.data), (Some("2000"), &Value::Null));
        block.id.unwrap()
    }

    /// The next event, with an id that is its block's.
    pub async fn event(&mut self) -> Value {
        let block = self.block().await.expect("the stream goes on");
        assert_eq!(block.data["id"], Value::from(block.id));
        block.data
    }

    /// Events up to one of this kind.
    pub async fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            events.push(self.event().await);
            if events.last().unwrap()["type"] == kind {
                return events;
            }
        }
    }
}

pub async fn ask(url: &str, key: &str, last: Option<&str>) -> reqwest::Response {
    let mut request = requests::client().get(url).bearer_auth(key);
    if let Some(last) = last {
        // As a browser comes back.
        request = request.header("last-event-id", last).header("accept", "text/event-stream");
    }
    request.send().await.unwrap()
}

fn parse(text: &str) -> Block {
    let mut block = Block::default();
    for line in text.lines() {
        match line.split_once(": ") {
            Some(("id", id)) => block.id = Some(id.to_owned()),
            Some(("retry", retry)) => block.retry = Some(retry.to_owned()),
            Some(("data", data)) => block.data = serde_json::from_str(data).unwrap(),
            _ => assert!(line.starts_with(':'), "{line:?}"),
        }
    }
    block
}

pub fn texts(events: &[Value], member: &str) -> Vec<String> {
    events.iter().map(|event| event[member].as_str().unwrap().to_owned()).collect()
}

/// An asset that waits for its bytes; (upload, asset, grant).
pub async fn awaited(service: &Service) -> (String, String, String) {
    let mut names = transcript!(
        service,
        r#"
        > POST /v1/uploads {"filename": "a.txt", "size": 5}
        < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "grant": "$grant"}
    "#
    );
    let mut take = |name: &str| names.remove(name).unwrap();
    (take("upload"), take("asset"), take("grant"))
}

/// Changes an asset's name once more, through this node.
pub async fn change(base: &str, key: &str, asset: &str, name: &str) {
    let url = format!("{base}/v1/assets/{asset}");
    let body = serde_json::json!({ "filename": name }).to_string();
    let answer = requests::client().patch(url).bearer_auth(key).body(body).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
}

/// Many events of an asset, each with so many bytes of data.
pub async fn flood(store: &dyn Store, tenant: TenantId, asset: &str, count: usize, bytes: usize) {
    let asset: AssetId = asset.parse().unwrap();
    let data = Map::from_iter([("noise".to_owned(), "x".repeat(bytes).into())]);
    for _ in 0..count / 100 {
        let mut tx = Tx::new();
        for _ in 0..100 {
            let (kind, at, data) = (EventKind::AssetChanged, store.now(), data.clone());
            tx = tx.with(RowChange::NextEvent(NewEvent { tenant, asset, kind, at, data, traceparent: None }));
        }
        store.commit(tx).await.unwrap();
    }
}
