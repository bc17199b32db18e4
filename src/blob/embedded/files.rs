//! Data files: each PUT or part has a file of its own under a random name in 256 shard directories, written once.
//!
//! A new file is unnamed: no row mentions it, and [`NewFile`] removes it when dropped. The file becomes part of the
//! store when a committed transaction names it. All functions block; async code calls them on the blocking pool.
//!
//! Must not know keys, buckets or rows.

use std::collections::{HashSet, VecDeque};
use std::fs::{self, File};
use std::io::{self, IoSlice, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rustix::fs::{Advice, fadvise};

use super::buffers::BufferPool;
use super::error::Error;
use super::health::StoreHealth;
use super::model::{FileId, FileSegment};
use crate::domain::clock::Entropy;
use crate::domain::reason::chain;

/// Directory of data files.
pub(super) struct DataFiles {
    root: PathBuf,
    /// Shard directories, kept open for fsync.
    shards: Vec<File>,
    entropy: Arc<dyn Entropy>,
    health: Arc<StoreHealth>,
    /// Open files for reading, the latest first. A removed file leaves at once, so that its bytes are free when its
    /// last reader is gone.
    open: Mutex<VecDeque<(FileId, Arc<File>)>>,
    /// Files being written, which no row can name yet: the orphan sweep must skip them.
    unnamed: Mutex<HashSet<FileId>>,
    /// Buffers for reading.
    pub(super) buffers: Arc<BufferPool>,
}

/// A file being written. Removed when dropped, unless a transaction has named it.
pub(super) struct NewFile {
    files: Arc<DataFiles>,
    id: FileId,
    file: File,
    written: u64,
    flushed: u64,
    named: bool,
}

/// Number of files that are kept open for reading.
const MAX_OPEN_FILES: usize = 256;
/// Step in bytes at which writeback of a growing file is started, so that the final fsync has little left to do.
const FLUSH_STEP_BYTES: u64 = 8 << 20;

impl DataFiles {
    /// Creates missing directories and makes them durable.
    pub(super) fn open(dir: &Path, entropy: Arc<dyn Entropy>, health: Arc<StoreHealth>) -> io::Result<Arc<Self>> {
        let root = dir.join("files");
        fs::create_dir_all(&root)?;
        let shards = (0..=u8::MAX).map(|shard| Self::open_shard(&root, shard)).collect::<io::Result<_>>()?;
        File::open(&root)?.sync_all()?;
        File::open(dir)?.sync_all()?;
        let (open, unnamed) = (Mutex::default(), Mutex::default());
        let buffers = Arc::default();
        Ok(Arc::new(Self { root, shards, entropy, health, open, unnamed, buffers }))
    }

    /// True if there are data files below `dir`. Creates nothing.
    pub(super) fn has_any(dir: &Path) -> io::Result<bool> {
        for shard in 0..=u8::MAX {
            match fs::read_dir(dir.join("files").join(format!("{shard:02x}"))) {
                Ok(mut entries) => {
                    if entries.next().is_some() {
                        return Ok(true);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    fn open_shard(root: &Path, shard: u8) -> io::Result<File> {
        let path = root.join(format!("{shard:02x}"));
        match fs::create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => File::open(path),
        }
    }

    /// True if all shards are empty: a store without metadata must also be without data.
    pub(super) fn is_empty(&self) -> io::Result<bool> {
        for shard in 0..=u8::MAX {
            if self.read_shard(shard)?.next().is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Creates an empty file.
    pub(super) fn create(self: &Arc<Self>) -> io::Result<NewFile> {
        let mut id = [0; 16];
        self.entropy.fill(&mut id);
        let id = FileId(id);
        self.unnamed().insert(id);
        match File::create_new(self.path(id)) {
            Ok(file) => Ok(NewFile { files: Arc::clone(self), id, file, written: 0, flushed: 0, named: false }),
            Err(error) => {
                self.unnamed().remove(&id);
                Err(error)
            }
        }
    }

    /// Opens a file for positional reads, mostly from front to back. The file stays open for a while, for later
    /// readers.
    pub(super) fn open_read(&self, id: FileId) -> io::Result<Arc<File>> {
        if let Some(file) = self.at_hand(id) {
            return Ok(file);
        }
        let file = File::open(self.path(id))?;
        // Advice only: reads work without it.
        let _ = fadvise(&file, 0, None, Advice::Sequential);
        let file = Arc::new(file);
        let mut open = self.kept();
        // A file that was removed meanwhile must not stay open.
        if file.metadata()?.nlink() > 0 {
            open.push_front((id, Arc::clone(&file)));
            open.truncate(MAX_OPEN_FILES);
        }
        Ok(file)
    }

    /// Same as [`Self::open_read`], but only if the file is open already.
    pub(super) fn at_hand(&self, id: FileId) -> Option<Arc<File>> {
        let mut open = self.kept();
        let at = open.iter().position(|(known, _)| *known == id)?;
        let latest = open.remove(at)?;
        let file = Arc::clone(&latest.1);
        open.push_front(latest);
        Some(file)
    }

    /// True if the segment's file is open, is still the file under its name, and has all bytes. Does not wait for the
    /// disk: the directory entry of an open file is in memory.
    pub(super) fn is_open_and_whole(&self, segment: &FileSegment) -> bool {
        let Some(open) = self.at_hand(segment.file).and_then(|file| file.metadata().ok()) else { return false };
        let named = fs::metadata(self.path(segment.file));
        named.is_ok_and(|named| (named.dev(), named.ino()) == (open.dev(), open.ino()) && named.len() >= segment.size)
    }

    /// Returns [`Error::Damaged`] if a segment's file is missing or has fewer bytes than its row says. Blocks on the
    /// disk.
    pub(super) fn check(&self, segment: &FileSegment) -> Result<(), Error> {
        if self.is_open_and_whole(segment) {
            return Ok(());
        }
        // An open file that was removed or replaced outside the store says nothing about the file under that name.
        self.kept().retain(|(known, _)| *known != segment.file);
        let damage = |what| Error::Damaged { file: segment.file, what };
        match fs::metadata(self.path(segment.file)) {
            Ok(found) if found.len() >= segment.size => Ok(()),
            Ok(_) => Err(damage("is too short")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(damage("is missing")),
            Err(error) => Err(error.into()),
        }
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<(FileId, Arc<File>)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes a file; a missing file counts as removed.
    pub(super) fn remove(&self, id: FileId) -> io::Result<()> {
        let removed = fs::remove_file(self.path(id));
        self.kept().retain(|(known, _)| *known != id);
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Names in a shard directory, in no order.
    pub(super) fn read_shard(&self, shard: u8) -> io::Result<impl Iterator<Item = io::Result<String>> + use<>> {
        let entries = fs::read_dir(self.root.join(format!("{shard:02x}")))?;
        Ok(entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())))
    }

    /// Directory of the store.
    pub(super) fn store_dir(&self) -> &Path {
        self.root.parent().unwrap_or(&self.root)
    }

    /// True if this process is writing the file.
    pub(super) fn is_unnamed(&self, id: FileId) -> bool {
        self.unnamed().contains(&id)
    }

    fn unnamed(&self) -> MutexGuard<'_, HashSet<FileId>> {
        self.unnamed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Path of a file, and its name relative to the root directory.
    pub(super) fn place(&self, id: FileId) -> (PathBuf, String) {
        (self.path(id), format!("{:02x}/{id}", id.shard()))
    }

    fn path(&self, id: FileId) -> PathBuf {
        self.root.join(format!("{:02x}", id.shard())).join(id.to_string())
    }

    /// Passes a result of fsync on. A failed fsync poisons the store, except for lack of space: then the file is simply
    /// not written.
    fn synced(&self, result: io::Result<()>) -> io::Result<()> {
        let full = |kind| matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        if let Err(error) = &result
            && !full(error.kind())
        {
            self.health.poison(format!("fsync of a data file: {error}"));
        }
        result
    }
}

impl NewFile {
    /// Name of the file.
    pub(super) fn id(&self) -> FileId {
        self.id
    }

    /// Appends a batch, and from time to time starts writeback of dirty pages.
    pub(super) fn append(&mut self, batch: &[Bytes]) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = batch.iter().map(|bytes| IoSlice::new(bytes)).collect();
        let mut left = slices.as_mut_slice();
        while !left.is_empty() {
            match self.file.write_vectored(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.written += n as u64;
                    IoSlice::advance_slices(&mut left, n);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.flush_early();
        Ok(())
    }

    /// Starts the writeback of dirty pages with `POSIX_FADV_DONTNEED`, without waiting for it. Pages under writeback
    /// are not dropped, so what was just uploaded mostly stays cached for its first readers.
    fn flush_early(&mut self) {
        if let Some(length) = std::num::NonZeroU64::new(self.written - self.flushed)
            && length.get() >= FLUSH_STEP_BYTES
        {
            let _ = fadvise(&self.file, self.flushed, Some(length), Advice::DontNeed);
            self.flushed = self.written;
        }
    }

    /// Makes the bytes and the directory entry durable. Afterwards a transaction may name the file.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.files.synced(self.file.sync_data())?;
        self.files.synced(self.files.shards[usize::from(self.id.shard())].sync_all())
    }

    /// Keeps the file: a committed transaction names it, or may name it.
    pub(super) fn leave(mut self) {
        self.named = true;
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        let (files, id, named) = (Arc::clone(&self.files), self.id, self.named);
        let finish = move || {
            if !named && let Err(error) = files.remove(id) {
                tracing::warn!(%id, error = %chain(&error), "an unfinished file stays until the next sweep");
            }
            files.unnamed().remove(&id);
        };
        // Freeing the blocks of a big file takes long enough to matter to a request thread.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if !named => drop(runtime.spawn_blocking(finish)),
            _ => finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SeededEntropy;

    fn files() -> (tempfile::TempDir, Arc<DataFiles>) {
        let dir = tempfile::tempdir().unwrap();
        let files = DataFiles::open(dir.path(), Arc::new(SeededEntropy::new(1)), Arc::default()).unwrap();
        (dir, files)
    }

    #[test]
    fn a_dropped_file_is_gone_and_a_named_one_stays() {
        let (_dir, files) = files();
        let mut dropped = files.create().unwrap();
        dropped.append(&[Bytes::from_static(b"gone")]).unwrap();
        let mut kept = files.create().unwrap();
        kept.append(&[Bytes::from_static(b"he"), Bytes::new(), Bytes::from_static(b"re")]).unwrap();
        kept.sync().unwrap();
        let id = kept.id();
        assert!(files.is_unnamed(id));
        drop(dropped);
        kept.leave();
        assert!(!files.is_unnamed(id));
        assert_eq!(fs::read(files.path(id)).unwrap(), b"here");
        let all: Vec<_> = (0..=255).flat_map(|shard| files.read_shard(shard).unwrap()).collect();
        assert_eq!(all.len(), 1);
    }

    #[test]
    fn a_file_that_was_read_stays_open_until_it_is_removed_or_displaced() {
        let (_dir, files) = files();
        let made: Vec<FileId> =
            (0..MAX_OPEN_FILES + 1).map(|_| files.create().unwrap()).map(|file| (file.id(), file.leave()).0).collect();
        let first = files.open_read(made[0]).unwrap();
        assert!(Arc::ptr_eq(&first, &files.at_hand(made[0]).unwrap()));
        files.remove(made[0]).unwrap();
        assert!(files.at_hand(made[0]).is_none());
        assert_eq!(Arc::strong_count(&first), 1, "nobody else holds it");
        let second = files.open_read(made[1]).unwrap();
        for id in &made[2..] {
            files.open_read(*id).unwrap();
        }
        assert!(files.at_hand(made[1]).is_some());
        let one_more = files.create().unwrap();
        files.open_read(one_more.id()).unwrap();
        one_more.leave();
        assert_eq!((files.kept().len(), Arc::strong_count(&second)), (MAX_OPEN_FILES, 2));
        assert!(files.at_hand(made[2]).is_none(), "the one that was not asked for longest");
    }

    #[test]
    fn removal_repeats_itself_without_complaint() {
        let (_dir, files) = files();
        let file = files.create().unwrap();
        let id = file.id();
        file.leave();
        assert!(!files.is_empty().unwrap());
        files.remove(id).unwrap();
        files.remove(id).unwrap();
        assert!(files.is_empty().unwrap());
    }
}
