//! `gantry get`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{ServerArgs, duration};
use crate::client::download::{DownloadOptions, DownloadedFile, FileDownloader};
use crate::client::error::{Error, Result};
use crate::client::progress::{ProgressReporter, error_as_json};

pub(super) const HELP: &str = "\
Prints the path under which the file was saved. Until it is whole and its SHA-256 has been compared, it is called
NAME.part; a download that was cut off goes on when the same command runs again.

A link (…/d/…) needs no key. For an asset's id, the key comes from GANTRY_API_KEY, or from the file named by
GANTRY_API_KEY_FILE.

Examples:
  gantry get 01994f6e-6c1c-7d52-9b0e-3f2b8a9c7d11
  gantry get -o - 01994f6e-6c1c-7d52-9b0e-3f2b8a9c7d11 | tar x
  gantry get -o backups/ https://files.example/d/…

`gantry help exit-codes` explains the exit codes.";

#[derive(Args)]
pub(in crate::cli) struct GetArgs {
    /// An asset's id, or a link.
    #[arg(value_name = "ID|LINK")]
    what: String,
    /// Destination: a file, a directory, or - for standard output [default: the asset's name, here].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite a file that exists; write to a terminal.
    #[arg(long, short)]
    force: bool,
    /// Start over, and discard what an earlier run has fetched.
    #[arg(long)]
    no_resume: bool,
    /// Retry when nothing has arrived for this long.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    stall_timeout: Duration,
    #[command(flatten)]
    server: ServerArgs,
}

impl GetArgs {
    pub(super) async fn run(self, stop: CancellationToken) -> Result<()> {
        let to_stdout = self.output.as_deref() == Some("-".as_ref());
        if to_stdout && self.server.json {
            return Err(Error::Usage("--json and -o - cannot be combined: both write to standard output".to_owned()));
        }
        let (api, reporter) = (self.server.api_client()?, self.server.reporter(1));
        let options = DownloadOptions {
            output: self.output.clone(),
            force: self.force,
            resume: !self.no_resume,
            stall_timeout: self.stall_timeout.max(Duration::from_millis(100)),
        };
        let downloader = FileDownloader::new(api, reporter.clone(), options, stop);
        let outcome = tokio::select! {
            outcome = downloader.download_file(&self.what) => outcome,
            () = reporter.run_ticker() => return Ok(()),
        };
        if let (false, Err(Error::Interrupted | Error::Network { .. })) = (to_stdout, &outcome) {
            reporter.print_error_line(if downloader.has_kept_bytes() {
                "The bytes that have arrived are kept. To continue, run the same command again."
            } else {
                "Nothing has arrived yet. To try again, run the same command again."
            });
        }
        self.print_result(&reporter, &outcome)?;
        outcome.map(|_| ())
    }

    fn print_result(&self, reporter: &ProgressReporter, outcome: &Result<DownloadedFile>) -> Result<()> {
        match outcome {
            Ok(fetched) if self.server.json => {
                let line = json!({
                    "event": "result", "ok": true, "exit_code": 0, "path": fetched.path, "size": fetched.size,
                    "sha256": hex::encode(fetched.sha256.0), "verified": fetched.verified,
                });
                reporter.print_result(&line.to_string())
            }
            Err(error) if self.server.json => {
                let line = json!({
                    "event": "result", "ok": false, "exit_code": error.exit_code(), "error": error_as_json(error),
                });
                reporter.print_result(&line.to_string())
            }
            Ok(DownloadedFile { path: Some(path), .. }) => reporter.print_result(&path.display().to_string()),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}
