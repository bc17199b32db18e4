//! HTTP/2 without hyper: the h2 crate can send interim answers, bound the memory of windows that grow, and end idle
//! connections, which hyper does not expose. Everything else works as in hyper.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::future::{Either, select};
use h2::server::{Builder, Connection, SendResponse};
use h2::{Ping, PingPong, Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::flow_control::{FIRST_WINDOW_BYTES, ReadBytes, ReceiveWindow};
use super::interim::InterimSender;
use super::request_body::RequestBody;
use super::{KEEPALIVE_INTERVAL, MAX_CONCURRENT_STREAMS, ServerLimits};
use crate::engine::BodyPaceLimits;

/// The value that hyper would choose.
const MAX_SEND_BUFFER_BYTES: usize = 400 << 10;
const MAX_HEADER_LIST_BYTES: u32 = 16 << 10;
const MAX_FRAME_BYTES: usize = 16 << 10;
/// Time for which a connection stays open after its last answer once the shutdown was announced.
const CLOSE_DELAY: Duration = Duration::from_secs(1);

/// The right to answer a request, once.
#[derive(Clone)]
pub(in crate::http) struct H2Responder(Arc<Mutex<Option<SendResponse<Bytes>>>>);

impl H2Responder {
    fn lock(&self) -> MutexGuard<'_, Option<SendResponse<Bytes>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn send_interim(&self, status: StatusCode, headers: &HeaderMap) {
        let mut head = Response::new(());
        *head.status_mut() = status;
        head.headers_mut().clone_from(headers);
        if let Some(respond) = &mut *self.lock() {
            // Fails for a stream that was reset, which needs no answer.
            let _ = respond.send_informational(head);
        }
    }

    /// Waits until the client has reset the stream.
    async fn wait_for_reset(&self) {
        poll_fn(|cx| match &mut *self.lock() {
            Some(respond) => respond.poll_reset(cx).map(|_| ()),
            None => Poll::Ready(()),
        })
        .await;
    }
}

/// Answers the requests of a connection until it ends; once `stop` is cancelled, only those under way.
pub(super) async fn serve_h2_connection<I, F, Fut, B>(
    stream: I,
    answer: F,
    limits: &ServerLimits,
    stop: CancellationToken,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<RequestBody>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let mut builder = Builder::new();
    builder.initial_window_size(FIRST_WINDOW_BYTES).initial_connection_window_size(FIRST_WINDOW_BYTES);
    builder
        .max_send_buffer_size(MAX_SEND_BUFFER_BYTES)
        .max_header_list_size(MAX_HEADER_LIST_BYTES)
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS);
    let Ok(Ok(mut connection)) = tokio::time::timeout(limits.head_timeout, builder.handshake(stream)).await else {
        return;
    };
    let Some(pings) = connection.ping_pong() else { return };
    let (mut window, read) = (ReceiveWindow::new(limits.window_budget.clone()), ReadBytes::default());
    let round_trip = measure_round_trip(pings, read.clone(), window.measure_after(true));
    let (mut stopping, under_way) = (false, TaskTracker::new());
    // Lets `wait` return whenever no request is under way, although more may come.
    under_way.close();
    let idle = wait_until_idle(&under_way, limits.head_timeout);
    tokio::pin!(round_trip, idle);
    loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    spawn_response(request, respond, answer.clone(), &under_way, (limits.pace, &read));
                    idle.set(wait_until_idle(&under_way, limits.head_timeout));
                }
                // A client that disconnects is not worth logging.
                Some(Err(_)) | None => return,
            },
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                Connection::graceful_shutdown(&mut connection);
            }
            () = &mut idle, if !stopping => {
                stopping = true;
                Connection::graceful_shutdown(&mut connection);
            }
            () = wait_for_last_response(&under_way), if stopping => return,
            measured = &mut round_trip => {
                let Some((pings, bytes)) = measured else { return };
                let grew = grow_windows(&mut connection, &mut window, bytes);
                round_trip.set(measure_round_trip(pings, read.clone(), window.measure_after(grew)));
            }
        }
    }
}

/// Grows the windows if the bytes read within a round trip show that they limit the client. Returns true if they grew.
fn grow_windows<I>(connection: &mut Connection<I, Bytes>, window: &mut ReceiveWindow, bytes: u64) -> bool
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let Some(size) = window.grow(bytes) else { return false };
    connection.set_target_window_size(size);
    // Fails only while an earlier change is unacknowledged; the answer to a ping comes after that acknowledgement.
    connection.set_initial_window_size(size).is_ok()
}

/// Returns after `timeout` without a request under way.
async fn wait_until_idle(under_way: &TaskTracker, timeout: Duration) {
    under_way.wait().await;
    tokio::time::sleep(timeout).await;
}

