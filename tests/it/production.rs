//! `GANTRY_PROFILE=production`: all reasons at once, the same from every command, and none for a sound configuration.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::database::Place;
use crate::support::process::Instance;

const PRODUCTION: [(&str, &str); 3] = [
    ("GANTRY_PROFILE", "production"),
    ("GANTRY_PUBLIC_URL", "https://files.example"),
    ("GANTRY_STORE_PUBLIC_URL", "https://store.example"),
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
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    let doctor = instance.gantry(&["doctor"]).output().unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("FAIL  permissions"), "{said}");
}
