//! The access line and the tracing span of a request.
//!
//! The line is written when the head of the response is ready. Its fields: `request_id`, `trace_id` (W3C), `method`, `route` (the template, never
//! the path or the query: those may hold secrets), `status`, `duration_ms`, `bytes_in` (of the body, as received), `bytes_out`
//! (as the response declares; absent for a stream without a length), `client` (the address), `tenant`, `credential`, `upload`
//! and `asset`, as far as they are known. The span has the same ids, so that every line that is written on the way names them.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use http::{Method, header};
use http_body::{Frame, SizeHint};
use tracing::Span;
use tracing::field::Empty;

use super::context::peer_ip;
use crate::engine::RequestLogIds;
use crate::traces;

/// Fields of the access line, gathered while the request is handled.
pub(super) struct AccessLine {
    pub(super) method: Method,
    pub(super) route: Option<String>,
    pub(super) started: Instant,
    pub(super) span: Span,
    pub(super) ids: Arc<RequestLogIds>,
    request_id: String,
    trace_id: Option<String>,
    client: Option<String>,
    bytes_in: Arc<AtomicU64>,
}

impl AccessLine {
    /// Begins with what the request's head says.
    pub(super) fn begin(request: &Request, request_id: &str) -> Self {
        let method = request.method().clone();
        let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
        let client = peer_ip(request.extensions()).map(|ip| ip.to_string());
        let span = tracing::info_span!(
            "request",
            request_id,
            %method,
            route = route.as_deref().unwrap_or("-"),
            tenant = Empty,
            credential = Empty,
            upload = Empty,
            asset = Empty,
            otel.name = Empty,
            otel.kind = Empty,
        );
        traces::describe_span(&span, &format!("{method} {}", route.as_deref().unwrap_or("-")), "server");
        traces::adopt_headers(&span, request.headers());
        let trace_id = traces::trace_id_of(&span, request.headers());
        let ids = Arc::new(RequestLogIds::for_span(span.clone()));
        let (started, bytes_in) = (Instant::now(), Arc::default());
        Self { method, route, started, span, ids, request_id: request_id.to_owned(), trace_id, client, bytes_in }
    }

    /// The request, with the bytes of its body counted as they are read.
    pub(super) fn count_body(&self, request: Request) -> Request {
        if request.body().is_end_stream() {
            return request;
        }
        let bytes_in = Arc::clone(&self.bytes_in);
        request.map(|inner| Body::new(CountedBody { inner, bytes_in }))
    }

    /// Writes the line.
    pub(super) fn write(&self, response: &Response) {
        let declared =
            response.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let bytes_out: Option<u64> = declared.or_else(|| response.body().size_hint().exact());
        tracing::info!(
            target: "gantry::access",
            request_id = self.request_id,
            trace_id = self.trace_id,
            method = %self.method,
            route = self.route.as_deref().unwrap_or("-"),
            status = response.status().as_u16(),
            duration_ms = self.started.elapsed().as_micros() as f64 / 1000.0,
            bytes_in = self.bytes_in.load(Ordering::Relaxed),
            bytes_out,
            client = self.client,
            tenant = self.ids.tenant.get(),
            credential = self.ids.credential.get(),
            upload = self.ids.upload.get(),
            asset = self.ids.asset.get(),
            "request",
        );
    }
}

/// A request's body that counts the bytes that are read of it.
struct CountedBody {
    inner: Body,
    bytes_in: Arc<AtomicU64>,
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            self.bytes_in.fetch_add(length, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
