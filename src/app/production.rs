//! `profile = "production"`: what is good for trying only is refused at the start, all of it at once.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::doctor::is_on_network;
use crate::config::{DatabaseConfig, ListenAddress, ServiceConfig, ServiceProfile, StoreConfig};
use crate::domain::diagnosis::DoctorFinding;

/// Modes of TLS to PostgreSQL that do not fall back to plain text.
const SAFE_SSL_MODES: [&str; 3] = ["require", "verify-ca", "verify-full"];

/// Refuses settings that are good for trying only, if the profile says so.
///
/// # Errors
/// All reasons, with what to do.
pub fn refuse_trial_settings(config: &ServiceConfig) -> anyhow::Result<()> {
    let findings = find_trial_settings(config);
    if findings.is_empty() {
        return Ok(());
    }
    let line = |finding: &DoctorFinding| {
        format!("  - {}: {} \u{2192} {}", finding.check, finding.found, finding.mend.as_deref().unwrap_or_default())
    };
    let lines: Vec<_> = findings.iter().map(line).collect();
    Err(anyhow::anyhow!("these settings are not for production (profile = \"production\"):\n{}", lines.join("\n")))
}

/// Settings and files that are good for trying only; none without the profile.
pub(super) fn find_trial_settings(config: &ServiceConfig) -> Vec<DoctorFinding> {
    if config.profile != ServiceProfile::Production {
        return Vec::new();
    }
    let mut findings = find_plain_http(config);
    findings.extend(check_proxies(config));
    findings.extend(check_disk(config));
    findings.extend(find_open_files(config));
    findings.extend(check_admin_key(config));
    findings.extend(check_log_level(&config.log_level));
    findings.extend(check_database(config));
    findings
}

fn refusal(check: &'static str, found: impl Into<String>, mend: &str) -> DoctorFinding {
    DoctorFinding::failure(check, found, mend)
}

fn find_plain_http(config: &ServiceConfig) -> Vec<DoctorFinding> {
    let store = match &config.store {
        StoreConfig::Embedded { public_url, .. } => ("store_public_url", public_url.clone().unwrap_or_default()),
        StoreConfig::S3 { endpoint, public_endpoint, .. } => {
            // Without an endpoint it is Amazon's, over HTTPS.
            let url = public_endpoint.as_ref().or(endpoint.as_ref());
            ("s3_public_endpoint", url.map_or_else(|| "https://s3.amazonaws.com".to_owned(), Clone::clone))
        }
    };
    let urls = [("public_url", config.public_url.clone().unwrap_or_default()), store];
    let content = config.content_url.clone().map(|url| ("content_url", url));
    let plain = urls.into_iter().chain(content).filter(|(name, url)| {
        // Nobody but this machine reaches a store on its loopback addresses: clients go through the service.
        let near = *name != "public_url" && ["http://127.", "http://[::1]"].iter().any(|near| url.starts_with(near));
        !near && !url.starts_with("https://")
    });
    let finding = |(name, url): (&'static str, String)| {
        let found = if url.is_empty() { "not set".to_owned() } else { format!("{url} is plain HTTP") };
        refusal(
            name,
            found,
            "keys and files would be readable on the way: set an https:// address, by a proxy or by tls",
        )
    };
    plain.map(finding).collect()
}

/// Refuses to listen for a proxy of another machine that is not trusted: all clients would share its address.
fn check_proxies(config: &ServiceConfig) -> Option<DoctorFinding> {
    let ListenAddress::Tcp(address) = config.listen else { return None };
    let named = config.forwarding.proxies.iter().any(|net| !net.addr().is_loopback());
    if config.tls.is_some() || address.ip().is_loopback() || named {
        return None;
    }
    Some(refusal(
        "server.proxies",
        format!("{address} is for a proxy on another machine, and only this machine is trusted"),
        "set server.proxies to the proxy's address, or listen on 127.0.0.1 or a Unix socket",
    ))
}

fn check_disk(config: &ServiceConfig) -> Option<DoctorFinding> {
    let DatabaseConfig::Sqlite(file) = &config.database else { return None };
    let dirs = [file.parent(), Some(config.data_dir.as_path())];
    let remote = dirs.into_iter().flatten().find(|dir| is_on_network(dir))?;
    Some(refusal(
        "database_url",
        format!("SQLite in {}, which is on a network", remote.display()),
        "put it on a disk of this machine, or use PostgreSQL",
    ))
}

