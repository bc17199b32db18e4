//! What an SDK does not show: CORS, health, `Expect`, slow bodies, refused bodies, raw requests.

use std::time::{Duration, Instant};

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::Bytes;
use gantry::engine::BodyPaceLimits;
use gantry::http::server::ServerLimits;
use http_body_util::StreamBody;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::harness::{BUCKET, Server, get, noise, plain_client, put};
use crate::support::patience::in_time;

/// A body of a known length that is sent as the test pleases.
pub fn slow_body(length: u64) -> (mpsc::Sender<Bytes>, ByteStream) {
    let (sender, mut chunks) = mpsc::channel::<Bytes>(1);
    let stream = futures_util::stream::poll_fn(move |cx| {
        chunks.poll_recv(cx).map(|chunk| chunk.map(|chunk| Ok::<_, std::io::Error>(http_body::Frame::data(chunk))))
    });
    let body = SdkBody::from_body_1_x(Sized { body: StreamBody::new(stream), length });
    (sender, ByteStream::new(body))
}

struct Sized<B> {
    body: B,
    length: u64,
}

impl<B: http_body::Body + Unpin> http_body::Body for Sized<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<B::Data>, B::Error>>> {
        std::pin::Pin::new(&mut self.body).poll_frame(cx)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.length)
    }
}

/// Path and query of a presigned PUT.
async fn presigned_put(server: &Server, key: &str, seconds: u64) -> String {
    let expires = PresigningConfig::expires_in(Duration::from_secs(seconds)).unwrap();
    let put = plain_client(server.address).put_object().bucket(BUCKET).key(key).presigned(expires).await.unwrap();
    put.uri().split_once("//").unwrap().1.split_once('/').map(|(_, path)| format!("/{path}")).unwrap()
}

/// Sends bytes and reads until `until` is in the answer or the connection ends.
async fn exchange(socket: &mut TcpStream, request: &[u8], until: &str) -> String {
    socket.write_all(request).await.unwrap();
    read_until(socket, until).await
}

async fn read_until(socket: &mut TcpStream, until: &str) -> String {
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&answer).contains(until) {
        match in_time("an answer", socket.read(&mut buffer)).await {
            Ok(0) | Err(_) => break,
            Ok(n) => answer.extend_from_slice(&buffer[..n]),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address).await.unwrap()
}

fn head(server: &Server, line: &str, headers: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", server.address).into_bytes()
}

#[tokio::test]
async fn health_needs_no_signature() {
    let server = Server::start().await;
    let request = head(&server, "GET /-/health", "Connection: close\r\n");
    let answer = exchange(&mut connect(&server).await, &request, "ok\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let request = head(&server, &format!("GET /{BUCKET}/k"), "Connection: close\r\n");
    let answer = exchange(&mut connect(&server).await, &request, "</Error>").await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("<Code>AccessDenied</Code>"), "{answer}");
}

