//! Removal of old points, and of data files that no point names any more.
//!
//! Points go first: if the removal is killed, data files are left that no point names, and the next removal finds them.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use super::folder::BackupFolder;
use super::manifest::{ManifestEntry, ManifestReader};
use super::transfer::sync_directory;

/// Numbers of a removal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PruneReport {
    /// Points removed.
    pub points: u64,
    /// Data files removed.
    pub files: u64,
}

/// Removes all but the newest `keep` points. Memory is bounded by the names of one of 256 directories.
pub fn prune_points(folder: &BackupFolder, keep: usize) -> anyhow::Result<PruneReport> {
    let mut report = PruneReport::default();
    let mut points = folder.list_points()?;
    let kept = points.split_off(points.len().saturating_sub(keep.max(1)));
    for point in &points {
        // Without its manifest it is no point any more, however far the removal gets.
        fs::remove_file(folder.manifest(point))?;
        sync_directory(&folder.point_dir(point))?;
        fs::remove_dir_all(folder.point_dir(point))?;
        report.points += 1;
    }
    if report.points == 0 {
        return Ok(report);
    }
    let mut manifests = Vec::new();
    for point in &kept {
        manifests.push(SortedNames::open(&folder.manifest(point))?);
    }
    for shard in 0..=u8::MAX {
        let prefix = ManifestEntry::data_name(&format!("{shard:02x}"));
        let prefix = &prefix[..prefix.len() - 2];
        let mut named = HashSet::new();
        for manifest in &mut manifests {
            manifest.take_below(prefix, &mut named)?;
        }
        report.files += remove_unnamed(&folder.path().join(prefix), prefix, &named)?;
    }
    Ok(report)
}

fn remove_unnamed(dir: &Path, prefix: &str, named: &HashSet<String>) -> anyhow::Result<u64> {
    let Ok(entries) = fs::read_dir(dir) else { return Ok(0) };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        if !named.contains(&format!("{prefix}{}", entry.file_name().to_string_lossy())) {
            fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Names of a manifest in order.
struct SortedNames {
    reader: ManifestReader,
    next: Option<String>,
}

impl SortedNames {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let mut names = Self { reader: ManifestReader::open(path)?, next: None };
        names.advance()?;
        Ok(names)
    }

    fn advance(&mut self) -> anyhow::Result<()> {
        self.next = self.reader.next_entry()?.map(|entry| entry.name);
        Ok(())
    }

    /// Moves names up to the end of a prefix into `named`.
    fn take_below(&mut self, prefix: &str, named: &mut HashSet<String>) -> anyhow::Result<()> {
        while let Some(name) = self.next.take() {
            if !name.starts_with(prefix) && name.as_str() > prefix && name.starts_with("files/") {
                self.next = Some(name);
                return Ok(());
            }
            named.insert(name);
            self.advance()?;
        }
        Ok(())
    }
}
