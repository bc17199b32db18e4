//! `gantry backup`: a point of the running embedded instance; the format and its guarantees are in [`crate::backup`].

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;

use super::data_dir::prepare_data_dir;
use crate::backup::{
    BackupFolder, ManifestEntry, ManifestReader, ManifestWriter, PointHeader, UnfinishedPoint, copy_file, cut_together,
    digest_file, open_copy, prune_points,
};
use crate::blob::embedded::{RemovalLock, SavedFile, SavedFiles};
use crate::config::{DatabaseConfig, ServiceConfig, StoreConfig};
use crate::crash;
use crate::domain::clock::{Clock as _, SystemClock, Timestamp};

/// Keys in the data directory that a point has. The first admin key is its holder's.
pub(super) const KEY_FILES: [&str; 2] = ["signing.key", "store.key"];
/// Mode of every file in a backup.
const PRIVATE_FILE_MODE: u32 = 0o600;

/// Places of an embedded instance.
pub(super) struct EmbeddedPlaces {
    /// The database.
    pub(super) database: PathBuf,
    /// Directory of the store.
    pub(super) store: PathBuf,
    /// The data directory.
    pub(super) data_dir: PathBuf,
}

impl EmbeddedPlaces {
    /// The places from the settings.
    ///
    /// # Errors
    /// A sentence with what to do, if rows or bytes are elsewhere.
    pub(super) fn of(config: &ServiceConfig) -> anyhow::Result<Self> {
        let (DatabaseConfig::Sqlite(database), StoreConfig::Embedded { .. }) = (&config.database, &config.store) else {
            bail!(
                "this command is for the embedded database with the embedded store: copy PostgreSQL with pg_dump or \
                 point-in-time recovery first, and keep the versions of the bucket's objects for longer than these copies, \
                 as the guide says at /docs/backup"
            )
        };
        let data_dir = config.data_dir.clone();
        Ok(Self { database: database.clone(), store: data_dir.join("store"), data_dir })
    }

    /// Path for a file of a manifest, by its name.
    pub(super) fn place(&self, name: &str) -> PathBuf {
        match name {
            "gantry.db" => self.database.clone(),
            "store.db" => self.store.join("meta.db"),
            data if data.contains('/') => self.store.join(data),
            key => self.data_dir.join(key),
        }
    }
}

/// Progress of a copy.
#[derive(Clone, Copy, Debug, Default)]
pub struct CopyProgress {
    /// Files done.
    pub files: u64,
    /// Bytes done.
    pub bytes: u64,
    /// All files.
    pub of_files: u64,
    /// Bytes of all files.
    pub of_bytes: u64,
}

/// Receiver of progress.
pub type ProgressSink<'a> = &'a mut dyn FnMut(CopyProgress);

/// A point that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackupReport {
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
    /// Files that were copied now.
    pub copied_files: u64,
    /// Bytes that were copied now.
    pub copied_bytes: u64,
    /// Data files that earlier backups had copied.
    pub reused_files: u64,
    /// Data files that are missing in the store, or differ from their checksums there, each with what it belongs to.
    pub damaged: Vec<String>,
    /// Old points that were removed.
    pub removed_points: u64,
}

/// Writes a new point to the folder, and removes all but the newest `keep` points.
///
/// # Errors
/// A sentence for the operator; earlier points are as they were.
pub fn create_backup(
    config: &ServiceConfig,
    dir: &Path,
    keep: Option<usize>,
    progress: ProgressSink<'_>,
) -> anyhow::Result<BackupReport> {
    let places = EmbeddedPlaces::of(config)?;
    ensure!(
        places.database.is_file() && places.store.join("meta.db").is_file(),
        "there is nothing to back up in {}: no service was started with these settings",
        places.data_dir.display()
    );
    prepare_data_dir(config)?;
    refuse_nested(&places, dir)?;
    let folder = BackupFolder::create(dir)?;
    // Held until the last file is copied.
    let kept = RemovalLock::keep_files(&places.store).context("the store cannot be locked")?;
    let (rows, metadata) = cut_together(&places.database, &places.store.join("meta.db"))?;
    let at = SystemClock.now();
    let name = folder.free_name(at);
    let point = folder.begin_point()?;
    rows.copy_to(&point.dir.join("gantry.db"))?;
    metadata.copy_to(&point.dir.join("store.db"))?;
    drop((rows, metadata));
    let mut header = PointHeader::new(name.clone(), at);
    describe(&point.dir.join("gantry.db"), &mut header)?;
    let mut writing = PointWriter::begin(&folder, &places, &point, &header, progress)?;
    writing.add_point_files()?;
    writing.add_data_files()?;
    let PointWriter { manifest, mut report, .. } = writing;
    let totals = manifest.finish()?;
    (report.files, report.bytes) = (totals.files, totals.bytes);
    point.finish(&name)?;
    drop(kept);
    if let Some(keep) = keep {
        report.removed_points = prune_points(&folder, keep)?.points;
    }
    Ok(report)
}

