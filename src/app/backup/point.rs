//! The files of a point: copied, or found in the folder from earlier backups.

use std::path::{Path, PathBuf};

use super::{BackupReport, CopyProgress, EmbeddedPlaces, KEY_FILES, ProgressSink};
use crate::backup::{
    BackupFolder, CopiedFile, CopyAttributes, ManifestEntry, ManifestReader, ManifestWriter, PointHeader,
    UnfinishedPoint, copy_file, digest_file, open_copy,
};
use crate::blob::embedded::{SavedFile, SavedFiles};
use crate::crash;

/// Mode of every file in a backup.
const PRIVATE_FILE_MODE: u32 = 0o600;

/// A point whose files are being copied.
pub(super) struct PointWriter<'a> {
    folder: &'a BackupFolder,
    places: &'a EmbeddedPlaces,
    dir: PathBuf,
    attributes: CopyAttributes,
    pub(super) manifest: ManifestWriter,
    pub(super) report: BackupReport,
    progress: ProgressSink<'a>,
    done: CopyProgress,
}

impl<'a> PointWriter<'a> {
    pub(super) fn begin(
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
        let attributes = CopyAttributes { mode: PRIVATE_FILE_MODE, durable: folder.is_synced_by_file() };
        Ok(Self {
            folder,
            places,
            dir: point.dir.clone(),
            attributes,
            manifest,
            report,
            progress,
            done: CopyProgress::default(),
        })
    }

    /// Adds both databases, which are copied already, and the keys, in the order of their names.
    pub(super) fn add_point_files(&mut self) -> anyhow::Result<()> {
        for key in KEY_FILES {
            let from = self.places.data_dir.join(key);
            // A key from the settings is kept where these are.
            if from.exists() {
                copy_file(&from, &self.dir.join(key), self.attributes, |_| {})?;
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
    pub(super) fn add_data_files(&mut self) -> anyhow::Result<()> {
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
        let entry = |copied: CopiedFile| {
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
        let copied = copy_file(&from, &to, self.attributes, |bytes| {
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
