//! The data directory: created for its owner only, and refused with a message if it belongs to another user.

use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::{Access, access};

use crate::config::{DatabaseConfig, ServiceConfig};
use crate::domain::reason::plain_words;

/// Paths in the directory that this program must be able to read and write.
const DATA_DIR_FILES: [&str; 8] =
    ["gantry.db", "gantry.db-wal", "signing.key", "store.key", "store", "store/lock", "store/meta.db", "store/files"];

/// File that marks a directory into which a backup is being restored.
pub(super) const RESTORE_MARKER: &str = "restore-unfinished";

/// Creates the data directory with mode 700 if it is missing, and checks that everything in it is accessible to this
/// user.
///
/// # Errors
/// The directory cannot be created; or a file in it cannot be read and written by this user: the message names both
/// users. Or a restore into it did not finish.
pub(super) fn prepare_data_dir(config: &ServiceConfig) -> anyhow::Result<()> {
    let dir = &config.data_dir;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| anyhow::anyhow!("{}", plain_words(&error.to_string())))
        .with_context(|| format!("the data directory {} cannot be created", dir.display()))?;
    if dir.join(RESTORE_MARKER).exists() {
        bail!(
            "the restore of a backup into {} did not finish: run `gantry restore` with the same folder again, which continues; \
             or remove what is in the directory",
            dir.display()
        );
    }
    let mut files: Vec<PathBuf> = vec![dir.clone()];
    files.extend(DATA_DIR_FILES.map(|name| dir.join(name)));
    if let DatabaseConfig::Sqlite(file) = &config.database {
        files.push(file.clone());
    }
    files.iter().try_for_each(|path| require_access(path, dir))
}

/// Refuses a file that exists and is not accessible to this user.
fn require_access(path: &Path, dir: &Path) -> anyhow::Result<()> {
    let mut wanted = Access::READ_OK | Access::WRITE_OK;
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => bail!("{} cannot be read: {}", path.display(), plain_words(&error.to_string())),
    };
    if metadata.is_dir() {
        wanted |= Access::EXEC_OK;
    }
    if access(path, wanted).is_ok() {
        return Ok(());
    }
    let (path, dir) = (path.display(), dir.display());
    let (owner, me) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner == me {
        bail!(
            "{path} is not accessible to its own user (mode {:o}): run chmod -R u+rwX {dir}",
            metadata.mode() & 0o7777
        );
    }
    let (owner, me) = (user_name(owner), user_name(me));
    bail!(
        "{path} belongs to user {owner}, but gantry runs as user {me}: start it as {owner}, or run chown -R {me} {dir}"
    )
}

/// A user's name, or the number if it has no name.
fn user_name(uid: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| uid.to_string())
}
