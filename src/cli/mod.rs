//! The command line: a single binary for the service, its operators and its users.
//!
//! Results are printed on standard output, everything else on standard error, so that every command works in a pipe.

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::app;
use crate::config::{ConfigOverrides, ServiceConfig};
use crate::domain::reason::chain;
use crate::media;
#[cfg(feature = "otlp")]
use crate::traces;

mod audit;
mod copies;
mod doctor;
mod keys;
mod logs;
mod maintenance;
mod migrate;
mod operate;
mod remote;
mod settings_args;
mod shell_files;

const HELP: &str = "\
Clients (put, get, ls and the like) read the address and the key from the environment, or from a profile that
`gantry login` keeps:
  GANTRY_URL           address of the service [default: http://127.0.0.1:8080]
  GANTRY_API_KEY       the API key
  GANTRY_API_KEY_FILE  a file that contains the key
  GANTRY_CLIENT_PROFILE       name of the profile [default: default]

The service reads its settings from gantry.toml and GANTRY_…: `gantry check-config --defaults` shows all of them.";
mod transfer;
mod verify;

/// Large-file uploads and downloads.
#[derive(Parser)]
#[command(name = "gantry", version = env!("BUILD_VERSION"), max_term_width = 100, after_help = HELP)]
struct GantryArgs {
    #[command(subcommand)]
    command: Option<GantryCommand>,
}

#[derive(Subcommand)]
enum GantryCommand {
    /// Run the service: API, page, embedded store, workers and sweeper (the default).
    Serve,
    /// Run workers and the sweeper alone.
    Work,
    /// Bring the database's schema up to date, or show what that would do.
    #[command(after_help = migrate::HELP)]
    Migrate(migrate::MigrateArgs),
    /// Check the settings and print everything that is wrong with them.
    CheckConfig {
        /// Print the annotated default settings instead.
        #[arg(long)]
        defaults: bool,
    },
    /// Find what is wrong with the service, its machine, or the way to it, and how to mend it.
    #[command(after_help = doctor::HELP)]
    Doctor(doctor::DoctorArgs),
    /// Make, list and revoke API keys.
    #[command(subcommand)]
    Key(keys::KeyCommand),
    /// Make and list tenants.
    #[command(subcommand)]
    Tenant(keys::TenantCommand),
    /// Report who did what, from the database.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Refuse new uploads while the service is worked on, or accept them again.
    #[command(subcommand)]
    Maintenance(maintenance::MaintenanceCommand),
    /// Print the embedded store's endpoint, bucket and keys as shell exports.
    StoreEnv,
    /// Find what the bucket holds for no asset and no upload. Changes nothing without --apply.
    Cleanup(operate::CleanupArgs),
    /// Run a periodic chore now: sweep, retention, orphans, rollup, alarms. Prints a report as JSON.
    Chore(operate::ChoreArgs),
    /// Back the running embedded instance up into a folder, as it is at this moment.
    Backup(copies::BackupArgs),
    /// Restore a backup into the empty data directory of the settings.
    Restore(copies::RestoreArgs),
    /// Keep a folder on another machine seconds behind this embedded instance, until it is stopped; `restore` takes over.
    Follow(copies::FollowArgs),
    /// Compare rows with objects, and with --digests bytes with their digests. Exit code 0 only if all is consistent.
    Verify(verify::VerifyArgs),
    /// Print the rows of assets, with their tenants and policies, as NDJSON or CSV.
    Export(transfer::ExportArgs),
    /// Import exported rows into an empty system whose bucket has the objects.
    Import(transfer::ImportArgs),
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

/// The whole command line.
fn command() -> clap::Command {
    settings_args::add_to(GantryArgs::command(), &commands_without_settings())
}

/// Commands that read no settings of the service.
fn commands_without_settings() -> Vec<String> {
    let remote = remote::RemoteCommand::augment_subcommands(clap::Command::new("remote"));
    remote.get_subcommands().map(|sub| sub.get_name().to_owned()).chain(["decode".to_owned()]).collect()
}

/// The command of the command line, and the settings that it overrides.
fn parse_command_line() -> (Option<GantryCommand>, ConfigOverrides) {
    let mut command = command();
    let matches = command.get_matches_mut();
    settings_args::refuse_before(&mut command, &matches, &commands_without_settings());
    let gantry = GantryArgs::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit());
    (gantry.command, settings_args::read_overrides(&matches))
}

/// Threads for file access and name resolution. Each thread holds freed memory for a while, so that their number is
/// part of the bound on the process's memory.
const MAX_BLOCKING_THREADS: usize = 48;

/// Runs the command line; exit codes are those of `gantry help exit-codes`.
pub fn run() -> ExitCode {
    let (command, flags) = parse_command_line();
    // Before anything else exists: no runtime, no threads, no settings.
    if let Some(GantryCommand::Decode { order }) = &command {
        return media::run_decode_child(order);
    }
    let command = command.unwrap_or(GantryCommand::Serve);
    let config = match load_config(&command, &flags) {
        Ok(config) => config,
        Err(error) => return print_failure(&error),
    };
    let runtime = match build_runtime(&command, config.as_ref()) {
        Ok(runtime) => runtime,
        Err(error) => return print_failure(&error.into()),
    };
    let outcome = match command {
        GantryCommand::Remote(command) => runtime.block_on(async { Ok(remote::run(command, shutdown_token()).await) }),
        GantryCommand::Doctor(options) => Ok(runtime.block_on(run_doctor(options, &flags))),
        GantryCommand::Migrate(options) => runtime.block_on(migrate::run(options, &flags)),
        command => runtime.block_on(dispatch(command, &flags, config)).map(|()| ExitCode::SUCCESS),
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

/// The settings of the service, for the commands that need them whole.
fn load_config(command: &GantryCommand, flags: &ConfigOverrides) -> anyhow::Result<Option<ServiceConfig>> {
    let needs_none = matches!(
        command,
        GantryCommand::CheckConfig { .. }
            | GantryCommand::Decode { .. }
            | GantryCommand::Remote(_)
            | GantryCommand::Doctor(_)
    );
    Ok(if needs_none { None } else { Some(ServiceConfig::load(flags)?) })
}

fn build_runtime(command: &GantryCommand, config: Option<&ServiceConfig>) -> std::io::Result<tokio::runtime::Runtime> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if !matches!(command, GantryCommand::Remote(_)) {
        runtime.max_blocking_threads(MAX_BLOCKING_THREADS);
    }
    if let Some(threads) = config.and_then(|config| config.threads) {
        runtime.worker_threads(threads);
    }
    runtime.enable_all().build()
}

async fn run_doctor(options: doctor::DoctorArgs, flags: &ConfigOverrides) -> ExitCode {
    match &options.url {
        Some(url) => remote::run_doctor(url, options.origin.as_deref(), options.json).await,
        None => doctor::examine_here(flags, options.json).await,
    }
}

fn print_failure(error: &anyhow::Error) -> ExitCode {
    eprintln!("gantry: {}", chain(error.as_ref()));
    ExitCode::FAILURE
}

/// `config`: the settings from [`load_config`].
async fn dispatch(
    command: GantryCommand,
    flags: &ConfigOverrides,
    config: Option<ServiceConfig>,
) -> anyhow::Result<()> {
    if let GantryCommand::CheckConfig { defaults } = command {
        return operate::check_config(flags, defaults);
    }
    let Some(config) = config else { return Ok(()) };
    logs::start(&config)?;
    match command {
        GantryCommand::Serve => app::serve(&config, flags, shutdown_token()).await,
        GantryCommand::Work => app::work(&config, flags, shutdown_token()).await,
        GantryCommand::Key(command) => keys::run_key_command(&config, command).await,
        GantryCommand::Tenant(command) => keys::run_tenant_command(&config, command).await,
        GantryCommand::Audit(command) => audit::run(&config, command).await,
        GantryCommand::Maintenance(command) => maintenance::run(&config, command).await,
        GantryCommand::StoreEnv => operate::print_store_env(&config),
        GantryCommand::Cleanup(options) => operate::cleanup(&config, options).await,
        GantryCommand::Chore(options) => operate::run_chore(&config, options).await,
        GantryCommand::Backup(options) => copies::run_backup(&config, &options),
        GantryCommand::Restore(options) => copies::run_restore(&config, &options),
        GantryCommand::Follow(options) => copies::run_follow(&config, options, shutdown_token()).await,
        GantryCommand::Verify(options) => verify::run_verify(&config, options).await,
        GantryCommand::Export(options) => transfer::run_export(&config, options).await,
        GantryCommand::Import(options) => transfer::run_import(&config, options).await,
        GantryCommand::CheckConfig { .. }
        | GantryCommand::Decode { .. }
        | GantryCommand::Migrate(_)
        | GantryCommand::Remote(_)
        | GantryCommand::Doctor(_) => Ok(()),
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
