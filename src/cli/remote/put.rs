//! `gantry put`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::results::ResultLog;
use super::server_args::ServerArgs;
use super::transfer_args::{TransferArgs, open_journal};
use crate::cli::assignment;
use crate::client::error::{Error, Result};
use crate::client::format::{self, quoted};
use crate::client::progress::{ProgressReporter, TransferPlan};
use crate::client::tree::{FileTree, TreeFile, find_files};
use crate::client::upload::{FileUploader, IfExists, StreamUploader, UploadItem, UploadOptions, UploadedFile};
use crate::config::units::parse_size;
use crate::domain::checksum::Sha256Digest;

pub(super) const HELP: &str = "\
Prints the asset's id; for several files, the id and the file's name, line by line as they finish.

An upload that was cut off, by Ctrl-C, a crash or a lost network, goes on when the same command runs again: parts that
the server has are not sent twice. What is unfinished is remembered in $XDG_STATE_HOME/gantry (~/.local/state/gantry).
For ten minutes after it has succeeded, the same command for the same unchanged files prints the same assets again: one
that is killed in its last instant sends nothing twice. With --no-resume, they are sent anew.

Files of a folder keep their path, with the folder's name in front, in the property `path`. Standard input (-) is sent
as it comes; a lost network is waited for, but when the command ends before the input does, nothing is kept.

The key comes from GANTRY_API_KEY, from the file named by GANTRY_API_KEY_FILE, or from `gantry login`.

Examples:
  gantry put disk.img
  gantry put -r photos --exclude '*.tmp' --limit-rate 10MiB/s
  pg_dump shop | gzip | gantry put - --name shop.sql.gz
  id=$(gantry put --quiet --metadata case=4711 report.pdf)
  gantry put --json *.mp4 | jq -r 'select(.event == \"ready\") | .asset'

`gantry help exit-codes` explains the exit codes.";

/// Name of an asset that is made of standard input, if none is given.
const STDIN_NAME: &str = "stdin";

#[derive(Args)]
pub(in crate::cli) struct PutArgs {
    /// Files to upload; with -r also folders; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Upload what is in folders, with its paths.
    #[arg(long, short)]
    recursive: bool,
    /// Name of the asset instead of the file's (single file only).
    #[arg(long)]
    name: Option<String>,
    /// Handling of a file whose name, in a folder whose path, an asset has.
    #[arg(long, value_name = "WHAT", default_value = "new")]
    if_exists: IfExistsArg,
    /// The type to declare; the service detects the real type.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// A property to keep with the asset; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    metadata: Vec<(String, String)>,
    /// External id of the asset, by which an open upload is found again (single file only).
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    /// Expected SHA-256 of the file, without which it is not kept (single file only).
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    sha256: Option<Sha256Digest>,
    /// Size of a part, like 16MiB [default: the server chooses].
    #[arg(long, value_name = "SIZE", value_parser = size)]
    part_size: Option<u64>,
    #[command(flatten)]
    transfer: TransferArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum IfExistsArg {
    /// Send nothing, and print the existing asset.
    Skip,
    /// Send nothing, and fail.
    Fail,
    /// Make another asset of this name.
    New,
}

impl From<IfExistsArg> for IfExists {
    fn from(arg: IfExistsArg) -> Self {
        match arg {
            IfExistsArg::Skip => Self::Skip,
            IfExistsArg::Fail => Self::Fail,
            IfExistsArg::New => Self::New,
        }
    }
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
        if alone && (self.files.len() > 1 || self.recursive) {
            return Err(Error::Usage("--name, --external-id and --sha256 require a single file".to_owned()));
        }
        if self.files.iter().any(|file| file.as_os_str() == "-") {
            return self.upload_stdin(stop).await;
        }
        let tree = find_files(&self.files, self.recursive, &self.transfer.filter()?)?;
        let items: Vec<UploadItem> = tree.files.iter().map(|file| self.item(file)).collect();
        let bytes = items.iter().map(|item| item.size).sum();
        if self.transfer.dry_run {
            return self.describe_plan(tree, &items, bytes).await;
        }
        let total = items.len() + tree.failures.len();
        let (api, reporter) = self.server.connect(TransferPlan { files: total, bytes })?;
        note_left_out(&reporter, &tree, total);
        let uploader = FileUploader::new(api, reporter.clone(), open_journal(&reporter), self.options(total), stop);
        let mut log = ResultLog::new(&reporter, self.server.json, self.server.quiet, total);
        for (path, error) in tree.failures {
            log.fail(&path.display().to_string(), error);
        }
        let outcome = tokio::select! {
            sent = uploader.upload_files(&items, |item, end| log.add(item, end)) => sent,
            () = reporter.run_ticker() => Ok(()),
        };
        let outcome = outcome.and(log.finish());
        match &outcome {
            Ok(()) => uploader.mark_reported(),
            Err(Error::Interrupted | Error::Network { .. }) => print_resume_hint(&reporter, uploader.has_kept_bytes()),
            Err(_) => {}
        }
        outcome
    }

    /// A file as it is to be uploaded: in a folder by its path there.
    fn item(&self, file: &TreeFile) -> UploadItem {
        let mut item = UploadItem { path: file.path.clone(), size: file.size, ..UploadItem::default() };
        let Some(relative) = &file.relative else {
            item.label = file.path.to_string_lossy().into_owned();
            item.name.clone_from(&self.name);
            return item;
        };
        item.label.clone_from(relative);
        let name = relative.rsplit('/').next().unwrap_or(relative);
        item.name = Some(name.to_owned());
        if name != relative {
            item.metadata.insert("path".to_owned(), relative.as_str().into());
        }
        item
    }

