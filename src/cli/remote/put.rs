//! `gantry put`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures_util::{StreamExt as _, stream};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::{ServerArgs, duration};
use crate::cli::assignment;
use crate::client::error::{Error, Result};
use crate::client::format::quoted;
use crate::client::journal::UploadJournal;
use crate::client::progress::{ProgressReporter, error_as_json};
use crate::client::upload::{FileUploader, UploadOptions, UploadedFile};
use crate::config::units::parse_size;
use crate::domain::checksum::Sha256Digest;
use crate::domain::clock::SystemClock;

pub(super) const HELP: &str = "\
Prints the asset's id; for several files, the id and the file's name, line by line as they finish.

An upload that was cut off, by Ctrl-C, a crash or a lost network, goes on when the same command runs again: parts that
the server has are not sent twice. What is unfinished is remembered in $XDG_STATE_HOME/gantry (~/.local/state/gantry).
For ten minutes after it has succeeded, the same command for the same unchanged files prints the same assets again: one
that is killed in its last instant sends nothing twice. With --no-resume, they are sent anew.

The key comes from GANTRY_API_KEY, or from the file named by GANTRY_API_KEY_FILE.

Examples:
  gantry put disk.img
  id=$(gantry put --quiet --metadata case=4711 report.pdf)
  gantry put --json *.mp4 | jq -r 'select(.event == \"ready\") | .asset'

`gantry help exit-codes` explains the exit codes.";

#[derive(Args)]
pub(in crate::cli) struct PutArgs {
    /// Files to upload.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Name of the asset instead of the file's (single file only).
    #[arg(long)]
    name: Option<String>,
    /// The type to declare; the service detects the real type.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// A property to keep with the asset; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    metadata: Vec<(String, String)>,
    /// External id of the asset: while an upload with it is open, creating again finds that upload (single file only).
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    /// Expected SHA-256 of the file; a file with another digest is not kept (single file only).
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    sha256: Option<Sha256Digest>,
    /// Parts in flight at once, over all files.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    concurrency: u8,
    /// Size of a part, like 16MiB [default: the server chooses].
    #[arg(long, value_name = "SIZE", value_parser = size)]
    part_size: Option<u64>,
    /// Start over, and give up what an earlier run has begun.
    #[arg(long)]
    no_resume: bool,
    /// Wait until the asset is ready or rejected (the default).
    #[arg(long, overrides_with = "no_wait")]
    wait: bool,
    /// Return as soon as every byte is stored.
    #[arg(long)]
    no_wait: bool,
    /// Send a part again when nothing has moved for this long.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    stall_timeout: Duration,
    #[command(flatten)]
    server: ServerArgs,
}

fn digest(text: &str) -> std::result::Result<Sha256Digest, String> {
    text.parse().map_err(|error: crate::domain::checksum::BadDigest| error.to_string())
}

fn size(text: &str) -> std::result::Result<u64, String> {
    parse_size(text).ok_or_else(|| "a size is written like 5242880, 16MiB or 64MB".to_owned())
}

impl PutArgs {
    pub(super) async fn run(self, stop: CancellationToken) -> Result<()> {
        let alone = self.name.is_some() || self.external_id.is_some() || self.sha256.is_some();
        if alone && self.files.len() > 1 {
            return Err(Error::Usage("--name, --external-id and --sha256 require a single file".to_owned()));
        }
        let (api, reporter) = (self.server.api_client()?, self.server.reporter(self.files.len()));
        let journal = open_journal(&reporter);
        let uploader = FileUploader::new(api, reporter.clone(), journal, self.options(), stop);
        let outcome = tokio::select! {
            outcome = self.upload_files(&uploader, &reporter) => outcome,
            () = reporter.run_ticker() => Ok(()),
        };
        match &outcome {
            Ok(()) => uploader.mark_reported(),
            Err(Error::Interrupted | Error::Network { .. }) => print_resume_hint(&reporter, uploader.has_kept_bytes()),
            Err(_) => {}
        }
        outcome
    }

    fn options(&self) -> UploadOptions {
        let text = |(name, value): &(String, String)| (name.clone(), Value::String(value.clone()));
        UploadOptions {
            name: self.name.clone(),
            content_type: self.content_type.clone(),
            external_id: self.external_id.clone(),
            metadata: self.metadata.iter().map(text).collect::<Map<_, _>>(),
            part_size: self.part_size,
            sha256: self.sha256,
            resume: !self.no_resume,
            wait: !self.no_wait,
            concurrency: usize::from(self.concurrency),
            stall_timeout: self.stall_timeout.max(Duration::from_millis(100)),
        }
    }

