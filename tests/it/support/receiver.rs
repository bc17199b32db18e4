//! The other end of a webhook: a real HTTP server that answers as it is told and keeps what it was sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::patience::eventually_ok;

/// How the receiver answers one request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// With this status.
    Status(u16),
    /// With this status and a header.
    With(u16, &'static str, String),
    /// Not at all, for this long.
    Silence(Duration),
    /// With 200, when the test says so.
    Held(Arc<Notify>),
    /// 200 and a body without an end.
    Endless,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Message {
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Message {
    pub fn id(&self) -> &str {
        self.headers["webhook-id"].to_str().unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    /// Whether the reference implementation accepts it with this secret now.
    pub fn verifies(&self, secret: &str) -> bool {
        standardwebhooks::Webhook::new(secret).unwrap().verify(&self.body, &self.headers).is_ok()
    }

    /// Whether one of its signatures is the reference implementation's with this secret, at the time it says: the clock of
    /// a test is moved.
    pub fn is_signed(&self, secret: &str) -> bool {
        let at = self.headers["webhook-timestamp"].to_str().unwrap().parse().unwrap();
        let signature = standardwebhooks::Webhook::new(secret).unwrap().sign(self.id(), at, &self.body).unwrap();
        self.headers["webhook-signature"].to_str().unwrap().split(' ').any(|given| given == signature)
    }
}

#[derive(Default)]
struct Inner {
    script: Mutex<VecDeque<Reply>>,
    usual: Mutex<Option<Reply>>,
    came: Mutex<Vec<Message>>,
}

/// A receiver.
#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    inner: Arc<Inner>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let inner = Arc::new(Inner::default());
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, inner }
    }

    /// The next requests are answered like this, later ones as usual.
    pub fn next(&self, replies: impl IntoIterator<Item = Reply>) {
        self.inner.script.lock().unwrap().extend(replies);
    }

    /// Requests are usually answered like this; at first with 204.
    pub fn usually(&self, reply: Reply) {
        *self.inner.usual.lock().unwrap() = Some(reply);
    }

    pub fn came(&self) -> Vec<Message> {
        self.inner.came.lock().unwrap().clone()
    }

    pub fn forget(&self) {
        self.inner.came.lock().unwrap().clear();
    }

    /// Waits until this many requests have come.
    pub async fn until(&self, count: usize) -> Vec<Message> {
        eventually_ok(format!("{count} requests"), async || match self.came() {
            came if came.len() >= count => Ok(came),
            few => Err(few.iter().map(Message::kind).collect::<Vec<_>>()),
        })
        .await
    }
}

async fn answer(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    inner.came.lock().unwrap().push(Message { headers, body });
    let next = inner.script.lock().unwrap().pop_front();
    let reply = next.or_else(|| inner.usual.lock().unwrap().clone()).unwrap_or(Reply::Status(204));
    let status = |status: u16| Response::builder().status(status);
    match reply {
        Reply::Status(code) => status(code).body(Body::from("secret words of the receiver")).unwrap(),
        Reply::With(code, name, value) => status(code).header(name, value).body(Body::empty()).unwrap(),
        Reply::Silence(time) => {
            tokio::time::sleep(time).await;
            status(200).body(Body::empty()).unwrap()
        }
        Reply::Held(told) => {
            told.notified().await;
            status(200).body(Body::empty()).unwrap()
        }
        Reply::Endless => {
            let chunk = Bytes::from(vec![b'x'; 16 << 10]);
            let endless = futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()));
            status(200).body(Body::from_stream(endless)).unwrap()
        }
    }
}
