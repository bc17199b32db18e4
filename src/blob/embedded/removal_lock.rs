//! The lock between the removal of data files and backups, which may run in another process.
//!
//! The store removes files only while it holds the lock alone. A backup shares it with other backups from before it
//! reads the rows until it has copied the files that they name. The operating system releases the lock of a process
//! that died.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

/// Name of the lock file in the store's directory.
const LOCK_FILE: &str = "removal.lock";

/// The lock, held until this value is dropped.
#[derive(Debug)]
pub struct RemovalLock(#[expect(dead_code, reason = "held until the lock goes")] File);

/// Opens the lock file. Reading is enough, so that it may belong to another user.
fn open(dir: &Path) -> io::Result<File> {
    let path = dir.join(LOCK_FILE);
    match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            File::options().create(true).append(true).read(true).open(path)
        }
        result => result,
    }
}

impl RemovalLock {
    /// Keeps every data file of the store in `dir`. Waits for a removal under way.
    pub fn keep_files(dir: &Path) -> io::Result<Self> {
        let file = open(dir)?;
        file.lock_shared()?;
        Ok(Self(file))
    }

    /// Permission to remove data files; `None` while a backup runs.
    pub(super) fn try_remove(dir: &Path) -> io::Result<Option<Self>> {
        let file = open(dir)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_share_it_and_removal_waits_for_them_all() {
        let dir = tempfile::tempdir().unwrap();
        let removal = RemovalLock::try_remove(dir.path()).unwrap();
        assert!(removal.is_some());
        drop(removal);
        let backups = [RemovalLock::keep_files(dir.path()).unwrap(), RemovalLock::keep_files(dir.path()).unwrap()];
        assert!(RemovalLock::try_remove(dir.path()).unwrap().is_none());
        drop(backups);
        assert!(RemovalLock::try_remove(dir.path()).unwrap().is_some());
    }
}
