//! SIGHUP: what a running service takes up, what it keeps, and what it says.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Executor as _};
use tempfile::TempDir;

use crate::support::bucket::Bucket;
use crate::support::database::Place;
use crate::support::patience::eventually;
use crate::support::process::Instance;
use crate::support::requests;
use crate::tls::{certificate, curl};

/// A service whose secrets are files, which the test changes.
struct Reloaded {
    instance: Instance,
    files: TempDir,
    /// How often it has taken settings up.
    signals: usize,
}

impl Reloaded {
    /// `secrets`: variables without `_FILE`, and what their files hold first.
    async fn start(place: Place, secrets: &[(&str, &str)], settings: &[(&str, &str)]) -> Self {
        let files = TempDir::new().unwrap();
        let mut instance = Instance::new(place, settings);
        for (name, text) in secrets {
            std::fs::write(files.path().join(name), text).unwrap();
            instance.settings.retain(|(known, _)| known != name);
            let path = files.path().join(name).display().to_string();
            instance.settings.push((format!("{name}_FILE"), path));
        }
        instance.start(None).await;
        Self { instance, files, signals: 0 }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Changes a secret, sends the signal, and waits until the service has said what came of it.
    async fn change(&mut self, name: &str, text: &str) -> String {
        std::fs::write(self.file(name), text).unwrap();
        self.hang_up().await
    }

    async fn hang_up(&mut self) -> String {
        let (before, ends) =
            (self.instance.log_text().len(), ["SIGHUP: settings were taken up", "SIGHUP: the settings are invalid"]);
        self.instance.signal("HUP");
        self.signals += 1;
        eventually("the service speaks of the signal", async || {
            let log = self.instance.log_text();
            ends.iter().map(|end| log.matches(end).count()).sum::<usize>() == self.signals
        })
        .await;
        self.instance.log_text()[before..].to_owned()
    }
}

async fn link(instance: &Instance, key: &str, asset: &str) -> String {
    let post = requests::client().post(format!("{}/v1/assets/{asset}/links", instance.url)).bearer_auth(key);
    let made: Value = post.body(json!({ "expires_in": 600 }).to_string()).send().await.unwrap().json().await.unwrap();
    made["url"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

async fn status(url: &str) -> u16 {
    requests::client_without_redirects().get(url).send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_keys_rotate_in_a_running_service() {
    let (old, new) = ("old-signing-key".repeat(3), "new-signing-key".repeat(3));
    let mut service = Reloaded::start(Place::fresh_file(), &[("GANTRY_SIGNING_KEY", &old)], &[]).await;
    let key = service.instance.key();
    let asset = service.instance.upload(&key, b"hello").await;
    let before = link(&service.instance, &key, &asset).await;

    let said = service.change("GANTRY_SIGNING_KEY", &format!("{new},{old}")).await;
    assert!(said.contains("signing_key") && !said.contains(&new) && !said.contains(&old), "{said}");
    let after = link(&service.instance, &key, &asset).await;
    assert_eq!((status(&before).await, status(&after).await), (302, 302));

    // What cannot be used changes nothing.
    let said = service.change("GANTRY_SIGNING_KEY", "short").await;
    assert!(said.contains("invalid") && said.contains("at least 32"), "{said}");
    assert_eq!((status(&before).await, status(&after).await), (302, 302));

    service.change("GANTRY_SIGNING_KEY", &new).await;
    assert_eq!((status(&before).await, status(&after).await), (404, 302));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_secret_of_the_proxy_and_the_log_level_are_taken_up_and_the_rest_is_named() {
    let (old, new) = ("old-proxy-secret".repeat(3), "new-proxy-secret".repeat(3));
    let directory = TempDir::new().unwrap();
    let config = directory.path().join("own.toml");
    std::fs::write(&config, "[log]\nlevel = \"info\"\n").unwrap();
    let settings = [("GANTRY_DELIVERY", "accel"), ("GANTRY_CONFIG", config.to_str().unwrap())];
    let secrets = [("GANTRY_TRUSTED_PROXY_SECRET", old.as_str())];
    let mut service = Reloaded::start(Place::fresh_file(), &secrets, &settings).await;
    let key = service.instance.key();
    let asset = service.instance.upload(&key, b"hello").await;
    let link = link(&service.instance, &key, &asset).await;
    let offloaded = async |secret: &str| {
        let get = requests::client().get(&link).header("x-gantry-proxy-secret", secret);
        get.send().await.unwrap().headers().contains_key("x-accel-redirect")
    };
    assert_eq!((offloaded(&old).await, offloaded(&new).await), (true, false));

    let said = service.change("GANTRY_TRUSTED_PROXY_SECRET", &new).await;
    assert!(said.contains("trusted_proxy_secret") && !said.contains(&new) && !said.contains(&old), "{said}");
    assert_eq!((offloaded(&old).await, offloaded(&new).await), (false, true));

    std::fs::write(&config, "cors_origins = \"https://app.example\"\n[log]\nlevel = \"debug\"\n").unwrap();
    let said = service.hang_up().await;
    assert!(said.contains("log.level") && said.contains("need a restart") && said.contains("cors_origins"), "{said}");
    let level = requests::client().get(format!("{}/v1/admin/log-level", service.instance.url)).bearer_auth(&key);
    let level: Value = level.send().await.unwrap().json().await.unwrap();
    assert!(level.to_string().contains("debug"), "{level}");
    // Until the restart it is said again; a level that cannot be read is not taken.
    std::fs::write(&config, "cors_origins = \"https://app.example\"\n[log]\nlevel = \"gantry=loud\"\n").unwrap();
    let said = service.hang_up().await;
    assert!(said.contains("cors_origins") && said.contains("cannot be used"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_taken_up_at_once() {
    let dir = TempDir::new().unwrap();
    certificate(dir.path());
    let path = |name: &str| dir.path().join(name).display().to_string();
    let settings = [("GANTRY_TLS__CERTIFICATE", &*path("cert.pem")), ("GANTRY_TLS__KEY", &*path("key.pem"))];
    let mut service = Reloaded::start(Place::fresh_file(), &[], &settings).await;
    let url = format!("{}/livez", service.instance.url.replace("http://", "https://"));
    let code = ["-o", "/dev/null", "-w", "%{http_code}", &url];
    assert_eq!(curl(dir.path(), &code), "200");
    certificate(dir.path());
    assert!(curl(dir.path(), &code).contains("certificate"));
    let said = service.hang_up().await;
    assert!(said.contains("certificate"), "{said}");
    assert_eq!(curl(dir.path(), &code), "200");
    std::fs::write(dir.path().join("key.pem"), "nonsense").unwrap();
    let said = service.hang_up().await;
    assert!(said.contains("the certificate in use stays"), "{said}");
    assert_eq!(curl(dir.path(), &code), "200");
}

/// A login of its own at the test server, for which the server demands a password, and the URL without it.
async fn login(password: &str) -> (sqlx::PgConnection, String, String) {
    let url = std::env::var("GANTRY_TEST_POSTGRES").expect("GANTRY_TEST_POSTGRES: start tests/servers.sh");
    let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    let mut admin = options.connect().await.unwrap();
    let role = format!("r{}", uuid::Uuid::new_v4().simple());
    let group = "DO $$ BEGIN CREATE ROLE password_required; \
                 EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$";
    admin.execute(group).await.unwrap();
    for statement in [
        format!("CREATE ROLE {role} LOGIN PASSWORD '{password}' IN ROLE password_required"),
        format!("CREATE SCHEMA {role} AUTHORIZATION {role}"),
    ] {
        admin.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    }
    let rest = url.split_once('@').unwrap().1.to_owned();
    (admin, role.clone(), format!("@{rest}?options=-csearch_path%3D{role}"))
}

/// Ends the connections of the service, whose new ones use the new password.
async fn check_new_connections(
    service: &Reloaded,
    admin: &mut sqlx::PgConnection,
    role: &str,
    create: &impl AsyncFn() -> u16,
) {
    let before = service.instance.log_text().len();
    let ended = sqlx::query_scalar::<_, i64>(
        "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1) ended",
    );
    let ended = ended.bind(role).fetch_one(admin).await.unwrap();
    assert!(ended > 0);
    eventually("the service is back", async || create().await == 201).await;
    for _ in 0..50 {
        assert_eq!(create().await, 201);
    }
    let log = service.instance.log_text()[before..].to_owned();
    assert!(!log.contains("password authentication failed"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_password_of_the_database_is_taken_up_under_load() {
    let (mut admin, role, rest) = login("first-password").await;
    let url = |password: &str| format!("postgres://{role}:{password}{rest}");
    // The server does look at it.
    let wrong: sqlx::postgres::PgConnectOptions = url("wrong-password").parse().unwrap();
    assert!(wrong.connect().await.is_err());
    let place = Place::Postgres(url("first-password"));
    let secrets = [("GANTRY_DATABASE_URL", url("first-password"))];
    let secrets: Vec<_> = secrets.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let mut service = Reloaded::start(place, &secrets, &[]).await;
    let key = service.instance.key();

    let create = {
        let (client, url, key) = (requests::client(), format!("{}/v1/uploads", service.instance.url), key.clone());
        Arc::new(async move || {
            let wish = json!({ "filename": "a.txt", "size": 5, "method": "put" }).to_string();
            client.post(&url).bearer_auth(&key).body(wish).send().await.unwrap().status().as_u16()
        })
    };
    let (stop, good) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    // Between the two changes, here and at the server, a new connection is refused.
    let between = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (create, stop, good, between) = (create.clone(), stop.clone(), good.clone(), between.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let excused = between.load(Ordering::SeqCst);
                    let status = create().await;
                    assert!(status == 201 || excused || between.load(Ordering::SeqCst), "{status}");
                    good.fetch_add(usize::from(status == 201), Ordering::Relaxed);
                }
            })
        })
        .collect();
    between.store(true, Ordering::SeqCst);
    let statement = format!("ALTER ROLE {role} PASSWORD 'second-password'");
    admin.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    // A wrong one is not taken; the right one is.
    let said = service.change("GANTRY_DATABASE_URL", &url("wrong-password")).await;
    assert!(said.contains("database_url") && said.contains("stays") && !said.contains("wrong-password"), "{said}");
    let said = service.change("GANTRY_DATABASE_URL", &url("second-password")).await;
    assert!(said.contains("database_url") && !said.contains("second-password"), "{said}");
    between.store(false, Ordering::SeqCst);
    let seen = good.load(Ordering::Relaxed);
    eventually("the load goes on", async || good.load(Ordering::Relaxed) > seen + 20).await;
    stop.store(true, Ordering::Relaxed);
    for task in load {
        task.await.unwrap();
    }

    check_new_connections(&service, &mut admin, &role, &*create).await;
    // Another server is no other password.
    let other = url("second-password").replace("/postgres?", "/template1?");
    let said = service.change("GANTRY_DATABASE_URL", &other).await;
    assert!(said.contains("database_url") && !said.contains("second-password"), "{said}");
    assert_eq!(create().await, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_of_the_aws_chain_are_read_again() {
    let mut settings = Bucket::for_processes().await;
    let mut take = |name: &str| {
        let at = settings.iter().position(|(known, _)| *known == name).unwrap();
        settings.remove(at).1
    };
    let (access_key, secret) = (take("AWS_ACCESS_KEY_ID"), take("AWS_SECRET_ACCESS_KEY"));
    let profile = |key: &str| format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n");
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("credentials");
    std::fs::write(&file, profile(&access_key)).unwrap();
    settings.push(("AWS_SHARED_CREDENTIALS_FILE", file.display().to_string()));
    settings.push(("AWS_EC2_METADATA_DISABLED", "true".to_owned()));
    let settings: Vec<_> = settings.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let mut service = Reloaded::start(Place::fresh_file(), &[], &settings).await;
    let key = service.instance.key();
    let signed = async |instance: &Instance| {
        let wish = json!({ "filename": "a.txt", "size": 5, "method": "put" }).to_string();
        let post = requests::client().post(format!("{}/v1/uploads", instance.url)).bearer_auth(&key);
        let made: Value = post.body(wish).send().await.unwrap().json().await.unwrap();
        made["put"]["url"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
    };
    assert!(signed(&service.instance).await.contains(&format!("X-Amz-Credential={access_key}")));
    std::fs::write(&file, profile("AKNEXT0000000000001")).unwrap();
    let said = service.hang_up().await;
    assert!(said.contains("AWS credentials") && !said.contains("AKNEXT"), "{said}");
    assert!(signed(&service.instance).await.contains("X-Amz-Credential=AKNEXT0000000000001"));
    // A file without credentials changes nothing.
    std::fs::write(&file, "[other]\n").unwrap();
    let said = service.hang_up().await;
    assert!(said.contains("AWS credentials in use stay"), "{said}");
    assert!(signed(&service.instance).await.contains("X-Amz-Credential=AKNEXT0000000000001"));
}
