//! `gantry restore`: a point of a backup in the empty data directory of the settings.
//!
//! The marker stands in the directory from before the first file until all files are durable; [`prepare_data_dir`]
//! refuses a directory that has it.
//!
//! [`prepare_data_dir`]: super::data_dir::prepare_data_dir

use std::fs::{self, DirBuilder, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;

use super::backup::{CopyProgress, EmbeddedPlaces, KEY_FILES, ProgressSink};
use super::data_dir::RESTORE_MARKER;
use crate::backup::{
    BackupFolder, CopyAttributes, ManifestEntry, ManifestReader, PointHeader, copy_file, digest_file, sync_directory,
};
use crate::config::ServiceConfig;
use crate::crash;
use crate::domain::clock::Timestamp;

/// A point that was restored or checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RestoreReport {
    /// Name of the point.
    pub point: String,
    /// Instant of which it is the state.
    pub at: Timestamp,
    /// Assets that have bytes.
    pub assets: u64,
    /// Bytes of these assets.
    pub asset_bytes: u64,
    /// Uploads in flight.
    pub uploads: u64,
    /// Files of the point.
    pub files: u64,
    /// Bytes of the point.
    pub bytes: u64,
    /// Files that an interrupted restore had copied.
    pub kept_files: u64,
    /// Data files that were damaged in the store before they were backed up.
    pub damaged: Vec<String>,
}

impl RestoreReport {
    fn of(header: &PointHeader) -> Self {
        let PointHeader { point, at, assets, asset_bytes, uploads, .. } = header.clone();
        Self { point, at, assets, asset_bytes, uploads, files: 0, bytes: 0, kept_files: 0, damaged: Vec::new() }
    }
}

/// Reads every file of a point and compares it with the manifest. Changes nothing.
///
/// # Errors
/// A sentence that names the first file that is missing or differs.
pub fn check_backup(dir: &Path, point: Option<&str>, progress: ProgressSink<'_>) -> anyhow::Result<RestoreReport> {
    let folder = BackupFolder::open(dir)?;
    let point = folder.find_point(point)?;
    walk(&folder, &point, progress, |entry, file, _| {
        compare(entry, &digest_file(file)?, file)?;
        Ok(false)
    })
}

/// Restores a point into the data directory of the settings.
///
/// # Errors
/// A sentence for the operator. Nothing was written if the directory is not empty, or the manifest is damaged; otherwise
/// the directory is marked as half restored, and a further call continues.
pub fn restore_backup(
    config: &ServiceConfig,
    dir: &Path,
    point: Option<&str>,
    progress: ProgressSink<'_>,
) -> anyhow::Result<RestoreReport> {
    let places = EmbeddedPlaces::of(config)?;
    let folder = BackupFolder::open(dir)?;
    let point = folder.find_point(point)?;
    begin(&places, &point)?;
    let report = walk(&folder, &point, progress, |entry, file, count| {
        let to = places.place(&entry.name);
        let restored = restore_file(entry, file, &to, count);
        crash::point("restore_file_copied");
        restored
    })?;
    for dir in [Some(places.data_dir.as_path()), places.database.parent()].into_iter().flatten() {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        rustix::fs::syncfs(File::open(dir)?).with_context(|| format!("{} cannot be made durable", dir.display()))?;
    }
    crash::point("restore_durable");
    fs::remove_file(places.data_dir.join(RESTORE_MARKER))?;
    sync_directory(&places.data_dir)?;
    Ok(report)
}

