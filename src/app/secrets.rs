//! Secrets that are created on first use: files in the data directory that only their owner can read.

use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::domain::clock::{Entropy, random_hex};

/// Content of the file; if it does not exist, it is created with the result of `make`. Two processes that start
/// together get the same content.
fn read_or_create(file: &Path, entropy: &dyn Entropy, make: impl FnOnce() -> String) -> anyhow::Result<String> {
    let temporary = file.with_extension(format!("new-{}", random_hex(entropy, 8)));
    if !file.exists() {
        let options = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).to_owned();
        let mut out = options.open(&temporary).with_context(|| format!("{} cannot be written", temporary.display()))?;
        out.write_all(make().as_bytes())?;
        out.sync_all()?;
        // Linking fails if another process was faster, whose file then counts.
        let linked = std::fs::hard_link(&temporary, file);
        std::fs::remove_file(&temporary)?;
        match linked {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(text.trim().to_owned())
}

/// The secret that signs grants and cursors.
pub(super) fn ensure_signing_key(data_dir: &Path, entropy: &dyn Entropy) -> anyhow::Result<Vec<u8>> {
    Ok(read_or_create(&data_dir.join("signing.key"), entropy, || random_hex(entropy, 32))?.into_bytes())
}

/// Writes the first admin key to a file that only the owner of the data directory can read. Returns its path; a file of
/// an earlier database is replaced.
pub(super) fn write_admin_key(data_dir: &Path, entropy: &dyn Entropy, key: &str) -> anyhow::Result<PathBuf> {
    let file = std::path::absolute(data_dir)?.join("admin.key");
    let temporary = file.with_extension(format!("new-{}", random_hex(entropy, 8)));
    let write = || {
        let options = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).to_owned();
        let mut out = options.open(&temporary)?;
        writeln!(out, "{key}")?;
        out.sync_all()?;
        std::fs::rename(&temporary, &file)
    };
    write().with_context(|| format!("the admin key cannot be written to {}", file.display()))?;
    Ok(file)
}

/// Access key and secret of the embedded store.
pub(super) fn ensure_store_key(data_dir: &Path, entropy: &dyn Entropy) -> anyhow::Result<(String, String)> {
    let make = || format!("GK{} {}", random_hex(entropy, 9).to_uppercase(), random_hex(entropy, 20));
    let file = data_dir.join("store.key");
    let text = read_or_create(&file, entropy, make)?;
    let (key, secret) = text.split_once(' ').with_context(|| format!("{} has an unexpected format", file.display()))?;
    Ok((key.to_owned(), secret.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::OsEntropy;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_secret_is_made_once_and_for_its_owner_only() {
        let dir = tempfile::TempDir::new().unwrap();
        let first = ensure_signing_key(dir.path(), &OsEntropy).unwrap();
        assert_eq!(first, ensure_signing_key(dir.path(), &OsEntropy).unwrap());
        assert_eq!(first.len(), 64);
        let mode = std::fs::metadata(dir.path().join("signing.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn those_who_start_together_agree() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| ensure_store_key(path, &OsEntropy).unwrap())).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }
}