/// Returns [`CLOSE_DELAY`] after the last request was answered. The client then has received the answer, and may repeat
/// later requests on another connection. Suspended clients do not acknowledge the announced end.
async fn wait_for_last_response(under_way: &TaskTracker) {
    under_way.wait().await;
    tokio::time::sleep(CLOSE_DELAY).await;
}

/// Sends a ping after a while or after `after` bytes, and counts the bytes read until its answer. `None`: no answer in
/// time.
async fn measure_round_trip(mut pings: PingPong, read: ReadBytes, after: u64) -> Option<(PingPong, u64)> {
    let _ = tokio::time::timeout(KEEPALIVE_INTERVAL, read.wait_for(after)).await;
    let before = read.count();
    match tokio::time::timeout(KEEPALIVE_INTERVAL, pings.ping(Ping::opaque())).await {
        Ok(Ok(_)) => Some((pings, read.count() - before)),
        Ok(Err(_)) | Err(_) => None,
    }
}

/// Answers a request in a task of its own.
fn spawn_response<F, Fut, B>(
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    answer: F,
    under_way: &TaskTracker,
    (pace, read): (BodyPaceLimits, &ReadBytes),
) where
    F: Fn(Request<RequestBody>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let answering = H2Responder(Arc::new(Mutex::new(Some(respond))));
    let (mut head, stream) = request.into_parts();
    head.extensions.insert(InterimSender::Http2(answering.clone()));
    let is_head = head.method == Method::HEAD;
    let length = head.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let request = Request::from_parts(head, RequestBody::from_h2(stream, length, pace, read.clone()));
    under_way.spawn(async move {
        let work = std::pin::pin!(answer(request));
        let reset = std::pin::pin!(answering.wait_for_reset());
        let Either::Left((response, _)) = select(work, reset).await else { return };
        let Some(respond) = answering.lock().take() else { return };
        // A client that disconnects is not worth logging.
        let _ = write_response(respond, response, is_head).await;
    });
}

async fn write_response<B>(
    mut respond: SendResponse<Bytes>,
    response: Response<B>,
    is_head: bool,
) -> Result<(), h2::Error>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let (mut head, body) = response.into_parts();
    // These headers belong to HTTP/1 (RFC 9113 §8.2.2).
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE] {
        head.headers.remove(name);
    }
    let silent = is_head || head.status == StatusCode::NO_CONTENT || head.status == StatusCode::NOT_MODIFIED;
    if let (Some(length), false) = (body.size_hint().exact(), silent) {
        head.headers.entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from(length));
    }
    let empty = silent || body.is_end_stream();
    let mut stream = respond.send_response(Response::from_parts(head, ()), empty)?;
    if empty { Ok(()) } else { write_body(&mut stream, Box::pin(body)).await }
}

async fn write_body<B>(stream: &mut SendStream<Bytes>, mut body: std::pin::Pin<Box<B>>) -> Result<(), h2::Error>
where
    B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    loop {
        let frame = tokio::select! {
            biased;
            reset = poll_fn(|cx| stream.poll_reset(cx)) => return reset.map(|_| ()),
            frame = poll_fn(|cx| body.as_mut().poll_frame(cx)) => frame.map(Result::ok),
        };
        let frame = match frame {
            None => return stream.send_data(Bytes::new(), true),
            // The body failed: a client must not take half of it for the whole.
            Some(None) => {
                stream.send_reset(Reason::INTERNAL_ERROR);
                return Ok(());
            }
            Some(Some(frame)) => frame,
        };
        match frame.into_data() {
            Ok(mut data) => {
                let mut bytes = data.copy_to_bytes(data.remaining());
                while !bytes.is_empty() {
                    let room = wait_for_capacity(stream, bytes.len()).await?;
                    stream.send_data(bytes.split_to(room.min(bytes.len())), false)?;
                }
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    return stream.send_trailers(trailers);
                }
            }
        }
    }
}

/// Number of bytes that the client will accept now, at least 1.
async fn wait_for_capacity(stream: &mut SendStream<Bytes>, wanted: usize) -> Result<usize, h2::Error> {
    stream.reserve_capacity(wanted.min(MAX_FRAME_BYTES.max(MAX_SEND_BUFFER_BYTES)));
    poll_fn(|cx| {
        if let Poll::Ready(reset) = stream.poll_reset(cx) {
            return Poll::Ready(reset.and_then(|reason| Err(reason.into())));
        }
        match stream.capacity() {
            0 => match stream.poll_capacity(cx) {
                Poll::Ready(Some(Ok(0))) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Poll::Ready(Some(room)) => Poll::Ready(room),
                Poll::Ready(None) => Poll::Ready(Err(Reason::CANCEL.into())),
                Poll::Pending => Poll::Pending,
            },
            room => Poll::Ready(Ok(room)),
        }
    })
    .await
}
