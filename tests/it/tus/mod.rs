//! tus on the wire.

mod access;
mod appends;
mod checksums;
mod concatenation;
mod core;
mod creation;
mod nodes;
mod processes;

use std::time::Duration;

use bytes::Bytes;
use reqwest::{Body, Client, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::patience::{eventually, eventually_ok};
use crate::support::requests;
use crate::support::service::Service;

/// A tus client of the roughest kind, for what transcripts cannot say.
struct Tus {
    base: String,
    key: String,
    client: Client,
}

impl Tus {
    fn at(base: &str, key: &str) -> Self {
        Self { base: base.to_owned(), key: key.to_owned(), client: requests::client() }
    }

    fn on(service: &Service, base: &str) -> Self {
        Self::at(base, &service.admin)
    }

    fn new(service: &Service) -> Self {
        Self::on(service, &service.base)
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.base));
        request.bearer_auth(&self.key).header("tus-resumable", "1.0.0")
    }

    /// Creates an upload and returns its id.
    async fn create(&self, length: u64) -> String {
        let answer = self.request("POST", "/tus").header("upload-length", length).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        answer.headers()["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned()
    }

    fn patch(&self, id: &str, offset: u64, body: impl Into<Body>) -> reqwest::RequestBuilder {
        let request = self.request("PATCH", &format!("/tus/{id}")).header("upload-offset", offset);
        request.header("content-type", "application/offset+octet-stream").body(body)
    }

    async fn send(&self, id: &str, offset: u64, body: impl Into<Body>) -> Response {
        self.patch(id, offset, body).send().await.unwrap()
    }

    async fn offset(&self, id: &str) -> u64 {
        let answer = self.request("HEAD", &format!("/tus/{id}")).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.headers()["upload-offset"].to_str().unwrap().parse().unwrap()
    }

    /// A connection over which a body comes that promises more than these bytes.
    async fn begun(&self, id: &str, offset: u64, bytes: &[u8], promised: u64) -> TcpStream {
        let address = self.base.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "PATCH /tus/{id} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ntus-resumable: 1.0.0\r\n\
             content-type: application/offset+octet-stream\r\nupload-offset: {offset}\r\ncontent-length: {promised}\r\n\r\n",
            self.key
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.flush().await.unwrap();
        stream
    }

    /// Sends bytes of a body that promises more, and then breaks the connection.
    async fn cut(&self, id: &str, offset: u64, bytes: &[u8], promised: u64) {
        let mut stream = self.begun(id, offset, bytes, promised).await;
        stream.shutdown().await.unwrap();
        // The other side closes when it has read everything; whoever asks for the offset before that cuts it short.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }

    /// The offset as soon as it is what it has to become.
    async fn offset_becomes(&self, id: &str, wanted: u64) {
        eventually_ok(format!("offset {wanted}"), async || match self.offset(id).await {
            offset if offset == wanted => Ok(()),
            other => Err(other),
        })
        .await;
    }

    /// The asset of an upload as soon as it is ready, and its bytes.
    async fn content(&self, id: &str) -> Bytes {
        let request = self.request("GET", &format!("/v1/uploads/{id}"));
        let upload: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
        let asset = upload["asset_id"].as_str().unwrap();
        let path = format!("/v1/assets/{asset}?wait=60s&until=ready");
        let ready: serde_json::Value = self.request("GET", &path).send().await.unwrap().json().await.unwrap();
        assert_eq!(ready["state"], "ready", "{ready}");
        let path = format!("/v1/assets/{asset}/content?delivery=stream");
        self.request("GET", &path).send().await.unwrap().bytes().await.unwrap()
    }
}

async fn ledger(service: &Service, id: &str) -> gantry::domain::append::AppendLedger {
    let upload = service.database.store.find_upload(id.parse().unwrap()).await.unwrap().unwrap();
    upload.ledger().unwrap().clone()
}

/// Waits until somebody appends.
async fn held(service: &Service, id: &str) {
    eventually("somebody appends", async || ledger(service, id).await.lease.is_some()).await;
}

/// A body that comes in these pieces, without a length.
fn chunked(pieces: Vec<Vec<u8>>, pause: Duration) -> Body {
    use futures_util::{StreamExt, stream};
    Body::wrap_stream(stream::iter(pieces).then(move |piece| async move {
        tokio::time::sleep(pause).await;
        Ok::<_, std::io::Error>(piece)
    }))
}
