//! `gantry sync`: a folder to the service, one way.
//!
//! Assets of a synchronised folder carry its name (`sync`), their path and the time of the file's last change in their
//! metadata. A file is unchanged if size and time, or size and SHA-256, are those of the newest asset with its path.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::results::{ResultLog, with_name};
use super::server_args::ServerArgs;
use super::transfer_args::{TransferArgs, open_journal};
use crate::client::api::ApiClient;
use crate::client::calls::ASSETS_PER_PAGE;
use crate::client::error::{Error, Result};
use crate::client::format;
use crate::client::progress::{ProgressReporter, TransferPlan};
use crate::client::tree::{PathFilter, TreeFile, find_files_below, folder_name};
use crate::client::upload::{FileUploader, UploadItem};

pub(super) const HELP: &str = "\
Sends files that are new or have changed, and prints their assets' ids. Files are compared with the newest asset of
their path: the same size and time of change, or the same size and SHA-256, mean the same file. An asset that was
replaced, or whose file is gone, stays until --delete --yes removes it.

Examples:
  gantry sync photos --dry-run
  gantry sync /srv/backup --as backup-of-web1 --exclude '*.tmp'
  gantry sync photos --delete --yes

`gantry help exit-codes` explains the exit codes.";

/// Members of metadata by which assets of a folder are found and compared.
const FOLDER_MEMBER: &str = "sync";
const PATH_MEMBER: &str = "path";
const TIME_MEMBER: &str = "mtime_ns";

#[derive(Args)]
pub(in crate::cli) struct SyncArgs {
    /// The folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Name under which the service knows the folder [default: its own name].
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    /// Compare the SHA-256 even if size and time are the same.
    #[arg(long)]
    checksum: bool,
    /// Also remove assets that were replaced, or whose file is gone; requires --yes or --dry-run.
    #[arg(long)]
    delete: bool,
    /// Remove without asking.
    #[arg(long, requires = "delete")]
    yes: bool,
    #[command(flatten)]
    transfer: TransferArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// An asset of the folder.
struct RemoteFile {
    id: String,
    size: u64,
    sha256: Option<String>,
    modified: Option<String>,
}

/// Work that the comparison has found.
struct SyncPlan {
    changed: Vec<TreeFile>,
    unchanged: usize,
    /// Assets that no file stands for, with their paths.
    surplus: Vec<(String, String)>,
}

impl SyncArgs {
    pub(super) async fn run(self, stop: CancellationToken) -> Result<()> {
        if self.delete && !self.yes && !self.transfer.dry_run {
            let why = "--delete removes assets for good: add --yes, or look first with --dry-run";
            return Err(Error::Usage(why.to_owned()));
        }
        let name = self.name_of_folder()?;
        let filter = self.transfer.filter()?;
        let tree = find_files_below(&self.folder, &filter);
        let (api, reporter) = self.server.connect_for_requests()?;
        let remote = load_remote(&api, &reporter, &name).await?;
        let plan = self.compare(tree.files, remote, &filter).await?;
        let total = plan.changed.len() + tree.failures.len();
        if self.transfer.dry_run {
            return self.describe_plan(&reporter, &plan);
        }
        drop(reporter);
        let items: Vec<UploadItem> = plan.changed.iter().map(|file| item(file, &name)).collect();
        let bytes = items.iter().map(|item| item.size).sum();
        let (api, reporter) = self.server.connect(TransferPlan { files: total, bytes })?;
        let options = self.transfer.upload_options(total);
        let uploader = FileUploader::new(api.clone(), reporter.clone(), open_journal(&reporter), options, stop);
        let mut log = ResultLog::new(&reporter, self.server.json, self.server.quiet, total);
        let unreadable = tree.failures.len();
        for (path, error) in tree.failures {
            log.fail(&path.display().to_string(), error);
        }
        let sent = tokio::select! {
            sent = uploader.upload_files(&items, |item, end| log.add(item, end)) => sent,
            () = reporter.run_ticker() => Ok(()),
        };
        let outcome = sent.and(log.finish());
        if outcome.is_ok() {
            uploader.mark_reported();
        }
        // Without every file, a surplus cannot be told from a file that could not be read or sent.
        let removed = if self.delete && outcome.is_ok() && unreadable == 0 {
            remove_surplus(&api, &reporter, &plan.surplus).await?
        } else {
            0
        };
        if !self.server.json && !self.server.quiet && outcome.is_ok() {
            let sent = plan.changed.len();
            reporter.print_error_line(&format!("{sent} sent, {} unchanged, {removed} removed", plan.unchanged));
        }
        outcome
    }

    fn name_of_folder(&self) -> Result<String> {
        let folder = self.folder.canonicalize().map_err(Error::local(&self.folder))?;
        if !folder.is_dir() {
            return Err(Error::Usage(format!("{}: not a directory", self.folder.display())));
        }
        let own = || folder_name(&folder).map(str::to_owned);
        let missing = || Error::Usage(format!("{}: has no name of its own; --as gives it one", self.folder.display()));
        self.name.clone().or_else(own).ok_or_else(missing)
    }

