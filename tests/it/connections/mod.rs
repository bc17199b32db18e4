//! Connections as the accept loop keeps them: clients that say nothing, or too little, or too much, or from far away.

mod early;
mod h2_windows;
mod memory;
mod silent;
mod slow;

use std::net::SocketAddr;

use axum::body::Body;
use bytes::Bytes;
use gantry::http::server::{self, InterimPolicy, Listener, RequestBody, ServerLimits};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::support::patience::in_time;

/// A running accept loop; ends with this.
struct TestListener {
    address: SocketAddr,
    stop: CancellationToken,
}

impl Drop for TestListener {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl TestListener {
    /// Serves [`answer`] within these limits.
    async fn start(limits: ServerLimits, early: InterimPolicy) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        tokio::spawn(server::serve(Listener::from(listener).with_interim_policy(early), answer, limits, stop.clone()));
        Self { address, stop }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// `/refuse` refuses a body unread, `/hold` never reads it, all else reads it and says how long it was.
async fn answer(request: Request<RequestBody>) -> Response<Body> {
    let say = |status, text: String| {
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = status;
        response
    };
    match request.uri().path() {
        "/refuse" => return say(StatusCode::UNAUTHORIZED, "refused".to_owned()),
        "/hold" => {
            let _held = request;
            return std::future::pending().await;
        }
        _ => {}
    }
    let (mut body, mut bytes) = (request.into_body(), 0);
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes += frame.data_ref().map_or(0, Bytes::len),
            Err(error) => return say(StatusCode::REQUEST_TIMEOUT, error.to_string()),
        }
    }
    say(StatusCode::OK, format!("{bytes} bytes"))
}

/// What is read until the other side closes.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let _ = in_time("the connection is closed", stream.read_to_end(&mut read)).await;
    String::from_utf8_lossy(&read).into_owned()
}
