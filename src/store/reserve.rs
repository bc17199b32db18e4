//! Free disk space under an embedded database that new rows must not use, so that deletes and work in progress can
//! still be written on a full disk.

use std::path::PathBuf;

use crate::machine::free_bytes;

/// A number of free bytes to keep on a file system.
#[derive(Clone, Debug)]
pub(super) struct DiskReserve {
    dir: PathBuf,
    bytes: u64,
}

impl DiskReserve {
    /// Keeps `bytes` free on the file system of `dir`. Only this service's writes are limited.
    pub(super) fn new(dir: PathBuf, bytes: u64) -> Self {
        Self { dir, bytes }
    }

    /// True if less than the reserve is free. False if the file system does not report its free space.
    pub(super) fn is_touched(&self) -> bool {
        free_bytes(&self.dir).is_ok_and(|free| free < self.bytes)
    }
}
