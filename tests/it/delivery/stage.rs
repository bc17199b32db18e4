//! The real binary with a real nginx or Apache before it, set up by the very files in `infra/`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::database::Place;
use crate::support::patience::eventually_ok;
use crate::support::process::{Instance, free_port};
use crate::support::requests;

/// What the configurations in `infra/` say before they are adapted.
pub const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A service and, perhaps, a proxy before it.
pub struct Stage {
    pub instance: Instance,
    pub key: String,
    /// Where clients go.
    pub url: String,
    pub client: Client,
    pub dir: TempDir,
    front: Option<Child>,
}

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// A header that must be there exactly once.
    pub fn header(&self, name: &str) -> &str {
        let all: Vec<_> = self.headers.get_all(name).iter().collect();
        assert_eq!(all.len(), 1, "{name} in {:#?}", self.headers);
        all[0].to_str().unwrap()
    }
}

/// A file of `infra/`, with its addresses and directories replaced.
fn adapted(file: &str, replacements: &[(&str, String)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("infra").join(file);
    let mut text = std::fs::read_to_string(path).unwrap();
    for (from, to) in replacements {
        assert!(text.contains(from), "{file} does not say {from} any more");
        text = text.replace(from, to);
    }
    text
}

impl Stage {
    /// The service alone.
    pub async fn bare(settings: &[(&str, &str)]) -> Self {
        let mut all = vec![("GANTRY_TRUSTED_PROXY_SECRET", SECRET)];
        all.extend(settings);
        let mut instance = Instance::new(Place::fresh_file(), &all);
        instance.start(None).await;
        let (key, url) = (instance.key(), instance.url.clone());
        let client = requests::client_without_redirects();
        Self { instance, key, url, client, dir: TempDir::new().unwrap(), front: None }
    }

    fn setting(&self, name: &str) -> String {
        let found = self.instance.settings.iter().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("{name}")).1.clone()
    }

    /// Where the embedded store has its data files.
    pub fn files(&self) -> PathBuf {
        Path::new(&self.setting("GANTRY_DATA_DIR")).join("store/files")
    }

    /// nginx before it; the store that nginx reaches is the embedded one unless another address is given.
    pub async fn nginx(settings: &[(&str, &str)], store: Option<String>) -> Self {
        let mut stage = Self::bare(&[&[("GANTRY_DELIVERY", "accel")], settings].concat()).await;
        let (port, dir) = (free_port(), stage.dir.path().to_owned());
        let server = adapted(
            "nginx/gantry.conf",
            &[
                ("listen 127.0.0.1:80;", format!("listen 127.0.0.1:{port};")),
                ("127.0.0.1:8080", stage.setting("GANTRY_LISTEN")),
                ("127.0.0.1:8081", store.unwrap_or_else(|| stage.setting("GANTRY_STORE_LISTEN"))),
                ("/var/lib/gantry/store/files/", format!("{}/", stage.files().display())),
                ("/var/cache/nginx/gantry", dir.join("cache").display().to_string()),
                ("/var/log/nginx/gantry.log", dir.join("access.log").display().to_string()),
            ],
        );
        let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};\n", dir.join(kind).display()));
        let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
        let whole = format!(
            "{user}daemon off; worker_processes 1; pid {0}/pid; error_log {0}/error.log notice;\n\
             events {{ worker_connections 512; }}\nhttp {{\n{1}{server}\n}}\n",
            dir.display(),
            places.concat(),
        );
        std::fs::write(dir.join("nginx.conf"), whole).unwrap();
        let mut command = Command::new("/usr/sbin/nginx");
        command.arg("-p").arg(&dir).arg("-e").arg(dir.join("start.log")).arg("-c").arg(dir.join("nginx.conf"));
        stage.stand_before(command, port).await;
        stage
    }

    /// Apache before it.
    pub async fn apache(settings: &[(&str, &str)]) -> Self {
        let mut stage = Self::bare(&[&[("GANTRY_DELIVERY", "sendfile")], settings].concat()).await;
        let (port, dir) = (free_port(), stage.dir.path().to_owned());
        let host = adapted(
            "apache/gantry.conf",
            &[
                ("127.0.0.1:80\n", format!("127.0.0.1:{port}\n")),
                ("127.0.0.1:80>", format!("127.0.0.1:{port}>")),
                ("127.0.0.1:8080", stage.setting("GANTRY_LISTEN")),
                ("/var/lib/gantry/store/files", stage.files().display().to_string()),
                ("/var/log/apache2/gantry.log", dir.join("access.log").display().to_string()),
            ],
        );
        let modules = ["mpm_event", "authz_core", "proxy", "proxy_http", "headers", "setenvif", "env", "xsendfile"];
        let modules = modules.map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"));
        let user = if rustix::process::geteuid().is_root() { "User daemon\nGroup daemon\n" } else { "" };
        let whole = format!(
            "{}{user}ServerName localhost\nServerRoot {1}\nPidFile {1}/pid\nErrorLog {1}/error.log\n\
             DefaultRuntimeDir {1}\nMutex file:{1}\n{host}",
            modules.concat(),
            dir.display(),
        );
        std::fs::write(dir.join("apache.conf"), whole).unwrap();
        stage.open_to_others();
        let mut command = Command::new("/usr/sbin/apache2");
        command.arg("-DFOREGROUND").arg("-f").arg(dir.join("apache.conf"));
        stage.stand_before(command, port).await;
        stage
    }

    /// Apache never serves as root: its user gets through to the files, as the file in `infra/` says.
    fn open_to_others(&self) {
        use std::os::unix::fs::PermissionsExt as _;
        let data = PathBuf::from(self.setting("GANTRY_DATA_DIR"));
        for dir in [data.as_path(), &data.join("store"), self.dir.path()] {
            std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o711)).unwrap();
        }
    }

    async fn stand_before(&mut self, mut command: Command, port: u16) {
        let log = std::fs::File::create(self.dir.path().join("front.log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let front = command.spawn().expect("nginx-light, apache2-bin and libapache2-mod-xsendfile are installed");
        self.front = Some(front);
        self.url = format!("http://127.0.0.1:{port}");
        let livez = format!("{}/livez", self.url);
        eventually_ok("the proxy answers", async || {
            if requests::get(&livez).await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            let ended = self.front.as_mut().is_some_and(|front| front.try_wait().unwrap().is_some());
            assert!(!ended, "{}", self.words());
            Err(self.words())
        })
        .await;
    }

    /// What the proxy complained about.
    pub fn words(&self) -> String {
        ["front.log", "start.log", "error.log"]
            .map(|name| std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default())
            .concat()
    }

    /// What the proxy wrote down of requests.
    pub fn access_log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("access.log")).unwrap_or_default()
    }

    pub async fn ask(&self, method: Method, url: &str, headers: &[(&str, &str)]) -> Answer {
        let url = if url.starts_with('/') { format!("{}{url}", self.url) } else { url.to_owned() };
        let request = headers
            .iter()
            .fold(self.client.request(method, url), |request, (name, value)| request.header(*name, *value));
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        Answer { status, headers, body: answer.bytes().await.unwrap().to_vec() }
    }

    pub async fn get(&self, url: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(Method::GET, url, headers).await
    }

    /// A JSON request with the key; its answer.
    pub async fn call(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let request = self.client.request(method, format!("{}{path}", self.instance.url)).bearer_auth(&self.key);
        let answer = request.json(&body).send().await.unwrap();
        let status = answer.status();
        (status, answer.json().await.unwrap_or_default())
    }

    /// A ready asset with these bytes, in one part or in parts of five mebibytes.
    pub async fn asset(&self, name: &str, bytes: &[u8], multipart: bool) -> String {
        let mut wish = json!({ "filename": name, "size": bytes.len(), "method": "put" });
        if multipart {
            wish["method"] = json!("multipart");
            wish["part_size"] = json!(PART);
        }
        let (status, opened) = self.call(Method::POST, "/v1/uploads", wish).await;
        assert_eq!(status, 201, "{opened}");
        if multipart {
            for (i, part) in bytes.chunks(PART).enumerate() {
                let url = opened["multipart"]["urls"][i]["url"].as_str().unwrap();
                assert!(self.client.put(url).body(part.to_vec()).send().await.unwrap().status().is_success());
            }
        } else {
            let put = self.client.put(opened["put"]["url"].as_str().unwrap()).header("if-none-match", "*");
            assert!(put.body(bytes.to_vec()).send().await.unwrap().status().is_success());
        }
        let upload = opened["upload"]["id"].as_str().unwrap();
        self.call(Method::POST, &format!("/v1/uploads/{upload}/complete"), json!({})).await;
        let id = opened["asset"]["id"].as_str().unwrap().to_owned();
        let waited = self.call(Method::GET, &format!("/v1/assets/{id}?wait=30s&until=ready"), json!({})).await.1;
        assert_eq!(waited["state"], "ready", "{waited}");
        id
    }

    /// A link to it, as a path and query at whatever is in front.
    pub async fn link(&self, asset: &str, wish: Value) -> String {
        let (status, link) = self.call(Method::POST, &format!("/v1/assets/{asset}/links"), wish).await;
        assert_eq!(status, 201, "{link}");
        link["url"].as_str().unwrap().strip_prefix(&self.instance.url).unwrap().to_owned()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let Some(mut front) = self.front.take() else { return };
        // nginx's and Apache's children end with them on SIGTERM, and would outlive a SIGKILL.
        let _ = Command::new("kill").args(["-TERM", &front.id().to_string()]).status();
        let _ = front.wait();
    }
}

pub const PART: usize = 5 << 20;
