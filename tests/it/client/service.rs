//! A service in a process of its own, a proxy before its store, and the command line that talks to it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use tokio::process::{Child, Command};

use super::proxy::Proxy;
use crate::support::patience::eventually;
use crate::support::process::free_port;
use crate::support::requests;

pub const MIB: usize = 1 << 20;
/// Part size of these tests: the smallest that a store takes.
pub const PART: usize = 5 * MIB;

/// A service, and a home for its users.
pub struct Service {
    pub dir: TempDir,
    pub url: String,
    pub key: String,
    /// Between clients and the store.
    pub proxy: Proxy,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl Service {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    pub async fn with(settings: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let (port, store) = (free_port(), free_port());
        let proxy = Proxy::start(store).await;
        let mut arguments = vec!["serve".to_owned()];
        let usual = [
            format!("listen=127.0.0.1:{port}"),
            format!("store_listen=127.0.0.1:{store}"),
            format!("store_public_url=http://{}", proxy.address),
            format!("data_dir={}", dir.path().join("data").display()),
        ];
        for setting in usual.into_iter().chain(settings.iter().map(|text| (*text).to_owned())) {
            arguments.extend(["--set".to_owned(), setting]);
        }
        let url = format!("http://127.0.0.1:{port}");
        let mut service = Self { dir, url, key: String::new(), proxy, arguments, process: None };
        service.key = service.start_again().await.expect("the first start shows a key");
        service
    }

    /// Starts the process; the key, if this is its first start.
    pub async fn start_again(&mut self) -> Option<String> {
        let log = std::fs::File::options().create(true).append(true).open(self.dir.path().join("log.txt")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantry"));
        // No programs that decode: each start asks every one for its version, which costs more than the rest of the start.
        command.args(&self.arguments).current_dir(self.dir.path()).env("PATH", "").stdout(Stdio::null()).stderr(log);
        self.process = Some(command.kill_on_drop(true).spawn().unwrap());
        let (client, readyz) = (requests::client(), format!("{}/readyz", self.url));
        let ready = async || client.get(&readyz).send().await.is_ok_and(|answer| answer.status().is_success());
        eventually("the service is ready", ready).await;
        // Where nobody watches, the first key is in a file.
        let kept = std::fs::read_to_string(self.path("data/admin.key")).ok();
        kept.map(|text| text.trim().to_owned())
    }

    /// kill -9.
    pub async fn kill(&mut self) {
        self.process.take().unwrap().kill().await.unwrap();
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file of unguessable bytes.
    pub fn file(&self, name: impl AsRef<Path>, size: usize, seed: u64) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, noise(size, seed)).unwrap();
        path
    }

    /// The command line, not yet started.
    pub fn gantry<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantry"));
        command.args(arguments).current_dir(self.dir.path()).kill_on_drop(true);
        command.env("GANTRY_URL", &self.url).env("GANTRY_API_KEY", &self.key);
        command
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the command line to its end.
    pub async fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ended {
        ended(self.gantry(arguments).output().await.unwrap())
    }

    /// Runs it; it must succeed. Its standard output, without the last newline.
    pub async fn ok<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        let ended = self.run(arguments).await;
        assert_eq!(ended.code, 0, "{}", ended.err);
        ended.out.trim_end().to_owned()
    }

    /// Asks the service itself.
    pub async fn api(&self, path: &str) -> Value {
        let request = requests::client().get(format!("{}{path}", self.url)).bearer_auth(&self.key);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// A request without a body; it must succeed.
    pub async fn call(&self, method: reqwest::Method, path: &str) {
        let request = requests::client().request(method, format!("{}{path}", self.url)).bearer_auth(&self.key);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }

    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let request = requests::client().post(format!("{}{path}", self.url)).bearer_auth(&self.key);
        request.json(body).send().await.unwrap().json().await.unwrap()
    }

    /// The parts that the server has of an upload: every one, if it is complete.
    pub async fn received(&self, upload: &str) -> Vec<u64> {
        let upload = self.api(&format!("/v1/uploads/{upload}")).await;
        if upload["state"] == "completed" {
            return (1..=upload["part_count"].as_u64().unwrap()).collect();
        }
        upload["received"].as_array().into_iter().flatten().map(|part| part["part"].as_u64().unwrap()).collect()
    }

    /// What the journal says: the lines of every entry.
    pub fn journal(&self) -> Vec<Value> {
        let Ok(entries) = std::fs::read_dir(self.path("state/gantry")) else { return Vec::new() };
        let texts = entries.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
        // What the user was told of is over.
        let texts = texts.filter(|text| !text.contains("{\"told\":"));
        texts
            .flat_map(|text| text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<_>>())
            .collect()
    }

    /// The upload that the journal knows.
    pub fn journalled_upload(&self) -> Option<String> {
        self.journal().iter().rev().find_map(|line| line["upload"].as_str().map(str::to_owned))
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

pub fn ended(output: Output) -> Ended {
    let text = |bytes| {
        String::from_utf8(bytes).unwrap_or_else(|binary| String::from_utf8_lossy(binary.as_bytes()).into_owned())
    };
    Ended { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

pub use crate::support::seed::noise;

pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Every line as JSON.
pub fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?} is no JSON"))).collect()
}
