//! `gantry key` and `gantry tenant`.

use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde_json::json;

use crate::app;
use crate::config::Config;
use crate::domain::clock::parse_duration;
use crate::domain::ids::KeyId;
use crate::domain::key::Scopes;
use crate::domain::tenant::{DEFAULT_TENANT, Tenant as TenantRow};
use crate::engine::Registry;

const PAGE: u32 = 100;

#[derive(Subcommand)]
pub(super) enum Key {
    /// Make a key and print it, alone and only this once.
    Create {
        /// The tenant it acts in, by name or id.
        #[arg(long, default_value = DEFAULT_TENANT)]
        tenant: String,
        /// What it may do: upload, read, link, process, admin.
        #[arg(long)]
        scopes: String,
        /// When it stops working, like 90d.
        #[arg(long, value_name = "TIME")]
        expires_in: Option<String>,
    },
    /// List a tenant's keys, one JSON object a line. Secrets are not among them.
    List {
        /// The tenant, by name or id.
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
pub(super) enum Tenant {
    /// Make a tenant and print its id, alone.
    Create {
        /// 1 to 63 of a-z, 0-9, '-', '_' and '.'.
        name: String,
    },
    /// List tenants, one JSON object a line.
    List,
}

async fn find(registry: &Registry, name: &str) -> anyhow::Result<TenantRow> {
    registry.tenant(name).await?.with_context(|| format!("there is no tenant {name:?}"))
}

pub(super) async fn key(config: &Config, command: Key) -> anyhow::Result<()> {
    let registry = app::registry(config).await?;
    match command {
        Key::Create { tenant, scopes, expires_in } => {
            let scopes: Scopes = scopes.parse()?;
            let ttl = expires_in.map(|text| parse_duration(&text).with_context(|| format!("{text:?} is no time")));
            let tenant = find(&registry, &tenant).await?;
            println!("{}", registry.create_key(tenant.id, scopes, ttl.transpose()?).await?.reveal());
        }
        Key::List { tenant } => list_keys(&registry, &find(&registry, &tenant).await?).await?,
        Key::Revoke { key, tenant } => {
            let id = key.strip_prefix("gk_").unwrap_or(&key);
            let id = id.split_once('.').map_or(id, |(id, _)| id);
            let id: KeyId = id.parse().with_context(|| format!("{id:?} is no key's id"))?;
            let tenant = find(&registry, &tenant).await?;
            if registry.revoke_key(tenant.id, id).await.is_err() {
                bail!("the tenant {} has no such key", tenant.name);
            }
        }
    }
    Ok(())
}

async fn list_keys(registry: &Registry, tenant: &TenantRow) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let page = registry.keys(tenant.id, after, PAGE).await?;
        for key in &page {
            let line = json!({
                "id": key.id,
                "scopes": key.scopes.to_string(),
                "created_at": key.created_at.to_string(),
                "expires_at": key.expires_at.map(|at| at.to_string()),
                "revoked_at": key.revoked_at.map(|at| at.to_string()),
            });
            println!("{line}");
        }
        match page.last() {
            Some(last) => after = Some(last.id),
            None => return Ok(()),
        }
    }
}

pub(super) async fn tenant(config: &Config, command: Tenant) -> anyhow::Result<()> {
    let registry = app::registry(config).await?;
    match command {
        Tenant::Create { name } => println!("{}", registry.create_tenant(&name).await?.id),
        Tenant::List => {
            let mut after = String::new();
            loop {
                let page = registry.tenants(&after, PAGE).await?;
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
    }
    Ok(())
}
