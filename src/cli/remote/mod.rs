//! `put`, `get`, `ls`, `stat`, `rm`, `link`: the commands of whoever uses a service, here or elsewhere.
//!
//! They read no settings of the service and start none of its logging: an address, a key, and HTTP.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::client::api::{Api, Key};
use crate::client::error::{EXIT_CODES, Error, Result};
use crate::client::progress::{Reporter, Style};
use crate::client::retry::Policy;
use crate::domain::clock::{OsEntropy, parse_duration};

mod assets;
mod get;
mod link;
mod put;

/// Commands that talk to a service.
#[derive(Subcommand)]
pub(super) enum Remote {
    /// Upload files. What an earlier run has sent is not sent again.
    #[command(after_help = put::HELP)]
    Put(put::Put),
    /// Download an asset, or what a link opens. What an earlier run has fetched is not fetched again.
    #[command(after_help = get::HELP)]
    Get(get::Get),
    /// List assets, newest first.
    Ls(assets::Ls),
    /// Show all about an asset.
    Stat(assets::Stat),
    /// Delete assets.
    Rm(assets::Rm),
    /// Make a link that downloads an asset without a key, and print it; or withdraw one.
    Link(link::Link),
    /// What the exit codes mean.
    #[command(after_help = exit_codes())]
    ExitCodes,
}

#[derive(Args)]
struct Server {
    /// The service's address.
    #[arg(
        long,
        env = "GANTRY_URL",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL",
        hide_env_values = true
    )]
    url: String,
    /// Repeats of one request or part at most [default: as many as --retry-max-time allows].
    #[arg(long, value_name = "N")]
    retries: Option<u32>,
    /// How long one request or part may go on failing.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    retry_max_time: Duration,
    /// One JSON object a line on standard output, the result last.
    #[arg(long)]
    json: bool,
    /// No progress, only results and errors.
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
}

fn duration(text: &str) -> std::result::Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "a time is written like 90s, 15m or 1h".to_owned())
}

impl Server {
    /// The service, with the key that the environment names.
    fn api(&self) -> Result<Api> {
        let policy = Policy { retries: self.retries, max_time: self.retry_max_time };
        Api::new(&self.url, key()?, policy, Arc::new(OsEntropy))
    }

    fn reporter(&self, files: usize) -> Reporter {
        let style = match (self.json, self.quiet) {
            (true, _) => Style::Json,
            (_, true) => Style::Quiet,
            _ if std::io::stderr().is_terminal() => Style::Bars,
            _ => Style::Lines,
        };
        Reporter::new(style, files)
    }
}

/// From the environment, or from the file that it names. Never from the command line, which everybody on the machine
/// can read.
fn key() -> Result<Option<Key>> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(key) = set("GANTRY_API_KEY") {
        return Key::new(&key.to_string_lossy()).map(Some);
    }
    let Some(path) = set("GANTRY_API_KEY_FILE") else { return Ok(None) };
    let text = std::fs::read_to_string(&path).map_err(Error::local(path.as_ref()))?;
    Key::new(&text).map(Some)
}

/// Runs a command to its end or until it is interrupted.
pub(super) async fn run(command: Remote, stop: CancellationToken) -> ExitCode {
    let outcome = match command {
        Remote::Put(put) => put.run(stop).await,
        Remote::Get(get) => get.run(stop).await,
        Remote::Ls(ls) => until(&stop, ls.run()).await,
        Remote::Stat(stat) => until(&stop, stat.run()).await,
        Remote::Rm(rm) => until(&stop, rm.run()).await,
        Remote::Link(link) => until(&stop, link.run()).await,
        Remote::ExitCodes => {
            let _ = std::io::stdout().write_all(exit_codes().as_bytes());
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has seen enough, as `head` does.
        Err(Error::Local { error, .. }) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

async fn until(stop: &CancellationToken, work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::select! {
        outcome = work => outcome,
        () = stop.cancelled() => Err(Error::Interrupted),
    }
}

fn complain(error: &Error) {
    let _ = writeln!(std::io::stderr(), "gantry: {error}");
}

/// The table of exit codes.
pub(super) fn exit_codes() -> String {
    let lines = EXIT_CODES.iter().map(|(code, meaning)| format!("{code:>5}  {meaning}\n"));
    lines.collect()
}
