//! The embedded database in trouble: pages that are malformed, a disk that is full, a file that is gone.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Row};
use tempfile::TempDir;

use crate::support::database::Place;
use crate::support::patience::eventually;
use crate::support::process::Instance;
use crate::support::requests;
use crate::support::transcript::noise;

fn sqlite() -> (Place, PathBuf) {
    let dir = Arc::new(TempDir::new().unwrap());
    let file = dir.path().join("gantry.db");
    (Place::Sqlite(dir), file)
}

/// A service that is not waited for until it is ready.
struct Unready(Child);

impl Unready {
    async fn start(instance: &Instance, log: &Path) -> Self {
        let log = std::fs::File::create(log).unwrap();
        let process = instance.gantry(&["serve"]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let livez = format!("{}/livez", instance.url);
        eventually("the process answers", async || requests::get(&livez).await.is_ok()).await;
        Self(process)
    }
}

impl Drop for Unready {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Overwrites the first page of a table, and returns what was there and where.
async fn spoil(file: &Path, table: &str) -> (u64, Vec<u8>) {
    let mut rows = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut rows).await.unwrap();
    let page: i64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(&mut rows).await.unwrap();
    let root = sqlx::query("SELECT rootpage FROM sqlite_master WHERE name = $1").bind(table);
    let root: i64 = root.fetch_one(&mut rows).await.unwrap().get(0);
    drop(rows);
    let (at, len) = (u64::try_from((root - 1) * page).unwrap(), usize::try_from(page).unwrap());
    let mut before = vec![0; len];
    let db = std::fs::File::options().read(true).write(true).open(file).unwrap();
    std::os::unix::fs::FileExt::read_exact_at(&db, &mut before, at).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&db, &vec![0xa5; len], at).unwrap();
    (at, before)
}

async fn status(instance: &Instance, path: &str) -> u16 {
    requests::get(format!("{}{path}", instance.url)).await.unwrap().status().as_u16()
}

async fn ask(instance: &Instance, key: &str, path: &str) -> (u16, Value) {
    let answer = requests::client().get(format!("{}{path}", instance.url)).bearer_auth(key).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

async fn create(instance: &Instance, key: &str) -> (u16, Value) {
    let wish = json!({ "filename": "a.bin", "size": 5 });
    let made = requests::client().post(format!("{}/v1/uploads", instance.url)).bearer_auth(key).json(&wish);
    let made = made.send().await.unwrap();
    (made.status().as_u16(), made.json().await.unwrap())
}

/// A whole file; the id of its asset, once it is ready.
async fn bring(instance: &Instance, key: &str, bytes: Vec<u8>) -> String {
    let wish = json!({ "filename": "a.bin", "size": bytes.len() });
    let client = requests::client();
    let made = client.post(format!("{}/v1/uploads", instance.url)).bearer_auth(key).json(&wish).send().await.unwrap();
    let made: Value = made.error_for_status().unwrap().json().await.unwrap();
    let content = format!("{}/v1/uploads/{}/content", instance.url, made["upload"]["id"].as_str().unwrap());
    let put = client.put(content).bearer_auth(key).body(bytes).send().await.unwrap();
    put.error_for_status().unwrap();
    let asset = made["asset"]["id"].as_str().unwrap().to_owned();
    let ready = ask(instance, key, &format!("/v1/assets/{asset}?wait=30s&until=ready")).await.1;
    assert_eq!(ready["state"], "ready", "{ready}");
    asset
}

async fn says_that_it_is_damaged(instance: &Instance, key: &str, asset: &str) {
    eventually("it is not ready", async || status(instance, "/readyz").await == 503).await;
    assert_eq!(status(instance, "/livez").await, 200);
    let (code, alarms) = ask(instance, key, "/v1/admin/alarms").await;
    assert_eq!((code, &alarms["alarms"][0]["code"]), (200, &json!("database_damaged")), "{alarms}");
    let metrics = requests::get(format!("{}/metrics", instance.url)).await.unwrap().text().await.unwrap();
    assert!(metrics.lines().any(|line| line.starts_with("gantry_alarms ") && !line.ends_with(" 0")), "{metrics}");
    assert_eq!(create(instance, key).await.0, 500, "nothing is acknowledged that might not be found again");
    assert_eq!(ask(instance, key, &format!("/v1/assets/{asset}")).await.0, 200, "reading goes on");
}

#[tokio::test]
async fn malformed_pages_are_found_at_the_start() {
    let (place, file) = sqlite();
    let mut instance = Instance::new(place, &[]);
    instance.start(None).await;
    let key = instance.key();
    let asset = bring(&instance, &key, noise(1000, 1)).await;
    instance.kill();
    let (at, before) = spoil(&file, "collection").await;
    let log = file.with_extension("log");
    let running = Unready::start(&instance, &log).await;
    says_that_it_is_damaged(&instance, &key, &asset).await;
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains("ERROR") && said.contains("the database is damaged"), "{said}");
    drop(running);
    // Restored, it is as if nothing had been.
    let db = std::fs::File::options().write(true).open(&file).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&db, &before, at).unwrap();
    instance.start(None).await;
    assert_eq!(create(&instance, &key).await.0, 201);
}

