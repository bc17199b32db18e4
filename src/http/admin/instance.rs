//! The instance itself: its processes and its settings. Routes, shapes and glue.

use std::collections::BTreeMap;

use axum::Json as Rendered;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::domain::node::{NodeRole, ServiceNode};
use crate::http::AppState;
use crate::http::context::AuthenticatedActor;
use crate::http::openapi::access::OPERATOR_ACCESS;
use crate::http::openapi::{ApiRoutes, op};
use crate::http::problem::ProblemDetails;
use crate::http::time_text::SortableTime;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "NodeList")]
struct NodeListView {
    /// Processes that were seen within the last 45 seconds, by name.
    nodes: Vec<NodeView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Node")]
struct NodeView {
    /// Random id of this run of the process.
    id: Uuid,
    /// Host and process id.
    #[schemars(example = &"node-1:4711")]
    name: String,
    /// `serve` answers requests and works on jobs, `work` works on jobs alone.
    #[schemars(extend("enum" = NodeRole::ALL.map(NodeRole::name)))]
    role: String,
    /// Version of the program.
    #[schemars(example = &"0.1.0")]
    version: String,
    /// Time of its start.
    started_at: SortableTime,
    /// Time at which it was seen last.
    seen_at: SortableTime,
    /// Milliseconds by which its clock is ahead of the database's; negative: behind.
    #[schemars(example = 3)]
    clock_skew_ms: i64,
    /// Bytes per second of files that arrived, in the last whole minute.
    #[schemars(example = 1_048_576)]
    bytes_in_per_second: u64,
    /// Bytes per second of downloads that it began to send, in the last whole minute.
    #[schemars(example = 1_048_576)]
    bytes_out_per_second: u64,
}

impl From<ServiceNode> for NodeView {
    fn from(node: ServiceNode) -> Self {
        Self {
            id: node.id,
            name: node.name,
            role: node.role,
            version: node.version,
            started_at: node.started_at.into(),
            seen_at: node.seen_at.into(),
            clock_skew_ms: node.skew_micros / 1000,
            bytes_in_per_second: node.bytes_in / 60,
            bytes_out_per_second: node.bytes_out / 60,
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Settings")]
struct SettingsView {
    /// Settings of the node that answers, by name; secrets that are set are `(set)`.
    settings: BTreeMap<String, String>,
}

pub(super) fn routes() -> ApiRoutes {
    let nodes = op("Processes of the service").operation_id("listNodes").access(OPERATOR_ACCESS);
    let settings = op("Settings of this node, without secrets").operation_id("getSettings").access(OPERATOR_ACCESS);
    ApiRoutes::for_tag("Administration")
        .get("/v1/admin/nodes", list_nodes, nodes.json_response::<NodeListView>(200))
        .get("/v1/admin/config", get_settings, settings.json_response::<SettingsView>(200))
}

async fn list_nodes(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
) -> Result<Rendered<NodeListView>, ProblemDetails> {
    let nodes = site.engine.operations().list_nodes(&actor).await?;
    Ok(Rendered(NodeListView { nodes: nodes.into_iter().map(NodeView::from).collect() }))
}

async fn get_settings(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
) -> Result<Rendered<SettingsView>, ProblemDetails> {
    site.engine.operations().require_operator(&actor).await?;
    Ok(Rendered(SettingsView { settings: (*site.settings).clone() }))
}
