//! Examination of this machine and of what the settings name, beside a running service or without it.
//!
//! The way of clients is tried last, from here to the public URL and back, with a key that lives for two minutes.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::Resources;
use super::production::find_trial_settings;
use super::resources::ProcessRole;
use crate::config::{DatabaseConfig, ServiceConfig, StoreConfig};
use crate::domain::clock::{Clock as _, SystemClock};
use crate::domain::diagnosis::DoctorFinding;
use crate::domain::key::KeyScopes;
use crate::domain::reason::chain;
use crate::domain::tenant::DEFAULT_TENANT;
use crate::engine::{DiskLevel, Engine};
use crate::media::MediaSandbox;
use crate::worker::handoff;

/// Life of the key with which the way of clients is tried.
const PROBE_KEY_TTL: Duration = Duration::from_secs(120);
/// Longest time to open the database and the store.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);
/// Difference between this machine's clock and the database's beyond which leases and URLs are at risk.
const MAX_SKEW: Duration = Duration::from_secs(30);
/// `f_type` of file systems over a network, on which neither SQLite nor the embedded store may lie: NFS, SMB, CIFS, 9P.
const NETWORK_FILE_SYSTEMS: [u64; 4] = [0x6969, 0xFE53_4D42, 0xFF53_4D42, 0x0102_1997];

/// Examines the machine, the settings, and the way of clients to the public URL: `try_way` gets the URL and a key.
pub async fn examine(
    config: &ServiceConfig,
    try_way: impl AsyncFnOnce(&str, &str) -> Vec<DoctorFinding>,
) -> Vec<DoctorFinding> {
    let mut findings = examine_settings(config);
    let public_url = config.api_origin();
    let opening = Box::pin(Resources::open(config, ProcessRole::Attach, &public_url));
    let resources = match tokio::time::timeout(OPEN_TIMEOUT, opening).await {
        Ok(Ok(resources)) => resources,
        Ok(Err(error)) => {
            let mend = "Mend this first: nothing works without the database and the store.";
            findings.push(DoctorFinding::failure("database, store", format!("{error:#}"), mend));
            return findings;
        }
        Err(_) => {
            let mend = "Check GANTRY_DATABASE_URL, the store's endpoint, and the network to both.";
            findings.push(DoctorFinding::failure("database, store", "they did not open within 30 seconds", mend));
            return findings;
        }
    };
    findings.extend(examine_dependencies(config, &resources).await);
    findings.extend(examine_public_url(&resources, &public_url, try_way).await);
    resources.close().await;
    findings
}

fn examine_settings(config: &ServiceConfig) -> Vec<DoctorFinding> {
    let mut findings = vec![check_public_url(config), check_certificate(config), check_threads(config)];
    findings.extend(check_admin_key(config));
    findings.extend(check_file_system(config));
    findings.extend(find_trial_settings(config));
    if config.signing_keys.is_empty() && matches!(config.database, DatabaseConfig::Postgres(_)) {
        findings.push(DoctorFinding::warning(
            "signing key",
            "it is a file of this machine's data directory: grants and links of other nodes are not valid here",
            "Set GANTRY_SIGNING_KEY_FILE to the same secret on every node.",
        ));
    }
    if config.processing.screening.is_none() {
        let mend = "Set GANTRY_CLAMD if strangers may upload.";
        findings.push(DoctorFinding::warning("scanner", "nothing is scanned for viruses", mend));
    }
    findings
}

fn check_public_url(config: &ServiceConfig) -> DoctorFinding {
    let Some(url) = &config.public_url else {
        return DoctorFinding::warning(
            "public URL",
            format!("not set: answers name {}", config.api_origin()),
            "Set GANTRY_PUBLIC_URL to the address by which clients reach the service.",
        );
    };
    let local = ["http://127.", "http://localhost", "http://[::1]"].iter().any(|prefix| url.starts_with(prefix));
    if url.starts_with("https://") || local {
        return DoctorFinding::ok("public URL", url.clone());
    }
    DoctorFinding::warning(
        "public URL",
        format!("{url} is plain HTTP: keys and files are readable on the way"),
        "Put TLS before it, by a proxy or by tls.certificate and tls.key.",
    )
}

fn check_certificate(config: &ServiceConfig) -> DoctorFinding {
    match config.tls.clone().map(crate::http::tls::ReloadableCertificate::load) {
        None => DoctorFinding::ok("certificate", "none: TLS is the proxy's"),
        Some(Ok(_)) => DoctorFinding::ok("certificate", "fits its key"),
        Some(Err(error)) => DoctorFinding::failure(
            "certificate",
            chain(&error).to_string(),
            "Set tls.certificate to the chain and tls.key to its key, both PEM.",
        ),
    }
}

fn check_threads(config: &ServiceConfig) -> DoctorFinding {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let found = match config.threads {
        None => format!("{processors}, as many as processors"),
        Some(threads) => format!("{threads} by server.threads, with {processors} processors"),
    };
    DoctorFinding::ok("threads", found)
}

fn check_admin_key(config: &ServiceConfig) -> Option<DoctorFinding> {
    let file = config.data_dir.join("admin.key");
    let mode = std::fs::metadata(&file).ok()?.permissions().mode();
    let found = if mode & 0o077 == 0 {
        return None;
    } else {
        format!("{} is readable for other users of this machine", file.display())
    };
    Some(DoctorFinding::failure("admin key", found, format!("chmod 600 {}, and rotate the key.", file.display())))
}

