//! The real binary as a process of its own, to be killed.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, LazyLock};

use gantry::domain::clock::SystemClock;
use gantry::store::Store;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::database::Place;
use super::directory::directory;
use super::patience::eventually_ok;
use super::requests;

/// An instance: its data and its addresses, whether a process is running or not.
pub struct Instance {
    pub place: Place,
    pub url: String,
    pub settings: Vec<(String, String)>,
    dir: TempDir,
    process: Option<Child>,
}

/// A port on which nothing listens, and which this run gives out once. It is below the range from which the system takes
/// ports of its own for outgoing connections: nothing else takes it before the service listens.
pub fn free_port() -> u16 {
    static NEXT_PORT: LazyLock<AtomicU16> =
        LazyLock::new(|| AtomicU16::new(12_000 + u16::try_from(std::process::id() % 14_000).unwrap()));
    loop {
        let port = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Instance {
    /// An instance that has not been started yet.
    pub fn new(place: Place, settings: &[(&str, &str)]) -> Self {
        let (dir, port) = (directory(), free_port());
        let mut all = vec![
            ("GANTRY_DATA_DIR".to_owned(), dir.path().display().to_string()),
            ("GANTRY_DATABASE_URL".to_owned(), place.url()),
            ("GANTRY_LISTEN".to_owned(), format!("127.0.0.1:{port}")),
            ("GANTRY_STORE_LISTEN".to_owned(), format!("127.0.0.1:{}", free_port())),
        ];
        all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Self { place, url: format!("http://127.0.0.1:{port}"), settings: all, dir, process: None }
    }

    /// Uploads a file by a signed URL. Returns the id of its asset, which is ready.
    pub async fn upload(&self, key: &str, bytes: &[u8]) -> String {
        let client = requests::client();
        let ask = |path: String| client.post(format!("{}{path}", self.url)).bearer_auth(key);
        let wish = json!({"filename": "a.bin", "size": bytes.len(), "method": "put"}).to_string();
        let opened: Value = ask("/v1/uploads".to_owned()).body(wish).send().await.unwrap().json().await.unwrap();
        let put = client.put(opened["put"]["url"].as_str().unwrap()).header("if-none-match", "*");
        assert_eq!(put.header("content-length", bytes.len()).body(bytes.to_vec()).send().await.unwrap().status(), 200);
        let done =
            ask(format!("/v1/uploads/{}/complete", opened["upload"]["id"].as_str().unwrap())).send().await.unwrap();
        assert_eq!(done.status(), 200);
        let asset = opened["asset"]["id"].as_str().unwrap().to_owned();
        let url = format!("{}/v1/assets/{asset}?wait=30s&until=ready", self.url);
        let ready: Value = client.get(url).bearer_auth(key).send().await.unwrap().json().await.unwrap();
        assert_eq!(ready["state"], "ready", "{ready}");
        asset
    }

    /// A command of the binary with this instance's settings.
    pub fn gantry(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantry"));
        // No programs that decode: each start asks every one for its version, which costs more than the rest of the start.
        command.args(arguments).env("PATH", "").envs(self.settings.iter().cloned()).current_dir(self.dir.path());
        command
    }

    /// Runs a command to its end and returns its standard output.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.gantry(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Starts the service, to die at a crash point if one is named, and waits until it is ready.
    pub async fn start(&mut self, crash_at: Option<&str>) {
        let log = std::fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = self.gantry(&["serve"]);
        command.stdout(Stdio::null()).stderr(log);
        if let Some(point) = crash_at {
            command.env("GANTRY_CRASH_AT", point);
        }
        self.process = Some(command.spawn().unwrap());
        let (client, readyz) = (requests::client(), format!("{}/readyz", self.url));
        eventually_ok("the service is ready", async || {
            if client.get(&readyz).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            assert!(self.is_running(), "no service: {}", self.log_text());
            Err(self.log_text())
        })
        .await;
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log.txt")
    }

    pub fn log_text(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.try_wait().unwrap().is_none())
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Waits until the process has ended by itself; how.
    pub async fn ended(&mut self) -> std::process::ExitStatus {
        let status = eventually_ok("the process ends", async || {
            let status = self.process.as_mut().and_then(|process| process.try_wait().unwrap());
            status.ok_or_else(|| self.log_text())
        })
        .await;
        self.process = None;
        status
    }

    /// Sends a signal, by its name.
    pub fn signal(&self, name: &str) {
        let id = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    pub fn process_id(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// Resident bytes of the process.
    pub fn memory(&self) -> u64 {
        let path = format!("/proc/{}/statm", self.process.as_ref().unwrap().id());
        let pages = std::fs::read_to_string(path).unwrap().split(' ').nth(1).unwrap().parse::<u64>().unwrap();
        pages * 4096
    }

    /// A key with every scope.
    pub fn key(&self) -> String {
        self.run(&["key", "create", "--tenant", "default", "--scopes", "admin"])
    }

    /// The rows, as another process sees them.
    pub async fn rows(&self) -> Arc<dyn Store> {
        self.place.open(Arc::new(SystemClock), 2).await
    }

    /// A plain S3 client for the embedded store.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let exports = self.run(&["store-env"]);
        let value = |name: &str| {
            let at = exports.find(&format!("{name}=")).unwrap() + name.len() + 1;
            exports[at..].split_whitespace().next().unwrap().to_owned()
        };
        super::bucket::sdk(&gantry::blob::s3::S3Settings {
            bucket: "gantry".to_owned(),
            region: Some(value("AWS_REGION")),
            endpoint: Some(value("AWS_ENDPOINT_URL")),
            public_endpoint: None,
            path_style: true,
            credentials: Some((value("AWS_ACCESS_KEY_ID"), value("AWS_SECRET_ACCESS_KEY"))),
        })
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.kill();
    }
}
