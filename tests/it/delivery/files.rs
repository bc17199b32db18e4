//! From the embedded store's files to plain connections: bytes that take no way through the service, between answers that do.

use std::ops::Range;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::stage::{PART, Stage};
use crate::support::patience::in_time;
use crate::support::transcript::noise;

async fn connect(stage: &Stage) -> TcpStream {
    TcpStream::connect(stage.url.strip_prefix("http://").unwrap()).await.unwrap()
}

fn request(stage: &Stage, method: &str, path: &str, range: Option<&Range<usize>>) -> String {
    let range = range.map(|range| format!("Range: bytes={}-{}\r\n", range.start, range.end - 1)).unwrap_or_default();
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n{range}\r\n", stage.key)
}

/// The next answer of many on one connection: its status and its content.
async fn answer(connection: &mut TcpStream, head: bool) -> (u16, Vec<u8>) {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(in_time("a head", connection.read_u8()).await.unwrap());
    }
    let text = String::from_utf8(text).unwrap().to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; if head { 0 } else { length }];
    in_time("a body", connection.read_exact(&mut body)).await.unwrap();
    (text.split(' ').nth(1).unwrap().parse().unwrap(), body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_in_a_row_keep_apart() {
    let stage = Stage::bare(&[("GANTRY_DELIVERY", "stream")]).await;
    let bytes = noise(3 * PART as u64 + 777, 31);
    let asset = stage.asset("a.bin", &bytes, true).await;
    let (content, row) = (format!("/v1/assets/{asset}/content"), format!("/v1/assets/{asset}"));
    // Within one part, across the seams of parts, too short to be worth a file's way, everything.
    let ranges = [1000..300_000, PART - 70_000..PART + 70_000, 5..6, PART - 1..2 * PART + 1, 0..bytes.len()];
    let mut connection = connect(&stage).await;
    for round in 0..3 {
        let mut asked = String::new();
        for range in &ranges {
            asked += &request(&stage, "GET", &content, Some(range));
            asked += &request(&stage, "HEAD", &content, None);
            asked += &request(&stage, "GET", &row, None);
        }
        connection.write_all(asked.as_bytes()).await.unwrap();
        for range in &ranges {
            let (status, body) = answer(&mut connection, false).await;
            assert!(status == 206 && body == bytes[range.clone()], "{round}: {range:?}: {status}");
            assert_eq!(answer(&mut connection, true).await.0, 200);
            let (status, body) = answer(&mut connection, false).await;
            assert_eq!((status, &serde_json::from_slice::<Value>(&body).unwrap()["id"]), (200, &json!(asset)));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stalls_or_leaves_harms_nobody() {
    let stage = Stage::bare(&[("GANTRY_DELIVERY", "stream")]).await;
    let bytes = noise(3 * PART as u64, 32);
    let asset = stage.asset("a.bin", &bytes, true).await;
    let content = format!("/v1/assets/{asset}/content");
    let mut stalled = Vec::new();
    for number in 0..30 {
        let mut connection = connect(&stage).await;
        connection.write_all(request(&stage, "GET", &content, None).as_bytes()).await.unwrap();
        connection.read_exact(&mut vec![0; 10_000]).await.unwrap();
        if number % 2 == 0 {
            stalled.push(connection);
        }
    }
    let mut last = connect(&stage).await;
    last.write_all(request(&stage, "GET", &content, None).as_bytes()).await.unwrap();
    let (status, body) = answer(&mut last, false).await;
    assert!(status == 200 && body == bytes);
    // Whoever stalled may go on.
    for mut connection in stalled {
        let mut end = vec![0; bytes.len()];
        let mut at = 0;
        while at < end.len() {
            let read = in_time("the rest", connection.read(&mut end[at..])).await.unwrap();
            assert!(read > 0, "cut off");
            at += read;
            // 10 000 bytes, the head among them, were read before.
            if at + 10_000 > bytes.len() && end[..at].ends_with(&bytes[bytes.len() - 1000..]) {
                break;
            }
        }
        let from = bytes.len() - at;
        assert!(end[..at] == bytes[from..], "what came later is the rest");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_gone_is_gone_at_once() {
    let stage = Stage::bare(&[("GANTRY_DELIVERY", "stream")]).await;
    let bytes = noise(100_000, 33);
    for _ in 0..10 {
        let asset = stage.asset("a.bin", &bytes, false).await;
        let link = stage.link(&asset, json!({})).await;
        let content = format!("/v1/assets/{asset}/content");
        let fetch = async || {
            let bearer = format!("Bearer {}", stage.key);
            let by_key = stage.get(&content, &[("authorization", &bearer)]).await.status.as_u16();
            (by_key, stage.get(&link, &[]).await.status.as_u16())
        };
        assert_eq!((fetch().await, fetch().await), ((200, 200), (200, 200)));
        assert_eq!(stage.call(Method::DELETE, &format!("/v1/assets/{asset}"), Value::Null).await.0, 204);
        assert_eq!(fetch().await, (410, 410));
    }
    // What was remembered is forgotten; the bytes of others are still theirs.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let asset = stage.asset("b.bin", &bytes, false).await;
    assert!(stage.get(&stage.link(&asset, json!({})).await, &[]).await.body == bytes);
}
