//! What an operator does so that nothing is lost: backup, restore, verify, export and import.

mod backup;
mod rows;
pub mod verify;

use std::path::{Path, PathBuf};

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::database::Place;
use crate::support::directory::directory;
use crate::support::process::Instance;
use crate::support::requests;
use crate::support::transcript::noise;

const PART: u64 = 5 << 20;

/// An embedded instance whose database is in its data directory, as by default.
struct Home {
    instance: Instance,
    dir: TempDir,
    client: Client,
    key: String,
}

impl Home {
    async fn start() -> Self {
        let dir = directory();
        let mut home = Self { instance: instance_in(dir.path()), dir, client: requests::client(), key: String::new() };
        home.instance.start(None).await;
        home.key = home.instance.key();
        home
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The machine is lost: the process and everything in the data directory.
    fn lose(&mut self) {
        self.instance.kill();
        std::fs::remove_dir_all(self.data()).unwrap();
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with('/') { format!("{}{path}", self.instance.url) } else { path.to_owned() };
        self.client.request(method, url).bearer_auth(&self.key)
    }

    async fn json(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let request = self.ask(method, path);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// A whole file; its asset, once it is ready.
    async fn bring(&self, bytes: &[u8]) -> String {
        let wish = json!({ "filename": "a.bin", "size": bytes.len(), "method": "put" });
        let made = self.json(Method::POST, "/v1/uploads", Some(wish)).await;
        let content = format!("/v1/uploads/{}/content", made["upload"]["id"].as_str().unwrap());
        let put = self.ask(Method::PUT, &content).body(bytes.to_vec()).send().await.unwrap();
        put.error_for_status().unwrap();
        self.until_ready(made["asset"]["id"].as_str().unwrap()).await
    }

    async fn until_ready(&self, asset: &str) -> String {
        let ready = self.json(Method::GET, &format!("/v1/assets/{asset}?wait=60s&until=ready"), None).await;
        assert_eq!(ready["state"], "ready", "{ready}");
        asset.to_owned()
    }

    /// Opens an upload in parts, and sends the first `sent` of them.
    async fn open_parts(&self, bytes: &[u8], sent: usize) -> Value {
        let wish = json!({ "filename": "parts.bin", "size": bytes.len(), "method": "multipart", "part_size": PART, "urls": 10 });
        let opened = self.json(Method::POST, "/v1/uploads", Some(wish)).await;
        let urls: Vec<String> = urls_of(&opened["multipart"]);
        self.send_parts(&urls[..sent], bytes, 0).await;
        opened
    }

    /// Sends the parts of these URLs, the first of which is for the part after `skipped` others.
    async fn send_parts(&self, urls: &[String], bytes: &[u8], skipped: usize) {
        for (url, part) in urls.iter().zip(bytes.chunks(PART as usize).skip(skipped)) {
            let put = self.client.put(url).header("content-length", part.len()).body(part.to_vec());
            put.send().await.unwrap().error_for_status().unwrap();
        }
    }

    async fn complete(&self, upload: &str) -> String {
        let done = self.json(Method::POST, &format!("/v1/uploads/{upload}/complete"), None).await;
        self.until_ready(done["id"].as_str().unwrap()).await
    }

    async fn content(&self, asset: &str) -> Vec<u8> {
        let answer =
            self.ask(Method::GET, &format!("/v1/assets/{asset}/content?delivery=stream")).send().await.unwrap();
        answer.error_for_status().unwrap().bytes().await.unwrap().to_vec()
    }

    fn tus(&self, method: Method, url: &str) -> RequestBuilder {
        self.ask(method, url).header("tus-resumable", "1.0.0")
    }

    async fn append(&self, url: &str, bytes: &[u8], from: usize, to: usize) {
        let request = self.tus(Method::PATCH, url).header("upload-offset", from);
        let request = request.header("content-type", "application/offset+octet-stream");
        let answer = request.body(bytes[from..to].to_vec()).send().await.unwrap();
        assert_eq!(answer.status(), 204);
    }

    /// Runs a command that has to fail; what it prints on both outputs.
    fn fails(&self, arguments: &[&str]) -> String {
        failure(&self.instance, arguments)
    }
}

fn urls_of(multipart: &Value) -> Vec<String> {
    let urls = multipart["urls"].as_array().unwrap();
    urls.iter().map(|url| url["url"].as_str().unwrap().to_owned()).collect()
}

fn instance_in(dir: &Path) -> Instance {
    let data = dir.join("data");
    let url = format!("sqlite://{}", data.join("gantry.db").display());
    Instance::new(Place::fresh_file(), &[("GANTRY_DATA_DIR", data.to_str().unwrap()), ("GANTRY_DATABASE_URL", &url)])
}

fn failure(instance: &Instance, arguments: &[&str]) -> String {
    let output = instance.gantry(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
    assert!(!output.status.success(), "{arguments:?}: {said}");
    said
}

/// The report that a command with `--json` prints last.
fn report(text: &str) -> Value {
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

/// Files of different sizes and seeds.
fn file(seed: u64) -> Vec<u8> {
    noise(1000 * (seed + 1), seed)
}