#[tokio::test]
async fn cors_on_preflight_success_and_error() {
    let server = Server::with(|settings| settings.cors_origins = vec!["https://app.example".to_owned()]).await;
    let mut socket = connect(&server).await;
    let asks = "Origin: https://app.example\r\nAccess-Control-Request-Method: PUT\r\n\
                Access-Control-Request-Headers: content-type,x-amz-checksum-sha256\r\n";
    let answer = exchange(&mut socket, &head(&server, "OPTIONS /photos/a/b?partNumber=1", asks), "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    for line in [
        "access-control-allow-origin: https://app.example",
        "access-control-allow-methods: GET, PUT, POST, HEAD, DELETE",
        "access-control-allow-headers: content-type,x-amz-checksum-sha256",
        "access-control-max-age: 3600",
    ] {
        assert!(answer.contains(line), "{line} in {answer}");
    }
    let foreign = asks.replace("app.example", "evil.example");
    let answer = exchange(&mut socket, &head(&server, "OPTIONS /photos/a", &foreign), "</Error>").await;
    assert!(answer.starts_with("HTTP/1.1 403") && !answer.contains("access-control"), "{answer}");
    let error = head(&server, "GET /photos/nothing", "Origin: https://app.example\r\n");
    let answer = exchange(&mut socket, &error, "</Error>").await;
    assert!(answer.starts_with("HTTP/1.1 403"));
    assert!(answer.contains("access-control-allow-origin: https://app.example"), "{answer}");
    assert!(answer.contains("access-control-expose-headers: ETag, "), "{answer}");
    let path = presigned_put(&server, "k", 60).await;
    let request = head(&server, &format!("PUT {path}"), "Origin: https://app.example\r\nContent-Length: 1\r\n");
    let answer = exchange(&mut socket, &[request, b"x".to_vec()].concat(), "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("access-control-allow-origin"), "{answer}");
    assert!(answer.contains("etag: \"9dd4e461268c8034f5c8564e155c67a6\""), "{answer}");
    assert!(answer.contains("x-amz-request-id: "), "{answer}");
}

#[tokio::test]
async fn a_buckets_own_cors_rules_are_kept_and_honoured() {
    let server = Server::start().await;
    let client = server.client();
    let asks =
        head(&server, "OPTIONS /photos/a", "Origin: https://x.example\r\nAccess-Control-Request-Method: GET\r\n");
    assert!(exchange(&mut connect(&server).await, &asks, "\r\n\r\n").await.starts_with("HTTP/1.1 403"));
    let missing = client.get_bucket_cors().bucket(BUCKET).send().await;
    assert_eq!(super::harness::code(missing), "NoSuchCORSConfiguration");
    let rule = aws_sdk_s3::types::CorsRule::builder().allowed_methods("GET").allowed_origins("https://*.example");
    let rules = aws_sdk_s3::types::CorsConfiguration::builder().cors_rules(rule.build().unwrap()).build().unwrap();
    client.put_bucket_cors().bucket(BUCKET).cors_configuration(rules).send().await.unwrap();
    assert!(exchange(&mut connect(&server).await, &asks, "\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    let stored = client.get_bucket_cors().bucket(BUCKET).send().await.unwrap();
    assert_eq!(stored.cors_rules()[0].allowed_origins(), ["https://*.example"]);
    client.delete_bucket_cors().bucket(BUCKET).send().await.unwrap();
    assert!(exchange(&mut connect(&server).await, &asks, "\r\n\r\n").await.starts_with("HTTP/1.1 403"));
}

/// A client that asked to send a body may send it or not after a refusal: the connection must not be used again.
#[tokio::test]
async fn a_refusal_of_an_expected_body_closes_the_connection() {
    let server = Server::start().await;
    for _ in 0..50 {
        let mut socket = connect(&server).await;
        let request = head(&server, "PUT /photos/k", "Expect: 100-continue\r\nContent-Length: 100000\r\n");
        let next = head(&server, "GET /-/health", "");
        // Like boto3: the next request follows at once, without the body.
        let answer = exchange(&mut socket, &[request, next].concat(), "\u{0}never").await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "nothing after the refusal is taken for a request: {answer}");
    }
}

#[tokio::test]
async fn an_expected_body_that_is_welcome_is_asked_for() {
    let server = Server::start().await;
    let path = presigned_put(&server, "k", 60).await;
    let mut socket = connect(&server).await;
    let request = head(&server, &format!("PUT {path}"), "Expect: 100-continue\r\nContent-Length: 3\r\n");
    assert!(exchange(&mut socket, &request, "\r\n\r\n").await.starts_with("HTTP/1.1 100 Continue"));
    let answer = exchange(&mut socket, b"abc", "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("connection: close"), "{answer}");
    assert_eq!(get(&server.client(), "k").await, b"abc");
}

/// botocore takes the answer for a refusal when no `100 Continue` came before it, and then misreads the next one.
#[tokio::test]
async fn an_empty_body_that_is_expected_closes_the_connection_too() {
    let server = Server::start().await;
    let path = presigned_put(&server, "k", 60).await;
    let mut socket = connect(&server).await;
    let request = head(&server, &format!("PUT {path}"), "Expect: 100-continue\r\nContent-Length: 0\r\n");
    let answer = exchange(&mut socket, &request, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
    assert!(get(&server.client(), "k").await.is_empty());
}

/// Browsers send the whole body before they look at the answer.
#[tokio::test]
async fn a_refused_body_is_drained_so_that_the_answer_arrives() {
    let server = Server::start().await;
    for round in 0..10 {
        let mut socket = connect(&server).await;
        let size = 16 << 20;
        let request = head(&server, "PUT /photos/k", &format!("Content-Length: {size}\r\n"));
        socket.write_all(&request).await.unwrap();
        let body = noise(round, size);
        socket.write_all(&body).await.expect("the server keeps reading what it has refused");
        let answer = read_until(&mut socket, "</Error>").await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        let again = exchange(&mut socket, &head(&server, "GET /-/health", ""), "ok\n").await;
        assert!(again.starts_with("HTTP/1.1 200"), "the connection is still good: {again}");
    }
}

#[tokio::test]
async fn a_client_that_stops_sending_is_cut_off() {
    let pace = BodyPaceLimits { idle: Duration::from_millis(1500), min_rate: 1024, window: Duration::from_secs(3) };
    let server = Server::within(ServerLimits { pace, ..ServerLimits::default() }).await;
    let path = presigned_put(&server, "k", 60).await;
    let mut socket = connect(&server).await;
    let request = head(&server, &format!("PUT {path}"), "Content-Length: 5000000\r\n");
    let started = Instant::now();
    let answer = exchange(&mut socket, &[request, noise(1, 3_000_000)].concat(), "</Error>").await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("<Code>RequestTimeout</Code>"), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(30));
    server.await_files(0).await;
    // Slow is not idle.
    let mut socket = connect(&server).await;
    let request = head(&server, &format!("PUT {path}"), "Content-Length: 10\r\n");
    socket.write_all(&request).await.unwrap();
    for byte in b"0123456789" {
        tokio::time::sleep(Duration::from_millis(200)).await;
        socket.write_all(&[*byte]).await.unwrap();
    }
    assert!(read_until(&mut socket, "\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    // A drip is never idle, and has an end all the same.
    let mut socket = connect(&server).await;
    socket.write_all(&head(&server, &format!("PUT {path}"), "Content-Length: 5000000\r\n")).await.unwrap();
    let (mut reader, mut writer) = socket.split();
    let drip = async {
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        read = in_time("an end", reader.read_to_end(&mut answer)) => drop(read),
        () = drip => {}
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("<Code>RequestTimeout</Code>"), "{answer}");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_stored() {
    let server = Server::start().await;
    put(&server.client(), "k", b"the old object").await;
    for sent in [0, 10, 2_000_000] {
        let path = presigned_put(&server, "k", 60).await;
        let mut socket = connect(&server).await;
        socket.write_all(&head(&server, &format!("PUT {path}"), "Content-Length: 4000000\r\n")).await.unwrap();
        socket.write_all(&noise(1, sent)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(socket);
    }
    server.await_files(1).await;
    assert_eq!(get(&server.client(), "k").await, b"the old object");
}

#[tokio::test]
async fn a_length_must_be_said_and_a_form_is_refused() {
    let server = Server::start().await;
    let path = presigned_put(&server, "k", 60).await;
    let chunked = head(&server, &format!("PUT {path}"), "Transfer-Encoding: chunked\r\n");
    let body = b"3\r\nabc\r\n0\r\n\r\n".to_vec();
    let answer = exchange(&mut connect(&server).await, &[chunked, body].concat(), "</Error>").await;
    assert!(answer.starts_with("HTTP/1.1 411") && answer.contains("MissingContentLength"), "{answer}");
    let form = "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 3\r\n";
    let request = [head(&server, "POST /photos", form), b"abc".to_vec()].concat();
    let answer = exchange(&mut connect(&server).await, &request, "</Error>").await;
    assert!(answer.starts_with("HTTP/1.1 501"), "{answer}");
}

#[tokio::test]
async fn several_ranges_get_the_whole_and_if_range_is_evaluated() {
    let server = Server::start().await;
    put(&server.client(), "k", b"0123456789").await;
    let expires = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let url = server.client().get_object().bucket(BUCKET).key("k").presigned(expires).await.unwrap();
    let path = format!("/{}", url.uri().splitn(4, '/').nth(3).unwrap());
    let etag = "\"781e5e245d69b566979b86e28d23f2c7\"";
    for (headers, status) in [
        ("Range: bytes=0-1,4-5\r\n".to_owned(), 200),
        ("Range: items=0-1\r\n".to_owned(), 200),
        ("Range: bytes=2-3\r\n".to_owned(), 206),
        (format!("Range: bytes=2-3\r\nIf-Range: {etag}\r\n"), 206),
        ("Range: bytes=2-3\r\nIf-Range: \"other\"\r\n".to_owned(), 200),
        ("Range: bytes=2-3\r\nIf-Range: Thu, 01 Jan 1970 00:00:00 GMT\r\n".to_owned(), 200),
    ] {
        let request = head(&server, &format!("GET {path}"), &format!("{headers}Connection: close\r\n"));
        let answer = exchange(&mut connect(&server).await, &request, "\u{0}end").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{headers}: {answer}");
        assert!(answer.ends_with(if status == 206 { "\r\n\r\n23" } else { "\r\n\r\n0123456789" }), "{answer}");
    }
}
