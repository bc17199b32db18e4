//! `gantry verify`.

use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use serde_json::json;

use crate::app;
use crate::client::format;
use crate::config::ServiceConfig;
use crate::engine::{VerifyInconsistency, VerifyObserver, VerifyReport, VerifyScope};

/// Time between two lines of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(super) struct VerifyArgs {
    /// Read all bytes and compare their SHA-256; finds bytes that have changed on the disk.
    #[arg(long, visible_alias = "checksums")]
    digests: bool,
    /// Check only N assets, chosen at random, and the sums.
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// Check only the rows of this tenant, by name or id.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Print a JSON object a line: each inconsistency, then the report.
    #[arg(long)]
    json: bool,
    /// Print no progress.
    #[arg(long, short)]
    quiet: bool,
}

/// Prints what is found on standard output, and progress on standard error.
struct VerifyLines {
    json: bool,
    quiet: bool,
    shown: Instant,
}

impl VerifyObserver for VerifyLines {
    fn found(&mut self, what: &VerifyInconsistency) {
        if self.json {
            println!("{}", json!({ "inconsistency": what }));
            return;
        }
        let subject = match (what.asset, what.upload, what.tenant) {
            (Some(asset), ..) => format!("asset {asset}"),
            (None, Some(upload), _) => format!("upload {upload}"),
            (None, None, Some(tenant)) => format!("tenant {tenant}"),
            (None, None, None) => "the instance".to_owned(),
        };
        let key = what.key.as_ref().map(|key| format!(" [{key}]")).unwrap_or_default();
        println!("{subject}: {}: {}{key}", what.kind, what.detail);
    }

    fn progressed(&mut self, report: &VerifyReport) {
        if self.quiet || self.shown.elapsed() < PROGRESS_INTERVAL {
            return;
        }
        self.shown = Instant::now();
        let (assets, bytes) = (report.assets, format::size(report.read_bytes));
        eprintln!("{assets} assets and {} open uploads checked, {bytes} read", report.uploads);
    }
}

pub(super) async fn run_verify(config: &ServiceConfig, options: VerifyArgs) -> anyhow::Result<()> {
    let VerifyArgs { digests, sample, tenant, json, quiet } = options;
    let scope = VerifyScope { digests, sample, tenant };
    let mut lines = VerifyLines { json, quiet, shown: Instant::now() };
    let verified = app::with_engine(config, async |engine| Ok(engine.operations().verify(&scope, &mut lines).await?));
    let report = verified.await?;
    if json {
        println!("{}", json!({ "report": report }));
    } else {
        println!("{}", summary(&report));
    }
    match report.inconsistencies {
        0 => Ok(()),
        1 => bail!("1 inconsistency was found"),
        found => bail!("{found} inconsistencies were found"),
    }
}

fn summary(report: &VerifyReport) -> String {
    let mut text = format!("{} assets and {} open uploads checked", report.assets, report.uploads);
    if report.whole {
        text += &format!(", {} objects of the bucket compared with the rows", report.objects);
    }
    if report.digests {
        text += &format!(", {} digests compared ({} read)", report.digested, format::size(report.read_bytes));
    }
    text.push('.');
    if report.without_digest > 0 {
        text += &format!(" {} objects have no digest to compare with.", report.without_digest);
    }
    if report.marked > 0 {
        text += &format!(" {} assets were marked as damaged: put their objects back from a backup.", report.marked);
    }
    if report.inconsistencies == 0 {
        text += " Everything is consistent.";
    }
    text
}
