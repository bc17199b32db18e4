//! The file that is being sent: opened once, read by position, checked for changes.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::client::error::{Error, Result};

/// Fingerprint by which changed content is detected without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct FileFingerprint {
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change, in nanoseconds since 1970.
    pub modified_ns: i128,
}

/// An open file.
#[derive(Debug)]
pub(super) struct SourceFile {
    file: File,
    /// Path as the user gave it, for messages.
    pub(super) label: String,
    /// Canonical path, by which the journal identifies the file.
    pub(super) path: PathBuf,
    /// Fingerprint at the time of opening.
    pub(super) fingerprint: FileFingerprint,
}

impl SourceFile {
    pub(super) fn open(given: &Path) -> Result<Self> {
        if given.as_os_str() == "-" {
            let why = "standard input has no known size: save it to a file, and upload the file";
            return Err(Error::Usage(why.to_owned()));
        }
        let local = || Error::local(given);
        // The type is checked first, because opening a pipe would wait for its other end.
        let kind = std::fs::metadata(given).map_err(local())?.file_type();
        if !kind.is_file() {
            let what = if kind.is_dir() { "a directory" } else { "not a regular file" };
            return Err(Error::Usage(format!("{}: {what}, and only files can be sent", given.display())));
        }
        let file = File::open(given).map_err(local())?;
        let path = given.canonicalize().map_err(local())?;
        let print = read_fingerprint(&file).map_err(local())?;
        Ok(Self { file, label: given.to_string_lossy().into_owned(), path, fingerprint: print })
    }

    /// The file's name, which becomes the asset's.
    pub(super) fn name(&self) -> Result<&str> {
        let name = self.path.file_name().and_then(|name| name.to_str());
        name.ok_or_else(|| Error::Usage(format!("{}: its name is not UTF-8; give it one with --name", self.label)))
    }

    /// Reads at a position until the buffer is full; fewer bytes mean that the file has become shorter.
    pub(super) fn read_at(&self, mut buffer: &mut [u8], mut offset: u64) -> std::io::Result<()> {
        while !buffer.is_empty() {
            match self.file.read_at(buffer, offset) {
                Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    offset += n as u64;
                    buffer = &mut buffer[n..];
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Checks that the file is unchanged since it was opened.
    pub(super) fn ensure_unchanged(&self) -> Result<()> {
        if read_fingerprint(&self.file).map_err(Error::local(&self.path))? == self.fingerprint {
            return Ok(());
        }
        Err(self.changed_error())
    }

    pub(super) fn changed_error(&self) -> Error {
        Error::Integrity(format!("{} changed while it was being sent; the upload was discarded", self.label))
    }

    /// A read error by its meaning.
    pub(super) fn read_error(&self, error: std::io::Error) -> Error {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => self.changed_error(),
            _ => Error::local(&self.path)(error),
        }
    }
}

fn read_fingerprint(file: &File) -> std::io::Result<FileFingerprint> {
    let metadata = file.metadata()?;
    let modified_ns = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    Ok(FileFingerprint { size: metadata.len(), modified_ns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "one").unwrap();
        let source = SourceFile::open(&path).unwrap();
        assert!(source.ensure_unchanged().is_ok());
        let touched = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(1_700_000_000_000_000_001);
        File::options().write(true).open(&path).unwrap().set_modified(touched).unwrap();
        assert_eq!(source.ensure_unchanged().unwrap_err().exit_code(), 6);
        let source = SourceFile::open(&path).unwrap();
        assert_eq!(source.fingerprint.modified_ns, 1_700_000_000_000_000_001);
        std::fs::write(&path, "").unwrap();
        let short = source.read_at(&mut [0; 3], 0).unwrap_err();
        assert_eq!(source.read_error(short).exit_code(), 6);
    }

    #[test]
    fn only_files_are_sent() {
        let dir = tempfile::tempdir().unwrap();
        for (path, code) in [(Path::new("-"), 2), (dir.path(), 2), (Path::new("/nowhere/at/all"), 1)] {
            assert_eq!(SourceFile::open(path).unwrap_err().exit_code(), code, "{path:?}");
        }
        let link = dir.path().join("link");
        std::fs::write(dir.path().join("real é.bin"), "x").unwrap();
        std::os::unix::fs::symlink(dir.path().join("real é.bin"), &link).unwrap();
        assert_eq!(SourceFile::open(&link).unwrap().name().unwrap(), "real é.bin");
    }
}
