//! `gantry key` and `gantry tenant`.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde_json::json;

use crate::app;
use crate::config::ServiceConfig;
use crate::config::units::parse_size;
use crate::domain::clock::parse_duration;
use crate::domain::ids::KeyId;
use crate::domain::key::KeyScopes;
use crate::domain::quota::TenantQuota;
use crate::domain::tenant::{DEFAULT_TENANT, Tenant as TenantRow};
use crate::engine::{Error, KeyWish, PatchTenant, TenantRegistry};

const ROWS_PER_PAGE: u32 = 100;

#[derive(Subcommand)]
pub(super) enum KeyCommand {
    /// Make a key and print it, alone and only this once.
    Create {
        /// The tenant it acts in, by name or id.
        #[arg(long, default_value = DEFAULT_TENANT)]
        tenant: String,
        /// Purpose of the key, for people.
        #[arg(long)]
        name: Option<String>,
        /// Scopes of the key: upload, read, link, process, admin.
        #[arg(long)]
        scopes: String,
        /// Lifetime of the key, like 90d.
        #[arg(long, value_name = "TIME")]
        expires_in: Option<String>,
    },
    /// List a tenant's keys, a JSON object a line, without secrets.
    List {
        /// The tenant, by name or id.
        #[arg(long, default_value = DEFAULT_TENANT)]
        tenant: String,
    },
    /// Give a key a new secret and print it, alone and only this once.
    Rotate {
        /// The key's id, as `list` shows it, or the whole key.
        key: String,
        /// Time for which the old secret works as well, at most 7d; 0: not at all.
        #[arg(long, value_name = "TIME", default_value = "24h")]
        overlap: String,
        /// The tenant it acts in, by name or id.
        #[arg(long, default_value = DEFAULT_TENANT)]
        tenant: String,
    },
    /// Withdraw a key. It stops working on every node within seconds.
    Revoke {
        /// The key's id, as `list` shows it, or the whole key.
        key: String,
        /// The tenant it acts in, by name or id.
        #[arg(long, default_value = DEFAULT_TENANT)]
        tenant: String,
    },
}

#[derive(Subcommand)]
pub(super) enum TenantCommand {
    /// Make a tenant and print its id, alone.
    Create {
        /// 1 to 63 of a-z, 0-9, '-', '_' and '.'.
        name: String,
    },
    /// List tenants, a JSON object a line.
    List,
    /// Show a tenant with its limits and usage, as JSON.
    Show {
        /// The tenant, by name or id.
        tenant: String,
    },
    /// Let a tenant's credentials and links open nothing until it is resumed.
    Suspend {
        /// The tenant, by name or id.
        tenant: String,
    },
    /// Lift a suspension.
    Resume {
        /// The tenant, by name or id.
        tenant: String,
    },
    /// Set all of a tenant's limits; what is not named is unlimited then.
    Quota {
        /// The tenant, by name or id.
        tenant: String,
        /// Bytes, like 500GiB.
        #[arg(long)]
        bytes: Option<String>,
        /// Assets.
        #[arg(long)]
        files: Option<u64>,
        /// Uploads under way.
        #[arg(long)]
        open_uploads: Option<u64>,
    },
    /// Recount what a tenant takes up, and print the old and the new sum.
    Recompute {
        /// The tenant, by name or id.
        tenant: String,
    },
}

async fn find_tenant(registry: &TenantRegistry, name: &str) -> anyhow::Result<TenantRow> {
    registry.tenant(name).await?.with_context(|| format!("there is no tenant \"{name}\""))
}

