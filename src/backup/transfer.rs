//! Copies of files with their digests.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use md5::Md5;
use sha2::{Digest as _, Sha256};

/// Bytes that are read at a time.
const COPY_BUFFER_BYTES: usize = 1 << 20;

/// Size and digests of a file that was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedFile {
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// MD5, as the embedded store keeps it of its data files.
    pub md5: [u8; 16],
}

/// Reads a file and hands each piece to `each`.
fn read_through(path: &Path, mut each: impl FnMut(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<CopiedFile> {
    let mut from = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let (mut buffer, mut size) = (vec![0; COPY_BUFFER_BYTES], 0);
    let (mut sha256, mut md5) = (Sha256::new(), Md5::new());
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        };
        sha256.update(&buffer[..read]);
        md5.update(&buffer[..read]);
        each(&buffer[..read])?;
        size += read as u64;
    }
    Ok(CopiedFile { size, sha256: hex::encode(sha256.finalize()), md5: md5.finalize().into() })
}

/// Digests of a file.
pub fn digest_file(path: &Path) -> anyhow::Result<CopiedFile> {
    read_through(path, |_| Ok(()))
}

/// Attributes of a copy.
#[derive(Clone, Copy, Debug)]
pub struct CopyAttributes {
    /// Mode of the file, subject to the umask.
    pub mode: u32,
    /// True to make the bytes durable at once; otherwise they are when the file system is synced.
    pub durable: bool,
}

/// Copies a file to `to`, under a temporary name first. `count` is told of the bytes as they are written.
pub fn copy_file(
    from: &Path,
    to: &Path,
    attributes: CopyAttributes,
    mut count: impl FnMut(u64),
) -> anyhow::Result<CopiedFile> {
    let CopyAttributes { mode, durable } = attributes;
    let temporary = to.with_extension("part");
    let out = File::options().write(true).create(true).truncate(true).mode(mode).open(&temporary);
    let mut out = out.with_context(|| format!("{} cannot be written", temporary.display()))?;
    let written = read_through(from, |piece| {
        out.write_all(piece).with_context(|| format!("{} cannot be written", temporary.display()))?;
        count(piece.len() as u64);
        Ok(())
    });
    let written = written.and_then(|copied| {
        if durable {
            out.sync_data().with_context(|| format!("{} cannot be made durable", temporary.display()))?;
        }
        Ok(copied)
    });
    match written {
        Ok(copied) => {
            fs::rename(&temporary, to)?;
            Ok(copied)
        }
        Err(error) => {
            let _ = fs::remove_file(&temporary);
            Err(error)
        }
    }
}

/// Makes the names in a directory durable.
pub fn sync_directory(dir: &Path) -> anyhow::Result<()> {
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.with_context(|| format!("{} cannot be made durable", dir.display()))
}
