//! Events over WebSocket: a text message each, after a first message with the position at which the stream begins.
//!
//! Messages of the client are ignored. A client that does not read for [`SEND_TIMEOUT`], or does not answer pings, is
//! disconnected. A close frame is answered, and a violation of the protocol ends in a close frame that names it (RFC
//! 6455 §7.4.1).

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_tungstenite::tungstenite::error::ProtocolError;

use super::subscriber::{EventSubscriber, HEARTBEAT_INTERVAL};
use super::wire;
use crate::engine::FeedFollower;

/// Maximum bytes of a message from the client, which has nothing to send.
const MAX_CLIENT_MESSAGE_BYTES: usize = 4 << 10;
/// Time for which a message may wait to be read by the client.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for which the client may take to answer a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Heartbeats without any frame from the client.
const MAX_SILENT_HEARTBEATS: u32 = 3;

/// Opens the socket and sends the follower's events until it ends.
pub(super) fn open_socket(upgrade: WebSocketUpgrade, caller: EventSubscriber, follower: FeedFollower) -> Response {
    let upgrade = upgrade.max_message_size(MAX_CLIENT_MESSAGE_BYTES).max_frame_size(MAX_CLIENT_MESSAGE_BYTES);
    upgrade.on_upgrade(move |mut socket| async move {
        if let Some((code, reason)) = send_events(&mut socket, caller, follower).await {
            let end = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
            let _ = timeout(SEND_TIMEOUT, socket.send(end)).await;
        }
        // Sends the answer to the client's close frame, or waits for the answer to ours.
        let _ = timeout(CLOSE_TIMEOUT, async { while let Some(Ok(_)) = socket.recv().await {} }).await;
    })
}

/// Status code of a close frame, and its reason.
type CloseReason = (u16, &'static str);

/// Close frame for a connection whose next message could not be read. `None`: the client has disconnected.
fn close_reason_of(error: axum::Error) -> Option<CloseReason> {
    match error.into_inner().downcast_ref::<SocketError>()? {
        SocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        SocketError::Protocol(_) => Some((close_code::PROTOCOL, "a frame breaks RFC 6455")),
        SocketError::Utf8(_) => Some((close_code::INVALID, "a text is not UTF-8")),
        SocketError::Capacity(_) => Some((close_code::SIZE, "messages have at most 4096 bytes")),
        _ => None,
    }
}

/// Sends events until there is a reason to end. `None`: the client has closed or disconnected.
async fn send_events(
    socket: &mut WebSocket,
    caller: EventSubscriber,
    mut follower: FeedFollower,
) -> Option<CloseReason> {
    if !send_message(socket, Message::text(wire::first_message(follower.at()))).await {
        return None;
    }
    let mut beat = interval_at(Instant::now() + HEARTBEAT_INTERVAL, HEARTBEAT_INTERVAL);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silent = 0;
    loop {
        tokio::select! {
            () = caller.site.draining.cancelled() => return Some((close_code::AWAY, "reconnect")),
            heard = socket.recv() => match heard {
                Some(Ok(Message::Close(_))) | None => return None,
                Some(Err(error)) => return close_reason_of(error),
                Some(Ok(_)) => silent = 0,
            },
            _ = beat.tick() => {
                silent += 1;
                if !caller.is_credential_valid().await {
                    return Some((close_code::POLICY, "the credential is no longer valid"));
                }
                if silent > MAX_SILENT_HEARTBEATS || !send_message(socket, Message::Ping(Default::default())).await {
                    return None;
                }
            }
            events = follower.next_events() => {
                let Ok(events) = events else { return Some((close_code::AGAIN, "reconnect")) };
                for event in events {
                    if !send_message(socket, Message::text(wire::event_json(&event))).await {
                        return None;
                    }
                }
            }
        }
    }
}

async fn send_message(socket: &mut WebSocket, message: Message) -> bool {
    matches!(timeout(SEND_TIMEOUT, socket.send(message)).await, Ok(Ok(())))
}