/// Refuses a folder that would be lost together with what it keeps.
fn refuse_nested(places: &EmbeddedPlaces, dir: &Path) -> anyhow::Result<()> {
    let (data, dir) = (std::path::absolute(&places.data_dir)?, std::path::absolute(dir)?);
    let (data, dir) = (data.canonicalize().unwrap_or(data), dir.canonicalize().unwrap_or(dir));
    ensure!(
        !dir.starts_with(&data) && !data.starts_with(&dir),
        "{} and the data directory {} are not apart: name a folder elsewhere, best on another disk",
        dir.display(),
        data.display()
    );
    Ok(())
}

/// Reads numbers about the instance from the copy of its rows.
fn describe(copy: &Path, header: &mut PointHeader) -> anyhow::Result<()> {
    let rows = open_copy(copy)?;
    let number = |sql: &str| rows.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned);
    const KEPT: &str = "FROM asset_count WHERE state IN ('stored', 'processing', 'ready', 'failed', 'rejected')";
    header.assets = number(&format!("SELECT coalesce(sum(files), 0) {KEPT}"))?;
    header.asset_bytes = number(&format!("SELECT coalesce(sum(bytes), 0) {KEPT}"))?;
    header.uploads = number("SELECT count(*) FROM upload WHERE state IN ('open', 'completing')")?;
    let instance = rows.query_row("SELECT value FROM setting WHERE name = 'instance'", [], |row| row.get(0));
    header.instance = instance.ok();
    Ok(())
}

/// A point whose files are being copied.
struct PointWriter<'a> {
    folder: &'a BackupFolder,
    places: &'a EmbeddedPlaces,
    dir: PathBuf,
    manifest: ManifestWriter,
    report: BackupReport,
    progress: ProgressSink<'a>,
    done: CopyProgress,
}

impl<'a> PointWriter<'a> {
    fn begin(
        folder: &'a BackupFolder,
        places: &'a EmbeddedPlaces,
        point: &UnfinishedPoint<'_>,
        header: &PointHeader,
        progress: ProgressSink<'a>,
    ) -> anyhow::Result<Self> {
        let PointHeader { point: name, at, assets, asset_bytes, uploads, .. } = header.clone();
        let report = BackupReport {
            point: name,
            at,
            assets,
            asset_bytes,
            uploads,
            files: 0,
            bytes: 0,
            copied_files: 0,
            copied_bytes: 0,
            reused_files: 0,
            damaged: Vec::new(),
            removed_points: 0,
        };
        let manifest = ManifestWriter::create(&point.manifest(), header)?;
        Ok(Self { folder, places, dir: point.dir.clone(), manifest, report, progress, done: CopyProgress::default() })
    }

    /// Adds both databases, which are copied already, and the keys, in the order of their names.
    fn add_point_files(&mut self) -> anyhow::Result<()> {
        for key in KEY_FILES {
            let from = self.places.data_dir.join(key);
            // A key from the settings is kept where these are.
            if from.exists() {
                copy_file(&from, &self.dir.join(key), PRIVATE_FILE_MODE, |_| {})?;
            }
        }
        for name in ["gantry.db", "signing.key", "store.db", "store.key"] {
            let file = self.dir.join(name);
            if file.exists() {
                set_private(&file)?;
                let copied = digest_file(&file)?;
                self.report.copied_files += 1;
                self.report.copied_bytes += copied.size;
                let entry =
                    ManifestEntry { name: name.to_owned(), size: copied.size, sha256: copied.sha256, damaged: false };
                self.manifest.add(&entry)?;
            }
        }
        Ok(())
    }

