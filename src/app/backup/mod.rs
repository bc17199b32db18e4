//! `gantry backup`: a point of the running embedded instance; the format and its guarantees are in [`crate::backup`].

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;

use super::data_dir::prepare_data_dir;
use crate::backup::{BackupFolder, PointHeader, cut_together, is_disk_full, open_copy, prune_points};
use crate::blob::embedded::RemovalLock;
use crate::config::{DatabaseConfig, ServiceConfig, StoreConfig};
use crate::domain::clock::{Clock as _, SystemClock, Timestamp};

mod point;

use point::PointWriter;

/// Keys in the data directory that a point has. The first admin key is its holder's.
pub(super) const KEY_FILES: [&str; 2] = ["signing.key", "store.key"];

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
    write_point(config, dir, keep, progress).map_err(|error| {
        if !is_disk_full(&error) {
            return error;
        }
        error.context(format!("the disk of {} is full: free some space, or keep fewer points (--keep)", dir.display()))
    })
}

fn write_point(
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
    // Read before the cut: everything that was acknowledged by then is in the point.
    let at = SystemClock.now();
    let (rows, metadata) = cut_together(&places.database, &places.store.join("meta.db"))?;
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
    const KEPT_STATES: &str = "FROM asset_count WHERE state IN ('stored', 'processing', 'ready', 'failed', 'rejected')";
    header.assets = number(&format!("SELECT coalesce(sum(files), 0) {KEPT_STATES}"))?;
    header.asset_bytes = number(&format!("SELECT coalesce(sum(bytes), 0) {KEPT_STATES}"))?;
    header.uploads = number("SELECT count(*) FROM upload WHERE state IN ('open', 'completing')")?;
    let instance = rows.query_row("SELECT value FROM setting WHERE name = 'instance'", [], |row| row.get(0));
    header.instance = instance.ok();
    Ok(())
}
