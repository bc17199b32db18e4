//! The folder of a backup: created, locked, its points listed, and a new point built beside them.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

use super::transfer::sync_directory;
use crate::domain::clock::Timestamp;

/// Name of the point that is being built.
const UNFINISHED_POINT: &str = ".unfinished";
/// Type of file systems in user space, as statfs(2) has it.
const FUSE_FILE_SYSTEM: rustix::fs::FsWord = 0x6573_5546;
/// Name of the manifest in a point.
const MANIFEST_FILE: &str = "manifest.ndjson";

/// A folder with the points of an instance, locked for this process.
pub struct BackupFolder {
    dir: PathBuf,
    _lock: File,
}

/// A point that is being built.
pub struct UnfinishedPoint<'a> {
    folder: &'a BackupFolder,
    /// Folder of its files.
    pub dir: PathBuf,
}

fn make_private(dir: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.with_context(|| format!("the folder {} cannot be created", dir.display()))
}

impl BackupFolder {
    /// Opens the folder for a new point, and creates it with mode 700 if it does not exist.
    ///
    /// # Errors
    /// The folder holds something else, or another backup writes to it.
    pub fn create(dir: &Path) -> anyhow::Result<Self> {
        make_private(dir)?;
        let is_backup = dir.join("points").is_dir();
        let empty = fs::read_dir(dir)?.flatten().all(|entry| entry.file_name() == "lost+found");
        ensure!(is_backup || empty, "{} holds something else than a backup: name a new folder", dir.display());
        make_private(&dir.join("points"))?;
        make_private(&dir.join("files"))?;
        let lock = File::options().create(true).append(true).open(dir.join("lock"));
        let lock = lock.with_context(|| format!("{} cannot be written", dir.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => bail!("another backup is being written to {}: wait for it", dir.display()),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// Opens an existing folder for reading. Points stay while it is open.
    pub fn open(dir: &Path) -> anyhow::Result<Self> {
        let lock = File::open(dir.join("lock"))
            .with_context(|| format!("{} is no backup of gantry: its file `lock` cannot be opened", dir.display()))?;
        // A file system without locks, or one that is mounted read-only, has no backup writing to it.
        let _ = lock.lock_shared();
        Ok(Self { dir: dir.to_owned(), _lock: lock })
    }

    /// True if the file system of the folder does not make all files durable with one call: FUSE, as of SSHFS.
    #[must_use]
    pub fn is_synced_by_file(&self) -> bool {
        rustix::fs::statfs(&self.dir).is_ok_and(|stat| stat.f_type == FUSE_FILE_SYSTEM)
    }

    /// Path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Names of the whole points, oldest first.
    pub fn list_points(&self) -> anyhow::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.dir.join("points"))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') && self.manifest(&name).is_file() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The point of this name, or the newest point at or before this time; without either, the newest.
    pub fn find_point(&self, wanted: Option<&str>) -> anyhow::Result<String> {
        let mut points = self.list_points()?;
        let shown = self.dir.display();
        let Some(newest) = points.last() else {
            bail!("{shown} has no whole point: run `gantry backup {shown}` first")
        };
        let Some(wanted) = wanted else { return Ok(newest.clone()) };
        if points.iter().any(|point| point == wanted) {
            return Ok(wanted.to_owned());
        }
        let Ok(time) = wanted.parse::<Timestamp>() else {
            bail!("{shown} has no point {wanted:?}: it has {}", points.join(", "))
        };
        let latest = point_name(time);
        points.retain(|point| *point <= latest);
        points.pop().with_context(|| format!("{shown} has no point at or before {wanted}"))
    }

    /// Path of a point's manifest.
    #[must_use]
    pub fn manifest(&self, point: &str) -> PathBuf {
        self.point_dir(point).join(MANIFEST_FILE)
    }

    /// Folder of a point.
    #[must_use]
    pub fn point_dir(&self, point: &str) -> PathBuf {
        self.dir.join("points").join(point)
    }

    /// Path of a file by its name in the manifest of a point.
    #[must_use]
    pub fn file(&self, point: &str, name: &str) -> PathBuf {
        if name.contains('/') { self.dir.join(name) } else { self.point_dir(point).join(name) }
    }

    /// A name for a point at this time that no other point has.
    #[must_use]
    pub fn free_name(&self, at: Timestamp) -> String {
        let name = point_name(at);
        let mut names = std::iter::once(name.clone()).chain((2..).map(|number| format!("{name}-{number}")));
        names.find(|name| !self.point_dir(name).exists()).unwrap_or_default()
    }

    /// Begins a point. What a killed backup has left of its point is removed; its data files stay.
    pub fn begin_point(&self) -> anyhow::Result<UnfinishedPoint<'_>> {
        let dir = self.point_dir(UNFINISHED_POINT);
        match fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error)?,
            _ => make_private(&dir)?,
        }
        Ok(UnfinishedPoint { folder: self, dir })
    }
}

/// Name of a point: sorts by time, and is a name on every file system.
fn point_name(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H-%M-%S.%3fZ").to_string()
}

impl UnfinishedPoint<'_> {
    /// Path for the manifest.
    #[must_use]
    pub fn manifest(&self) -> PathBuf {
        self.dir.join(MANIFEST_FILE)
    }

    /// Makes everything in the folder durable, and the point a whole one under this name.
    pub fn finish(self, name: &str) -> anyhow::Result<()> {
        // All data files with one call, which also reports errors of writing them.
        rustix::fs::syncfs(File::open(&self.folder.dir)?)
            .with_context(|| format!("{} cannot be made durable", self.folder.dir.display()))?;
        crate::crash::point("backup_durable");
        sync_directory(&self.dir)?;
        fs::rename(&self.dir, self.folder.point_dir(name))?;
        sync_directory(&self.folder.dir.join("points"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::micros;

    fn point(folder: &BackupFolder, at: i64) -> String {
        let point = folder.begin_point().unwrap();
        fs::write(point.manifest(), b"").unwrap();
        let name = folder.free_name(micros(at));
        point.finish(&name).unwrap();
        name
    }

    #[test]
    fn points_are_found_by_name_and_by_time() {
        let dir = tempfile::tempdir().unwrap();
        let folder = BackupFolder::create(&dir.path().join("new/backup")).unwrap();
        assert!(folder.find_point(None).is_err());
        let names = [point(&folder, 0), point(&folder, 0), point(&folder, 5_000_000)];
        assert_eq!(names[1], "1970-01-01T00-00-00.000Z-2");
        folder.begin_point().unwrap();
        assert_eq!(folder.list_points().unwrap(), names, "an unfinished point is no point");
        assert_eq!(folder.find_point(None).unwrap(), names[2]);
        assert_eq!(folder.find_point(Some(&names[0])).unwrap(), names[0]);
        assert_eq!(folder.find_point(Some("1970-01-01T00:00:04Z")).unwrap(), names[1]);
        assert!(folder.find_point(Some("1969-01-01T00:00:00Z")).is_err());
        assert!(folder.find_point(Some("yesterday")).unwrap_err().to_string().contains(&names[0]));
    }

    #[test]
    fn a_folder_of_something_else_is_refused_and_so_is_a_second_writer() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("letter.txt"), b"x").unwrap();
        assert!(BackupFolder::create(dir.path()).is_err());
        assert!(BackupFolder::open(dir.path()).is_err());
        let backup = dir.path().join("backup");
        let first = BackupFolder::create(&backup).unwrap();
        assert!(BackupFolder::create(&backup).is_err());
        drop(first);
        BackupFolder::create(&backup).unwrap();
    }
}
