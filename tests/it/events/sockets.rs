//! WebSocket: the same texts as SSE.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{Listener, awaited, change};
use crate::on_both_services;
use crate::support::patience::in_time;
use crate::support::service::Service;

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub async fn open(base: &str, path: &str, key: &str) -> Result<Socket, u16> {
    let mut request = format!("{}{path}", base.replace("http://", "ws://")).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    match connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(other) => panic!("{other}"),
    }
}

pub async fn hear(socket: &mut Socket) -> Option<Value> {
    loop {
        let message = in_time("something is said", socket.next()).await;
        match message?.ok()? {
            Message::Text(text) => return Some(serde_json::from_str(&text).unwrap()),
            Message::Ping(_) => {}
            Message::Close(frame) => return Some(u16::from(frame.unwrap().code).into()),
            other => panic!("{other:?}"),
        }
    }
}

/// Closes as clients do, and returns the code of the server's answer.
pub async fn close(mut socket: Socket) -> Option<u16> {
    let goodbye = CloseFrame { code: 1000.into(), reason: "done".into() };
    socket.close(Some(goodbye)).await.unwrap();
    loop {
        match in_time("the close is answered", socket.next()).await? {
            Ok(Message::Close(frame)) => return Some(frame.map_or(1005, |frame| frame.code.into())),
            Ok(_) => {}
            // Without a close the connection has broken off (1006).
            Err(error) => panic!("{error}"),
        }
    }
}

/// The code of the close that ends a connection on which the client sends these bytes.
async fn ending_after(service: &Service, bytes: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(service.base.strip_prefix("http://").unwrap()).await.unwrap();
    let key = &service.admin;
    let upgrade = format!(
        "GET /v1/ws HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(&[upgrade.as_bytes(), bytes].concat()).await.unwrap();
    let mut read = Vec::new();
    in_time("the server closes", stream.read_to_end(&mut read)).await.expect("the connection is not reset");
    let head = read.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let mut frames = &read[head..];
    loop {
        // The server's frames here are short and not masked: opcode, length, payload.
        let (opcode, length) = (frames[0] & 15, usize::from(frames[1]));
        if opcode == 8 {
            return u16::from_be_bytes([frames[2], frames[3]]);
        }
        frames = &frames[2 + length..];
    }
}

/// A frame of a client, masked with zeros (RFC 6455 §5.2).
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u64::try_from(payload.len()).unwrap();
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | u8::try_from(short).unwrap()),
        _ => frame.extend([&[0xFF][..], &length.to_be_bytes()].concat()),
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

on_both_services! {
    async fn a_close_is_answered(service) {
        let mut socket = open(&service.base, "/v1/ws", &service.admin).await.unwrap();
        hear(&mut socket).await.unwrap();
        assert_eq!(close(socket).await, Some(1000));
        assert_eq!(ending_after(service, &frame(0x88, &1000_u16.to_be_bytes())).await, 1000);
    }

    async fn violations_are_named(service) {
        for (what, bytes, code) in [
            ("not masked", vec![0x81, 1, b'x'], 1002),
            ("a reserved bit", frame(0xC1, b"x"), 1002),
            ("an unknown opcode", frame(0x83, b"x"), 1002),
            ("a control frame in pieces", frame(0x09, b"x"), 1002),
            ("a continuation of nothing", frame(0x80, b"x"), 1002),
            ("a close code that means nothing", frame(0x88, &1005_u16.to_be_bytes()), 1002),
            ("half a close code", frame(0x88, &[3]), 1002),
            ("no UTF-8", frame(0x81, &[0xFF, 0xFE]), 1007),
            ("no UTF-8, in pieces", [frame(0x01, &[0xC3]), frame(0x80, &[0x28])].concat(), 1007),
            ("too long", frame(0x82, &vec![0; 5 << 10]), 1009),
            ("far too long", frame(0x82, &vec![0; 4 << 20]), 1009),
            ("too long in pieces", [frame(0x02, &[0; 100]).repeat(1), frame(0x00, &[0; 100]).repeat(60)].concat(), 1009),
        ] {
            assert_eq!(ending_after(service, &bytes).await, code, "{what}");
        }
    }

    async fn the_same_events_as_by_sse(service) {
        let (_, asset, grant) = awaited(service).await;
        let (node, _engine) = service.another_node().await;
        let mut socket = open(&node, "/v1/ws?after=0", &service.admin).await.unwrap();
        let mut of_asset = open(&service.base, &format!("/v1/ws?asset={asset}&after=0"), &grant).await.unwrap();
        let mut listener = Listener::open(&format!("{}/v1/events", service.base), &service.admin, Some("0")).await;
        listener.begins().await;
        let begins = serde_json::json!({"id": "0", "type": "feed.begins"});
        assert_eq!((hear(&mut socket).await.unwrap(), hear(&mut of_asset).await.unwrap()), (begins.clone(), begins));
        for name in ["b", "c", "d"] {
            change(&service.base, &service.admin, &asset, name).await;
        }
        // What the client says is not listened to.
        socket.send(Message::text("hello?")).await.unwrap();
        for _ in 1..=4 {
            let event = listener.event().await;
            assert_eq!(hear(&mut socket).await.unwrap(), event);
            assert_eq!(hear(&mut of_asset).await.unwrap(), event);
        }
    }

    async fn who_may_not_gets_no_socket(service) {
        let (_, asset, _) = awaited(service).await;
        let upload_only = service.key("upload").await;
        let foreign = service.foreign_key("other").await;
        for (path, key, status) in [
            ("/v1/ws", "gk_nonsense", 401),
            ("/v1/ws", &*upload_only, 403),
            ("/v1/ws?asset={}", &*foreign, 404),
            ("/v1/ws?after=x", &*service.admin, 400),
            ("/v1/ws?after=77", &*service.admin, 400),
        ] {
            assert_eq!(open(&service.base, &path.replace("{}", &asset), key).await.err(), Some(status), "{path}");
        }
    }

    async fn a_talkative_client_is_cut_off(service) {
        let mut socket = open(&service.base, "/v1/ws", &service.admin).await.unwrap();
        hear(&mut socket).await.unwrap();
        let _ = socket.send(Message::text("x".repeat(1 << 20))).await;
        assert!(hear(&mut socket).await.is_none_or(|end| end.is_number()));
    }

    async fn a_drain_says_goodbye(service) {
        let mut socket = open(&service.base, "/v1/ws", &service.admin).await.unwrap();
        hear(&mut socket).await.unwrap();
        service.stop.cancel();
        assert_eq!(hear(&mut socket).await, Some(1001.into()));
    }
}