#[tokio::test]
async fn malformed_pages_are_found_when_they_are_met() {
    let (place, file) = sqlite();
    let mut instance = Instance::new(place, &[]);
    instance.start(None).await;
    let key = instance.key();
    let asset = bring(&instance, &key, noise(1000, 1)).await;
    assert_eq!(status(&instance, "/readyz").await, 200);
    // A table of which no connection has a page in its memory.
    spoil(&file, "replay").await;
    let wish = requests::client().post(format!("{}/v1/uploads", instance.url)).bearer_auth(&key);
    let wish = wish.header("idempotency-key", "k").json(&json!({ "filename": "a.bin", "size": 5 }));
    let refused = wish.send().await.unwrap();
    assert_eq!(refused.status(), 500);
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["retryable"], false, "{problem}");
    says_that_it_is_damaged(&instance, &key, &asset).await;
    let said = instance.log_text();
    assert!(said.contains("ERROR") && said.contains("the database reports damage"), "{said}");
    assert!(said.contains("nothing is written to it any more"), "{said}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named_as_such() {
    let (place, file) = sqlite();
    std::fs::write(&file, noise(100_000, 1)).unwrap();
    let output = Instance::new(place, &[]).gantry(&["serve"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("gantry.db cannot be opened: file is not a database"), "{said}");
}

/// A file system of its own; needs root.
pub struct Tmpfs(pub TempDir);

impl Tmpfs {
    pub fn new(size: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let options = format!("size={size}");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir.path()).status();
        assert!(mount.unwrap().success(), "this test mounts a tmpfs and must run as root");
        Self(dir)
    }

    /// Fills it until so many bytes are left.
    fn leave(&self, bytes: u64) {
        let ballast = std::fs::File::create_new(self.0.path().join(format!("ballast-{bytes}"))).unwrap();
        // The service writes as well: between measuring and filling there may become less than was measured.
        loop {
            let stat = rustix::fs::statvfs(self.0.path()).unwrap();
            let fill = (stat.f_bavail * stat.f_frsize).saturating_sub(bytes);
            match rustix::fs::fallocate(&ballast, rustix::fs::FallocateFlags::empty(), 0, fill) {
                Err(rustix::io::Errno::NOSPC) => {}
                filled => break filled.unwrap(),
            }
        }
    }

    fn give_back(&self) {
        for file in std::fs::read_dir(self.0.path()).unwrap().map(|file| file.unwrap().path()) {
            if file.is_file() {
                std::fs::remove_file(file).unwrap();
            }
        }
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

async fn delete(instance: &Instance, key: &str, asset: &str) -> u16 {
    let url = format!("{}/v1/assets/{asset}", instance.url);
    requests::client().delete(url).bearer_auth(key).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_full_disk_is_507_and_deletes_use_the_reserve() {
    let disk = Tmpfs::new("48m");
    let data = disk.0.path().join("data");
    let url = format!("sqlite://{}", data.join("gantry.db").display());
    let data = data.display().to_string();
    let settings =
        [("GANTRY_DATA_DIR", &*data), ("GANTRY_DATABASE_URL", &*url), ("GANTRY_LIMITS__DISK_RESERVE", "8MiB")];
    let mut instance = Instance::new(sqlite().0, &settings);
    instance.start(None).await;
    let key = instance.key();
    let mut assets = Vec::new();
    for seed in 0..3 {
        assets.push(bring(&instance, &key, noise(100_000, seed)).await);
    }
    // The reserve is touched: nothing new, and everything that makes room.
    disk.leave(7 << 20);
    let (code, problem) = create(&instance, &key).await;
    assert_eq!((code, &problem["code"], &problem["retryable"]), (507, &json!("storage_full"), &json!(true)));
    // Measured once a second at most; the node stays ready, because downloads go on.
    eventually("the disk is told to be full", async || {
        let (status, ready) = ask(&instance, &key, "/readyz?verbose").await;
        assert_eq!(status, 200);
        ready["disk"] == "full"
    })
    .await;
    let alarms = ask(&instance, &key, "/v1/admin/alarms").await.1;
    let codes: Vec<_> = alarms["alarms"].as_array().unwrap().iter().map(|alarm| &alarm["code"]).collect();
    assert!(codes.contains(&&json!("disk_full")), "{alarms}");
    let link = requests::client().post(format!("{}/v1/assets/{}/links", instance.url, assets[0])).bearer_auth(&key);
    assert_eq!(link.json(&json!({ "expires_in": 60 })).send().await.unwrap().status(), 507);
    assert_eq!(delete(&instance, &key, &assets[0]).await, 204);
    assert_eq!(ask(&instance, &key, &format!("/v1/assets/{}", assets[1])).await.0, 200);
    // Others have taken the reserve as well, to the last byte.
    disk.leave(0);
    assert_eq!(create(&instance, &key).await.0, 507);
    // The log of writes may have some room of its own left; then it is full as well.
    let mut last = 204;
    for _ in 0..2000 {
        let changed = requests::client().patch(format!("{}/v1/assets/{}", instance.url, assets[1])).bearer_auth(&key);
        last = changed.json(&json!({ "metadata": { "a": "x".repeat(2000) } })).send().await.unwrap().status().as_u16();
        if last != 200 {
            break;
        }
    }
    assert_eq!(last, 507, "full is not \"try again\"");
    disk.give_back();
    eventually("it goes on", async || create(&instance, &key).await.0 == 201).await;
    assert_eq!(delete(&instance, &key, &assets[1]).await, 204);
    assert_eq!(status(&instance, "/readyz").await, 200);
    assert_eq!(ask(&instance, &key, &format!("/v1/assets/{}", assets[2])).await.0, 200);
}

/// A database with what its last process has left beside it.
fn move_database(from: &Path, to: &Path) {
    for end in ["", "-wal", "-shm"] {
        let at = |file: &Path| PathBuf::from(format!("{}{end}", file.display()));
        if at(from).exists() {
            std::fs::copy(at(from), at(to)).unwrap();
            std::fs::remove_file(at(from)).unwrap();
        }
    }
}

fn refused(instance: &Instance, arguments: &[&str]) -> String {
    let output = instance.gantry(arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}: {said}");
    said
}

#[tokio::test]
async fn a_new_database_beside_a_full_store_is_refused() {
    let (place, file) = sqlite();
    let mut instance = Instance::new(place, &[]);
    instance.start(None).await;
    let key = instance.key();
    bring(&instance, &key, noise(1000, 1)).await;
    instance.kill();
    let data = instance.settings.iter().find(|(name, _)| name == "GANTRY_DATA_DIR").unwrap().1.clone();
    let saved = TempDir::new().unwrap();
    move_database(&file, &saved.path().join("gantry.db"));
    for command in [&["serve"][..], &["key", "create", "--tenant", "default", "--scopes", "admin"]] {
        let said = refused(&instance, command);
        assert!(said.contains("is missing or empty") && said.contains("Restore the database"), "{said}");
        assert!(!file.exists(), "nothing is in the way of the file from the backup");
    }
    // Another database that is new is the same mistake.
    let other = Instance::new(Place::fresh_schema().await, &[("GANTRY_DATA_DIR", &*data)]);
    assert!(refused(&other, &["serve"]).contains("The database is new"));
    // What the sentence says helps, either way.
    move_database(&saved.path().join("gantry.db"), &file);
    instance.start(None).await;
    assert_eq!(create(&instance, &key).await.0, 201);
    instance.kill();
    move_database(&file, &saved.path().join("gantry.db"));
    std::fs::rename(Path::new(&data).join("store"), Path::new(&data).join("store.old")).unwrap();
    instance.start(None).await;
    bring(&instance, &instance.key(), noise(1000, 2)).await;
}
