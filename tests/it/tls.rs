//! HTTPS and HTTP/2 by configuration, as curl and our own command line meet them.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::database::Place;
use crate::support::process::Instance;

/// A certificate for 127.0.0.1, made by openssl.
pub fn certificate(dir: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"])
        .args(["-subj", "/CN=gantry test", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(dir)
        .output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

pub fn curl(dir: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "20", "--cacert"]).arg(dir.join("cert.pem")).args(arguments);
    let output = command.output().unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_goes_over_https_and_both_http_versions() {
    let dir = TempDir::new().unwrap();
    certificate(dir.path());
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let settings = [("GANTRY_TLS__CERTIFICATE", cert.to_str().unwrap()), ("GANTRY_TLS__KEY", key.to_str().unwrap())];
    let mut instance = Instance::new(Place::fresh_file(), &settings);
    instance.start(None).await;
    let url = instance.url.replace("http://", "https://");
    let version = ["-o", "/dev/null", "-w", "%{http_code} %{http_version}"];
    for (how, expected) in [("--http1.1", "200 1.1"), ("--http2", "200 2")] {
        let live = format!("{url}/livez");
        assert_eq!(curl(dir.path(), &[&version[..], &[how, &live]].concat()), expected);
    }
    // A probe on this machine needs no certificate.
    let plain = format!("{}/livez", instance.url);
    assert_eq!(curl(dir.path(), &[&version[..], &["--http2-prior-knowledge", &plain]].concat()), "200 2");

    let file = dir.path().join("file.bin");
    std::fs::write(&file, vec![7; 6 << 20]).unwrap();
    let api_key = instance.key();
    let client = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantry"));
        command.args(arguments).args(["--retry-max-time", "5s"]);
        command.env("GANTRY_URL", &url).env("GANTRY_API_KEY", &api_key).env("SSL_CERT_FILE", &cert);
        let output = command.env("XDG_STATE_HOME", dir.path()).current_dir(dir.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let asset = client(&["put", "--quiet", "--part-size=5MiB", "file.bin"]);
    client(&["get", "--quiet", "-o", "back.bin", &asset]);
    assert!(std::fs::read(dir.path().join("back.bin")).unwrap() == vec![7; 6 << 20]);
    let mut stranger = Command::new(env!("CARGO_BIN_EXE_gantry"));
    stranger.args(["ls", "--retry-max-time", "60s"]).env("GANTRY_URL", &url).env("GANTRY_API_KEY", &api_key);
    let begun = Instant::now();
    let words = String::from_utf8(stranger.output().unwrap().stderr).unwrap();
    assert!(words.contains("certificate") && begun.elapsed().as_secs() < 10, "no use in asking again: {words}");
    let link = client(&["link", &asset]);
    assert!(link.starts_with(&format!("{url}/d/")), "{link}");
    let location = curl(dir.path(), &["-o", "/dev/null", "-w", "%{redirect_url}", &link]);
    assert!(location.starts_with("https://127.0.0.1:"), "the store speaks it too: {location}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_makes_no_sense_is_said_at_start() {
    let dir = TempDir::new().unwrap();
    certificate(dir.path());
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&key, "nonsense").unwrap();
    let settings = [("GANTRY_TLS__CERTIFICATE", cert.to_str().unwrap()), ("GANTRY_TLS__KEY", key.to_str().unwrap())];
    let place = || Place::fresh_file();
    let output = Instance::new(place(), &settings).gantry(&["serve"]).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && words.contains("key.pem"), "{words}");
    let output = Instance::new(place(), &settings[..1]).gantry(&["serve"]).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && words.contains("tls.key"), "{words}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_waits_for_requests_and_not_for_idle_connections() {
    let dir = TempDir::new().unwrap();
    certificate(dir.path());
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    // A client that sleeps does not see the end coming: with hyper it is waited for, as long as anything is.
    for (interim, most) in [("direct", 6), ("never", 15)] {
        let settings = [
            ("GANTRY_TLS__CERTIFICATE", cert.to_str().unwrap()),
            ("GANTRY_TLS__KEY", key.to_str().unwrap()),
            ("GANTRY_SERVER__INTERIM", interim),
            ("GANTRY_SERVER__GRACE", "10s"),
            ("GANTRY_SERVER__PROXIES", ""),
        ];
        let mut instance = Instance::new(Place::fresh_file(), &settings);
        instance.start(None).await;
        let (url, api_key) = (instance.url.replace("http://", "https://"), instance.key());
        let curl = |arguments: &[&str]| {
            let mut command = Command::new("curl");
            command.args(["-sS", "--http2", "--max-time", "40", "--cacert"]).arg(&cert).args(arguments);
            command.stdout(Stdio::piped()).spawn().unwrap()
        };
        // Two requests in a minute: after the first one its connection is idle.
        let live = format!("{url}/livez");
        let mut idle = curl(&["--rate", "2/m", &live, &live]);
        let auth = format!("Authorization: Bearer {api_key}");
        let opened = curl(&["-H", &auth, "-d", r#"{"filename": "a", "size": 1}"#, &format!("{url}/v1/uploads")]);
        let opened: serde_json::Value = serde_json::from_slice(&opened.wait_with_output().unwrap().stdout).unwrap();
        let waited = format!("{url}/v1/assets/{}?wait=3s&until=ready", opened["asset"]["id"].as_str().unwrap());
        let waiting = curl(&["-H", &auth, "-o", "/dev/null", "-w", "%{http_code} %{http_version}", &waited]);
        tokio::time::sleep(Duration::from_millis(1000)).await;
        // And one that was opened to have it at hand.
        let silent = std::net::TcpStream::connect(instance.url.strip_prefix("http://").unwrap()).unwrap();
        let told = Instant::now();
        instance.signal("TERM");
        assert!(instance.ended().await.success(), "{}", instance.log_text());
        assert!(told.elapsed() < Duration::from_secs(most), "{interim}: it took {:?}", told.elapsed());
        assert_eq!(waiting.wait_with_output().unwrap().stdout, b"200 2");
        drop(silent);
        idle.kill().unwrap();
        idle.wait().unwrap();
    }
}
