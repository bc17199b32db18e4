//! `gantry admin jobs` and `gantry admin dead-letters`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::lists::{AdminList, last_column, second};
use crate::cli::remote::results::{combine_outcomes, with_name};
use crate::cli::remote::server_args::ServerArgs;
use crate::cli::remote::table::{field, print_line, print_members};
use crate::client::error::{Error, Result};

/// State of jobs that were given up.
const DEAD_STATE: &str = "dead";

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct JobsArgs {
    #[command(flatten)]
    list: JobListArgs,
    #[command(subcommand)]
    command: Option<JobCommand>,
}

#[derive(Args)]
struct JobListArgs {
    /// Only in this state: ready, running or dead.
    #[arg(long)]
    state: Option<String>,
    /// Only of this kind, like process.
    #[arg(long)]
    kind: Option<String>,
    /// Maximum number of lines.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Subcommand)]
enum JobCommand {
    /// Show a job with every attempt, as JSON.
    Show {
        /// The job's id.
        id: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Retry dead jobs.
    Retry(RetryArgs),
    /// Discard dead jobs; their assets stay as they are.
    Discard(DiscardArgs),
}

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct DeadLettersArgs {
    /// Only of this kind, like process.
    #[arg(long)]
    kind: Option<String>,
    /// Maximum number of lines.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    server: ServerArgs,
    #[command(subcommand)]
    command: Option<DeadLetterCommand>,
}

#[derive(Subcommand)]
enum DeadLetterCommand {
    /// Retry dead jobs.
    Retry(RetryArgs),
    /// Discard dead jobs; their assets stay as they are.
    Discard(DiscardArgs),
}

#[derive(Args)]
struct RetryArgs {
    /// Jobs' ids.
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<String>,
    /// Every dead job.
    #[arg(long)]
    all: bool,
    /// With --all, only of this kind.
    #[arg(long, requires = "all")]
    kind: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args)]
struct DiscardArgs {
    /// Jobs' ids.
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// Why the work is not done, for the audit trail and the job's history.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

impl JobsArgs {
    pub(super) async fn run(self) -> Result<()> {
        match self.command {
            None => print_jobs(&self.list.server, self.list.state, &self.list.kind, self.list.limit).await,
            Some(JobCommand::Show { id, server }) => show_job(&id, &server).await,
            Some(JobCommand::Retry(retry)) => retry.run().await,
            Some(JobCommand::Discard(discard)) => discard.run().await,
        }
    }
}

impl DeadLettersArgs {
    pub(super) async fn run(self) -> Result<()> {
        match self.command {
            None => print_jobs(&self.server, Some(DEAD_STATE.to_owned()), &self.kind, self.limit).await,
            Some(DeadLetterCommand::Retry(retry)) => retry.run().await,
            Some(DeadLetterCommand::Discard(discard)) => discard.run().await,
        }
    }
}

async fn print_jobs(
    server: &ServerArgs,
    state: Option<String>,
    kind: &Option<String>,
    limit: Option<u64>,
) -> Result<()> {
    let list = AdminList {
        what: "listing jobs",
        path: "/v1/admin/jobs".to_owned(),
        member: "jobs",
        headings: "ID                                    KIND        STATE    TRIES  DUE                  LAST ERROR",
        row: job_row,
    };
    list.print(server, &[("state", &state), ("kind", kind)], limit).await
}

fn job_row(job: &Value) -> String {
    let (id, kind, state) = (field(job, "id"), field(job, "kind"), field(job, "state"));
    let (tries, due) = (job["tries"].as_u64().unwrap_or(0), second(field(job, "due_at")));
    format!("{id:36}  {kind:10}  {state:7}  {tries:>5}  {due:19}  {}", last_column(job["last_error"].as_str()))
}

async fn show_job(id: &str, server: &ServerArgs) -> Result<()> {
    let (api, reporter) = server.connect_for_requests()?;
    let mut job = api.get_admin_job(id, &reporter).await?;
    if server.json {
        return print_line(&job.to_string());
    }
    let attempts = job.as_object_mut().and_then(|members| members.remove("attempts"));
    print_members(&job)?;
    for attempt in attempts.as_ref().and_then(Value::as_array).into_iter().flatten() {
        print_line(&format!("{:22} {attempt}", "attempt"))?;
    }
    Ok(())
}

impl RetryArgs {
    async fn run(self) -> Result<()> {
        let (api, reporter) = self.server.connect_for_requests()?;
        if self.all {
            let mut retried = 0;
            loop {
                let some = api.retry_dead_jobs(self.kind.as_deref(), &reporter).await?;
                retried += some;
                if some == 0 {
                    break;
                }
            }
            return print_line(&if self.server.json {
                json!({ "retried": retried }).to_string()
            } else {
                format!("{retried} jobs are ready again.")
            });
        }
        let mut errors = Vec::new();
        for id in &self.ids {
            if let Err(error) = api.retry_job(id, &reporter).await {
                note_failure(&reporter, self.ids.len(), id, error, &mut errors);
            }
        }
        combine_outcomes(errors, self.ids.len())
    }
}

impl DiscardArgs {
    async fn run(self) -> Result<()> {
        let (api, reporter) = self.server.connect_for_requests()?;
        let mut errors = Vec::new();
        for id in &self.ids {
            if let Err(error) = api.discard_job(id, self.reason.as_deref(), &reporter).await {
                note_failure(&reporter, self.ids.len(), id, error, &mut errors);
            }
        }
        combine_outcomes(errors, self.ids.len())
    }
}

fn note_failure(
    reporter: &crate::client::progress::ProgressReporter,
    total: usize,
    id: &str,
    error: Error,
    errors: &mut Vec<Error>,
) {
    if total > 1 {
        reporter.print_error_line(&format!("gantry: {}", with_name(id, &error)));
    }
    errors.push(error);
}
