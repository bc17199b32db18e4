//! Maintenance modes: route, shapes and glue.

use axum::Json as Rendered;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::domain::ids::TenantId;
use crate::domain::maintenance::{MAX_MAINTENANCE_MESSAGE_BYTES, MaintenanceMode};
use crate::http::AppState;
use crate::http::context::AuthenticatedActor;
use crate::http::json_body::JsonBody;
use crate::http::openapi::access::OPERATOR_ACCESS;
use crate::http::openapi::{ApiRoutes, op};
use crate::http::problem::ProblemDetails;
use crate::http::time_text::SortableTime;

const PATH: &str = "/v1/admin/maintenance";

/// `PUT /v1/admin/maintenance`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SetMaintenance")]
pub(super) struct SetMaintenanceBody {
    /// True to refuse new uploads, false to accept them again.
    on: bool,
    /// The tenant, by name or id; without it, every tenant.
    #[serde(default)]
    tenant: Option<String>,
    /// Sentence for clients whose uploads are refused; a single line.
    #[serde(default)]
    #[schemars(length(max = MAX_MAINTENANCE_MESSAGE_BYTES))]
    message: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MaintenanceModes")]
pub(super) struct MaintenanceModeListView {
    /// Modes that are on, the instance's first.
    modes: Vec<MaintenanceModeView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MaintenanceMode")]
pub(super) struct MaintenanceModeView {
    /// Id of the tenant whose new uploads are refused; null: every tenant's.
    tenant: Option<TenantId>,
    /// Sentence for clients whose uploads are refused; null: a sentence of the service.
    #[schemars(example = &"Back at noon.")]
    message: Option<String>,
    /// Time since which the mode is on.
    since: SortableTime,
}

pub(super) fn maintenance_mode_view(mode: &MaintenanceMode) -> MaintenanceModeView {
    MaintenanceModeView { tenant: mode.tenant, message: mode.message.clone(), since: mode.since.into() }
}

fn list_view(modes: &[MaintenanceMode]) -> MaintenanceModeListView {
    MaintenanceModeListView { modes: modes.iter().map(maintenance_mode_view).collect() }
}

pub(super) fn routes() -> ApiRoutes {
    let list = op("Maintenance modes that are on").operation_id("listMaintenanceModes").access(OPERATOR_ACCESS);
    let set = op("Switch a maintenance mode on or off")
        .operation_id("setMaintenance")
        .access(OPERATOR_ACCESS)
        .description(
            "While a mode is on, new uploads are refused with 503, code `maintenance` and the message, by every \
             protocol; keys with the scope `admin` pass. Uploads under way finish, and downloads work. A mode acts on \
             every node within five seconds.",
        )
        .json_body::<SetMaintenanceBody>(json!({ "on": false }));
    ApiRoutes::for_tag("Administration").get(PATH, list_modes, list.json_response::<MaintenanceModeListView>(200)).put(
        PATH,
        set_mode,
        set.json_response::<MaintenanceModeListView>(200).error_codes(&["not_found"]),
    )
}

async fn list_modes(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
) -> Result<Rendered<MaintenanceModeListView>, ProblemDetails> {
    Ok(Rendered(list_view(&site.engine.tenants().list_maintenance_modes(&actor).await?)))
}

async fn set_mode(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    body: JsonBody<SetMaintenanceBody>,
) -> Result<Rendered<MaintenanceModeListView>, ProblemDetails> {
    let SetMaintenanceBody { on, tenant, message } = body.value;
    let tenants = site.engine.tenants();
    if on {
        tenants.begin_maintenance(&actor, tenant.as_deref(), message.as_deref()).await?;
    } else {
        tenants.end_maintenance(&actor, tenant.as_deref()).await?;
    }
    Ok(Rendered(list_view(&tenants.list_maintenance_modes(&actor).await?)))
}
