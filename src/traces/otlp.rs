//! The exporter: OTLP over HTTP with protobuf, sent by the HTTP client of this service.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_http::{HeaderExtractor, HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::{Level, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use super::TRACEPARENT_HEADER;

/// Path of traces below a collector's address (OTLP specification, "OTLP/HTTP Request").
const TRACES_PATH: &str = "/v1/traces";
/// Time for which an export may take; spans are dropped then, and never delay a request.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for which the end of the process waits for the last spans.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// The exporter of this process; empty while traces are off.
static TRACE_PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Traces cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum TraceSetupError {
    /// The HTTP client cannot be made.
    #[error("no HTTP client")]
    Client(#[from] reqwest::Error),
    /// The endpoint is not valid.
    #[error(transparent)]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// Sends exports from the exporter's own thread on the runtime of the service.
#[derive(Debug)]
struct RuntimeClient {
    client: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for RuntimeClient {
    async fn send_bytes(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let request: reqwest::Request = request.try_into()?;
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let answer = client.execute(request).await?;
            let status = answer.status();
            Ok::<_, reqwest::Error>((status, answer.bytes().await?))
        });
        let (status, body) = sent.await??;
        Ok(http::Response::builder().status(status).body(body)?)
    }
}

/// The layer that exports spans to the collector at `endpoint`, without the path of traces. Must be called within the
/// runtime that exports run on.
///
/// Spans of this service down to its queries and requests to the store; of log lines those from INFO on, as events.
///
/// # Errors
/// The endpoint is not a valid URL.
pub fn export_layer<S>(endpoint: &str) -> Result<Box<dyn Layer<S> + Send + Sync>, TraceSetupError>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let client = reqwest::Client::builder().timeout(EXPORT_TIMEOUT).redirect(reqwest::redirect::Policy::none());
    let client = RuntimeClient { client: client.build()?, runtime: Handle::current() };
    let base = endpoint.trim_end_matches('/');
    let url = if base.ends_with(TRACES_PATH) { base.to_owned() } else { format!("{base}{TRACES_PATH}") };
    let exporter = SpanExporter::builder().with_http().with_http_client(client).with_endpoint(url);
    let exporter = exporter.with_timeout(EXPORT_TIMEOUT).build()?;
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word.
    let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let named = std::env::var_os("OTEL_SERVICE_NAME").is_some();
    let resource = Resource::builder().with_attribute(version);
    let resource = if named { resource } else { resource.with_service_name("gantry") };
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("gantry"));
    let layer = layer.with_location(false).with_threads(false).with_tracked_inactivity(false);
    let _ = TRACE_PROVIDER.set(provider);
    let ours = filter_fn(|metadata| {
        let most = if metadata.is_span() { Level::DEBUG } else { Level::INFO };
        metadata.target().starts_with("gantry") && *metadata.level() <= most
    });
    Ok(layer.with_filter(ours).boxed())
}

/// Exports the last spans. Must be called outside of asynchronous code, while the runtime still runs.
pub fn shut_down() {
    if let Some(provider) = TRACE_PROVIDER.get() {
        // Spans that a collector does not take are lost, as at any other time.
        let _ = provider.shutdown_with_timeout(SHUTDOWN_TIMEOUT);
    }
}

/// True if traces are exported.
pub(super) fn is_on() -> bool {
    TRACE_PROVIDER.get().is_some()
}

pub(super) fn adopt_headers(span: &Span, headers: &HeaderMap) {
    if is_on() && headers.contains_key(TRACEPARENT_HEADER) {
        adopt_context(span, TraceContextPropagator::new().extract(&HeaderExtractor(headers)));
    }
}

pub(super) fn adopt_traceparent(span: &Span, traceparent: Option<&str>) {
    if let Some(traceparent) = traceparent.filter(|_| is_on()) {
        let kept = HashMap::from([(TRACEPARENT_HEADER.to_owned(), traceparent.to_owned())]);
        adopt_context(span, TraceContextPropagator::new().extract(&kept));
    }
}

fn adopt_context(span: &Span, context: opentelemetry::Context) {
    if context.span().span_context().is_valid() {
        // Fails for a span that is not exported.
        let _ = span.set_parent(context);
    }
}

/// The trace context of a span, for its children elsewhere.
pub(super) fn traceparent_of(span: &Span) -> Option<String> {
    if !is_on() {
        return None;
    }
    let mut carried = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carried);
    carried.remove(TRACEPARENT_HEADER)
}
