//! What this process asks of its machine: free disk space, and the name by which it is known.

use std::io;
use std::path::Path;
use std::sync::LazyLock;

/// Free bytes of the file system of `dir`, for users without privileges.
pub fn free_bytes(dir: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(dir)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Name of this process among those of all machines: host and process id.
#[must_use]
pub fn process_name() -> &'static str {
    static NAME: LazyLock<String> = LazyLock::new(|| {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        format!("{}:{}", host.trim(), std::process::id())
    });
    &NAME
}
