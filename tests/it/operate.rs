//! The service as its operator meets it: the first start, keys, settings, the end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::database::Place;
use crate::support::patience::{PATIENCE, eventually, eventually_ok};
use crate::support::process::Instance;
use crate::support::requests;
use crate::support::transcript::noise;

fn sqlite() -> Place {
    Place::fresh_file()
}

/// What `gantry serve` says first on standard output, from a process that is gone afterwards.
fn first_line(instance: &Instance) -> String {
    use std::io::{BufRead, BufReader};
    let mut command = instance.gantry(&["serve"]);
    let mut process = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let line = BufReader::new(process.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    line
}

#[tokio::test]
async fn the_second_start_makes_no_other_key() {
    let mut instance = Instance::new(sqlite(), &[]);
    assert!(first_line(&instance).contains("first start"));
    let again = first_line(&instance);
    assert!(again.contains(&instance.url) && !again.contains("first start"), "{again}");
    let dir = instance.settings.iter().find(|(name, _)| name == "GANTRY_DATA_DIR").unwrap().1.clone();
    let key = std::fs::read_to_string(format!("{dir}/admin.key")).unwrap().trim().to_owned();
    instance.start(None).await;
    instance.upload(&key, b"hello").await;
    assert_eq!(instance.run(&["key", "list"]).lines().count(), 1);
}

#[tokio::test]
async fn keys_and_tenants_from_the_command_line() {
    let mut instance = Instance::new(sqlite(), &[]);
    instance.start(None).await;
    let key = instance.run(&["key", "create", "--tenant", "default", "--scopes", "upload,read"]);
    assert!(key.starts_with("gk_") && key.lines().count() == 1, "{key}");
    instance.upload(&key, b"hello").await;

    let tenant = instance.run(&["tenant", "create", "acme"]);
    assert!(tenant.parse::<uuid::Uuid>().is_ok(), "{tenant}");
    let foreign = instance.run(&["key", "create", "--tenant", "acme", "--scopes", "read"]);
    let by_id = instance.run(&["key", "create", "--tenant", &tenant, "--scopes", "read"]);
    let list = |key: String| {
        let url = format!("{}/v1/assets", instance.url);
        async move {
            let answer = requests::client().get(url).bearer_auth(key).send().await.unwrap();
            (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
        }
    };
    for stranger in [foreign.clone(), by_id] {
        assert_eq!(list(stranger).await.1["assets"], json!([]));
    }
    assert_eq!(list(key.clone()).await.1["assets"].as_array().unwrap().len(), 1);

    instance.run(&["key", "revoke", &foreign, "--tenant", "acme"]);
    let keys = instance.run(&["key", "list", "--tenant", "acme"]);
    assert_eq!(keys.lines().filter(|line| !line.contains("\"revoked_at\":null")).count(), 1, "{keys}");
    assert!(!keys.contains(foreign.split('.').nth(1).unwrap()), "a secret is shown");
    eventually("a revoked key works no more", async || list(foreign.clone()).await.0 == 401).await;
    for wrong in [
        &["key", "create", "--tenant", "nobody", "--scopes", "read"][..],
        &["key", "create", "--scopes", "root"],
        &["tenant", "create", "acme"],
        &["tenant", "create", "Ä"],
        &["key", "revoke", &key, "--tenant", "acme"],
    ] {
        let output = instance.gantry(wrong).output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty() && !output.stderr.is_empty(), "{wrong:?}");
    }
}

#[tokio::test]
async fn the_audit_trail_is_reported_from_the_command_line() {
    for place in [sqlite(), Place::fresh_schema().await] {
        let instance = Instance::new(place, &[]);
        instance.run(&["tenant", "create", "acme"]);
        instance.run(&["tenant", "create", "globex"]);
        instance.run(&["tenant", "suspend", "acme"]);
        let text = instance.run(&["audit", "report"]);
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.starts_with("AT ") && text.lines().nth(1).unwrap().contains("tenant.change"), "{text}");
        let csv = instance.run(&["audit", "report", "--tenant", "acme", "--action", "tenant.", "--format", "csv"]);
        assert_eq!(csv.lines().filter(|line| line.contains(",acme,")).count(), 2, "{csv}");
        let ndjson = instance.run(&["audit", "report", "--actor", "operator", "--format", "ndjson"]);
        let names: Vec<Value> = ndjson.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect();
        assert_eq!((names.len(), &names[1]["tenant_name"]), (3, &json!("globex")), "{ndjson}");
        assert_eq!(instance.run(&["audit", "report", "--since", "2999-01-01T00:00:00Z", "--format", "ndjson"]), "");
        let unknown = instance.gantry(&["audit", "report", "--tenant", "nobody"]).output().unwrap();
        assert_eq!(unknown.status.code(), Some(1));
        assert_eq!(instance.gantry(&["audit", "report", "--format", "xml"]).output().unwrap().status.code(), Some(2));
    }
}