pub(super) async fn run_key_command(config: &ServiceConfig, command: KeyCommand) -> anyhow::Result<()> {
    let registry = app::open_registry(config).await?;
    match command {
        KeyCommand::Create { tenant, name, scopes, expires_in } => {
            let scopes: KeyScopes = scopes.parse()?;
            let expires_in = expires_in.as_deref().map(parse_time).transpose()?;
            let tenant = find_tenant(&registry, &tenant).await?;
            println!("{}", registry.make_key(tenant.id, KeyWish { name, scopes, expires_in }).await?.token.reveal());
        }
        KeyCommand::List { tenant } => list_keys(&registry, &find_tenant(&registry, &tenant).await?).await?,
        KeyCommand::Rotate { key, overlap, tenant } => {
            let (id, overlap) = (parse_key_id(&key)?, parse_time(&overlap)?);
            let tenant = find_tenant(&registry, &tenant).await?;
            match registry.rotate_key(tenant.id, id, Some(overlap)).await {
                Ok(made) => println!("{}", made.token.reveal()),
                Err(Error::NotFound) => bail!("the tenant {} has no such key", tenant.name),
                Err(other) => return Err(other.into()),
            }
        }
        KeyCommand::Revoke { key, tenant } => {
            let id = parse_key_id(&key)?;
            let tenant = find_tenant(&registry, &tenant).await?;
            match registry.revoke_key(tenant.id, id).await {
                Ok(()) => {}
                Err(Error::NotFound) => bail!("the tenant {} has no such key", tenant.name),
                Err(other) => return Err(other.into()),
            }
        }
    }
    Ok(())
}

fn parse_time(text: &str) -> anyhow::Result<Duration> {
    parse_duration(text).with_context(|| format!("\"{text}\" is not a time like 15m or 90d"))
}

/// The id in a key, or an id. Errors do not repeat the secret.
fn parse_key_id(key: &str) -> anyhow::Result<KeyId> {
    let id = key.strip_prefix("gk_").unwrap_or(key);
    let id = id.split_once('.').map_or(id, |(id, _)| id);
    id.parse().with_context(|| format!("\"{id}\" is not the id of a key"))
}

async fn list_keys(registry: &TenantRegistry, tenant: &TenantRow) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let page = registry.keys(tenant.id, after, ROWS_PER_PAGE).await?;
        for key in &page {
            let line = json!({
                "id": key.id,
                "name": key.name,
                "scopes": key.scopes.to_string(),
                "created_at": key.created_at.to_string(),
                "expires_at": key.expires_at.map(|at| at.to_string()),
                "revoked_at": key.revoked_at.map(|at| at.to_string()),
                "last_used_at": key.last_used_at.map(|at| at.to_string()),
            });
            println!("{line}");
        }
        match page.last() {
            Some(last) => after = Some(last.id),
            None => return Ok(()),
        }
    }
}

pub(super) async fn run_tenant_command(config: &ServiceConfig, command: TenantCommand) -> anyhow::Result<()> {
    let registry = app::open_registry(config).await?;
    match command {
        TenantCommand::Create { name } => println!("{}", registry.create_tenant(&name).await?.id),
        TenantCommand::List => {
            let mut after = String::new();
            loop {
                let page = registry.tenants(&after, ROWS_PER_PAGE).await?;
                for tenant in &page {
                    let created_at = tenant.created_at.to_string();
                    println!("{}", json!({ "id": tenant.id, "name": tenant.name, "created_at": created_at }));
                }
                match page.last() {
                    Some(last) => after.clone_from(&last.name),
                    None => break,
                }
            }
        }
        TenantCommand::Show { tenant } => {
            println!("{}", json!(registry.standing(find_tenant(&registry, &tenant).await?.id).await?));
        }
        TenantCommand::Suspend { tenant } => patch_tenant(&registry, &tenant, suspension_patch(true)).await?,
        TenantCommand::Resume { tenant } => patch_tenant(&registry, &tenant, suspension_patch(false)).await?,
        TenantCommand::Quota { tenant, bytes, files, open_uploads } => {
            let bytes =
                bytes.map(|text| parse_size(&text).with_context(|| format!("\"{text}\" is not a size like 16MiB")));
            let quota = TenantQuota { bytes: bytes.transpose()?, files, uploads: open_uploads };
            patch_tenant(&registry, &tenant, PatchTenant { quota: Some(quota), ..PatchTenant::default() }).await?;
        }
        TenantCommand::Recompute { tenant } => {
            let (before, usage) = registry.recompute(find_tenant(&registry, &tenant).await?.id).await?;
            println!("{}", json!({ "before": before, "usage": usage }));
        }
    }
    Ok(())
}

fn suspension_patch(suspended: bool) -> PatchTenant {
    PatchTenant { suspended: Some(suspended), ..PatchTenant::default() }
}

async fn patch_tenant(registry: &TenantRegistry, tenant: &str, patch: PatchTenant) -> anyhow::Result<()> {
    let tenant = find_tenant(registry, tenant).await?;
    println!("{}", json!(registry.patch_tenant(&tenant, patch).await?));
    Ok(())
}
