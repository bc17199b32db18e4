//! `gantry backup`, `gantry restore` and `gantry follow`.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::app::{self, BackupReport, CopyProgress, FollowStep, RestoreReport};
use crate::client::format;
use crate::config::ServiceConfig;
use crate::domain::clock::parse_duration;

/// Time between two lines of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
/// Shortest time between two points.
const MIN_FOLLOW_INTERVAL: Duration = Duration::from_secs(1);

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

#[derive(Args)]
pub(super) struct FollowArgs {
    /// Folder of the points, on another machine's disk: mounted here by NFS, SSHFS or the like.
    dir: PathBuf,
    /// Time from point to point.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_every)]
    every: Duration,
    /// Keep the newest N points.
    #[arg(long, value_name = "N", default_value_t = 20)]
    keep: usize,
    /// Print a JSON object a line.
    #[arg(long)]
    json: bool,
}

fn parse_every(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .filter(|every| *every >= MIN_FOLLOW_INTERVAL)
        .ok_or("must be a time like 5s, at least 1s".to_owned())
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

/// Runs until `end`. A point under way is finished first.
pub(super) async fn run_follow(
    config: &ServiceConfig,
    options: FollowArgs,
    end: CancellationToken,
) -> anyhow::Result<()> {
    let FollowArgs { dir, every, keep, json } = options;
    let told = move |step: &FollowStep| {
        let line = if json { follow_json(step) } else { follow_text(step) };
        let _ = writeln!(std::io::stdout(), "{line}");
    };
    app::follow_instance(config, &dir, app::FollowPace { every, keep }, told, end).await
}

fn follow_json(step: &FollowStep) -> String {
    match step {
        FollowStep::Point { report, took, behind } => {
            let (took, behind) = (took.as_secs_f64(), behind.as_secs_f64());
            json!({ "point": report, "took_seconds": took, "behind_seconds": behind })
        }
        FollowStep::Unchanged { at } => json!({ "unchanged": { "at": at } }),
        FollowStep::Failed { why, behind } => {
            json!({ "failed": why, "behind_seconds": behind.map(|behind| behind.as_secs_f64()) })
        }
    }
    .to_string()
}

fn follow_text(step: &FollowStep) -> String {
    match step {
        FollowStep::Point { report, took, behind } => format!(
            "{}: {} files with {} copied in {}; behind by {} at most until the next point",
            report.point,
            report.copied_files,
            format::size(report.copied_bytes),
            format::pause(*took),
            format::pause(*behind)
        ),
        FollowStep::Unchanged { at } => format!("nothing has changed since {at}"),
        FollowStep::Failed { why, behind: Some(behind) } => {
            format!("no point was written: {why}. Behind by {}; it is tried again", format::pause(*behind))
        }
        FollowStep::Failed { why, behind: None } => format!("no point was written: {why}"),
    }
}