    /// Adds the data files that the copy of the metadata names.
    fn add_data_files(&mut self) -> anyhow::Result<()> {
        let files = SavedFiles::of(open_copy(&self.dir.join("store.db"))?);
        let mut earlier = EarlierFiles::open(self.folder)?;
        (self.done.of_files, self.done.of_bytes) = files.count()?;
        files.for_each(|file| {
            let name = ManifestEntry::data_name(&file.id);
            let entry = match earlier.take(&name)?.filter(|known| self.is_kept(known)) {
                Some(known) => {
                    self.report.reused_files += 1;
                    self.done.bytes += known.size;
                    known
                }
                None => match self.copy_data_file(&file, name) {
                    Ok(Some(entry)) => entry,
                    Ok(None) => {
                        self.report.damaged.push(tell_file(&files, &file, "is missing"));
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                },
            };
            if entry.damaged {
                self.report.damaged.push(tell_file(&files, &file, "differs from its checksum"));
            }
            self.manifest.add(&entry)?;
            self.done.files += 1;
            (self.progress)(self.done);
            crash::point("backup_file_copied");
            Ok(())
        })
    }

    /// True if the folder has this file of an earlier point, undamaged.
    fn is_kept(&self, known: &ManifestEntry) -> bool {
        let found = std::fs::metadata(self.folder.file(&known.name, &known.name));
        !known.damaged && found.is_ok_and(|found| found.len() == known.size)
    }

    /// Copies a data file, unless a killed backup has; `None` if the store does not have it.
    fn copy_data_file(&mut self, file: &SavedFile, name: String) -> anyhow::Result<Option<ManifestEntry>> {
        let (from, to) = (self.places.place(&name), self.folder.path().join(&name));
        let entry = |copied: crate::backup::CopiedFile| {
            let damaged = copied.size != file.size || copied.md5 != file.md5;
            ManifestEntry { name, size: copied.size, sha256: copied.sha256, damaged }
        };
        if to.exists() {
            let left = digest_file(&to)?;
            if left.size == file.size && left.md5 == file.md5 {
                self.report.reused_files += 1;
                self.done.bytes += left.size;
                return Ok(Some(entry(left)));
            }
        }
        if !from.exists() {
            return Ok(None);
        }
        std::fs::create_dir_all(to.parent().unwrap_or(&to))?;
        let (done, progress) = (&mut self.done, &mut self.progress);
        let copied = copy_file(&from, &to, PRIVATE_FILE_MODE, |bytes| {
            done.bytes += bytes;
            progress(*done);
        })?;
        self.report.copied_files += 1;
        self.report.copied_bytes += copied.size;
        Ok(Some(entry(copied)))
    }
}

fn set_private(file: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::set_permissions(file, std::fs::Permissions::from_mode(PRIVATE_FILE_MODE))?)
}

fn tell_file(files: &SavedFiles, file: &SavedFile, what: &str) -> String {
    format!("{} of {} {what}", file.id, files.keys_of(&file.id).join(", "))
}

/// Data files of the newest point, read beside the files of the new point in the same order.
struct EarlierFiles(Option<(ManifestReader, Option<ManifestEntry>)>);

impl EarlierFiles {
    fn open(folder: &BackupFolder) -> anyhow::Result<Self> {
        let Some(newest) = folder.list_points()?.pop() else { return Ok(Self(None)) };
        let manifest = folder.manifest(&newest);
        // A manifest that cannot be relied upon spares no copy.
        match ManifestReader::check(&manifest) {
            Ok(_) => Ok(Self(Some((ManifestReader::open(&manifest)?, None)))),
            Err(error) => {
                tracing::warn!(error = %format!("{error:#}"), "a point of this backup cannot be used");
                Ok(Self(None))
            }
        }
    }

    /// The entry of this name. Names are asked for in order.
    fn take(&mut self, name: &str) -> anyhow::Result<Option<ManifestEntry>> {
        let Some((reader, next)) = &mut self.0 else { return Ok(None) };
        loop {
            if next.is_none() {
                *next = reader.next_entry()?;
            }
            match next {
                None => return Ok(None),
                Some(entry) if entry.is_data() && entry.name.as_str() > name => return Ok(None),
                Some(entry) if entry.name == name => return Ok(next.take()),
                Some(_) => *next = None,
            }
        }
    }
}
