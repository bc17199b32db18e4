//! Commands for users of a service, local or remote: files, profiles, `admin`, `demo`.
//!
//! They read no settings of the service and do not start its logging: they need an address, a key, and HTTP.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use tokio_util::sync::CancellationToken;

use super::shell_files;
use crate::client::error::{EXIT_CODES, Error, Result};
use crate::domain::clock::parse_duration;

mod admin;
mod assets;
mod demo;
mod examine;
mod get;
mod link;
mod list;
mod open;
mod put;
mod results;
mod server_args;
mod session;
mod stats;
mod sync;
mod table;
mod transfer_args;
mod watch;

pub(super) use examine::{examine_with_key, run_doctor};

/// Commands that talk to a service.
#[derive(Subcommand)]
pub(super) enum RemoteCommand {
    /// Upload files, folders or standard input. What an earlier run has sent is not sent again.
    #[command(after_help = put::HELP, alias = "upload")]
    Put(Box<put::PutArgs>),
    /// Send what is new or has changed in a folder.
    #[command(after_help = sync::HELP)]
    Sync(Box<sync::SyncArgs>),
    /// Download assets, or what links open. What an earlier run has fetched is not fetched again.
    #[command(after_help = get::HELP, alias = "download")]
    Get(Box<get::GetArgs>),
    /// Write an asset, or what a link opens, to standard output.
    Cat(get::CatArgs),
    /// List assets or uploads, newest first.
    #[command(alias = "list")]
    Ls(Box<list::LsArgs>),
    /// Show all about an asset, or how far an upload is.
    #[command(visible_alias = "status")]
    Stat(assets::StatArgs),
    /// Follow an asset until it is ready or rejected.
    #[command(after_help = watch::HELP)]
    Watch(watch::WatchArgs),
    /// Delete assets.
    #[command(aliases = ["delete", "remove"])]
    Rm(assets::RmArgs),
    /// Make a link that downloads an asset without a key, and print it; or revoke a link.
    #[command(visible_alias = "share")]
    Link(link::LinkArgs),
    /// Make a link to an asset, and open it in the browser.
    #[command(after_help = open::HELP)]
    Open(open::OpenArgs),
    /// Keep the address of a service and a key for it.
    #[command(after_help = session::LOGIN_HELP)]
    Login(session::LoginArgs),
    /// Forget the address and the key of a profile.
    Logout(session::LogoutArgs),
    /// Show server, tenant, key and scopes.
    Whoami(session::WhoamiArgs),
    /// Look at uploads, jobs, dead letters, webhooks and the audit trail.
    #[command(subcommand, after_help = admin::HELP)]
    Admin(Box<admin::AdminCommand>),
    /// Show how long requests, verbs and calls take on a node, and its caches.
    #[command(after_help = stats::HELP)]
    Stats(stats::StatsArgs),
    /// Fill a fresh instance with data to look at, or remove it again.
    #[command(after_help = demo::HELP)]
    Demo(demo::DemoArgs),
    /// Show the meaning of the exit codes.
    #[command(after_help = exit_codes())]
    ExitCodes,
    /// Print completions for a shell.
    #[command(after_help = shell_files::COMPLETIONS_HELP)]
    Completions(shell_files::CompletionsArgs),
    /// Print the man page, or write those of all commands.
    #[command(after_help = shell_files::MAN_HELP)]
    Man(shell_files::ManArgs),
}

fn duration(text: &str) -> std::result::Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "a time is written like 90s, 15m or 1h".to_owned())
}

/// Runs a command until it ends or is interrupted.
pub(super) async fn run(command: RemoteCommand, stop: CancellationToken) -> ExitCode {
    let outcome = match command {
        RemoteCommand::Put(put) => put.run(stop).await,
        RemoteCommand::Sync(sync) => sync.run(stop).await,
        RemoteCommand::Get(get) => get.run(stop).await,
        RemoteCommand::Cat(cat) => cat.run(stop).await,
        other => run_until_stopped(&stop, run_request(other)).await,
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

/// Runs a command that ends at once when it is interrupted.
async fn run_request(command: RemoteCommand) -> Result<()> {
    match command {
        RemoteCommand::Ls(ls) => ls.run().await,
        RemoteCommand::Stat(stat) => stat.run().await,
        RemoteCommand::Watch(watch) => watch.run().await,
        RemoteCommand::Rm(rm) => rm.run().await,
        RemoteCommand::Link(link) => link.run().await,
        RemoteCommand::Open(open) => open.run().await,
        RemoteCommand::Login(login) => login.run().await,
        RemoteCommand::Logout(logout) => logout.run().await,
        RemoteCommand::Whoami(whoami) => whoami.run().await,
        RemoteCommand::Admin(admin) => admin.run().await,
        RemoteCommand::Stats(stats) => stats.run().await,
        RemoteCommand::Demo(demo) => demo.run().await,
        RemoteCommand::ExitCodes => {
            let _ = std::io::stdout().write_all(exit_codes().as_bytes());
            Ok(())
        }
        RemoteCommand::Completions(completions) => completions.run(),
        RemoteCommand::Man(man) => man.run(),
        RemoteCommand::Put(_) | RemoteCommand::Sync(_) | RemoteCommand::Get(_) | RemoteCommand::Cat(_) => Ok(()),
    }
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
