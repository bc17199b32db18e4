//! A Unix socket in the place of a port: a real nginx before it, a socket unit's way of starting it, and what is in the way.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::database::Place;
use crate::support::patience::eventually_ok;
use crate::support::process::Instance;
use crate::support::requests;

/// nginx that sends everything to the socket, and says that the client is 192.0.2.7 where it is asked to.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn nginx(dir: &Path, listen: &str, socket: &Path) -> Proxy {
    let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {};\n", dir.join(kind).display()));
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let whole = format!(
        "{user}daemon off; worker_processes 1; master_process off; pid {0}/pid; error_log {0}/error.log;\n\
         events {{ worker_connections 64; }}\nhttp {{\naccess_log off;\n{1}\
         upstream gantry {{ server unix:{2}; keepalive 4; }}\n\
         server {{ listen {listen}; client_max_body_size 0;\n\
         location / {{ proxy_pass http://gantry; proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
         proxy_set_header Host $host; proxy_set_header X-Forwarded-For $http_x_test_client; }} }} }}\n",
        dir.display(),
        places.concat(),
        socket.display(),
    );
    std::fs::write(dir.join("nginx.conf"), whole).unwrap();
    let mut command = Command::new("/usr/sbin/nginx");
    command.arg("-p").arg(dir).arg("-e").arg(dir.join("start.log")).arg("-c").arg(dir.join("nginx.conf"));
    Proxy(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

fn curl(socket: &Path, url: &str) -> String {
    let output = Command::new("curl").args(["-sS", "--max-time", "20", "--unix-socket"]).arg(socket).arg(url).output();
    let output = output.unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_reaches_the_service_through_a_socket_and_names_the_client() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("gantry.sock");
    // What a killed process leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let listen = format!("unix:{}", socket.display());
    let settings = [("GANTRY_LISTEN", &*listen), ("GANTRY_SERVER__PROXIES", "10.0.0.0/8")];
    let mut instance = Instance::new(Place::fresh_file(), &settings);
    let url = instance.url.clone();
    instance.settings.push(("GANTRY_PUBLIC_URL".to_owned(), url.clone()));
    let _proxy = nginx(dir.path(), url.strip_prefix("http://").unwrap(), &socket);
    instance.start(None).await;
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&socket).unwrap().permissions()) & 0o777,
        0o660
    );
    assert_eq!(curl(&socket, "http://localhost/livez").trim(), "ok");

    let (client, key) = (requests::client(), instance.key());
    let bytes = vec![7_u8; 3 << 20];
    let put = client.post(format!("{url}/v1/uploads")).bearer_auth(&key);
    let wish = json!({ "filename": "a.bin", "size": bytes.len(), "method": "put" }).to_string();
    let opened: Value = put.body(wish).send().await.unwrap().json().await.unwrap();
    let content = format!("{url}/v1/uploads/{}/content", opened["upload"]["id"].as_str().unwrap());
    let sent = client.put(content).bearer_auth(&key).body(bytes.clone()).send().await.unwrap();
    assert!(sent.status().is_success(), "{}", sent.text().await.unwrap());
    let asset = opened["asset"]["id"].as_str().unwrap();
    let ready = client.get(format!("{url}/v1/assets/{asset}?wait=30s&until=ready")).bearer_auth(&key);
    let ready: Value = ready.send().await.unwrap().json().await.unwrap();
    assert_eq!(ready["state"], "ready", "{ready}");

    // A link for a network opens for the client that nginx names, and for nobody else.
    let link = client.post(format!("{url}/v1/assets/{asset}/links")).bearer_auth(&key);
    let link: Value =
        link.body(json!({ "ip": "192.0.2.0/24" }).to_string()).send().await.unwrap().json().await.unwrap();
    let open = async |address: &str| {
        let get = client.get(link["url"].as_str().unwrap()).header("x-test-client", address);
        get.send().await.unwrap()
    };
    let answer = open("192.0.2.7").await;
    assert_eq!((answer.status().as_u16(), answer.bytes().await.unwrap().as_ref()), (200, &bytes[..]));
    assert_eq!(open("198.51.100.1").await.status(), 410);

    // A second service leaves a socket alone on which somebody listens.
    let mut other = Instance::new(Place::fresh_file(), &settings);
    other.settings.push(("GANTRY_PUBLIC_URL".to_owned(), url.clone()));
    let refused = other.gantry(&["serve"]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("another process listens there"), "{said}");
    assert_eq!(curl(&socket, "http://localhost/livez").trim(), "ok");
    // The end removes it.
    instance.signal("TERM");
    assert!(instance.ended().await.success());
    assert!(!socket.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_of_the_service_manager_is_taken_over() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("gantry.sock");
    let mut instance = Instance::new(Place::fresh_file(), &[("GANTRY_LISTEN", "systemd")]);
    instance.settings.push(("GANTRY_PUBLIC_URL".to_owned(), "https://files.example".to_owned()));
    let alone = instance.gantry(&["serve"]).output().unwrap();
    let said = String::from_utf8_lossy(&alone.stderr).into_owned();
    assert!(!alone.status.success() && said.contains("LISTEN_FDS"), "{said}");

    // systemd's own tool for it: it listens, and starts the program with the first connection.
    let gantry = instance.gantry(&[]);
    let mut activate = Command::new("systemd-socket-activate");
    for (name, value) in gantry.get_envs() {
        let value = value.unwrap().to_str().unwrap();
        activate.arg(format!("--setenv={}={value}", name.to_str().unwrap()));
    }
    let log = std::fs::File::create(dir.path().join("log")).unwrap();
    activate.arg("-l").arg(&socket).arg(env!("CARGO_BIN_EXE_gantry")).arg("serve");
    activate.current_dir(gantry.get_current_dir().unwrap()).stdout(Stdio::null()).stderr(log);
    let mut activated = Proxy(activate.spawn().unwrap());
    eventually_ok("the service answers", async || {
        let said = curl(&socket, "http://localhost/livez");
        if said.trim() == "ok" { Ok(()) } else { Err((said, std::fs::read_to_string(dir.path().join("log")))) }
    })
    .await;
    let stopped = Command::new("kill").arg(activated.0.id().to_string()).status().unwrap();
    assert!(stopped.success() && activated.0.wait().unwrap().success());
    // Its file belongs to the service manager.
    assert!(socket.exists());
}
