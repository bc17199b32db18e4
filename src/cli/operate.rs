//! Commands for operators of the service.

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;

use crate::app;
use crate::client::format;
use crate::config::{ConfigOverrides, DEFAULT_CONFIG_TOML, ServiceConfig, StoreConfig};
use crate::domain::job as domain;
use crate::engine::{Engine, OrphanKind, OrphanedBlob};

#[derive(Args)]
pub(super) struct CleanupArgs {
    /// Remove what is found; without it, only list it.
    #[arg(long)]
    apply: bool,
    /// Print a JSON object a line instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct ChoreArgs {
    /// The chore: sweep, retention, orphans, rollup or alarms.
    #[arg(value_parser = chore_named)]
    chore: domain::Chore,
    /// Only report what the chore would do; change nothing.
    #[arg(long)]
    dry_run: bool,
}

fn chore_named(text: &str) -> Result<domain::Chore, String> {
    match text.parse() {
        Ok(domain::JobKind::Chore(chore)) => Ok(chore),
        _ => Err("must be sweep, retention, orphans, rollup or alarms".to_owned()),
    }
}

pub(super) async fn run_chore(config: &ServiceConfig, options: ChoreArgs) -> anyhow::Result<()> {
    let remove_orphans = config.worker.chores.as_ref().is_some_and(|timetable| timetable.remove_orphans);
    let report = app::with_engine(config, async |engine| {
        Ok(if options.dry_run {
            engine.operations().preview_chore(options.chore).await?
        } else {
            engine.operations().run_chore(options.chore, remove_orphans).await?
        })
    });
    println!("{}", report.await?);
    Ok(())
}

pub(super) fn check_config(flags: &ConfigOverrides, defaults: bool) -> anyhow::Result<()> {
    if defaults {
        print!("{DEFAULT_CONFIG_TOML}");
        return Ok(());
    }
    app::refuse_trial_settings(&ServiceConfig::load(flags)?)?;
    println!("The settings are valid.");
    Ok(())
}

pub(super) fn print_store_env(config: &ServiceConfig) -> anyhow::Result<()> {
    let StoreConfig::Embedded { listen, public_url } = &config.store else {
        bail!("only the embedded store has keys that gantry can print");
    };
    for (name, value) in app::tool_environment(config, *listen, public_url.as_deref())? {
        println!("export {name}={}", format::quoted(&value));
    }
    Ok(())
}

pub(super) async fn cleanup(config: &ServiceConfig, options: CleanupArgs) -> anyhow::Result<()> {
    app::with_engine(config, async |engine| run_cleanup(&engine, &options).await).await
}

async fn run_cleanup(engine: &Engine, options: &CleanupArgs) -> anyhow::Result<()> {
    // What is merely due is no orphan: the sweep removes it first, as in the service.
    let swept = if options.apply { Some(engine.operations().run_sweep().await?) } else { None };
    let show = |orphan: &OrphanedBlob| {
        let kind = match orphan.kind {
            OrphanKind::Object => "object",
            OrphanKind::Multipart => "multipart",
        };
        if options.json {
            println!(
                "{}",
                json!({ "orphan": kind, "key": orphan.key, "store_id": orphan.store_id, "size": orphan.size })
            );
        } else {
            println!("{kind:9} {:>14} {}", orphan.size, orphan.key);
        }
    };
    let report = engine.operations().scan_orphans(options.apply, show).await.context("the bucket was not searched")?;
    if options.json {
        let report = json!({
            "objects": report.objects, "multiparts": report.multiparts, "orphans": report.orphans,
            "orphan_bytes": report.bytes, "removed": report.removed, "applied": options.apply,
            "cleaned": swept.map_or(0, |swept| swept.cleaned + swept.purged),
        });
        println!("{report}");
        return Ok(());
    }
    println!(
        "{} objects and {} unfinished uploads checked; {} orphans with {} bytes; {} removed.",
        report.objects, report.multiparts, report.orphans, report.bytes, report.removed
    );
    if report.orphans > report.removed {
        println!("Run again with --apply to remove them.");
    }
    Ok(())
}