/// Goes through the files of a point in order. `each` gets the entry, the file in the backup, and a receiver of the
/// bytes that it reads; it answers whether the file was there already.
fn walk(
    folder: &BackupFolder,
    point: &str,
    progress: ProgressSink<'_>,
    mut each: impl FnMut(&ManifestEntry, &Path, &mut dyn FnMut(u64)) -> anyhow::Result<bool>,
) -> anyhow::Result<RestoreReport> {
    let manifest = folder.manifest(point);
    let (header, totals) = ManifestReader::check(&manifest)?;
    let mut report = RestoreReport::of(&header);
    (report.files, report.bytes) = (totals.files, totals.bytes);
    let mut done = CopyProgress { of_files: totals.files, of_bytes: totals.bytes, ..CopyProgress::default() };
    let mut reader = ManifestReader::open(&manifest)?;
    let mut before = 0;
    while let Some(entry) = reader.next_entry()? {
        let file = folder.file(point, &entry.name);
        let mut count = |bytes| {
            done.bytes += bytes;
            progress(done);
        };
        report.kept_files += u64::from(each(&entry, &file, &mut count)?);
        if entry.damaged {
            report.damaged.push(entry.name.clone());
        }
        before += entry.size;
        (done.files, done.bytes) = (done.files + 1, before);
        progress(done);
    }
    Ok(report)
}

fn compare(entry: &ManifestEntry, read: &crate::backup::CopiedFile, file: &Path) -> anyhow::Result<()> {
    ensure!(
        read.size == entry.size && read.sha256 == entry.sha256,
        "{} is damaged: it differs from the manifest. Restore another point (--point), or put the file back",
        file.display()
    );
    Ok(())
}

/// Copies a file unless it is there; true if it was there.
fn restore_file(entry: &ManifestEntry, from: &Path, to: &Path, count: &mut dyn FnMut(u64)) -> anyhow::Result<bool> {
    if fs::metadata(to).is_ok_and(|found| found.len() == entry.size) && digest_file(to)?.sha256 == entry.sha256 {
        return Ok(true);
    }
    let dir = to.parent().unwrap_or(to);
    fs::create_dir_all(dir).with_context(|| format!("{} cannot be created", dir.display()))?;
    // A proxy may read data files; all other files are the service's alone.
    let mode = if entry.is_data() { 0o666 } else { 0o600 };
    compare(entry, &copy_file(from, to, CopyAttributes { mode, durable: false }, count)?, from)?;
    Ok(false)
}

/// Makes the directory one that is being restored.
fn begin(places: &EmbeddedPlaces, point: &str) -> anyhow::Result<()> {
    let (dir, marker) = (&places.data_dir, places.data_dir.join(RESTORE_MARKER));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("the data directory {} cannot be created", dir.display()))?;
    match fs::read_to_string(&marker) {
        Ok(other) if other.trim() == point => return Ok(()),
        Ok(_) => clear(places)?,
        Err(error) if error.kind() == ErrorKind::NotFound => refuse_used(places)?,
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", marker.display())),
    }
    let mut file = File::create(&marker).with_context(|| format!("{} cannot be written", marker.display()))?;
    writeln!(file, "{point}")?;
    file.sync_all()?;
    sync_directory(dir)
}

/// Refuses a directory that holds anything.
fn refuse_used(places: &EmbeddedPlaces) -> anyhow::Result<()> {
    let dir = places.data_dir.display();
    for entry in fs::read_dir(&places.data_dir).with_context(|| format!("{dir} cannot be read"))? {
        let name = entry?.file_name();
        if name != "lost+found" {
            bail!(
                "the data directory {dir} is not empty: it holds {}. Stop the service and move the directory away, or set \
                 GANTRY_DATA_DIR to another one",
                name.display()
            );
        }
    }
    ensure!(!places.database.exists(), "{} exists: move it away first", places.database.display());
    Ok(())
}

/// Removes what the restore of another point has written.
fn clear(places: &EmbeddedPlaces) -> anyhow::Result<()> {
    let ignore_missing = |removed: std::io::Result<()>| match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    ignore_missing(fs::remove_dir_all(&places.store))?;
    let keys = KEY_FILES.map(|key| places.data_dir.join(key));
    let files: Vec<PathBuf> = keys.into_iter().chain([places.database.clone()]).collect();
    for file in files {
        ignore_missing(fs::remove_file(file))?;
    }
    Ok(())
}
