//! The command line: a single binary for the service, its operators and its users.
//!
//! Results are printed on standard output, everything else on standard error, so that every command works in a pipe.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::app;
use crate::config::{ConfigOverrides, ServiceConfig};
use crate::domain::reason::chain;
use crate::media;
#[cfg(feature = "otlp")]
use crate::traces;

mod keys;
mod logs;
mod operate;
mod remote;

/// Large-file uploads and downloads.
#[derive(Parser)]
#[command(name = "gantry", version, max_term_width = 100)]
struct GantryArgs {
    #[command(flatten)]
    settings: ConfigArgs,
    #[command(subcommand)]
    command: Option<GantryCommand>,
}

#[derive(Args)]
struct ConfigArgs {
    /// A settings file [default: gantry.toml, if it exists].
    #[arg(long, global = true, value_name = "FILE", env = "GANTRY_CONFIG")]
    config: Option<PathBuf>,
    /// A setting, which overrides file and environment; may be repeated.
    #[arg(long, global = true, value_name = "NAME=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
}

#[derive(Subcommand)]
enum GantryCommand {
    /// Run the service: API, page, embedded store, workers and sweeper (the default).
    Serve,
    /// Run workers and the sweeper alone.
    Work,
    /// Bring the database's schema up to date.
    Migrate,
    /// Check the settings and print everything that is wrong with them.
    CheckConfig {
        /// Print the annotated default settings instead.
        #[arg(long)]
        defaults: bool,
    },
    /// Make, list and revoke API keys.
    #[command(subcommand)]
    Key(keys::KeyCommand),
    /// Make and list tenants.
    #[command(subcommand)]
    Tenant(keys::TenantCommand),
    /// Print the embedded store's endpoint, bucket and keys as shell exports.
    StoreEnv,
    /// Find what the bucket holds for no asset and no upload. Changes nothing without --apply.
    Cleanup(operate::CleanupArgs),
    /// Run a periodic chore now: sweep, retention, orphans, rollup, alarms. Prints a report as JSON.
    Chore(operate::ChoreArgs),
    /// Decode an untrusted file in a sandbox: started by workers, not a command for people.
    #[command(hide = true)]
    Decode {
        /// Task as JSON.
        order: String,
    },
    #[command(flatten)]
    Remote(remote::RemoteCommand),
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a setting is written name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Threads for file access and name resolution. Each thread holds freed memory for a while, so that their number is
/// part of the bound on the process's memory.
const MAX_BLOCKING_THREADS: usize = 48;

/// Runs the command line; exit codes are those of `gantry help exit-codes`.
pub fn run() -> ExitCode {
    let gantry = GantryArgs::parse();
    // Before anything else exists: no runtime, no threads, no settings.
    if let Some(GantryCommand::Decode { order }) = &gantry.command {
        return media::run_decode_child(order);
    }
    let flags = ConfigOverrides { file: gantry.settings.config, set: gantry.settings.set };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if !matches!(gantry.command, Some(GantryCommand::Remote(_))) {
        runtime.max_blocking_threads(MAX_BLOCKING_THREADS);
    }
    let runtime = match runtime.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return print_failure(&error.into()),
    };
    let outcome = match gantry.command.unwrap_or(GantryCommand::Serve) {
        GantryCommand::Remote(command) => runtime.block_on(async { Ok(remote::run(command, shutdown_token()).await) }),
        command => runtime.block_on(dispatch(command, &flags)).map(|()| ExitCode::SUCCESS),
    };
    #[cfg(feature = "otlp")]
    traces::shut_down();
    // A blocking task that hangs must not keep the process alive.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match outcome {
        Ok(code) => code,
        Err(error) => print_failure(&error),
    }
}

fn print_failure(error: &anyhow::Error) -> ExitCode {
    eprintln!("gantry: {}", chain(error.as_ref()));
    ExitCode::FAILURE
}

async fn dispatch(command: GantryCommand, flags: &ConfigOverrides) -> anyhow::Result<()> {
    if let GantryCommand::CheckConfig { defaults } = command {
        return operate::check_config(flags, defaults);
    }
    let config = ServiceConfig::load(flags)?;
    logs::start(&config)?;
    match command {
        GantryCommand::Serve => app::serve(&config, shutdown_token()).await,
        GantryCommand::Work => app::work(&config, shutdown_token()).await,
        GantryCommand::Migrate => operate::migrate(&config).await,
        GantryCommand::Key(command) => keys::run_key_command(&config, command).await,
        GantryCommand::Tenant(command) => keys::run_tenant_command(&config, command).await,
        GantryCommand::StoreEnv => operate::print_store_env(&config),
        GantryCommand::Cleanup(options) => operate::cleanup(&config, options).await,
        GantryCommand::Chore(options) => operate::run_chore(&config, options).await,
        GantryCommand::CheckConfig { .. } | GantryCommand::Decode { .. } | GantryCommand::Remote(_) => Ok(()),
    }
}

/// Cancelled by SIGTERM or SIGINT; the second signal ends the process on the spot.
fn shutdown_token() -> CancellationToken {
    let end = CancellationToken::new();
    let announce = end.clone();
    tokio::spawn(async move {
        wait_for_signal().await;
        announce.cancel();
        wait_for_signal().await;
        eprintln!("gantry: stopped without waiting for requests in flight");
        std::process::exit(130);
    });
    end
}

async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}
