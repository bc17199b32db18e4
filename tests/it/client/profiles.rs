//! `login`, `logout`, `whoami`, and which address and key count.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::service::{Ended, Service, ended, json_lines};

/// Without address and key in the environment.
fn bare(service: &Service, arguments: &[&str]) -> Command {
    let mut command = service.gantry(arguments);
    command.env_remove("GANTRY_URL").env_remove("GANTRY_API_KEY").env_remove("GANTRY_CLIENT_PROFILE");
    command
}

async fn run(mut command: Command) -> Ended {
    ended(command.output().await.unwrap())
}

async fn login(service: &Service, arguments: &[&str], key: &str) -> Ended {
    let mut child = bare(service, &[&["login"], arguments].concat()).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let _ = input.write_all(format!("{key}\n").as_bytes()).await;
    drop(input);
    ended(child.wait_with_output().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_opens_the_service_until_it_is_forgotten() {
    let service = Service::start().await;
    let wrong = login(&service, &[&service.url], "gk_nonsense.nonsense").await;
    assert_eq!(wrong.code, 3, "a wrong key is told at once: {}", wrong.err);
    assert_eq!(login(&service, &["nowhere"], &service.key).await.code, 2);
    assert_eq!(login(&service, &[&service.url], "").await.code, 2);
    let kept = login(&service, &[&service.url], &service.key).await;
    assert_eq!((kept.code, kept.out.as_str()), (0, ""), "{}", kept.err);
    assert!(kept.err.contains("of the tenant default has the scopes admin"), "{}", kept.err);
    assert!(!kept.err.contains("gk_"), "{}", kept.err);
    let file = service.path("config/gantry/profiles.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let who = run(bare(&service, &["whoami"])).await;
    assert_eq!(who.code, 0, "{}", who.err);
    for word in [service.url.as_str(), "profile    default", "tenant     default (", "scopes     admin"] {
        assert!(who.out.contains(word), "{word} is not in {}", who.out);
    }
    assert!(!who.out.contains(service.key.split('.').nth(1).unwrap()), "{}", who.out);
    assert_eq!(run(bare(&service, &["logout"])).await.code, 0);
    assert_eq!(run(bare(&service, &["logout"])).await.code, 2);
    assert!(!std::fs::read_to_string(&file).unwrap().contains("gk_"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flags_count_before_the_environment_and_that_before_the_profile() {
    let service = Service::start().await;
    let reader = service.post("/v1/keys", &json!({ "scopes": ["read"] })).await;
    let reader = reader["key"].as_str().unwrap();
    assert_eq!(login(&service, &["--profile", "admin", &service.url], &service.key).await.code, 0);
    assert_eq!(login(&service, &[&service.url], reader).await.code, 0);
    let scopes = async |command: Command| {
        let who = run(command).await;
        assert_eq!(who.code, 0, "{}", who.err);
        json_lines(&who.out)[0]["caller"]["scopes"].clone()
    };
    let who = ["whoami", "--json"];
    assert_eq!(scopes(bare(&service, &who)).await, json!(["read"]), "the profile `default`");
    let mut profile = bare(&service, &who);
    profile.env("GANTRY_CLIENT_PROFILE", "admin");
    assert_eq!(scopes(profile).await, json!(["admin"]));
    let mut key = bare(&service, &who);
    key.env("GANTRY_CLIENT_PROFILE", "admin").env("GANTRY_API_KEY", reader);
    assert_eq!(scopes(key).await, json!(["read"]), "a key in the environment counts before the profile");
    let mut flag = bare(&service, &["whoami", "--json", "--profile", "admin"]);
    flag.env("GANTRY_API_KEY", reader).env("GANTRY_URL", "http://127.0.0.1:9");
    assert_eq!(scopes(flag).await, json!(["admin"]), "a flag counts before the environment");
    let missing = run(bare(&service, &["ls", "--profile", "nowhere"])).await;
    assert!(missing.code == 2 && missing.err.contains("gantry login --profile nowhere"), "{}", missing.err);
    // Another address gets no key of a profile.
    let elsewhere = run(bare(&service, &["ls", "--url", "http://127.0.0.1:9"])).await;
    assert_eq!(elsewhere.code, 3, "{}", elsewhere.err);
}
