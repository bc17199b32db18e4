//! `gantry get`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::duration;
use super::results::{combine_outcomes, with_name};
use super::server_args::ServerArgs;
use super::transfer_args::rate;
use crate::client::api::ApiClient;
use crate::client::download::{DownloadOptions, DownloadedFile, FileDownloader};
use crate::client::error::{Error, Result, ServerRefusal};
use crate::client::format;
use crate::client::progress::{ProgressReporter, TransferPlan, error_as_json};
use crate::client::throttle::RateLimiter;

pub(super) const HELP: &str = "\
Prints the path under which each file was saved. Until it is whole and its SHA-256 has been compared, it is called
NAME.part; a download that was cut off goes on when the same command runs again.

A link (…/d/…) needs no key. For assets, the key comes from GANTRY_API_KEY, from the file named by GANTRY_API_KEY_FILE,
or from `gantry login`.

Examples:
  gantry get 01994f6e-6c1c-7d52-9b0e-3f2b8a9c7d11
  gantry get -o - 01994f6e-6c1c-7d52-9b0e-3f2b8a9c7d11 | tar x
  gantry get --name report.pdf -o backups/2026/
  gantry ls --json --state ready | jq -r .id | xargs gantry get -o all/

`gantry help exit-codes` explains the exit codes.";

/// Files that are fetched at once.
const FILES_AT_ONCE: usize = 4;

#[derive(Args)]
pub(in crate::cli) struct GetArgs {
    /// Assets' ids, or links.
    #[arg(value_name = "ID|LINK", required_unless_present = "names")]
    what: Vec<String>,
    /// The newest asset with exactly this name; may be repeated.
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// File, directory (with / at its end, it is made), or - for standard output [default: the name, here].
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Overwrite a file that exists; write to a terminal.
    #[arg(long, short)]
    force: bool,
    /// Bytes per second at most, over all files, like 10MiB/s or 500k.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    limit_rate: Option<u64>,
    /// Start over, and discard what an earlier run has fetched.
    #[arg(long)]
    no_resume: bool,
    /// Retry when nothing has arrived for this long.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    stall_timeout: Duration,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args)]
pub(in crate::cli) struct CatArgs {
    /// An asset's id, or a link.
    #[arg(value_name = "ID|LINK")]
    what: String,
    /// Write to a terminal.
    #[arg(long, short)]
    force: bool,
    /// Retry when nothing has arrived for this long.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    stall_timeout: Duration,
    #[command(flatten)]
    server: ServerArgs,
}

impl CatArgs {
    pub(super) async fn run(self, stop: CancellationToken) -> Result<()> {
        let CatArgs { what, force, stall_timeout, server } = self;
        let get = GetArgs {
            what: vec![what],
            names: Vec::new(),
            output: Some("-".into()),
            force,
            limit_rate: None,
            no_resume: false,
            stall_timeout,
            server,
        };
        get.run(stop).await
    }
}

/// An asset or a link to fetch, and its name for messages.
struct WantedAsset {
    source: String,
    /// A link is a secret, and has no name.
    label: String,
}

impl GetArgs {
    pub(super) async fn run(self, stop: CancellationToken) -> Result<()> {
        let (to_stdout, count) = (self.output.as_deref() == Some("-".as_ref()), self.what.len() + self.names.len());
        if to_stdout && (self.server.json || count > 1) {
            let why = if count > 1 {
                "-o - takes a single asset"
            } else {
                "--json and -o - cannot be combined: both write to standard output"
            };
            return Err(Error::Usage(why.to_owned()));
        }
        let (api, reporter) = self.server.connect(TransferPlan { files: count, bytes: 0 })?;
        let mut ends = Vec::new();
        let wanted = self.find_wanted(&api, &reporter, &mut ends).await?;
        let downloader = FileDownloader::new(api, reporter.clone(), self.options(count), stop);
        let fetched = tokio::select! {
            fetched = self.fetch_all(&downloader, &wanted, &reporter, &mut ends) => fetched,
            () = reporter.run_ticker() => return Ok(()),
        };
        fetched?;
        let interrupted = ends.iter().any(|error| matches!(error, Error::Interrupted | Error::Network { .. }));
        if interrupted && !to_stdout {
            reporter.print_error_line(if downloader.has_kept_bytes() {
                "The bytes that have arrived are kept. To continue, run the same command again."
            } else {
                "Nothing has arrived yet. To try again, run the same command again."
            });
        }
        let outcome = combine_outcomes(ends, count);
        if self.server.json && count > 1 {
            let code = outcome.as_ref().err().map_or(0, Error::exit_code);
            reporter.print_result(&json!({ "event": "result", "ok": code == 0, "exit_code": code }).to_string())?;
        }
        outcome
    }

