//! `kill -9` at any instant, and a disk that fails: what was acknowledged is there, and nothing else is left.
//!
//! The server runs in a child process: this test binary again, told by the environment to serve.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::harness::{BUCKET, Server, client, code, complete, create, get, noise, plain_client, settings};
use crate::support::patience::eventually_some;
use crate::support::requests;

const CHILD: &str = "GANTRY_TEST_EMBEDDED_CHILD";

/// Not a test: the server of the others, when the environment says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let mut settings = settings(Path::new(&dir));
    settings.maintain_every = Duration::from_millis(50);
    let server = Server::on(settings).await;
    let store = server.store.clone();
    tokio::spawn(async move { store.maintain(CancellationToken::new()).await });
    println!("\nlistening {}", server.address);
    std::future::pending::<()>().await;
}

/// A server in a process of its own, perhaps under another program. Whoever had the store before may take a moment to let go
/// of it.
async fn spawn(dir: &Path, under: &[&str]) -> (Child, SocketAddr) {
    eventually_some("a child that listens", async || try_spawn(dir, under).await).await
}

async fn try_spawn(dir: &Path, under: &[&str]) -> Option<(Child, SocketAddr)> {
    let binary = std::env::current_exe().unwrap();
    let mut words: Vec<&std::ffi::OsStr> = under.iter().map(std::ffi::OsStr::new).collect();
    words.push(binary.as_os_str());
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(["--exact", "embedded_store::crash::child", "--nocapture"]);
    command.env(CHILD, dir).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some(address) = line.strip_prefix("listening ") {
            let address = address.parse().unwrap();
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Some((child, address));
        }
    }
    None
}

/// What clients were told: for each key the version that was acknowledged last, and the one that was under way.
#[derive(Clone, Default)]
struct Told {
    acknowledged: HashMap<String, u64>,
    tried: HashMap<String, u64>,
}

fn size(version: u64) -> usize {
    [0, 1, 5000, 1 << 20, (1 << 20) + 1, 3 << 20][usize::try_from(version % 6).unwrap()]
}

async fn write(address: SocketAddr, key: String, first: u64, told: Arc<Mutex<Told>>) {
    let client = plain_client(address);
    for version in first.. {
        told.lock().unwrap().tried.insert(key.clone(), version);
        let bytes = noise(version, size(version));
        let done = match version % 3 {
            0 => multipart(&client, &key, bytes).await,
            _ => client.put_object().bucket(BUCKET).key(&key).body(ByteStream::from(bytes)).send().await.is_ok(),
        };
        if !done {
            return;
        }
        told.lock().unwrap().acknowledged.insert(key.clone(), version);
    }
}

