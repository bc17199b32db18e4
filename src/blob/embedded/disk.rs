//! Disk space: admission of uploads, and the limit below which they stop.
//!
//! Every body reserves its length before its first byte is read. No upload may use the last `min_free` bytes, which
//! keeps room for the metadata: deletes, aborts and completions work on a disk that is full for uploads.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::{Error, Result};
use crate::machine::free_bytes;

/// File system of the store.
#[derive(Debug)]
pub(super) struct DiskSpace {
    dir: PathBuf,
    min_free: u64,
    reserved: AtomicU64,
}

/// Reserved space for the unwritten bytes of a body. Released when dropped.
#[derive(Debug)]
pub(super) struct DiskReservation {
    disk: Arc<DiskSpace>,
    left: u64,
}

impl DiskSpace {
    /// File system of `dir`, of which `min_free` bytes are never used for objects.
    pub(super) fn new(dir: &Path, min_free: u64) -> Arc<Self> {
        Arc::new(Self { dir: dir.to_owned(), min_free, reserved: AtomicU64::new(0) })
    }

    /// Reserves `length` bytes; [`Error::Full`] if they are not free.
    pub(super) fn reserve(self: &Arc<Self>, length: u64) -> Result<DiskReservation> {
        let wanted = self.reserved.fetch_add(length, Ordering::Relaxed).saturating_add(length);
        let reservation = DiskReservation { disk: Arc::clone(self), left: length };
        if self.free()? < self.min_free.saturating_add(wanted) {
            return Err(Error::Full);
        }
        Ok(reservation)
    }

    fn free(&self) -> io::Result<u64> {
        free_bytes(&self.dir)
    }
}

impl DiskReservation {
    /// Turns `bytes` of the reservation into bytes on the disk; [`Error::Full`] if less than `min_free` bytes are free
    /// by now.
    pub(super) fn spend(&mut self, bytes: u64) -> Result<()> {
        let spent = bytes.min(self.left);
        self.left -= spent;
        self.disk.reserved.fetch_sub(spent, Ordering::Relaxed);
        if self.disk.free()? < self.disk.min_free { Err(Error::Full) } else { Ok(()) }
    }
}

impl Drop for DiskReservation {
    fn drop(&mut self) {
        self.disk.reserved.fetch_sub(self.left, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reservations_add_up_and_are_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let disk = DiskSpace::new(dir.path(), 0);
        let half = disk.free().unwrap() / 5 * 3;
        let mut first = disk.reserve(half).unwrap();
        assert!(matches!(disk.reserve(half), Err(Error::Full)));
        first.spend(half).unwrap();
        assert!(disk.reserve(half).is_ok(), "what is written no longer counts as reserved");
        drop(first);
        assert_eq!(disk.reserved.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_floor_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(DiskSpace::new(dir.path(), u64::MAX).reserve(0), Err(Error::Full)));
    }
}
