//! Room on the disk under an embedded database that new things leave alone, so that deletes and work under way can be
//! written on a disk that is full for everything else.

use std::path::PathBuf;

/// Free bytes that are kept on one file system.
#[derive(Clone, Debug)]
pub(super) struct DiskReserve {
    dir: PathBuf,
    bytes: u64,
}

impl DiskReserve {
    /// Keeps `bytes` free on the file system of `dir`, as far as this service has a say in it.
    pub(super) fn new(dir: PathBuf, bytes: u64) -> Self {
        Self { dir, bytes }
    }

    /// Whether less than the reserve is free. A file system that does not tell is believed to have room.
    pub(super) fn is_touched(&self) -> bool {
        rustix::fs::statvfs(&self.dir).is_ok_and(|stat| stat.f_bavail.saturating_mul(stat.f_frsize) < self.bytes)
    }
}
