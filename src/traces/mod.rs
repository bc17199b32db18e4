//! Traces of requests and jobs: the spans of `tracing`, exported by OTLP, and the W3C trace context that connects them
//! with those of other services (<https://www.w3.org/TR/trace-context/>).
//!
//! Process-wide, as the subscriber of `tracing` is. Off unless an endpoint is set: no context is made or carried then,
//! and the trace id of a caller is only logged. The feature `otlp` has the exporter, which is nine packages.
//!
//! A context enters with the headers of a request. A job keeps the context of the transaction that caused it, and so
//! does an event, for the webhooks that tell of it. It leaves in the header `traceparent` of webhooks, and in messages to
//! brokers.

use http::HeaderMap;
use tracing::Span;

#[cfg(feature = "otlp")]
mod otlp;

#[cfg(feature = "otlp")]
pub use otlp::{TraceSetupError, export_layer, shut_down};

/// Header of the trace context, and its name in messages.
pub const TRACEPARENT_HEADER: &str = "traceparent";
/// Length of a trace context: version, trace id, parent id and flags, in hexadecimal, with hyphens between.
const TRACEPARENT_LEN: usize = 55;

/// Makes a span that no code has entered yet the child of the request's trace context, if there is a valid context and
/// traces are exported.
pub fn adopt_headers(span: &Span, headers: &HeaderMap) {
    #[cfg(feature = "otlp")]
    otlp::adopt_headers(span, headers);
    #[cfg(not(feature = "otlp"))]
    let _ = (span, headers);
}

/// As [`adopt_headers`], for a context that was kept as text.
pub fn adopt_traceparent(span: &Span, traceparent: Option<&str>) {
    #[cfg(feature = "otlp")]
    otlp::adopt_traceparent(span, traceparent);
    #[cfg(not(feature = "otlp"))]
    let _ = (span, traceparent);
}

/// Sets the name of a span in traces; the span must have the empty fields `otel.name` and `otel.kind`.
pub fn describe_span(span: &Span, name: &str, kind: &'static str) {
    #[cfg(feature = "otlp")]
    if otlp::is_on() {
        span.record("otel.name", name).record("otel.kind", kind);
    }
    #[cfg(not(feature = "otlp"))]
    let _ = (span, name, kind);
}

/// The trace context of the current span, to be carried on; `None` if traces are not exported.
#[must_use]
pub fn current_traceparent() -> Option<String> {
    #[cfg(feature = "otlp")]
    return otlp::traceparent_of(&Span::current());
    #[cfg(not(feature = "otlp"))]
    None
}

/// The trace id of a span, or else of the caller's trace context, for log lines.
#[must_use]
pub fn trace_id_of(span: &Span, headers: &HeaderMap) -> Option<String> {
    #[cfg(feature = "otlp")]
    if let Some(traceparent) = otlp::traceparent_of(span) {
        return trace_id(&traceparent).map(ToOwned::to_owned);
    }
    #[cfg(not(feature = "otlp"))]
    let _ = span;
    headers.get(TRACEPARENT_HEADER).and_then(|value| trace_id(value.to_str().ok()?)).map(ToOwned::to_owned)
}

/// The trace id in a valid trace context.
fn trace_id(traceparent: &str) -> Option<&str> {
    let mut fields = traceparent.split('-');
    let (version, trace, parent, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let is_hex = |text: &str, len: usize| {
        text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let is_id = |text: &str, len: usize| is_hex(text, len) && text.bytes().any(|byte| byte != b'0');
    // Version 00 has nothing after its flags; later versions may.
    let ends = if version == "00" { traceparent.len() == TRACEPARENT_LEN } else { version != "ff" };
    (is_hex(version, 2) && is_id(trace, 32) && is_id(parent, 16) && is_hex(flags, 2) && ends).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_valid_context_has_a_trace_id() {
        let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(trace_id(valid), Some("0af7651916cd43dd8448eb211c80319c"));
        assert_eq!(trace_id(&valid.replacen("00", "01", 1)).map(str::len), Some(32));
        for invalid in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        ] {
            assert_eq!(trace_id(invalid), None, "{invalid}");
        }
    }
}
