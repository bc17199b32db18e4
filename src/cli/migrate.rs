//! `gantry migrate`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::logs;
use crate::app::{DatabaseHandle, SchemaStatus, SchemaStep, StepState};
use crate::config::{ConfigOverrides, ServiceConfig};

/// Exit code of `status` while steps are pending.
const PENDING_EXIT_CODE: u8 = 10;
/// Exit code for a schema of a newer version, or with a step that differs.
const UNFIT_EXIT_CODE: u8 = 11;
/// Digits of a checksum in text.
const SHOWN_DIGITS: usize = 12;

pub(super) const HELP: &str = "\
Without a further word it is `up`. One process applies steps at a time; others wait for it and find them applied.

Exit codes: 0 the schema is up to date (status), the steps are applied (up), the SQL is printed (plan); 10 steps are
pending (status); 11 the schema is of a newer version, or a step differs (status, plan); 1 anything else.

Examples:
  gantry migrate plan > steps.sql
  gantry migrate up
  gantry migrate status --json";

#[derive(Args)]
pub(super) struct MigrateArgs {
    #[command(subcommand)]
    command: Option<MigrateCommand>,
}

#[derive(Subcommand)]
enum MigrateCommand {
    /// Apply all pending steps, whatever `database.auto_migrate` says (the default).
    Up,
    /// List the steps: applied with time and checksum, or pending. Changes nothing.
    Status {
        /// Print a JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Print the SQL of the pending steps. Changes nothing.
    Plan,
}

pub(super) async fn run(options: MigrateArgs, flags: &ConfigOverrides) -> anyhow::Result<ExitCode> {
    let config = ServiceConfig::load(flags)?;
    logs::start(&config)?;
    match options.command.unwrap_or(MigrateCommand::Up) {
        MigrateCommand::Up => apply_steps(&config).await,
        MigrateCommand::Status { json } => Ok(print_status(&DatabaseHandle::read_schema(&config).await?, json)),
        MigrateCommand::Plan => Ok(print_plan(&DatabaseHandle::read_schema(&config).await?)),
    }
}

async fn apply_steps(config: &ServiceConfig) -> anyhow::Result<ExitCode> {
    let before = DatabaseHandle::read_schema(config).await?;
    DatabaseHandle::migrate(config).await?;
    for step in before.pending() {
        println!("applied {:4}  {}", step.version, step.name);
    }
    println!("The schema is up to date.");
    Ok(ExitCode::SUCCESS)
}

fn print_status(schema: &SchemaStatus, json: bool) -> ExitCode {
    for step in &schema.steps {
        println!("{}", if json { step_json(step) } else { step_line(step) });
    }
    if let Err(error) = schema.require_known() {
        eprintln!("gantry: {error}");
        return ExitCode::from(UNFIT_EXIT_CODE);
    }
    let pending = schema.pending().count();
    if !json {
        println!("{}", status_text(&schema.place, pending));
    }
    if pending > 0 { ExitCode::from(PENDING_EXIT_CODE) } else { ExitCode::SUCCESS }
}

fn status_text(place: &str, pending: usize) -> String {
    match pending {
        0 => format!("The schema of {place} is up to date."),
        1 => format!("1 step is pending in {place}: `gantry migrate up` applies it."),
        _ => format!("{pending} steps are pending in {place}: `gantry migrate up` applies them."),
    }
}

fn state_of(step: &SchemaStep) -> (&'static str, Option<String>) {
    match step.state {
        StepState::Applied(at) => ("applied", Some(at.to_string())),
        StepState::Pending => ("pending", None),
        StepState::Differs(at) => ("differs", Some(at.to_string())),
        StepState::Unknown(at) => ("unknown", Some(at.to_string())),
    }
}

fn step_line(step: &SchemaStep) -> String {
    let (state, at) = state_of(step);
    let checksum: String = step.checksum.chars().take(SHOWN_DIGITS).collect();
    format!("{:4}  {:20} {state:7}  {:27}  {checksum}", step.version, step.name, at.unwrap_or_default())
}

fn step_json(step: &SchemaStep) -> String {
    let (state, at) = state_of(step);
    let (version, name, checksum) = (step.version, &step.name, &step.checksum);
    json!({ "step": version, "name": name, "state": state, "applied_at": at, "sha384": checksum }).to_string()
}

/// The SQL alone is on standard output, so that it can be kept as a file.
fn print_plan(schema: &SchemaStatus) -> ExitCode {
    if let Err(error) = schema.require_known() {
        eprintln!("gantry: {error}");
        return ExitCode::from(UNFIT_EXIT_CODE);
    }
    for step in schema.pending() {
        let sql = step.sql.as_deref().unwrap_or_default().trim_end();
        println!("-- Step {}: {} (SHA-384 {})\n\n{sql}\n", step.version, step.name, step.checksum);
    }
    eprintln!("gantry: {}", status_text(&schema.place, schema.pending().count()));
    ExitCode::SUCCESS
}
