//! `gantry admin queues`.

use std::io::IsTerminal as _;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::lists::second;
use crate::cli::remote::server_args::ServerArgs;
use crate::cli::remote::table::{field, print_line};
use crate::client::error::{Error, Result};

/// Word for as many jobs at once as the settings of workers say.
const BY_SETTING: &str = "default";

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct QueuesArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(subcommand)]
    command: Option<QueueCommand>,
}

#[derive(Subcommand)]
enum QueueCommand {
    /// Have no worker take jobs of a kind; jobs under way continue.
    Pause(QueueArgs),
    /// Have workers take jobs of a kind again.
    Resume(QueueArgs),
    /// Set how many jobs of a kind run at once in each worker.
    Concurrency {
        #[command(flatten)]
        queue: QueueArgs,
        /// Jobs at once, or `default` for what the settings of workers say.
        #[arg(value_name = "N", value_parser = parse_concurrency)]
        jobs: ConcurrencyArg,
    },
}

#[derive(Args)]
struct QueueArgs {
    /// Kind of the jobs, like process.
    kind: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Number of jobs at once; `None`: by the settings.
#[derive(Clone, Copy)]
struct ConcurrencyArg(Option<u32>);

fn parse_concurrency(text: &str) -> std::result::Result<ConcurrencyArg, String> {
    if text == BY_SETTING {
        return Ok(ConcurrencyArg(None));
    }
    let jobs = text.parse().map_err(|_| format!("must be a number or `{BY_SETTING}`"))?;
    Ok(ConcurrencyArg(Some(jobs)))
}

impl QueuesArgs {
    pub(super) async fn run(self) -> Result<()> {
        match self.command {
            None => print_queues(&self.server).await,
            Some(QueueCommand::Pause(queue)) => queue.pause(true).await,
            Some(QueueCommand::Resume(queue)) => queue.pause(false).await,
            Some(QueueCommand::Concurrency { queue, jobs: ConcurrencyArg(jobs) }) => {
                let (api, reporter) = queue.server.connect_for_requests()?;
                api.set_queue_concurrency(&queue.kind, jobs, &reporter).await
            }
        }
    }
}

impl QueueArgs {
    async fn pause(&self, paused: bool) -> Result<()> {
        let (api, reporter) = self.server.connect_for_requests()?;
        api.pause_queue(&self.kind, paused, &reporter).await
    }
}

async fn print_queues(server: &ServerArgs) -> Result<()> {
    let (api, reporter) = server.connect_for_requests()?;
    let answer = api.get_json("asking for the queues", "/v1/admin/queues", &[], &reporter).await?;
    let queues = answer["queues"].as_array().ok_or_else(|| Error::Other("the answer holds no queues".into()))?;
    if !server.json && std::io::stdout().is_terminal() {
        print_line(
            "KIND        STATE    READY  SCHEDULED  RETRYING  RUNNING   DEAD  AT ONCE  FINISHED/H  FAILED/H  OLDEST DUE",
        )?;
    }
    for queue in queues {
        print_line(&if server.json { queue.to_string() } else { queue_row(queue) })?;
    }
    Ok(())
}

fn queue_row(queue: &Value) -> String {
    let number = |name: &str| queue[name].as_u64().unwrap_or(0);
    let sum = |name: &str| -> u64 {
        queue["minutes"].as_array().into_iter().flatten().map(|minute| minute[name].as_u64().unwrap_or(0)).sum()
    };
    let state = if queue["paused"] == true { "paused" } else { "runs" };
    let at_once = queue["concurrency"].as_u64().map_or_else(|| BY_SETTING.to_owned(), |jobs| jobs.to_string());
    let (scheduled, retrying) = (number("scheduled"), number("retrying"));
    let due = number("ready").saturating_sub(scheduled + retrying);
    format!(
        "{:10}  {state:6}  {due:>6}  {scheduled:>9}  {retrying:>8}  {:>7}  {:>5}  {at_once:>7}  {:>10}  {:>8}  {}",
        field(queue, "kind"),
        number("running"),
        number("dead"),
        sum("finished"),
        sum("failed"),
        second(field(queue, "oldest_due_at")),
    )
}
