//! `gantry maintenance`.

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;

use crate::app;
use crate::config::ServiceConfig;
use crate::domain::maintenance::MaintenanceMode;
use crate::engine::{Error, TenantRegistry};

#[derive(Subcommand)]
pub(super) enum MaintenanceCommand {
    /// Refuse new uploads with 503. Uploads under way finish, downloads work, keys with the scope admin pass.
    On {
        /// The tenant, by name or id; without it, every tenant.
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
        /// A sentence for clients whose uploads are refused.
        #[arg(long, value_name = "TEXT")]
        message: Option<String>,
    },
    /// Accept new uploads again.
    Off {
        /// The tenant, by name or id; without it, every tenant that has no mode of its own.
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
    },
    /// Show the maintenance modes that are on.
    Status {
        /// The tenant, by name or id; without it, the instance and all tenants.
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
        /// Print a JSON object a line instead of text.
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(config: &ServiceConfig, command: MaintenanceCommand) -> anyhow::Result<()> {
    let registry = app::open_registry(config).await?;
    match command {
        MaintenanceCommand::On { tenant, message } => {
            let mode = registry.begin_maintenance(tenant.as_deref(), message.as_deref()).await;
            known(mode, tenant.as_deref())?;
            println!("{}: new uploads are refused on every node within 5 seconds.", title(tenant.as_deref()));
        }
        MaintenanceCommand::Off { tenant } => {
            let was_on = known(registry.end_maintenance(tenant.as_deref()).await, tenant.as_deref())?;
            let said = if was_on { "accepted again on every node within 5 seconds" } else { "accepted already" };
            println!("{}: new uploads are {said}.", title(tenant.as_deref()));
        }
        MaintenanceCommand::Status { tenant, json } => show_modes(&registry, tenant.as_deref(), json).await?,
    }
    Ok(())
}

async fn show_modes(registry: &TenantRegistry, tenant: Option<&str>, as_json: bool) -> anyhow::Result<()> {
    let concerned = match tenant {
        Some(named) => Some(registry.tenant(named).await?.with_context(|| unknown(named))?.id),
        None => None,
    };
    let modes = registry.list_maintenance_modes().await?;
    let shown: Vec<_> = modes.into_iter().filter(|mode| concerned.is_none_or(|tenant| mode.concerns(tenant))).collect();
    for mode in &shown {
        let name = name_of(registry, mode).await?;
        let MaintenanceMode { message, since, .. } = mode;
        if as_json {
            println!("{}", json!({ "tenant": name, "message": message, "since": since }));
        } else {
            let said = message.as_deref().map(|message| format!(" \u{201c}{message}\u{201d}")).unwrap_or_default();
            println!("{}: on since {since}.{said}", title(name.as_deref()));
        }
    }
    if shown.is_empty() && !as_json {
        println!("off");
    }
    Ok(())
}

/// Name of the tenant of a mode; `None`: the instance.
async fn name_of(registry: &TenantRegistry, mode: &MaintenanceMode) -> anyhow::Result<Option<String>> {
    let Some(id) = mode.tenant.map(|id| id.to_string()) else { return Ok(None) };
    Ok(Some(registry.tenant(&id).await?.map_or(id, |tenant| tenant.name)))
}

fn title(tenant: Option<&str>) -> String {
    tenant.map_or_else(|| "instance".to_owned(), |name| format!("tenant {name}"))
}

fn unknown(tenant: &str) -> String {
    format!("there is no tenant \"{tenant}\"")
}

/// Names the tenant that was not found.
fn known<T>(result: Result<T, Error>, tenant: Option<&str>) -> anyhow::Result<T> {
    result.map_err(|error| match (error, tenant) {
        (Error::NotFound, Some(named)) => anyhow::anyhow!(unknown(named)),
        (error, _) => error.into(),
    })
}