async fn multipart(client: &aws_sdk_s3::Client, key: &str, bytes: Vec<u8>) -> bool {
    let Ok(created) = client.create_multipart_upload().bucket(BUCKET).key(key).send().await else { return false };
    let id = created.upload_id.unwrap();
    let part = client.upload_part().bucket(BUCKET).key(key).upload_id(&id).part_number(1);
    let Ok(part) = part.body(ByteStream::from(bytes)).send().await else { return false };
    complete(client, key, &id, vec![super::harness::completed(1, part.e_tag.unwrap())]).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_nine() {
    let dir = tempfile::tempdir().unwrap();
    let told = Arc::new(Mutex::new(Told::default()));
    let rounds: u64 = std::env::var("GANTRY_TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    // On a busy machine it takes more of them until every writer got through at least once.
    for round in 0.. {
        if round >= rounds && told.lock().unwrap().acknowledged.len() == 8 {
            break;
        }
        assert!(round < 10 * rounds, "somebody never got through");
        let (mut child, address) = spawn(dir.path(), &[]).await;
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let key = format!("key-{writer}");
                tokio::spawn(write(address, key, round * 100_000 + writer * 1000 + 1, Arc::clone(&told)))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(150 + (round * 137) % 700)).await;
        child.kill().await.unwrap();
        for writer in writers {
            writer.await.unwrap();
        }
        let before = told.lock().unwrap().clone();
        // From here on, what was found counts as told.
        told.lock().unwrap().acknowledged = verify(dir.path(), &before).await;
    }
}

/// Opens the store in this process and compares it with what clients were told.
async fn verify(dir: &Path, told: &Told) -> HashMap<String, u64> {
    let server = Server::on(settings(dir)).await;
    let client = client(server.address);
    let mut found = HashMap::new();
    for (key, acknowledged) in &told.acknowledged {
        let (bytes, last) = (get(&client, key).await, told.tried[key]);
        let version = [*acknowledged, last].into_iter().find(|version| bytes == noise(*version, size(*version)));
        let Some(version) = version else {
            panic!("{key}: neither version {acknowledged}, which was acknowledged, nor {last}, which was under way")
        };
        found.insert(key.clone(), version);
    }
    let uploads = client.list_multipart_uploads().bucket(BUCKET).send().await.unwrap();
    for upload in uploads.uploads() {
        let abort = client.abort_multipart_upload().bucket(BUCKET).key(upload.key().unwrap());
        abort.upload_id(upload.upload_id().unwrap()).send().await.unwrap();
    }
    server.store.sweep().await.unwrap();
    let objects = client.list_objects_v2().bucket(BUCKET).send().await.unwrap().contents().len();
    assert_eq!(server.files().len(), objects, "one file for each object and no other");
    let database = rusqlite::Connection::open(dir.join("meta.db")).unwrap();
    let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    found
}

/// The kernel reports a failed fsync once and forgets the pages: going on would acknowledge what is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_fsync_stops_all_writing_until_a_restart() {
    for call in ["fdatasync", "fsync"] {
        let dir = tempfile::tempdir().unwrap();
        let (mut child, address) = spawn(dir.path(), &[]).await;
        let client = plain_client(address);
        super::harness::put(&client, "kept", b"good").await;
        let tracer = inject(&child, call).await;
        let put = || client.put_object().bucket(BUCKET).key("kept").body(ByteStream::from_static(b"bad")).send();
        let first = code(put().await);
        assert!(["InternalError", "ServiceUnavailable"].contains(&first.as_str()), "{call}: {first}");
        drop(tracer);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(code(put().await), "ServiceUnavailable", "{call}: although the disk is well again");
        let created = client.create_multipart_upload().bucket(BUCKET).key("m").send().await;
        assert_eq!(code(created), "ServiceUnavailable");
        assert_eq!(get(&client, "kept").await, b"good", "reads go on");
        let health = requests::get(format!("http://{address}/-/health")).await.unwrap();
        assert_eq!(health.status().as_u16(), 503);
        child.kill().await.unwrap();
        let (_child, address) = spawn(dir.path(), &[]).await;
        let client = plain_client(address);
        assert_eq!(get(&client, "kept").await, b"good");
        super::harness::put(&client, "kept", b"new").await;
    }
}

/// Makes every later call of that kind in the child fail with EIO, until the tracer is dropped.
async fn inject(child: &Child, call: &str) -> Child {
    let mut tracer = Command::new("strace");
    tracer.args(["-f", "-e", &format!("trace={call}"), "-e", &format!("inject={call}:error=EIO"), "-p"]);
    tracer.arg(child.id().unwrap().to_string()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut tracer = tracer.spawn().expect("strace is needed to make fsync fail");
    let mut lines = BufReader::new(tracer.stderr.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains("attached") {
            break;
        }
    }
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    tokio::time::sleep(Duration::from_millis(300)).await;
    tracer
}

/// Parts survive too, and an upload goes on where it stood.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_goes_on_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let (mut child, address) = spawn(dir.path(), &[]).await;
    let first = client(address);
    let id = create(&first, "m").await;
    let one = super::harness::part_of(&first, "m", &id, 1, noise(1, 5 << 20)).await;
    child.kill().await.unwrap();
    let (_child, address) = spawn(dir.path(), &[]).await;
    let second = client(address);
    let two = super::harness::part_of(&second, "m", &id, 2, noise(2, 100)).await;
    complete(&second, "m", &id, vec![one, two]).await.unwrap();
    assert!(get(&second, "m").await == [noise(1, 5 << 20), noise(2, 100)].concat());
}
