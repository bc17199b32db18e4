//! Connections that never become a request are closed after the deadline for heads, on every listener.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gantry::http::server::{InterimPolicy, ServerLimits};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::{TestListener, read_to_end};
use crate::support::database::Place;
use crate::support::patience::PATIENCE;
use crate::support::process::Instance;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// An empty SETTINGS frame (RFC 9113 §6.5).
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// What a client says before it falls silent.
fn beginnings() -> Vec<Vec<u8>> {
    vec![
        Vec::new(),
        b"P".to_vec(),
        PREFACE[..12].to_vec(),
        PREFACE.to_vec(),
        [PREFACE, SETTINGS].concat(),
        [PREFACE, SETTINGS, &[0, 0, 50, 1, 5, 0, 0, 0, 1, 0x82]].concat(),
        b"GET /".to_vec(),
        b"GET / HTTP/1.1\r\nhost: x\r\n".to_vec(),
    ]
}

async fn is_closed(mut stream: TcpStream, beginning: &[u8]) {
    stream.write_all(beginning).await.unwrap();
    read_to_end(&mut stream).await;
}

#[tokio::test]
async fn what_never_becomes_a_request_is_closed_at_the_deadline() {
    let head = Duration::from_millis(500);
    for early in [InterimPolicy::Never, InterimPolicy::Always] {
        let listener = TestListener::start(ServerLimits { head_timeout: head, ..ServerLimits::default() }, early).await;
        let begun = Instant::now();
        for beginning in beginnings() {
            let stream = listener.connect().await;
            is_closed(stream, &beginning).await;
            // HTTP/2 with a frame that was begun is asked whether it is there first.
            assert!(begun.elapsed() < PATIENCE, "{}", String::from_utf8_lossy(&beginning));
        }
    }
}

#[tokio::test]
async fn a_connection_is_kept_between_requests_as_long_as_a_head_may_take() {
    let head = Duration::from_millis(500);
    let listener =
        TestListener::start(ServerLimits { head_timeout: head, ..ServerLimits::default() }, InterimPolicy::Never).await;
    let mut stream = listener.connect().await;
    let begun = Instant::now();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(read_to_end(&mut stream).await.ends_with("0 bytes"));
    assert!(begun.elapsed() >= head, "it was kept for a while");
}

/// Plain and TLS, the API and the embedded store, as they are configured: all places are given back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_clients_do_not_take_the_places_of_others() {
    let dir = TempDir::new().unwrap();
    crate::tls::certificate(dir.path());
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let tls = [("GANTRY_TLS__CERTIFICATE", cert.to_str().unwrap()), ("GANTRY_TLS__KEY", key.to_str().unwrap())];
    for tls in [&tls[..], &[]] {
        let few = [("GANTRY_SERVER__HEAD", "1s"), ("GANTRY_LIMITS__CONNECTIONS", "12")];
        let settings = [&few[..], tls].concat();
        let mut instance = Instance::new(Place::fresh_file(), &settings);
        instance.start(None).await;
        let setting = |name: &str| instance.settings.iter().find(|(known, _)| known == name).unwrap().1.clone();
        for (listener, path) in [("GANTRY_LISTEN", "livez"), ("GANTRY_STORE_LISTEN", "-/health")] {
            let address = setting(listener);
            let mut silent = Vec::new();
            for beginning in [&b""[..], b"P", &PREFACE[..20]].into_iter().cycle().take(12) {
                let mut stream = TcpStream::connect(&address).await.unwrap();
                stream.write_all(beginning).await.unwrap();
                silent.push(stream);
            }
            // Waits in the kernel's queue until one of them is closed.
            let answer = reqwest::Client::builder().tls_certs_only([]).timeout(PATIENCE).build().unwrap();
            let answer = answer.get(format!("http://{address}/{path}")).send().await.unwrap();
            assert!(answer.status().is_success(), "{address}");
            for mut stream in silent {
                read_to_end(&mut stream).await;
            }
            if !tls.is_empty() {
                silent_after_the_handshake(&address);
            }
        }
    }
}

/// A client that shakes hands and says nothing.
fn silent_after_the_handshake(address: &str) {
    let client = Command::new("timeout")
        .args(["60", "openssl", "s_client", "-quiet", "-connect", address])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    assert_ne!(client.unwrap().wait().unwrap().code(), Some(124), "it is never closed");
}
