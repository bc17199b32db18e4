//! `gantry audit`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{BufWriter, Write as _};

use anyhow::bail;
use clap::{Args, Subcommand};

use crate::app;
use crate::config::ServiceConfig;
use crate::domain::audit_report::AuditReportFormat;
use crate::domain::clock::Timestamp;
use crate::domain::ids::TenantId;
use crate::engine::{AuditQuery, TenantRegistry};

/// Entries that are read at once.
const ENTRIES_PER_PAGE: u32 = 1000;

#[derive(Subcommand)]
pub(super) enum AuditCommand {
    /// Print who did what, newest first: a line per entry, to the end of the trail.
    Report(ReportArgs),
}

#[derive(Args)]
pub(super) struct ReportArgs {
    /// Only what concerns this tenant, by name or id.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Only by this actor: key:…, link:…, operator or system.
    #[arg(long)]
    actor: Option<String>,
    /// Only this action; `asset.` for all that begin so.
    #[arg(long)]
    action: Option<String>,
    /// Only about this subject, like asset:019aa3c1-….
    #[arg(long)]
    subject: Option<String>,
    /// Only entries at this time or later, like 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only entries before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Form: text, csv or ndjson.
    #[arg(long, default_value = "text")]
    format: AuditReportFormat,
}

pub(super) async fn run(config: &ServiceConfig, command: AuditCommand) -> anyhow::Result<()> {
    let AuditCommand::Report(options) = command;
    let registry = app::open_registry(config).await?;
    let tenant = match &options.tenant {
        None => None,
        Some(name) => match registry.tenant(name).await? {
            Some(tenant) => Some(tenant.id),
            None => bail!("there is no tenant \"{name}\""),
        },
    };
    match print_report(&registry, tenant, options).await {
        // The reader of the output has closed the pipe, as `head` does.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        other => other,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

async fn print_report(registry: &TenantRegistry, tenant: Option<TenantId>, options: ReportArgs) -> anyhow::Result<()> {
    let ReportArgs { actor, action, subject, since, until, format, .. } = options;
    let limit = ENTRIES_PER_PAGE;
    let mut query = AuditQuery { actor, action, subject, since, until, after: None, limit };
    let mut out = BufWriter::new(std::io::stdout());
    let mut names = HashMap::new();
    if let Some(heading) = format.heading() {
        writeln!(out, "{heading}")?;
    }
    loop {
        let entries = registry.audit_entries(tenant, &query).await?;
        for entry in &entries {
            let name = match names.entry(entry.tenant) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(registry.tenant_name(entry.tenant).await?),
            };
            writeln!(out, "{}", format.line(entry, name))?;
        }
        out.flush()?;
        query.after = entries.last().map(|entry| entry.id);
        if entries.len() < ENTRIES_PER_PAGE as usize {
            return Ok(());
        }
    }
}
