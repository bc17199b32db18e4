//! Traces by OTLP, as a collector receives them: a trace goes from the caller's context through the request, its job and
//! the webhook that tells of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use http::HeaderMap;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::started;
use crate::support::patience::eventually_ok;
use crate::support::process::Instance;
use crate::support::receiver::Receiver;
use crate::support::requests;

const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER_SPAN: &str = "b7ad6b7169203331";

/// A collector: an HTTP server that takes what is exported, and keeps it.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

impl Collector {
    async fn start() -> (Self, String) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().route("/v1/traces", post(take)).with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        (collector, url)
    }

    fn spans(&self) -> Vec<Span> {
        let exports = self.0.lock().unwrap();
        let resources = exports.iter().flat_map(|export| &export.resource_spans);
        resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| scope.spans.clone()).collect()
    }

    /// Attributes of the process that exports.
    fn resource(&self) -> HashMap<String, String> {
        let exports = self.0.lock().unwrap();
        let resource = exports[0].resource_spans[0].resource.clone().unwrap();
        let texts = resource.attributes.into_iter().filter_map(|attribute| match attribute.value?.value? {
            AnyValue::StringValue(text) => Some((attribute.key, text)),
            _ => None,
        });
        texts.collect()
    }

    /// Names of the spans above this.
    fn ancestors(&self, span: &Span) -> Vec<String> {
        let spans = self.spans();
        let parent_of = |span: &Span| spans.iter().find(|other| other.span_id == span.parent_span_id);
        std::iter::successors(parent_of(span), |parent| parent_of(parent)).map(|span| span.name.clone()).collect()
    }

    /// Waits until a span of the trace has this name.
    async fn span(&self, name: &str) -> Span {
        eventually_ok(format!("a span {name}"), async || {
            let spans = self.spans();
            let found = spans.iter().find(|span| span.name == name && hex::encode(&span.trace_id) == TRACE_ID);
            found.cloned().ok_or_else(|| {
                spans.iter().map(|span| (span.name.clone(), hex::encode(&span.trace_id))).collect::<Vec<_>>()
            })
        })
        .await
    }
}

async fn take(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    collector.0.lock().unwrap().push(ExportTraceServiceRequest::decode(body).unwrap());
}

/// The access line of a request.
fn access_line(instance: &Instance, request: &str) -> Value {
    let log = instance.log_text();
    let is_it = |line: &&str| line.contains(request) && line.contains("\"message\":\"request\"");
    serde_json::from_str(log.lines().find(is_it).unwrap()).unwrap()
}

#[tokio::test]
async fn a_trace_goes_through_request_job_and_webhook() {
    let (collector, url) = Collector::start().await;
    let instance = started(&[
        ("GANTRY_TRACING__OTLP_ENDPOINT", &url),
        ("GANTRY_WEBHOOKS__ALLOW_HTTP", "true"),
        ("GANTRY_WEBHOOKS__ALLOW_NETWORKS", "127.0.0.0/8"),
        ("GANTRY_LOG__FORMAT", "json"),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
    ])
    .await;
    let (key, client, receiver) = (instance.key(), requests::client(), Receiver::start().await);
    let ask = |method: &str, path: &str| {
        let method = http::Method::from_bytes(method.as_bytes()).unwrap();
        client.request(method, format!("{}{path}", instance.url)).bearer_auth(&key)
    };
    let wish = json!({"url": receiver.url, "events": ["asset.ready"]});
    assert!(ask("POST", "/v1/webhooks").json(&wish).send().await.unwrap().status().is_success());
    let wish = json!({"filename": "a.txt", "size": 5});
    let opened: Value = ask("POST", "/v1/uploads").json(&wish).send().await.unwrap().json().await.unwrap();
    let upload = opened["upload"]["id"].as_str().unwrap();
    let put = ask("PUT", &format!("/v1/uploads/{upload}/content")).body("hello");
    let put = put.header("traceparent", format!("00-{TRACE_ID}-{CALLER_SPAN}-01")).header("x-request-id", "traced-put");
    assert!(put.send().await.unwrap().status().is_success());

    let request = collector.span("PUT /v1/uploads/{id}/content").await;
    assert_eq!(hex::encode(&request.parent_span_id), CALLER_SPAN);
    assert_eq!(request.kind, 2, "a server's span");
    let job = collector.span("job process").await;
    let sent = receiver.until(1).await[0].headers["traceparent"].to_str().unwrap().to_owned();
    let delivery = collector.span("job deliver").await;
    assert_eq!(sent, format!("00-{TRACE_ID}-{}-01", hex::encode(&delivery.span_id)));
    assert_eq!(collector.ancestors(&job).last().unwrap(), &request.name, "{:#?}", collector.ancestors(&job));
    assert!(collector.ancestors(&delivery).contains(&job.name), "{:#?}", collector.ancestors(&delivery));
    assert!(collector.spans().iter().any(|span| span.name == "commit"), "no span of the database");
    let resource = collector.resource();
    assert_eq!((&*resource["service.name"], &*resource["service.version"]), ("gantry", env!("CARGO_PKG_VERSION")));

    assert_eq!(access_line(&instance, "traced-put")["trace_id"], TRACE_ID);
    for export in collector.spans() {
        let text = format!("{export:?}");
        assert!(!text.contains(&key) && !text.contains("X-Amz-Signature="), "a secret is in a span: {text}");
    }
}

/// The end of the process exports what the last requests left.
#[tokio::test]
async fn the_last_spans_are_exported_at_the_end() {
    let (collector, url) = Collector::start().await;
    let mut instance = started(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &url), ("OTEL_BSP_SCHEDULE_DELAY", "600000")]).await;
    let asked = requests::client().get(format!("{}/livez", instance.url));
    asked.header("traceparent", format!("00-{TRACE_ID}-{CALLER_SPAN}-01")).send().await.unwrap();
    instance.signal("TERM");
    assert!(instance.ended().await.success(), "{}", instance.log_text());
    collector.span("GET /livez").await;
}

/// A collector that is away costs a line in the log at most.
#[tokio::test]
async fn without_a_collector_the_service_serves() {
    let nobody = format!("http://127.0.0.1:{}", crate::support::process::free_port());
    let mut instance = started(&[("GANTRY_TRACING__OTLP_ENDPOINT", &nobody), ("OTEL_BSP_SCHEDULE_DELAY", "50")]).await;
    let key = instance.key();
    for _ in 0..20 {
        let listed =
            requests::client().get(format!("{}/v1/assets", instance.url)).bearer_auth(&key).send().await.unwrap();
        assert_eq!(listed.status(), 200);
    }
    instance.signal("TERM");
    assert!(instance.ended().await.success(), "{}", instance.log_text());
}

/// Without the setting a caller's context is logged, and nothing of it is carried on.
#[tokio::test]
async fn traces_are_off_by_default() {
    let instance = started(&[("GANTRY_LOG__FORMAT", "json")]).await;
    let asked = requests::client().get(format!("{}/livez", instance.url)).header("x-request-id", "untraced");
    asked.header("traceparent", format!("00-{TRACE_ID}-{CALLER_SPAN}-01")).send().await.unwrap();
    let log = instance.log_text();
    let line: Value = serde_json::from_str(log.lines().find(|line| line.contains("untraced")).unwrap()).unwrap();
    assert_eq!(line["trace_id"], TRACE_ID);
    assert!(!log.contains("otel."), "{log}");
}