    fn options(&self, count: usize) -> DownloadOptions {
        let slash = |path: &Path| path.as_os_str().as_encoded_bytes().ends_with(b"/");
        DownloadOptions {
            output: self.output.clone(),
            force: self.force,
            resume: !self.no_resume,
            stall_timeout: self.stall_timeout.max(Duration::from_millis(100)),
            into_folder: count > 1 || self.output.as_deref().is_some_and(slash),
            limit: self.limit_rate.map(|rate| Arc::new(RateLimiter::new(rate))),
        }
    }

    /// Ids, links, and the ids of assets that are named.
    async fn find_wanted(
        &self,
        api: &ApiClient,
        reporter: &ProgressReporter,
        failures: &mut Vec<Error>,
    ) -> Result<Vec<WantedAsset>> {
        let label = |source: &String| if source.contains("://") { "a link".to_owned() } else { source.clone() };
        let mut wanted: Vec<_> =
            self.what.iter().map(|source| WantedAsset { label: label(source), source: source.clone() }).collect();
        for name in &self.names {
            match api.find_named_asset(name, reporter).await? {
                Some(asset) => wanted.push(WantedAsset { source: asset.id, label: name.clone() }),
                None => self.fail(reporter, name, no_such_name(name), failures)?,
            }
        }
        Ok(wanted)
    }

    async fn fetch_all(
        &self,
        downloader: &FileDownloader,
        wanted: &[WantedAsset],
        reporter: &ProgressReporter,
        failures: &mut Vec<Error>,
    ) -> Result<()> {
        let fetching = wanted.iter().map(|one| async move { (one, downloader.download_file(&one.source).await) });
        let mut ends = stream::iter(fetching).buffer_unordered(FILES_AT_ONCE);
        while let Some((one, end)) = ends.next().await {
            reporter.count_result();
            match end {
                Ok(fetched) if self.server.json => reporter.print_result(&self.result_json(&fetched).to_string())?,
                Ok(DownloadedFile { path: Some(path), .. }) => reporter.print_result(&path.display().to_string())?,
                Ok(_) => {}
                Err(error) => self.fail(reporter, &one.label, error, failures)?,
            }
        }
        Ok(())
    }

    fn fail(&self, reporter: &ProgressReporter, label: &str, error: Error, failures: &mut Vec<Error>) -> Result<()> {
        let several = self.what.len() + self.names.len() > 1;
        if self.server.json {
            let mut line = json!({ "event": "result", "ok": false, "exit_code": error.exit_code(), "error": error_as_json(&error) });
            if several {
                line["event"] = "failed".into();
                line["what"] = label.into();
            }
            reporter.print_result(&line.to_string())?;
        }
        if several && !matches!(error, Error::Interrupted) {
            reporter.print_error_line(&format!("gantry: {}", with_name(label, &error)));
        }
        failures.push(error);
        Ok(())
    }

    fn result_json(&self, fetched: &DownloadedFile) -> Value {
        let several = self.what.len() + self.names.len() > 1;
        let mut line = json!({
            "event": "result", "ok": true, "exit_code": 0, "path": fetched.path, "size": fetched.size,
            "sha256": hex::encode(fetched.sha256.0), "verified": fetched.verified,
        });
        if several {
            line["event"] = "fetched".into();
        }
        line
    }
}

fn no_such_name(name: &str) -> Error {
    Error::NotFound(ServerRefusal {
        status: 404,
        code: "not_found".to_owned(),
        detail: format!("there is no asset with the name \"{}\"", format::shown(name)),
        request_id: None,
        retryable: false,
        retry_after: None,
    })
}
