//! `gantry doctor`: what it finds on a sound instance, and what it says of unsound ones.

use std::process::Output;

use serde_json::Value;

use crate::support::database::Place;
use crate::support::process::Instance;

/// Findings by the name of their check.
fn findings(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn level(findings: &[Value], check: &str) -> String {
    let found = findings.iter().find(|finding| finding["check"] == check);
    found.unwrap_or_else(|| panic!("no check {check}: {findings:?}"))["level"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_sound_instance_passes_from_within_and_from_outside() {
    let mut instance = Instance::new(Place::fresh_file(), &[]);
    instance.start(None).await;
    let within = instance.gantry(&["doctor", "--json"]).output().unwrap();
    let found = findings(&within);
    assert!(within.status.success(), "{found:?}");
    for check in ["database", "store", "disk", "clock", "answer", "websocket", "events", "transfer"] {
        assert_eq!(level(&found, check), "ok", "{found:?}");
    }
    assert_eq!(level(&found, "scanner"), "warning");
    let keys = instance.run(&["key", "list"]);
    assert!(
        keys.lines().filter(|key| key.contains("\"revoked_at\":null")).count() <= 1,
        "its own key is revoked: {keys}"
    );

    let key = instance.run(&["key", "create", "--scopes", "upload,read"]);
    let outside = || {
        let mut command = instance.gantry(&["doctor", "--url", &instance.url, "--json"]);
        command.env_remove("GANTRY_API_KEY");
        command
    };
    let with_key = outside().env("GANTRY_API_KEY", &key).output().unwrap();
    assert!(with_key.status.success());
    assert_eq!(level(&findings(&with_key), "CORS"), "ok");
    let without = outside().output().unwrap();
    assert!(without.status.success());
    assert_eq!(level(&findings(&without), "key"), "warning");
    let wrong = outside().env("GANTRY_API_KEY", "gk_00000000000000000000000000000000.wrong").output().unwrap();
    assert!(!wrong.status.success());
    assert_eq!(level(&findings(&wrong), "key"), "failure");
    let text = instance.gantry(&["doctor", "--url", &instance.url]).env("GANTRY_API_KEY", &key).output().unwrap();
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("ok    transfer") && !text.contains("X-Amz-Signature"), "{text}");
}

#[tokio::test]
async fn what_is_wrong_is_named_with_how_to_mend_it() {
    let instance = Instance::new(Place::fresh_file(), &[]);
    let nothing = instance.gantry(&["doctor", "--url", "http://127.0.0.1:9", "--json"]).output().unwrap();
    assert!(!nothing.status.success());
    let found = findings(&nothing);
    assert_eq!(level(&found, "answer"), "failure");
    assert!(found.iter().all(|finding| finding["level"] == "ok" || !finding["mend"].is_null()));
    let unknown = instance.gantry(&["doctor", "--url", "http://no-such-host.invalid", "--json"]).output().unwrap();
    assert_eq!(level(&findings(&unknown), "name"), "failure");
    let settings = instance.gantry(&["doctor", "--json"]).env("GANTRY_LIMITS__MAX_SIZE", "much").output().unwrap();
    assert!(!settings.status.success());
    assert_eq!(level(&findings(&settings), "settings"), "failure");
    let database =
        instance.gantry(&["doctor", "--json"]).env("GANTRY_DATABASE_URL", "postgres://127.0.0.1:9/none").output();
    let database = database.unwrap();
    assert!(!database.status.success());
    assert_eq!(level(&findings(&database), "database, store"), "failure");
}