/// Files with secrets that every user of the machine can read, and the data directory if every user can enter it.
fn find_open_files(config: &ServiceConfig) -> Vec<DoctorFinding> {
    let variables = std::env::vars().filter(|(name, _)| {
        (name.starts_with("GANTRY_") && name.ends_with("_FILE")) || name == "AWS_SHARED_CREDENTIALS_FILE"
    });
    let mut paths: Vec<PathBuf> = variables.map(|(_, path)| path.into()).collect();
    paths.extend(config.tls.as_ref().map(|files| files.key.clone()));
    paths.push(config.data_dir.clone());
    let open = paths.into_iter().filter(|path| is_open_to_all(path));
    let finding = |path: PathBuf| {
        let found = format!("{} is readable for every user of this machine", path.display());
        refusal("permissions", found, "chmod o-rwx on it")
    };
    open.map(finding).collect()
}

fn is_open_to_all(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o005 != 0)
}

fn check_admin_key(config: &ServiceConfig) -> Option<DoctorFinding> {
    let file = config.data_dir.join("admin.key");
    file.exists().then(|| {
        refusal(
            "admin key",
            format!("the key of the first start is still in {}", file.display()),
            "make a key with `gantry key create --scopes admin`, revoke that one, and remove the file",
        )
    })
}

/// Refuses filters by which libraries log what they send and receive.
fn check_log_level(level: &str) -> Option<DoctorFinding> {
    let talks = |directive: &str| {
        let (target, level) = directive.trim().rsplit_once('=').unwrap_or(("", directive.trim()));
        let level = level.to_ascii_lowercase();
        level == "trace" || (level == "debug" && !target.starts_with("gantry"))
    };
    level.split(',').any(talks).then(|| {
        refusal(
            "log.level",
            format!("\"{level}\" logs headers and bodies"),
            "set \"info\", or \"info,gantry=debug\" for a while",
        )
    })
}

fn check_database(config: &ServiceConfig) -> Vec<DoctorFinding> {
    let DatabaseConfig::Postgres(url) = &config.database else { return Vec::new() };
    let mut findings = Vec::new();
    if is_remote(url) && !has_safe_mode(url) {
        findings.push(refusal(
            "database_url",
            "PostgreSQL on another machine, without TLS that is demanded",
            "add ?sslmode=verify-full, or at least require",
        ));
    }
    if config.signing_keys.is_empty() {
        findings.push(refusal(
            "signing_key",
            "not set: each node would make a key of its own, and refuse the links of the others",
            "set GANTRY_SIGNING_KEY_FILE to the same secret on every node",
        ));
    }
    findings
}

/// True if the database is not on this machine: not on its loopback addresses, and not behind a Unix socket.
fn is_remote(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, query) = (rest.split(['/', '?']).next().unwrap_or_default(), rest.split_once('?'));
    if query.is_some_and(|(_, query)| {
        query.split('&').any(|pair| pair.starts_with("host=/") || pair.starts_with("host=%2F"))
    }) {
        return false;
    }
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    let local = ["localhost", "127.", "[::1]", "%2F"];
    let is_local = |host: &str| host.is_empty() || local.iter().any(|prefix| host.starts_with(prefix));
    !hosts.split(',').all(is_local)
}

fn has_safe_mode(url: &str) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let modes = query.split('&').filter_map(|pair| pair.split_once('='));
    modes.filter(|(name, _)| matches!(*name, "sslmode" | "ssl-mode")).any(|(_, mode)| SAFE_SSL_MODES.contains(&mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_on_another_machine_is_told_from_one_here() {
        for here in [
            "postgres://gantry@localhost/gantry",
            "postgres://u:p%40ss@127.0.0.1:5432/gantry",
            "postgres://u@[::1]:5432/gantry",
            "postgres:///gantry?host=/run/postgresql",
            "postgres://u@%2Frun%2Fpostgresql/gantry",
        ] {
            assert!(!is_remote(here), "{here}");
        }
        for there in ["postgres://u@db.example/gantry", "postgres://u:p@127.0.0.1:1,db.example:5432/g?sslmode=prefer"] {
            assert!(is_remote(there) && !has_safe_mode(there), "{there}");
        }
        assert!(has_safe_mode("postgres://u@db.example/gantry?application_name=x&sslmode=verify-full"));
    }

    #[test]
    fn a_filter_by_which_libraries_log_bodies_is_refused() {
        for loud in ["debug", "TRACE", "info,hyper=debug", "gantry=trace", "info, aws_smithy_runtime=debug"] {
            assert!(check_log_level(loud).is_some(), "{loud}");
        }
        for quiet in ["info", "warn,gantry=debug", "info,gantry::engine=debug", ""] {
            assert!(check_log_level(quiet).is_none(), "{quiet}");
        }
    }
}