/// Programs that decode are asked for their versions. One that never answers keeps nobody waiting.
#[tokio::test]
async fn a_start_waits_for_no_program() {
    let programs = tempfile::TempDir::new().unwrap();
    let source = programs.path().join("ffprobe.c");
    std::fs::write(&source, "#include <poll.h>\nint main(void) { for (;;) poll(0, 0, -1); }\n").unwrap();
    let made = std::process::Command::new("cc").arg(&source).arg("-o").arg(programs.path().join("ffprobe")).status();
    assert!(made.unwrap().success());
    let mut instance = Instance::new(sqlite(), &[("PATH", programs.path().to_str().unwrap())]);
    instance.start(None).await;
    assert!(!instance.log_text().contains("programs do not run here"), "{}", instance.log_text());
}

#[tokio::test]
async fn settings_are_checked_all_at_once() {
    let instance = Instance::new(sqlite(), &[("GANTRY_DELIVERY", "pigeon"), ("GANTRY_NONSENSE", "1")]);
    let output = instance.gantry(&["check-config", "--set", "log.format=xml"]).output().unwrap();
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    for name in ["delivery", "nonsense", "log.format"] {
        assert!(complaints.contains(name), "{name}: {complaints}");
    }
    let defaults = Instance::new(sqlite(), &[]).run(&["check-config", "--defaults"]);
    assert!(defaults.contains("put_up_to = \"16MiB\""), "{defaults}");
    assert!(Instance::new(sqlite(), &[]).run(&["check-config"]).contains("are valid"));
}

#[tokio::test]
async fn two_services_do_not_share_a_store() {
    let mut instance = Instance::new(sqlite(), &[]);
    instance.start(None).await;
    let other = ["--set", "listen=127.0.0.1:0", "--set", "store_listen=127.0.0.1:0"];
    let second = instance.gantry(&[&["serve"][..], &other].concat()).output().unwrap();
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("in use by another process"), "{second:?}");
}

