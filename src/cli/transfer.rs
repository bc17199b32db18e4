//! `gantry export` and `gantry import`.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::app;
use crate::client::format;
use crate::config::ServiceConfig;
use crate::domain::clock::Timestamp;
use crate::domain::csv::csv_cell;
use crate::domain::reason::FailureCause;
use crate::engine::{Error, ExportFilter, ExportLine, ExportedAsset};

/// Lines that are imported at a time.
const LINES_PER_BATCH: usize = 1000;
/// Columns of a CSV export.
const CSV_COLUMNS: [&str; 16] = [
    "id",
    "tenant",
    "state",
    "filename",
    "size",
    "content_type",
    "detected_type",
    "sha256",
    "external_id",
    "policy",
    "reason",
    "created_at",
    "stored_at",
    "changed_at",
    "object_key",
    "metadata",
];

#[derive(Args)]
pub(super) struct ExportArgs {
    /// Only assets of this tenant, by name or id.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Format: ndjson, which `gantry import` reads, or csv for spreadsheets.
    #[arg(long, value_enum, default_value_t = ExportFormat::Ndjson)]
    format: ExportFormat,
    /// Only assets created at this time or later, like 2026-11-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    created_after: Option<Timestamp>,
    /// Only assets created before this time.
    #[arg(long, value_name = "TIME")]
    created_before: Option<Timestamp>,
    /// Only assets in this state.
    #[arg(long)]
    state: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum ExportFormat {
    Ndjson,
    Csv,
}

#[derive(Args)]
pub(super) struct ImportArgs {
    /// The export, as NDJSON; - for standard input.
    file: PathBuf,
    /// Print a JSON object a line: each asset that is not imported, then the report.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run_export(config: &ServiceConfig, options: ExportArgs) -> anyhow::Result<()> {
    let ExportArgs { tenant, format, created_after, created_before, state } = options;
    let filter = ExportFilter { tenant, state, created_after, created_before };
    let mut out = BufWriter::new(std::io::stdout());
    let mut current_tenant = String::new();
    if matches!(format, ExportFormat::Csv) {
        writeln!(out, "{}", CSV_COLUMNS.join(","))?;
    }
    let mut write = |line: &ExportLine| -> std::io::Result<()> {
        match (format, line) {
            (ExportFormat::Ndjson, line) => {
                serde_json::to_writer(&mut out, line)?;
                out.write_all(b"\n")
            }
            (ExportFormat::Csv, ExportLine::Tenant(tenant)) => {
                tenant.tenant.name.clone_into(&mut current_tenant);
                Ok(())
            }
            (ExportFormat::Csv, ExportLine::Asset(asset)) => writeln!(out, "{}", csv_row(&current_tenant, asset)),
            (ExportFormat::Csv, ExportLine::Instance { .. }) => Ok(()),
        }
    };
    let exported = app::with_engine(config, async |engine| {
        let each = |line| write(&line).map_err(|error| Error::Internal(FailureCause::of(error)));
        Ok(engine.operations().export_rows(&filter, each).await?)
    });
    let exported = exported.await?;
    out.flush()?;
    eprintln!("{exported} assets exported");
    Ok(())
}

fn csv_row(tenant: &str, asset: &ExportedAsset) -> String {
    let content = asset.content.as_ref();
    let text = |text: Option<&String>| text.cloned().unwrap_or_default();
    let cells = [
        asset.id.to_string(),
        tenant.to_owned(),
        asset.state.clone(),
        asset.filename.clone(),
        asset.size.to_string(),
        text(asset.content_type.as_ref()),
        text(content.and_then(|content| content.detected_type.as_ref())),
        text(content.and_then(|content| content.sha256.as_ref())),
        text(asset.external_id.as_ref()),
        asset.policy.clone(),
        text(asset.verdict.as_ref().map(|(code, _)| code)),
        asset.created_at.to_string(),
        content.map(|content| content.stored_at.to_string()).unwrap_or_default(),
        asset.changed_at.to_string(),
        text(content.map(|content| &content.key)),
        json!(asset.metadata).to_string(),
    ];
    cells.map(|cell| csv_cell(&cell)).join(",")
}

fn open_lines(file: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if file == Path::new("-") {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let opened = File::open(file).with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(Box::new(BufReader::new(opened)))
}

/// Reads up to so many lines; empty at the end of the export.
fn read_batch(
    lines: &mut impl Iterator<Item = (usize, std::io::Result<String>)>,
    most: usize,
) -> anyhow::Result<Vec<ExportLine>> {
    let mut batch = Vec::new();
    for (number, line) in lines.take(most) {
        let line = serde_json::from_str(&line?);
        batch.push(line.with_context(|| format!("line {} is no line of an export as NDJSON", number + 1))?);
    }
    Ok(batch)
}

pub(super) async fn run_import(config: &ServiceConfig, options: ImportArgs) -> anyhow::Result<()> {
    let mut lines = open_lines(&options.file)?.lines().enumerate();
    let first = read_batch(&mut lines, 1)?;
    let Some(ExportLine::Instance { id, .. }) = first.first() else {
        bail!("{} does not begin with the line of an instance: it is no whole export", options.file.display())
    };
    let tell = |problem: &crate::engine::ImportProblem| {
        if options.json {
            println!("{}", json!({ "problem": problem }));
        } else {
            println!("asset {}: not imported: {}", problem.asset, problem.detail);
        }
    };
    let imported = app::with_import_engine(config, id, async |engine| {
        let mut import = engine.operations().begin_import();
        import.import(first.clone(), tell).await?;
        loop {
            let batch = read_batch(&mut lines, LINES_PER_BATCH)?;
            if batch.is_empty() {
                return Ok(import.finish().await?);
            }
            import.import(batch, tell).await?;
        }
    });
    let report = imported.await?;
    if options.json {
        println!("{}", json!({ "report": report }));
    } else {
        println!(
            "{} assets with {} and {} tenants imported; {} assets were there already, {} without bytes were left out. Make \
             keys anew with `gantry key create`.",
            report.assets,
            format::size(report.bytes),
            report.tenants,
            report.present,
            report.without_bytes
        );
    }
    match report.problems {
        0 => Ok(()),
        problems => bail!("{problems} assets were not imported: put their objects back and import again"),
    }
}
