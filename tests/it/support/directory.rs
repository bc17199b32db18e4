//! Directories of databases and stores.

use std::path::Path;

use tempfile::TempDir;

/// What has to be free in memory: most tests keep some megabytes.
const ROOM: u64 = 4 << 30;

/// A directory that goes away with its owner. It is in memory where there is room: no test stops the machine, so that nothing
/// has to reach a disk, and a store begins with hundreds of directories and waits for each of them to be synced.
pub fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    // Containers often have 64 MiB of it.
    let has_room = rustix::fs::statvfs(memory).is_ok_and(|stat| stat.f_bavail.saturating_mul(stat.f_frsize) > ROOM);
    if has_room { TempDir::new_in(memory).unwrap() } else { TempDir::new().unwrap() }
}