/// True if the directory is on a file system over a network. `false` if the system does not know it.
pub(super) fn is_on_network(dir: &std::path::Path) -> bool {
    rustix::fs::statfs(dir).is_ok_and(|disk| NETWORK_FILE_SYSTEMS.contains(&disk.f_type.cast_unsigned()))
}

fn check_file_system(config: &ServiceConfig) -> Option<DoctorFinding> {
    let embedded = matches!(config.store, StoreConfig::Embedded { .. });
    if !embedded && !matches!(config.database, DatabaseConfig::Sqlite(_)) {
        return None;
    }
    is_on_network(&config.data_dir).then(|| {
        DoctorFinding::failure(
            "file system",
            format!("{} is on a network: locks and fsync are not to be relied upon there", config.data_dir.display()),
            "Put the data directory on a disk of this machine, or use PostgreSQL and an S3 store.",
        )
    })
}

async fn examine_dependencies(config: &ServiceConfig, resources: &Resources) -> Vec<DoctorFinding> {
    let engine = &resources.engine;
    let mut findings = vec![check_database_clock(engine)];
    let health = engine.operations().check_health().await;
    findings.push(named("database", &health.database, "Check the database server and GANTRY_DATABASE_URL."));
    findings.push(named("store", &health.store, "Check endpoint, bucket and credentials of the store."));
    findings.extend(check_disk(engine));
    findings.extend(check_scanner(config).await);
    findings.extend(check_broker(config));
    findings.push(check_decoders(config).await);
    findings
}

fn named(check: &'static str, state: &Result<(), String>, mend: &str) -> DoctorFinding {
    match state {
        Ok(()) => DoctorFinding::ok(check, "answers"),
        Err(why) => DoctorFinding::failure(check, why.clone(), mend),
    }
}

fn check_database_clock(engine: &Engine) -> DoctorFinding {
    let skew = SystemClock.now().as_microsecond() - engine.now().as_microsecond();
    let millis = skew / 1000;
    if u128::from(millis.unsigned_abs()) <= MAX_SKEW.as_millis() {
        return DoctorFinding::ok("clock", format!("{millis} ms ahead of the database's"));
    }
    let found = format!("this machine's clock is {millis} ms ahead of the database's");
    DoctorFinding::failure("clock", found, "Let both machines take their time from NTP: signed URLs live by the clock.")
}

fn check_disk(engine: &Engine) -> Option<DoctorFinding> {
    let disk = engine.operations().measure_disk()?;
    let found = format!("{} bytes free, {} are kept in reserve", disk.free_bytes, disk.reserve_bytes);
    Some(match disk.level {
        DiskLevel::Enough => DoctorFinding::ok("disk", found),
        DiskLevel::Low => {
            DoctorFinding::warning("disk", found, "Make space: below the reserve new uploads are refused.")
        }
        DiskLevel::Full => DoctorFinding::failure("disk", found, "Make space: new uploads are refused."),
    })
}

async fn check_scanner(config: &ServiceConfig) -> Option<DoctorFinding> {
    let screening = config.processing.screening.as_ref()?;
    Some(match screening.scanner.fetch_version().await {
        Ok(version) => DoctorFinding::ok("scanner", version),
        Err(error) => DoctorFinding::failure(
            "scanner",
            chain(&error).to_string(),
            "Start clamd and check GANTRY_CLAMD: files wait in `processing` until it answers.",
        ),
    })
}

fn check_broker(config: &ServiceConfig) -> Option<DoctorFinding> {
    let address = config.processing.handoff.as_ref()?;
    Some(match handoff::connect(address) {
        Ok(sink) => {
            DoctorFinding::ok("broker", format!("{} is set; it is connected with the first event", sink.name()))
        }
        Err(error) => DoctorFinding::failure("broker", chain(&error).to_string(), "Check GANTRY_HANDOFF."),
    })
}

async fn check_decoders(config: &ServiceConfig) -> DoctorFinding {
    let sandbox = MediaSandbox::new(config.processing.limits);
    if let Err(error) = sandbox.probe_child().await {
        let mend = "Allow seccomp and Landlock to this process; without them there are no previews.";
        return DoctorFinding::warning("decoders", chain(&error).to_string(), mend);
    }
    let missing = sandbox.find_missing_programs().await;
    if missing.is_empty() {
        return DoctorFinding::ok("decoders", "all are here");
    }
    let found = format!("{} are missing: what they decode gets no preview", missing.join(", "));
    DoctorFinding::warning("decoders", found, "Install them if previews of films, documents and rare pictures matter.")
}

/// Tries the way of clients with a key of its own.
async fn examine_public_url(
    resources: &Resources,
    public_url: &str,
    try_way: impl AsyncFnOnce(&str, &str) -> Vec<DoctorFinding>,
) -> Vec<DoctorFinding> {
    let registry = resources.database.registry().by_hand();
    let scopes: Result<KeyScopes, _> = "upload,read".parse();
    let tenant = registry.tenant(DEFAULT_TENANT).await;
    let (Ok(scopes), Ok(Some(tenant))) = (scopes, tenant) else {
        let mend = "Start the service once: the first start makes the tenant.";
        return vec![DoctorFinding::warning("way of clients", "there is no tenant yet", mend)];
    };
    let key = match registry.create_key(tenant.id, scopes, Some(PROBE_KEY_TTL)).await {
        Ok(key) => key,
        Err(error) => {
            let mend = "Mend the database first.";
            return vec![DoctorFinding::failure("way of clients", chain(&error).to_string(), mend)];
        }
    };
    let findings = try_way(public_url, &key.reveal()).await;
    // It expires by itself if this fails.
    let _ = registry.revoke_key(tenant.id, key.id).await;
    findings
}