    /// Uploads all files, as many at once as there are parts in flight.
    async fn upload_files(&self, uploader: &FileUploader, reporter: &ProgressReporter) -> Result<()> {
        let sending = self.files.iter().map(|file| async move { (file, uploader.upload_file(file).await) });
        let mut ends = stream::iter(sending).buffer_unordered(usize::from(self.concurrency));
        let (mut results, mut errors) = (Vec::new(), Vec::new());
        while let Some((file, end)) = ends.next().await {
            let name = file.display().to_string();
            match end {
                Ok(done) => {
                    self.print_result(reporter, &name, &done)?;
                    results.push(result_json(&name, &done));
                }
                Err(error) => {
                    results.push(json!({ "file": name, "error": error_as_json(&error) }));
                    if self.files.len() > 1 && !matches!(error, Error::Interrupted) {
                        reporter.print_error_line(&format!("gantry: {name}: {error}"));
                    }
                    errors.push(error);
                }
            }
        }
        let outcome = combine_outcomes(errors, self.files.len());
        if self.server.json {
            let code = outcome.as_ref().err().map_or(0, Error::exit_code);
            let line = json!({ "event": "result", "ok": code == 0, "exit_code": code, "files": results });
            reporter.print_result(&line.to_string())?;
        }
        outcome
    }

    fn print_result(&self, reporter: &ProgressReporter, name: &str, done: &UploadedFile) -> Result<()> {
        match (self.server.json, self.files.len()) {
            (true, _) => Ok(()),
            (_, 1) => reporter.print_result(&done.asset.id),
            _ => reporter.print_result(&format!("{}  {name}", done.asset.id)),
        }
    }
}

fn result_json(name: &str, done: &UploadedFile) -> Value {
    let asset = &done.asset;
    json!({
        "file": name, "asset": asset.id, "state": asset.state, "filename": asset.filename, "size": asset.size,
        "sha256": asset.sha256, "before": done.already_finished,
    })
}

/// The outcome of the command: the error of a single file, the error that all failed files share, or "partial".
pub(super) fn combine_outcomes(mut errors: Vec<Error>, total: usize) -> Result<()> {
    if let Some(at) = errors.iter().position(|error| matches!(error, Error::Interrupted)) {
        return Err(errors.swap_remove(at));
    }
    let failed = errors.len();
    let Some(first) = errors.pop() else { return Ok(()) };
    let alike = failed == total && errors.iter().all(|error| error.exit_code() == first.exit_code());
    Err(if alike { first } else { Error::Partial { failed, total } })
}

/// Opens the journal of unfinished uploads. Without a state directory, uploading works but resuming does not.
fn open_journal(reporter: &ProgressReporter) -> Option<UploadJournal> {
    let words: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let command = hex::encode(&Sha256::digest(words.join("\0"))[..8]);
    let opened = UploadJournal::default_dir().map(|dir| UploadJournal::open(dir, command, Arc::new(SystemClock)));
    match opened {
        Some(Ok(journal)) => {
            journal.remove_old();
            Some(journal)
        }
        Some(Err(error)) => {
            reporter.note(&format!("an interrupted upload cannot be resumed: {error}"));
            None
        }
        None => {
            reporter.note("an interrupted upload cannot be resumed: neither XDG_STATE_HOME nor HOME is set");
            None
        }
    }
}

fn print_resume_hint(reporter: &ProgressReporter, something_arrived: bool) {
    let words: Vec<String> = std::env::args_os().map(|word| quoted(&word.to_string_lossy())).collect();
    let what = if something_arrived {
        "The bytes that have arrived are kept. To continue, run the same command again:"
    } else {
        "Nothing has arrived yet. To try again, run the same command again:"
    };
    reporter.print_error_line(&format!("{what}\n  {}", words.join(" ")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_ends_make_one_exit_code() {
        let (network, integrity) = (|| Error::network("x"), || Error::Integrity("x".to_owned()));
        let code =
            |errors: Vec<Error>, total| combine_outcomes(errors, total).err().map_or(0, |error| error.exit_code());
        assert_eq!(code(vec![], 3), 0);
        assert_eq!(code(vec![integrity()], 1), 6);
        assert_eq!(code(vec![network()], 2), 7);
        assert_eq!(code(vec![network(), network()], 2), 8);
        assert_eq!(code(vec![network(), integrity()], 2), 7);
        assert_eq!(code(vec![network(), Error::Interrupted], 2), 130);
    }
}
