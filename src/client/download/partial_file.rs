//! An incomplete download: `NAME.part`, and `NAME.part.json` with the identity of the file.
//!
//! The final name appears only when all bytes are written, verified and synced.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::source::RemoteFileInfo;
use crate::client::error::{Error, Result};
use crate::domain::reason::FailureCause;

/// Maximum length of a file name without the suffix.
const MAX_TARGET_NAME_BYTES: usize = 255 - ".part.json".len();

/// Identity of the file to which the bytes belong.
#[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
struct PartialFileState {
    etag: String,
    size: u64,
    sha256: Option<String>,
}

/// A partial file, locked.
#[derive(Debug)]
pub(super) struct PartialFile {
    pub(super) path: PathBuf,
    state_path: PathBuf,
    target: PathBuf,
    file: File,
}

/// Path of the partial file, beside the final name.
fn path_of(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    if name.len() <= MAX_TARGET_NAME_BYTES {
        return target.with_file_name(format!("{name}.part"));
    }
    let digest = hex::encode(Sha256::digest(name.as_bytes()));
    let kept: String = name
        .chars()
        .scan(0, |len, c| {
            *len += c.len_utf8();
            (*len <= MAX_TARGET_NAME_BYTES - 20).then_some(c)
        })
        .collect();
    target.with_file_name(format!("{kept}~{}.part", &digest[..16]))
}

impl PartialFile {
    /// Opens an existing partial file, or creates it.
    pub(super) fn open(target: &Path) -> Result<Self> {
        let path = path_of(target);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(Error::local(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Other(format!("{}: another gantry is fetching this file", target.display()).into()));
            }
            Err(TryLockError::Error(error)) => return Err(Error::local(&path)(error)),
        }
        let mut state = path.clone().into_os_string();
        state.push(".json");
        Ok(Self { state_path: state.into(), target: target.to_owned(), path, file })
    }

    /// Number of bytes of exactly this file that exist; bytes of another file are discarded.
    pub(super) fn prepare(&mut self, facts: &RemoteFileInfo, resume: bool) -> Result<u64> {
        let beginning = PartialFileState {
            etag: facts.etag.clone(),
            size: facts.size,
            sha256: facts.sha256.map(|digest| hex::encode(digest.0)),
        };
        let there = self.file.metadata().map_err(Error::local(&self.path))?.len();
        let known = std::fs::read(&self.state_path)
            .ok()
            .and_then(|text| serde_json::from_slice::<PartialFileState>(&text).ok());
        if resume && there <= facts.size && known.as_ref() == Some(&beginning) {
            return Ok(there);
        }
        // The order matters: bytes of a file must never exist beside the state of another file.
        self.forget_state()?;
        self.file.set_len(0).map_err(Error::local(&self.path))?;
        let text = serde_json::to_vec(&beginning).map_err(|error| Error::Other(FailureCause::of(error)))?;
        std::fs::write(&self.state_path, text).map_err(Error::local(&self.state_path))?;
        Ok(0)
    }

    fn forget_state(&self) -> Result<()> {
        match std::fs::remove_file(&self.state_path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::local(&self.state_path)(error)),
            _ => Ok(()),
        }
    }

    /// A file handle that reads from the beginning and then continues writing.
    pub(super) fn open_handle(&self) -> Result<File> {
        let mut file = self.file.try_clone().map_err(Error::local(&self.path))?;
        file.seek(SeekFrom::Start(0)).map_err(Error::local(&self.path))?;
        Ok(file)
    }

    /// Removes the partial file.
    pub(super) fn discard(self) {
        let _ = std::fs::remove_file(&self.path);
        let _ = std::fs::remove_file(&self.state_path);
    }

    /// Gives the complete and verified file its final name, durably.
    pub(super) fn publish(self, overwrite: bool) -> Result<()> {
        let local = || Error::local(&self.target);
        self.file.sync_all().map_err(local())?;
        if overwrite {
            std::fs::rename(&self.path, &self.target).map_err(local())?;
        } else {
            self.rename_without_replacing().map_err(|error| match error.kind() {
                ErrorKind::AlreadyExists => already_exists_error(&self.target),
                _ => local()(error),
            })?;
        }
        self.forget_state()?;
        let directory = self.target.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = File::open(directory.unwrap_or(Path::new("."))).and_then(|directory| directory.sync_all());
        directory.map_err(local())
    }

    /// A rename that replaces no file. Without hard links, existence is checked first.
    fn rename_without_replacing(&self) -> std::io::Result<()> {
        match std::fs::hard_link(&self.path, &self.target) {
            Ok(()) => std::fs::remove_file(&self.path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
            Err(_) if self.target.symlink_metadata().is_ok() => Err(ErrorKind::AlreadyExists.into()),
            Err(_) => std::fs::rename(&self.path, &self.target),
        }
    }
}

