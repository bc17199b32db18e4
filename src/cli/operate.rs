//! Commands for whoever runs the service.

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;

use crate::app::{self, Rows};
use crate::client::text;
use crate::config::{Config, DEFAULTS, Flags, Store};
use crate::domain::job as domain;
use crate::engine::{Engine, Orphan, OrphanKind};

#[derive(Args)]
pub(super) struct Cleanup {
    /// Remove what is found. Without it, everything is only shown.
    #[arg(long)]
    apply: bool,
    /// One JSON object a line instead of words.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Chore {
    /// Which: sweep, retention, orphans, rollup or alarms.
    #[arg(value_parser = chore_named)]
    chore: domain::Chore,
    /// Say what it would do, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

fn chore_named(text: &str) -> Result<domain::Chore, String> {
    match text.parse() {
        Ok(domain::JobKind::Chore(chore)) => Ok(chore),
        _ => Err("sweep, retention, orphans, rollup or alarms".to_owned()),
    }
}

pub(super) async fn chore(config: &Config, options: Chore) -> anyhow::Result<()> {
    let remove_orphans = config.worker.chores.as_ref().is_some_and(|timetable| timetable.remove_orphans);
    let report = app::with_engine(config, async |engine| {
        Ok(if options.dry_run {
            engine.foresee(options.chore).await?
        } else {
            engine.carry_out(options.chore, remove_orphans).await?
        })
    });
    println!("{}", report.await?);
    Ok(())
}

pub(super) fn check_config(flags: &Flags, defaults: bool) -> anyhow::Result<()> {
    if defaults {
        print!("{DEFAULTS}");
        return Ok(());
    }
    Config::load(flags)?;
    println!("The settings make sense.");
    Ok(())
}

pub(super) async fn migrate(config: &Config) -> anyhow::Result<()> {
    Rows::open(config).await?;
    println!("The schema is up to date.");
    Ok(())
}

pub(super) fn store_env(config: &Config) -> anyhow::Result<()> {
    let Store::Embedded { listen, public_url } = &config.store else {
        bail!("the store is not the embedded one; its keys are where you have them from");
    };
    for (name, value) in app::tool_environment(config, *listen, public_url.as_deref())? {
        println!("export {name}={}", text::quoted(&value));
    }
    Ok(())
}

pub(super) async fn cleanup(config: &Config, options: Cleanup) -> anyhow::Result<()> {
    app::with_engine(config, async |engine| run_cleanup(&engine, &options).await).await
}

async fn run_cleanup(engine: &Engine, options: &Cleanup) -> anyhow::Result<()> {
    // What is merely due is not an orphan: the sweep removes it first, in the service as here.
    let swept = if options.apply { Some(engine.sweep().await?) } else { None };
    let show = |orphan: &Orphan| {
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
    let report = engine.orphans(options.apply, show).await.context("the bucket was not searched")?;
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
        "{} objects and {} unfinished uploads looked at; {} orphans with {} bytes; {} removed.",
        report.objects, report.multiparts, report.orphans, report.bytes, report.removed
    );
    if report.orphans > report.removed {
        println!("Run again with --apply to remove them.");
    }
    Ok(())
}
