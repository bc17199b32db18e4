//! The same events over WebSocket: one text message each, after a first one that says where the stream begins.
//!
//! What the client says is not listened to. One that takes nothing for [`UNREAD`], or does not answer pings, is cut off.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::caller::{BEAT, Caller};
use super::wire;
use crate::engine::Follower;

/// Bytes of a message from the client; there is nothing to say.
const MOST_HEARD: usize = 4 << 10;
/// How long a message may stay unread.
const UNREAD: Duration = Duration::from_secs(30);
/// Heartbeats without any sign of the client.
const SILENT_BEATS: u32 = 3;

/// Opens the socket and tells it the follower's events, until it ends.
pub(super) fn answer(upgrade: WebSocketUpgrade, caller: Caller, follower: Follower) -> Response {
    let upgrade = upgrade.max_message_size(MOST_HEARD).max_frame_size(MOST_HEARD);
    upgrade.on_upgrade(move |mut socket| async move {
        let (code, reason) = tell(&mut socket, caller, follower).await;
        let end = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        let _ = timeout(UNREAD, socket.send(end)).await;
    })
}

/// Tells events until there is a reason to end.
async fn tell(socket: &mut WebSocket, caller: Caller, mut follower: Follower) -> (u16, &'static str) {
    let gone = (close_code::NORMAL, "");
    if !send(socket, Message::text(wire::begins(follower.at()))).await {
        return gone;
    }
    let mut beat = interval_at(Instant::now() + BEAT, BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silent = 0;
    loop {
        tokio::select! {
            () = caller.site.draining.cancelled() => return (close_code::AWAY, "come back"),
            heard = socket.recv() => match heard {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return gone,
                Some(Ok(_)) => silent = 0,
            },
            _ = beat.tick() => {
                silent += 1;
                if !caller.is_still_good().await {
                    return (close_code::POLICY, "the credential has ended");
                }
                if silent > SILENT_BEATS || !send(socket, Message::Ping(Default::default())).await {
                    return gone;
                }
            }
            events = follower.next_events() => {
                let Ok(events) = events else { return (close_code::AGAIN, "come back") };
                for event in events {
                    if !send(socket, Message::text(wire::line(&event))).await {
                        return gone;
                    }
                }
            }
        }
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> bool {
    matches!(timeout(UNREAD, socket.send(message)).await, Ok(Ok(())))
}
