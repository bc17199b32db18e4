//! WebSocket: the same texts as SSE.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{Listener, awaited, change};
use crate::on_both_services;
use crate::support::patience::in_time;

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

on_both_services! {
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