    fn options(&self, files: usize) -> UploadOptions {
        let text = |(name, value): &(String, String)| (name.clone(), Value::String(value.clone()));
        UploadOptions {
            content_type: self.content_type.clone(),
            external_id: self.external_id.clone(),
            metadata: self.metadata.iter().map(text).collect::<Map<_, _>>(),
            part_size: self.part_size,
            sha256: self.sha256,
            if_exists: self.if_exists.into(),
            ..self.transfer.upload_options(files)
        }
    }

    /// Says what would be sent.
    async fn describe_plan(&self, tree: FileTree, items: &[UploadItem], bytes: u64) -> Result<()> {
        let total = items.len() + tree.failures.len();
        let reporter = self.server.reporter(TransferPlan::default());
        let known = match self.if_exists {
            IfExistsArg::New => None,
            IfExistsArg::Skip | IfExistsArg::Fail => Some(self.server.connect_for_requests()?.0),
        };
        let mut log = ResultLog::new(&reporter, self.server.json, self.server.quiet, total);
        let (mut sent, mut left) = (items.len(), bytes);
        for item in items {
            let name = item.name.clone().or_else(|| Some(item.path.file_name()?.to_str()?.to_owned()));
            let path = item.metadata.get("path").and_then(Value::as_str);
            let existing = match (&known, name) {
                (Some(api), Some(name)) => api.find_asset_by_name(&name, path, &reporter).await?,
                _ => None,
            };
            if let Some(asset) = &existing {
                (sent, left) = (sent - 1, left - item.size);
                if self.if_exists == IfExistsArg::Fail {
                    log.fail(&item.label, Error::Other(format!("an asset has this name: {}", asset.id).into()));
                    continue;
                }
            }
            self.print_planned(&reporter, &mut log, item, existing.as_ref().map(|asset| asset.id.as_str()))?;
        }
        for (path, error) in tree.failures {
            log.fail(&path.display().to_string(), error);
        }
        if !self.server.json && !self.server.quiet {
            reporter.print_error_line(&format!("{sent} of {total} files would be sent ({})", format::size(left)));
        }
        log.finish()
    }

    fn print_planned(
        &self,
        reporter: &ProgressReporter,
        log: &mut ResultLog<'_>,
        item: &UploadItem,
        existing: Option<&str>,
    ) -> Result<()> {
        if self.server.json {
            log.push_json(
                json!({ "file": item.label, "size": item.size, "would_send": existing.is_none(), "asset": existing }),
            );
            return Ok(());
        }
        let what = existing.map_or_else(|| format::size(item.size), |_| "exists".to_owned());
        reporter.print_result(&format!("{what:>10}  {}", format::shown(&item.label)))
    }

    async fn upload_stdin(&self, stop: CancellationToken) -> Result<()> {
        if self.files.len() > 1 || self.recursive {
            return Err(Error::Usage("standard input (-) is sent alone".to_owned()));
        }
        if self.external_id.is_some() || self.part_size.is_some() {
            return Err(Error::Usage("--external-id and --part-size require a file, not standard input".to_owned()));
        }
        let (api, reporter) = self.server.connect(TransferPlan { files: 1, bytes: 0 })?;
        let name = self.name.as_deref().unwrap_or(STDIN_NAME);
        if self.name.is_none() {
            reporter.note(&format!("standard input is kept under the name \"{STDIN_NAME}\"; --name gives it another"));
        }
        let item = UploadItem { label: "-".to_owned(), ..UploadItem::default() };
        let mut log = ResultLog::new(&reporter, self.server.json, self.server.quiet, 1);
        let existing = match self.if_exists {
            IfExistsArg::New => None,
            IfExistsArg::Skip | IfExistsArg::Fail => api.find_asset_by_name(name, None, &reporter).await?,
        };
        if self.transfer.dry_run {
            let existing = existing.as_ref().map(|asset| asset.id.as_str());
            self.print_planned(&reporter, &mut log, &UploadItem { label: name.to_owned(), ..item }, existing)?;
            return log.finish();
        }
        let end = match existing {
            Some(asset) if self.if_exists == IfExistsArg::Fail => {
                Err(Error::Other(format!("an asset has the name \"{}\": {}", format::shown(name), asset.id).into()))
            }
            Some(asset) => Ok(UploadedFile { asset, already_finished: false, existed: true }),
            None => {
                let uploader = StreamUploader::new(api, reporter.clone(), self.options(1), stop);
                tokio::select! {
                    sent = uploader.upload(std::io::stdin(), name) => {
                        sent.map(|asset| UploadedFile { asset, already_finished: false, existed: false })
                    }
                    () = reporter.run_ticker() => Err(Error::Interrupted),
                }
            }
        };
        log.add(&item, end)?;
        log.finish()
    }
}

/// Says what is in folders and cannot become an asset.
fn note_left_out(reporter: &ProgressReporter, tree: &FileTree, total: usize) {
    if tree.empty_folders > 0 {
        reporter.note(&format!("{} empty folders are left out: an asset is a file", tree.empty_folders));
    }
    if tree.special_files > 0 {
        reporter.note(&format!("{} pipes, devices and links to folders are left out", tree.special_files));
    }
    if total == 0 {
        reporter.note("there is no file to send");
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
