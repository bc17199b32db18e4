//! HTTP/2 uploads from far away: windows grow with what a client can have on its way, within a budget.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gantry::http::server::{InterimPolicy, ServerLimits, WindowBudget};
use http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::TestListener;
use crate::support::patience::in_time;

const MIB: usize = 1 << 20;
const ONE_WAY: Duration = Duration::from_millis(20);

/// Passes bytes on a while after they came, as a long line does: it holds as many as are sent in that time.
async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let (sender, mut pieces) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((at, piece)) = pieces.recv().await {
            sleep_until(at).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
    });
    let mut buffer = vec![0; 256 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if sender.send((Instant::now() + ONE_WAY, buffer[..read].to_vec())).is_err() {
            return;
        }
    }
}

/// The address of a line of 40 ms to the listener and back.
async fn far_from(target: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(target).await.unwrap();
            let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
            tokio::spawn(pass_on(near_read, far_write));
            tokio::spawn(pass_on(far_read, near_write));
        }
    });
    address
}

/// Sends up to so many bytes; the most that might be sent at once, and how many were.
async fn send(address: SocketAddr, path: &str, bytes: usize) -> (usize, usize) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::put(format!("http://x{path}")).body(()).unwrap();
    let (response, mut stream) = client.send_request(request, false).unwrap();
    let (mut largest, mut sent) = (0, 0);
    while sent < bytes {
        stream.reserve_capacity(bytes - sent);
        let room = tokio::time::timeout(Duration::from_secs(3), poll_fn(|cx| stream.poll_capacity(cx))).await;
        let Ok(Some(Ok(room))) = room else { return (largest, sent) };
        largest = largest.max(room);
        // What is sent is what the window let through: capacity is counted against it at once.
        stream.send_data(Bytes::from(vec![0; room]), false).unwrap();
        sent += room;
    }
    stream.send_data(Bytes::new(), true).unwrap();
    assert_eq!(in_time("an answer", response).await.unwrap().status(), 200);
    (largest, sent)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_grows_while_it_holds_a_client_up() {
    let windows = WindowBudget::new(256 << 20);
    let listener =
        TestListener::start(ServerLimits { window_budget: windows, ..ServerLimits::default() }, InterimPolicy::Never)
            .await;
    let begun = Instant::now();
    let (_, sent) = send(far_from(listener.address).await, "/x", 96 * MIB).await;
    assert_eq!(sent, 96 * MIB);
    // With a window of 1 MiB it would take 96 round trips of 40 ms, even on an idle machine.
    let grown = begun.elapsed();
    let listener = TestListener::start(
        ServerLimits { window_budget: WindowBudget::new(0), ..ServerLimits::default() },
        InterimPolicy::Never,
    )
    .await;
    let begun = Instant::now();
    send(far_from(listener.address).await, "/x", 96 * MIB).await;
    let fixed = begun.elapsed();
    assert!(fixed > ONE_WAY * 2 * 90 && grown * 2 < fixed, "{grown:?} with a window that grows, {fixed:?} without");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_read_is_bounded_whatever_the_budget() {
    let windows = WindowBudget::new(256 << 20);
    let listener =
        TestListener::start(ServerLimits { window_budget: windows, ..ServerLimits::default() }, InterimPolicy::Never)
            .await;
    let (largest, sent) = send(far_from(listener.address).await, "/hold", 8 * MIB).await;
    assert!(largest <= MIB && sent <= MIB, "{sent} bytes were sent to a handler that reads none");
}
