//! Commands for users of a service, local or remote: `put`, `get`, `ls`, `stat`, `rm`, `link`, `demo`.
//!
//! They read no settings of the service and do not start its logging: they need an address, a key, and HTTP.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::client::api::{ApiClient, ApiKeyHeader};
use crate::client::doctor::examine_service;
use crate::client::error::{EXIT_CODES, Error, Result};
use crate::client::progress::{OutputStyle, ProgressReporter};
use crate::client::retry::RetryPolicy;
use crate::domain::clock::{OsEntropy, parse_duration};
use crate::domain::diagnosis::Finding;

mod assets;
mod demo;
mod get;
mod link;
mod put;

/// Commands that talk to a service.
#[derive(Subcommand)]
pub(super) enum RemoteCommand {
    /// Upload files. What an earlier run has sent is not sent again.
    #[command(after_help = put::HELP)]
    Put(put::PutArgs),
    /// Download an asset, or what a link opens. What an earlier run has fetched is not fetched again.
    #[command(after_help = get::HELP)]
    Get(get::GetArgs),
    /// List assets, newest first.
    Ls(Box<assets::LsArgs>),
    /// Show all about an asset.
    Stat(assets::StatArgs),
    /// Delete assets.
    Rm(assets::RmArgs),
    /// Make a link that downloads an asset without a key, and print it; or revoke a link.
    Link(link::LinkArgs),
    /// Fill a fresh instance with data to look at, or remove it again.
    #[command(after_help = demo::HELP)]
    Demo(demo::DemoArgs),
    /// Show the meaning of the exit codes.
    #[command(after_help = exit_codes())]
    ExitCodes,
}

#[derive(Args)]
struct ServerArgs {
    /// The service's address.
    #[arg(
        long,
        env = "GANTRY_URL",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL",
        hide_env_values = true
    )]
    url: String,
    /// Repeats of a single request or part at most [default: as many as --retry-max-time allows].
    #[arg(long, value_name = "N")]
    retries: Option<u32>,
    /// Time for which a single request or part may keep failing.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    retry_max_time: Duration,
    /// Print a JSON object a line on standard output, the result last.
    #[arg(long)]
    json: bool,
    /// No progress, only results and errors.
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
}

fn duration(text: &str) -> std::result::Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "a time is written like 90s, 15m or 1h".to_owned())
}

impl ServerArgs {
    /// A client of the service, with the key from the environment.
    fn api_client(&self) -> Result<ApiClient> {
        let policy = RetryPolicy { retries: self.retries, max_time: self.retry_max_time };
        ApiClient::new(&self.url, read_api_key()?, policy, Arc::new(OsEntropy))
    }

    fn reporter(&self, files: usize) -> ProgressReporter {
        let style = match (self.json, self.quiet) {
            (true, _) => OutputStyle::Json,
            (_, true) => OutputStyle::Quiet,
            _ if std::io::stderr().is_terminal() => OutputStyle::Bars,
            _ => OutputStyle::Lines,
        };
        ProgressReporter::new(style, files)
    }
}

/// Reads the key from the environment, or from the file named there. Never from the command line, which every user of
/// the machine can read.
fn read_api_key() -> Result<Option<ApiKeyHeader>> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(key) = set("GANTRY_API_KEY") {
        return ApiKeyHeader::new(&key.to_string_lossy()).map(Some);
    }
    let Some(path) = set("GANTRY_API_KEY_FILE") else { return Ok(None) };
    let text = std::fs::read_to_string(&path).map_err(Error::local(path.as_ref()))?;
    ApiKeyHeader::new(&text).map(Some)
}

/// Runs a command until it ends or is interrupted.
pub(super) async fn run(command: RemoteCommand, stop: CancellationToken) -> ExitCode {
    let outcome = match command {
        RemoteCommand::Put(put) => put.run(stop).await,
        RemoteCommand::Get(get) => get.run(stop).await,
        RemoteCommand::Ls(ls) => run_until_stopped(&stop, ls.run()).await,
        RemoteCommand::Stat(stat) => run_until_stopped(&stop, stat.run()).await,
        RemoteCommand::Rm(rm) => run_until_stopped(&stop, rm.run()).await,
        RemoteCommand::Link(link) => run_until_stopped(&stop, link.run()).await,
        RemoteCommand::Demo(demo) => run_until_stopped(&stop, demo.run()).await,
        RemoteCommand::ExitCodes => {
            let _ = std::io::stdout().write_all(exit_codes().as_bytes());
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the output has closed the pipe, as `head` does.
        Err(Error::Local { error, .. }) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Examines the service at `url` from outside, with this key.
pub(super) async fn examine_with_key(url: &str, key: &str) -> Vec<Finding> {
    let policy = RetryPolicy { retries: Some(0), ..RetryPolicy::default() };
    let api = ApiKeyHeader::new(key).and_then(|key| ApiClient::new(url, Some(key), policy, Arc::new(OsEntropy)));
    match api {
        Ok(api) => examine_service(&api, &api.address("").origin().ascii_serialization()).await,
        Err(error) => vec![Finding::failure("public URL", error.to_string(), "Check GANTRY_PUBLIC_URL.")],
    }
}

/// Examines the service at `url` from outside, with the key of the environment if there is one.
pub(super) async fn run_doctor(url: &str, origin: Option<&str>, as_json: bool) -> ExitCode {
    let policy = RetryPolicy { retries: Some(0), ..RetryPolicy::default() };
    let api = read_api_key().and_then(|key| ApiClient::new(url, key, policy, Arc::new(OsEntropy)));
    let api = match api {
        Ok(api) => api,
        Err(error) => {
            print_error(&error);
            return ExitCode::from(error.exit_code());
        }
    };
    let own = api.address("").origin().ascii_serialization();
    let findings = examine_service(&api, origin.unwrap_or(&own)).await;
    super::doctor::print_findings(&findings, as_json)
}

async fn run_until_stopped(stop: &CancellationToken, work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::select! {
        outcome = work => outcome,
        () = stop.cancelled() => Err(Error::Interrupted),
    }
}

fn print_error(error: &Error) {
    let _ = writeln!(std::io::stderr(), "gantry: {error}");
}

/// The table of exit codes.
pub(super) fn exit_codes() -> String {
    let lines = EXIT_CODES.iter().map(|(code, meaning)| format!("{code:>5}  {meaning}\n"));
    lines.collect()
}
