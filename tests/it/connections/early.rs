//! Refusals of bodies that are still on their way: the answer can be read, and what comes is not kept.

use std::time::{Duration, Instant};

use gantry::http::server::{InterimPolicy, ServerLimits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{TestListener, read_to_end};
use crate::support::patience::{PATIENCE, in_time};

const MIB: usize = 1 << 20;

/// Clients like urllib look at the answer after they have sent everything.
#[tokio::test]
async fn a_refusal_is_read_by_clients_that_send_everything_first() {
    let listener = TestListener::start(ServerLimits::default(), InterimPolicy::Never).await;
    for round in 0..5 {
        let mut stream = listener.connect().await;
        let head = format!("PUT /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", 24 * MIB);
        stream.write_all(head.as_bytes()).await.unwrap();
        in_time("the body is taken", stream.write_all(&vec![1; 24 * MIB])).await.expect("the server reads on");
        // The connection is still good, and this request has its own answer.
        stream.write_all(b"GET /next HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 401") && answer.ends_with("0 bytes"), "{round}: {answer}");
    }
}

/// A client may send its body although it asked and was refused: it hears why, and the connection is not used again.
#[tokio::test]
async fn a_refusal_is_read_by_clients_that_do_not_wait_for_100() {
    let listener = TestListener::start(ServerLimits::default(), InterimPolicy::Never).await;
    let mut stream = listener.connect().await;
    let head =
        format!("PUT /refuse HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n", 8 * MIB);
    stream.write_all(head.as_bytes()).await.unwrap();
    in_time("the body is taken", stream.write_all(&vec![1; 8 * MIB])).await.expect("the server reads on");
    stream.shutdown().await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("connection: close"), "{answer}");
}

/// A head that makes no sense is refused before anything of the body is known.
#[tokio::test]
async fn a_refusal_of_nonsense_is_read_too() {
    let listener = TestListener::start(ServerLimits::default(), InterimPolicy::Never).await;
    let mut stream = listener.connect().await;
    let head = b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n".to_vec();
    in_time("the body is taken", stream.write_all(&[head, vec![1; 8 * MIB]].concat())).await.expect("it reads on");
    stream.shutdown().await.unwrap();
    assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn what_never_ends_is_not_listened_to_for_ever() {
    let listener = TestListener::start(ServerLimits::default(), InterimPolicy::Never).await;
    let mut stream = listener.connect().await;
    stream.write_all(b"PUT /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000000\r\n\r\n").await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let begun = Instant::now();
    let sent = tokio::spawn(async move {
        let (piece, mut sent) = (vec![1; MIB], 0);
        while writer.write_all(&piece).await.is_ok() {
            sent += MIB;
            assert!(begun.elapsed() < PATIENCE, "{sent} bytes were taken");
        }
        sent
    });
    let mut answer = [0; 12];
    in_time("an answer", reader.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
    // What the kernel keeps for both sides comes on top.
    assert!(in_time("it is closed", sent).await.unwrap() < 64 * MIB);
    // One that stops is let go after a while.
    let mut stream = listener.connect().await;
    stream.write_all(b"PUT /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\nx").await.unwrap();
    let begun = Instant::now();
    assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 401"));
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_refusal_is_read_over_http_2() {
    let listener = TestListener::start(ServerLimits::default(), InterimPolicy::Never).await;
    let (mut client, connection) = h2::client::handshake(listener.connect().await).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::put("http://x/refuse").body(()).unwrap();
    let (response, mut stream) = client.send_request(request, false).unwrap();
    let mut left = 24 * MIB;
    while left > 0 {
        stream.reserve_capacity(left);
        let room = in_time("the window opens", std::future::poll_fn(|cx| stream.poll_capacity(cx))).await;
        let piece = room.expect("the stream is not reset").unwrap().min(left);
        left -= piece;
        stream.send_data(vec![1; piece].into(), left == 0).unwrap();
    }
    assert_eq!(in_time("an answer", response).await.unwrap().status(), 401);
}
