//! `GANTRY_PROFILE=production`: all reasons at once, the same from every command, and none for a sound configuration.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::database::Place;
use crate::support::process::Instance;

const PRODUCTION: [(&str, &str); 4] = [
    ("GANTRY_PROFILE", "production"),
    ("GANTRY_PUBLIC_URL", "https://files.example"),
    ("GANTRY_STORE_PUBLIC_URL", "https://store.example"),
    ("GANTRY_SERVER__THREADS", "3"),
];

#[tokio::test]
async fn what_is_for_trying_only_is_refused_at_once_and_by_every_command() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "0123456789abcdef0123456789abcdef").unwrap();
    std::fs::set_permissions(secret.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let settings = [
        ("GANTRY_PROFILE", "production"),
        ("GANTRY_PUBLIC_URL", "http://files.example"),
        ("GANTRY_DATABASE_URL", "postgres://gantry:hush@db.example/gantry"),
        ("GANTRY_LOG__LEVEL", "debug"),
        ("GANTRY_TRUSTED_PROXY_SECRET_FILE", secret.path().to_str().unwrap()),
    ];
    let mut instance = Instance::new(Place::fresh_file(), &settings);
    instance.settings.iter_mut().filter(|(name, _)| name == "GANTRY_LISTEN").for_each(|(_, text)| {
        *text = "0.0.0.0:8080".to_owned();
    });
    let data = instance.settings.iter().find(|(name, _)| name == "GANTRY_DATA_DIR").unwrap().1.clone();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(format!("{data}/admin.key"), "gk_").unwrap();
    let reasons = [
        "public_url: http://files.example is plain HTTP",
        "store_public_url: not set",
        "server.proxies: 0.0.0.0:8080",
        "log.level: \"debug\"",
        "database_url: PostgreSQL on another machine",
        "signing_key: not set",
        "admin key:",
        &format!("{} is readable", secret.path().display()),
        &format!("{data} is readable"),
    ];
    for command in ["check-config", "serve", "work"] {
        let refused = instance.gantry(&[command]).output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && !said.contains("hush"), "{command}: {said}");
        for reason in reasons {
            assert!(said.contains(reason), "{command} does not say {reason}: {said}");
        }
    }
    // Without the profile it is none of its business.
    instance.settings.retain(|(name, _)| name != "GANTRY_PROFILE");
    assert!(instance.run(&["check-config"]).contains("valid"));
}

#[tokio::test]
async fn a_sound_configuration_starts_and_shows_no_key() {
    let mut instance = Instance::new(Place::fresh_file(), &PRODUCTION);
    let data = instance.settings.iter().find(|(name, _)| name == "GANTRY_DATA_DIR").unwrap().1.clone();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700)).unwrap();
    assert!(instance.run(&["check-config"]).contains("valid"));
    instance.start(None).await;
    assert!(!std::path::Path::new(&data).join("admin.key").exists());
    assert_eq!(instance.run(&["key", "list"]), "");
    let doctor = instance.gantry(&["doctor"]).output().unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("threads") && said.contains("3 by server.threads"), "{said}");
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    let doctor = instance.gantry(&["doctor"]).output().unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("FAIL  permissions"), "{said}");
}

/// Threads of a process that the runtime has named.
fn worker_threads(process: u32) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.starts_with("tokio-rt-worker") || name.starts_with("tokio-runtime-w")).count()
}

#[tokio::test]
async fn the_runtime_has_the_threads_that_are_set() {
    let count = async |threads: &str| {
        let mut instance = Instance::new(Place::fresh_file(), &[("GANTRY_SERVER__THREADS", threads)]);
        instance.start(None).await;
        worker_threads(instance.process_id())
    };
    // Blocking threads have the same name; they end after some idle seconds and are fewer than the difference here.
    let (few, many) = (count("1").await, count("64").await);
    assert!(few < 60 && many >= 64, "{few} {many}");
    let refused = Instance::new(Place::fresh_file(), &[("GANTRY_SERVER__THREADS", "0")]);
    let refused = refused.gantry(&["check-config"]).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("server.threads"));
}