    /// Compares files with assets, of each path the newest first.
    async fn compare(
        &self,
        files: Vec<TreeFile>,
        mut remote: BTreeMap<String, Vec<RemoteFile>>,
        filter: &PathFilter,
    ) -> Result<SyncPlan> {
        let mut plan = SyncPlan { changed: Vec::new(), unchanged: 0, surplus: Vec::new() };
        for file in files {
            let path = file.relative.clone().unwrap_or_default();
            let mut known = remote.remove(&path).unwrap_or_default().into_iter();
            match known.next() {
                Some(newest) if self.is_unchanged(&file, &newest).await? => plan.unchanged += 1,
                newest => {
                    plan.surplus.extend(newest.map(|replaced| (replaced.id, path.clone())));
                    plan.changed.push(file);
                }
            }
            plan.surplus.extend(known.map(|replaced| (replaced.id, path.clone())));
        }
        // Files that the patterns leave out are none that are gone.
        let gone = remote.into_iter().filter(|(path, _)| filter.admits_file(path));
        plan.surplus.extend(gone.flat_map(|(path, assets)| {
            assets.into_iter().map(move |asset| (asset.id, path.clone())).collect::<Vec<_>>()
        }));
        Ok(plan)
    }

    async fn is_unchanged(&self, file: &TreeFile, asset: &RemoteFile) -> Result<bool> {
        if file.size != asset.size {
            return Ok(false);
        }
        let same_time = asset.modified.as_deref() == Some(file.modified_ns.to_string().as_str());
        if same_time && !self.checksum {
            return Ok(true);
        }
        let Some(known) = asset.sha256.clone() else { return Ok(false) };
        let path = file.path.clone();
        let hashed = tokio::task::spawn_blocking(move || hash_file(&path)).await.map_err(|_| Error::Interrupted)?;
        Ok(hashed? == known)
    }

    fn describe_plan(&self, reporter: &ProgressReporter, plan: &SyncPlan) -> Result<()> {
        let surplus = if self.delete { plan.surplus.as_slice() } else { &[] };
        let sent = plan.changed.iter().map(|file| ("send", file.relative.as_deref().unwrap_or_default(), file.size));
        for (what, path, size) in sent {
            reporter.print_result(&if self.server.json {
                json!({ "would": what, "path": path, "size": size }).to_string()
            } else {
                format!("send    {:>10}  {}", format::size(size), format::shown(path))
            })?;
        }
        for (id, path) in surplus {
            reporter.print_result(&if self.server.json {
                json!({ "would": "remove", "path": path, "asset": id }).to_string()
            } else {
                format!("remove  {:>10}  {}  {id}", "", format::shown(path))
            })?;
        }
        if !self.server.json && !self.server.quiet {
            let (sent, unchanged, removed) = (plan.changed.len(), plan.unchanged, surplus.len());
            let line = format!("{sent} would be sent, {unchanged} are unchanged, {removed} would be removed");
            reporter.print_error_line(&line);
        }
        Ok(())
    }
}

fn item(file: &TreeFile, folder: &str) -> UploadItem {
    let path = file.relative.clone().unwrap_or_default();
    let mut item = UploadItem { path: file.path.clone(), size: file.size, ..UploadItem::default() };
    item.name = path.rsplit('/').next().map(str::to_owned);
    item.metadata.insert(FOLDER_MEMBER.to_owned(), folder.into());
    item.metadata.insert(TIME_MEMBER.to_owned(), file.modified_ns.to_string().into());
    item.metadata.insert(PATH_MEMBER.to_owned(), path.as_str().into());
    item.label = path;
    item
}

/// Assets of the folder whose bytes are there, by path, the newest first.
async fn load_remote(
    api: &ApiClient,
    reporter: &ProgressReporter,
    folder: &str,
) -> Result<BTreeMap<String, Vec<RemoteFile>>> {
    let mut query = vec![
        (format!("metadata.{FOLDER_MEMBER}"), folder.to_owned()),
        ("limit".to_owned(), ASSETS_PER_PAGE.to_string()),
    ];
    let mut found: BTreeMap<String, Vec<RemoteFile>> = BTreeMap::new();
    loop {
        let page = api.list_assets(&query, reporter).await?;
        for asset in &page.assets {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            let there = matches!(asset["state"].as_str(), Some("stored" | "processing" | "ready"));
            let (Some(path), Some(id), true) = (text(&asset["metadata"][PATH_MEMBER]), text(&asset["id"]), there)
            else {
                continue;
            };
            let (size, sha256) = (asset["size"].as_u64().unwrap_or(0), text(&asset["sha256"]));
            let file = RemoteFile { id, size, sha256, modified: text(&asset["metadata"][TIME_MEMBER]) };
            found.entry(path).or_default().push(file);
        }
        let Some(next) = page.next else { return Ok(found) };
        query.truncate(2);
        query.push(("cursor".to_owned(), next));
    }
}

async fn remove_surplus(api: &ApiClient, reporter: &ProgressReporter, surplus: &[(String, String)]) -> Result<usize> {
    let mut failed = 0;
    for (id, path) in surplus {
        match api.delete_asset(id, reporter).await {
            Ok(()) | Err(Error::NotFound(_)) => {}
            Err(error @ (Error::Denied(_) | Error::Network { .. })) => return Err(error),
            Err(error) => {
                reporter.print_error_line(&format!("gantry: {}", with_name(path, &error)));
                failed += 1;
            }
        }
    }
    if failed == 0 { Ok(surplus.len()) } else { Err(Error::Partial { failed, total: surplus.len() }) }
}

fn hash_file(path: &Path) -> Result<String> {
    let mut file = std::fs::File::open(path).map_err(Error::local(path))?;
    let mut hasher = Sha256::new();
    std::io::copy(&mut file, &mut HashWriter(&mut hasher)).map_err(Error::local(path))?;
    Ok(hex::encode(hasher.finalize()))
}

/// A writer that hashes what is written.
struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