#[tokio::test]
async fn one_address_does_not_take_every_connection() {
    use tokio::io::AsyncReadExt;
    let settings = [("GANTRY_LIMITS__CONNECTIONS_PER_ADDRESS", "2"), ("GANTRY_SERVER__PROXIES", "")];
    let mut instance = Instance::new(sqlite(), &settings);
    instance.start(None).await;
    let address = instance.url.strip_prefix("http://").unwrap();
    // The client that waited for the service may still have one of the two.
    let deadline = Instant::now() + PATIENCE;
    let mut held = Vec::new();
    loop {
        assert!(Instant::now() < deadline, "all {} connections live", held.len());
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let closed = tokio::time::timeout(Duration::from_millis(300), stream.read(&mut [0])).await;
        match closed {
            Ok(Ok(0) | Err(_)) => break,
            _ => held.push(stream),
        }
    }
    assert!(held.len() <= 2);
    held.clear();
    eventually_ok("places come back", async || requests::get(format!("{}/livez", instance.url)).await).await;
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up() {
    use gantry::http::server::{ServerLimits, serve};
    use http_body_util::StreamBody;
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (gone, told) = tokio::sync::watch::channel(());
    let endless = move |_| {
        let bytes = futures_util::stream::repeat_with({
            let told = told.clone();
            move || {
                let _alive = &told;
                Ok::<_, std::io::Error>(http_body::Frame::data(bytes::Bytes::from_static(&[0; 65536])))
            }
        });
        async { http::Response::new(StreamBody::new(bytes)) }
    };
    let limits = ServerLimits { write_timeout: Duration::from_millis(500), ..ServerLimits::default() };
    let stop = tokio_util::sync::CancellationToken::new();
    let serving = tokio::spawn(serve(listener, endless, limits, stop.clone()));
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    eventually("the answer is under way", async || gone.receiver_count() > 1).await;
    eventually("the connection is gone", async || gone.receiver_count() == 1).await;
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test]
async fn the_end_lets_requests_under_way_finish() {
    let mut instance = Instance::new(sqlite(), &[]);
    instance.start(None).await;
    let key = instance.key();
    let bytes = noise(64 << 20, 3);
    let asset = instance.upload(&key, &bytes).await;
    let url = format!("{}/v1/assets/{asset}/content?delivery=stream", instance.url);
    let mut slow = requests::client().get(&url).bearer_auth(&key).send().await.unwrap();
    let mut got = slow.chunk().await.unwrap().unwrap().to_vec();
    instance.signal("TERM");
    let livez = format!("{}/livez", instance.url);
    eventually("it accepts nobody", async || requests::get(&livez).await.is_err()).await;
    while let Some(chunk) = slow.chunk().await.unwrap() {
        got.extend_from_slice(&chunk);
    }
    assert!(got == bytes, "the download was cut");
    assert!(instance.ended().await.success());
    instance.start(None).await;
    let again = requests::client().get(&url).bearer_auth(&key).send().await.unwrap().bytes().await.unwrap();
    assert!(again == bytes);
}

#[tokio::test]
async fn workers_and_tools_work_beside_the_service() {
    let mut instance = Instance::new(Place::fresh_schema().await, &[]);
    instance.start(None).await;
    let key = instance.key();
    let worker = instance.gantry(&["work"]).stderr(std::process::Stdio::null()).spawn();
    let mut worker = worker.unwrap();
    for _ in 0..5 {
        instance.upload(&key, b"hello").await;
    }
    let report = instance.run(&["cleanup"]);
    assert!(report.starts_with("6 objects") || report.starts_with("5 objects"), "{report}");
    worker.kill().unwrap();
    worker.wait().unwrap();
    // And without it.
    instance.kill();
    let report = instance.run(&["cleanup", "--json"]);
    assert!(report.contains("\"orphans\":0"), "{report}");
}

#[tokio::test]
async fn logs_hold_no_secret() {
    let mut instance = Instance::new(sqlite(), &[("GANTRY_LOG__LEVEL", "debug"), ("GANTRY_LOG__FORMAT", "json")]);
    instance.start(None).await;
    let key = instance.key();
    let asset = instance.upload(&key, b"hello").await;
    let client = requests::client();
    let link = client.post(format!("{}/v1/assets/{asset}/links", instance.url)).bearer_auth(&key).body("{}");
    let link: Value = link.send().await.unwrap().json().await.unwrap();
    let link = link["url"].as_str().unwrap().to_owned();
    assert_eq!(client.get(&link).send().await.unwrap().status(), 200);
    let _ = client.get(format!("{}/v1/assets?cursor=secret", instance.url)).bearer_auth("gk_wrong.secret").send().await;
    let log = instance.log_text();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["route"] == "/d/{grant}" && line["status"] == 302), "{log}");
    assert!(lines.iter().all(|line| line["level"].is_string() && line["timestamp"].is_string()));
    let secrets = [key.split('.').nth(1).unwrap(), link.rsplit('/').next().unwrap(), "X-Amz-Signature", "secret"];
    for secret in secrets {
        assert!(!log.contains(secret), "{secret} is in the log: {}", log.lines().find(|l| l.contains(secret)).unwrap());
    }
}

#[tokio::test]
async fn what_users_have_brought_can_have_an_origin_of_its_own() {
    let mut instance = Instance::new(sqlite(), &[]);
    let apart = instance.url.replace("127.0.0.1", "localhost");
    instance.settings.push(("GANTRY_CONTENT_URL".to_owned(), apart.clone()));
    instance.start(None).await;
    let (key, client) = (instance.key(), requests::client());
    let asset = instance.upload(&key, b"hello").await;
    let ask = client.post(format!("{}/v1/assets/{asset}/links", instance.url)).bearer_auth(&key).body("{}");
    let link: Value = ask.send().await.unwrap().json().await.unwrap();
    let url = link["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("{apart}/d/")), "{url}");
    assert_eq!(client.get(url).send().await.unwrap().text().await.unwrap(), "hello");
    for path in ["/", "/v1/limits", "/v1/assets", "/docs", "/u/gu_x/form"] {
        assert_eq!(
            client.get(format!("{apart}{path}")).bearer_auth(&key).send().await.unwrap().status(),
            404,
            "{path}"
        );
    }
    let content = format!("{apart}/v1/assets/{asset}/content?delivery=stream");
    assert_eq!(client.get(content).bearer_auth(&key).send().await.unwrap().status(), 200);
    assert_eq!(client.get(format!("{}/v1/limits", instance.url)).send().await.unwrap().status(), 200);
}
