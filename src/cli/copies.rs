//! `gantry backup` and `gantry restore`.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use serde_json::json;

use crate::app::{self, BackupReport, CopyProgress, RestoreReport};
use crate::client::format;
use crate::config::ServiceConfig;

/// Time between two lines of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(super) struct BackupArgs {
    /// Folder of the backup; created if it does not exist. A further backup copies only what is new.
    dir: PathBuf,
    /// Keep the newest N points and remove the others. Without it, all are kept.
    #[arg(long, value_name = "N")]
    keep: Option<usize>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    /// Print no progress.
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Args)]
pub(super) struct RestoreArgs {
    /// Folder of the backup.
    dir: PathBuf,
    /// The point, by name, or the newest at or before a time like 2026-11-27T03:00:00Z [default: the newest].
    #[arg(long, value_name = "POINT|TIME")]
    point: Option<String>,
    /// Only read every file of the point and compare its digest; restore nothing.
    #[arg(long)]
    check: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    /// Print no progress.
    #[arg(long, short)]
    quiet: bool,
}

/// Prints progress on standard error, a line at a time.
struct ProgressLines {
    shown: Option<Instant>,
    quiet: bool,
    json: bool,
}

impl ProgressLines {
    fn new(quiet: bool, json: bool) -> Self {
        Self { shown: None, quiet, json }
    }

    fn show(&mut self, done: CopyProgress) {
        let due = self.shown.get_or_insert_with(Instant::now).elapsed() >= PROGRESS_INTERVAL;
        if self.quiet || !due {
            return;
        }
        self.shown = Some(Instant::now());
        let CopyProgress { files, bytes, of_files, of_bytes } = done;
        let line = if self.json {
            json!({ "files": files, "bytes": bytes, "of_files": of_files, "of_bytes": of_bytes }).to_string()
        } else {
            format!(
                "{files} of {of_files} files, {} of {} ({} %)",
                format::size(bytes),
                format::size(of_bytes),
                format::percent(bytes, of_bytes)
            )
        };
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

pub(super) fn run_backup(config: &ServiceConfig, options: &BackupArgs) -> anyhow::Result<()> {
    let mut lines = ProgressLines::new(options.quiet, options.json);
    let report = app::create_backup(config, &options.dir, options.keep, &mut |done| lines.show(done))?;
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{}", backup_text(&report, &options.dir.display().to_string()));
    }
    if report.damaged.is_empty() {
        return Ok(());
    }
    for file in &report.damaged {
        eprintln!("damaged: {file}");
    }
    bail!(
        "the point {} is whole, but {} data files were damaged in the store before: `gantry verify --digests` names the \
         assets; an earlier point may have them undamaged",
        report.point,
        report.damaged.len()
    )
}

fn backup_text(report: &BackupReport, dir: &str) -> String {
    let removed = match report.removed_points {
        0 => String::new(),
        removed => format!(" {removed} old points were removed."),
    };
    format!(
        "Backed up to {dir} as the point {}: {} assets with {}, {} uploads in flight. {} files with {} were copied, {} were \
         there from earlier backups.{removed}\nSettings and certificates are not in it. `gantry restore {}` restores it.",
        report.point,
        report.assets,
        format::size(report.asset_bytes),
        report.uploads,
        report.copied_files,
        format::size(report.copied_bytes),
        report.reused_files,
        format::quoted(dir),
    )
}

pub(super) fn run_restore(config: &ServiceConfig, options: &RestoreArgs) -> anyhow::Result<()> {
    let mut lines = ProgressLines::new(options.quiet, options.json);
    let mut show = |done| lines.show(done);
    let (dir, point) = (&options.dir, options.point.as_deref());
    let report = if options.check {
        app::check_backup(dir, point, &mut show)?
    } else {
        app::restore_backup(config, dir, point, &mut show)?
    };
    for file in &report.damaged {
        eprintln!("damaged before it was backed up: {file}");
    }
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else if options.check {
        println!("The point {} is whole: {} files with {}.", report.point, report.files, format::size(report.bytes));
    } else {
        println!("{}", restore_text(&report, &config.data_dir.display().to_string()));
    }
    Ok(())
}

fn restore_text(report: &RestoreReport, data_dir: &str) -> String {
    let kept = match report.kept_files {
        0 => String::new(),
        kept => format!(" {kept} files were there from an interrupted restore."),
    };
    format!(
        "Restored the point {} into {data_dir}: {} assets with {}, {} uploads in flight, {} files with {}.{kept}\n\
         It is the state of {}: what came later is not in it. `gantry verify --digests` checks it, `gantry serve` starts it.",
        report.point,
        report.assets,
        format::size(report.asset_bytes),
        report.uploads,
        report.files,
        format::size(report.bytes),
        report.at,
    )
}
