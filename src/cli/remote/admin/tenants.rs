//! `gantry admin tenant`.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::cli::remote::server_args::ServerArgs;
use crate::cli::remote::table::{field, print_line};
use crate::client::error::{Error, Result};
use crate::client::format;

/// Time between two questions of `--wait`.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

#[derive(Subcommand)]
pub(in crate::cli) enum TenantsCommand {
    /// Count what a tenant has, and with --apply delete all of it. It is suspended at once, a job does the rest.
    #[command(after_help = DELETE_HELP)]
    Delete(DeleteArgs),
}

const DELETE_HELP: &str = "\
Without --apply nothing is changed. The same command tells how far a deletion is. It deletes files, uploads, keys, links,
webhooks, events and the tenant's audit trail; what stays is an entry `tenant.delete` in the audit trail of the operators,
without names. On a store other than the embedded one it ends when the last signed upload URL has expired. Backups keep what
they have.";

#[derive(Args)]
pub(in crate::cli) struct DeleteArgs {
    /// The tenant, by name or id.
    tenant: String,
    /// Delete it; without this, only count.
    #[arg(long)]
    apply: bool,
    /// Wait until the deletion has ended.
    #[arg(long, requires = "apply")]
    wait: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl TenantsCommand {
    pub(super) async fn run(self) -> Result<()> {
        match self {
            Self::Delete(delete) => delete.run().await,
        }
    }
}

impl DeleteArgs {
    async fn run(self) -> Result<()> {
        let (api, reporter) = self.server.connect_for_requests()?;
        let mut answer = api.delete_tenant(&self.tenant, None, &reporter).await?;
        let id = field(&answer, "tenant").to_owned();
        if self.apply {
            let name = field(&answer, "name").to_owned();
            answer = api.delete_tenant(&id, Some(&name), &reporter).await?;
        }
        self.print(&answer)?;
        if !self.wait {
            return Ok(());
        }
        loop {
            tokio::time::sleep(POLL_INTERVAL).await;
            match api.delete_tenant(&id, None, &reporter).await {
                Err(Error::NotFound(_)) => return print_line("deleted"),
                other => drop(other?),
            }
        }
    }

    fn print(&self, answer: &Value) -> Result<()> {
        if self.server.json {
            return print_line(&answer.to_string());
        }
        let count = |of: &Value, name: &str| of[name].as_u64().unwrap_or(0);
        let (name, contents, deletion) = (field(answer, "name"), &answer["contents"], &answer["deletion"]);
        print_line(&format!(
            "{name} has {} in {} assets, {} uploads, {} links, {} keys, {} webhooks; {} rows in all.",
            format::size(count(contents, "bytes")),
            count(contents, "assets"),
            count(contents, "uploads"),
            count(contents, "links"),
            count(contents, "keys"),
            count(contents, "webhooks"),
            count(contents, "rows"),
        ))?;
        if deletion.is_null() {
            return print_line("Nothing was changed: --apply deletes it.");
        }
        print_line(&format!(
            "It is being deleted since {}: {} objects with {} and {} rows so far, phase {}; it ends after {}.",
            field(deletion, "started_at"),
            count(deletion, "deleted_objects"),
            format::size(count(deletion, "deleted_bytes")),
            count(deletion, "deleted_rows"),
            field(deletion, "phase"),
            field(deletion, "urls_until"),
        ))
    }
}
