//! IETF resumable uploads on the wire.

mod access;
mod appends;
mod creation;
mod digests;
mod drafts;
mod interim;
mod nonsense;

use std::time::Duration;

use bytes::Bytes;
use reqwest::{Body, Client, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::patience::eventually_ok;
use crate::support::requests;
use crate::support::service::Service;

/// A client of the drafts, of the roughest kind, for what transcripts cannot say.
struct Ietf {
    base: String,
    key: String,
    client: Client,
}

impl Ietf {
    fn on(service: &Service, base: &str) -> Self {
        Self { base: base.to_owned(), key: service.admin.clone(), client: requests::client() }
    }

    fn new(service: &Service) -> Self {
        Self::on(service, &service.base)
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.base));
        request.bearer_auth(&self.key)
    }

    /// Creates an upload of a length that is to be said later, and returns its id.
    async fn create(&self) -> String {
        let answer = self.request("POST", "/files").header("upload-complete", "?0").send().await.unwrap();
        assert_eq!(answer.status(), 201);
        answer.headers()["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned()
    }

    fn patch(&self, id: &str, offset: u64, complete: &str, body: impl Into<Body>) -> reqwest::RequestBuilder {
        let request = self.request("PATCH", &format!("/files/{id}")).header("upload-offset", offset);
        request.header("content-type", "application/partial-upload").header("upload-complete", complete).body(body)
    }

    async fn send(&self, id: &str, offset: u64, complete: &str, body: impl Into<Body>) -> Response {
        self.patch(id, offset, complete, body).send().await.unwrap()
    }

    async fn offset(&self, id: &str) -> u64 {
        let answer = self.request("HEAD", &format!("/files/{id}")).send().await.unwrap();
        assert_eq!(answer.status(), 204);
        answer.headers()["upload-offset"].to_str().unwrap().parse().unwrap()
    }

    /// A connection over which a body comes that promises more than these bytes.
    async fn begun(&self, id: &str, offset: u64, bytes: &[u8], promised: u64) -> TcpStream {
        let address = self.base.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "PATCH /files/{id} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nupload-complete: ?1\r\n\
             content-type: application/partial-upload\r\nupload-offset: {offset}\r\ncontent-length: {promised}\r\n\r\n",
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

/// A body that comes in these pieces, without a length.
fn chunked(pieces: Vec<Vec<u8>>, pause: Duration) -> Body {
    use futures_util::{StreamExt, stream};
    Body::wrap_stream(stream::iter(pieces).then(move |piece| async move {
        tokio::time::sleep(pause).await;
        Ok::<_, std::io::Error>(piece)
    }))
}
