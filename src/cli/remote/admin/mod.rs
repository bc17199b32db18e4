//! `gantry admin`: what an operator looks at over the API, and what is done about dead jobs and deliveries.

use clap::Subcommand;

use crate::client::error::Result;

mod jobs;
mod lists;
mod queues;
mod tenants;
mod webhooks;

pub(super) const HELP: &str = "\
The key needs the scope admin; one of the tenant `default` sees other tenants with --tenant. Every list prints a JSON
object a line with --json.

Examples:
  gantry admin uploads --idle-for 10m
  gantry admin dead-letters
  gantry admin dead-letters retry --all
  gantry admin queues concurrency process 8       # in each worker; `default` goes back to the settings
  gantry admin webhooks deliveries 01994f6e-6c1c-7d52-9b0e-3f2b8a9c7d11 --state dead
  gantry admin audit --action asset. --since 2026-01-31T12:00:00Z
  gantry admin tenant delete acme                  # only counts; --apply deletes";

/// Commands for operators.
#[derive(Subcommand)]
pub(in crate::cli) enum AdminCommand {
    /// List uploads: how far each is, and when its client was last seen.
    Uploads(lists::UploadsArgs),
    /// List jobs, show one with every attempt, retry or discard dead ones.
    Jobs(jobs::JobsArgs),
    /// List jobs that were given up, retry or discard them.
    DeadLetters(jobs::DeadLettersArgs),
    /// List queues of jobs; pause one, or set how many of its jobs run at once.
    Queues(queues::QueuesArgs),
    /// List webhook endpoints and their deliveries; send deliveries again.
    Webhooks(webhooks::WebhooksArgs),
    /// List entries of the audit trail: actor, action and subject.
    Audit(lists::AuditArgs),
    /// Delete a tenant with everything it has.
    #[command(subcommand)]
    Tenant(tenants::TenantsCommand),
}

impl AdminCommand {
    pub(super) async fn run(self) -> Result<()> {
        match self {
            Self::Uploads(uploads) => uploads.run().await,
            Self::Jobs(jobs) => jobs.run().await,
            Self::DeadLetters(letters) => letters.run().await,
            Self::Queues(queues) => queues.run().await,
            Self::Webhooks(webhooks) => webhooks.run().await,
            Self::Audit(audit) => audit.run().await,
            Self::Tenant(tenant) => tenant.run().await,
        }
    }
}