/// Checks before anything is fetched that a file may be created under this name.
pub(super) fn ensure_writable(target: &Path, overwrite: bool) -> Result<()> {
    match target.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(found) if found.is_file() && overwrite => Ok(()),
        Ok(found) if found.is_file() => Err(already_exists_error(target)),
        // Renaming over a device would remove it.
        Ok(_) => Err(Error::Usage(format!("{}: not a regular file; use -o - to write to a pipe", target.display()))),
    }
}

fn already_exists_error(target: &Path) -> Error {
    Error::Other(format!("{} exists; --force overwrites it", target.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn facts(etag: &str) -> RemoteFileInfo {
        RemoteFileInfo { size: 10, etag: etag.to_owned(), sha256: None, name: "n".to_owned() }
    }

    #[test]
    fn only_the_beginning_of_the_same_bytes_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("f");
        let mut part = PartialFile::open(&target).unwrap();
        assert_eq!(part.prepare(&facts("\"a\""), true).unwrap(), 0);
        part.open_handle().unwrap().write_all(b"12345").unwrap();
        assert!(PartialFile::open(&target).unwrap_err().to_string().contains("another gantry"));
        drop(part);
        let mut part = PartialFile::open(&target).unwrap();
        assert_eq!(part.prepare(&facts("\"a\""), true).unwrap(), 5);
        assert_eq!(part.prepare(&facts("\"b\""), true).unwrap(), 0, "other bytes");
        part.open_handle().unwrap().write_all(b"12345").unwrap();
        assert_eq!(part.prepare(&facts("\"b\""), false).unwrap(), 0, "nobody wants to go on");
        part.open_handle().unwrap().write_all(b"12345678901").unwrap();
        assert_eq!(part.prepare(&facts("\"b\""), true).unwrap(), 0, "longer than the whole");
    }

    #[test]
    fn the_name_appears_at_the_end_and_replaces_nothing_unasked() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("f");
        let part = |bytes: &[u8]| {
            let mut part = PartialFile::open(&target).unwrap();
            part.prepare(&facts("\"a\""), true).unwrap();
            part.open_handle().unwrap().write_all(bytes).unwrap();
            part
        };
        part(b"first").publish(false).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"first");
        assert!(ensure_writable(&target, false).is_err() && ensure_writable(&target, true).is_ok());
        assert!(part(b"second").publish(false).is_err());
        assert_eq!(std::fs::read(&target).unwrap(), b"first");
        part(b"").publish(true).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"second");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
        assert_eq!(ensure_writable(Path::new("/dev/null"), true).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn the_longest_names_have_room_for_the_ending() {
        let target = PathBuf::from("/d").join("é".repeat(127));
        let path = path_of(&target);
        assert!(path.file_name().unwrap().len() + ".json".len() <= 255);
        assert!(path.starts_with("/d") && path.to_str().unwrap().ends_with(".part"));
        assert_eq!(path_of(Path::new("x/f")), Path::new("x/f.part"));
    }
}
