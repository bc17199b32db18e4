//! What an operator or a newcomer reads when something is not as it should be: which thing, why, and what to do. No message
//! holds a type of Rust or the debug output of a library.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};

use crate::contract::headers::answer_to;
use crate::support::database::Place;
use crate::support::patience::eventually;
use crate::support::process::{Instance, free_port};
use crate::support::requests;

fn sqlite() -> Place {
    Place::fresh_file()
}

/// What a command says on standard error when it fails, in words. One that runs on is ended and has not failed.
fn refusal(mut command: Command) -> String {
    let mut limited = Command::new("timeout");
    limited.arg("60").arg(command.get_program()).args(command.get_args());
    let said = command.get_envs().filter(|(name, _)| *name != "PATH");
    limited.envs(said.filter_map(|(name, value)| value.map(|value| (name, value))));
    if let Some(dir) = command.get_current_dir() {
        limited.current_dir(dir);
    }
    command = limited;
    let Output { status, stderr, .. } = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(stderr).unwrap();
    assert!(!status.success() && status.code() != Some(124), "it did not fail: {text}");
    for foreign in ["Error {", "Error(", "SdkError", "os error", "Kind(", "Some(", "None)", "sqlx", "_sqlx"] {
        assert!(!text.contains(foreign), "{foreign} is in: {text}");
    }
    text
}

async fn upload(url: &str, key: &str, bytes: &str) -> Value {
    let client = requests::client();
    let wish = json!({ "filename": "a.txt", "size": bytes.len(), "method": "put" }).to_string();
    let opened = client.post(format!("{url}/v1/uploads")).bearer_auth(key).body(wish).send().await.unwrap();
    let opened: Value = opened.json().await.unwrap();
    let id = opened["upload"]["id"].as_str().unwrap();
    let put = client.put(format!("{url}/v1/uploads/{id}/content")).bearer_auth(key).body(bytes.to_owned());
    assert_eq!(put.send().await.unwrap().status(), 200);
    let asset = opened["asset"]["id"].as_str().unwrap();
    let wait = format!("{url}/v1/assets/{asset}?wait=30s&until=ready");
    client.get(wait).bearer_auth(key).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn the_first_key_goes_to_a_file_where_nobody_watches() {
    let mut instance = Instance::new(sqlite(), &[]);
    let out = instance.gantry(&["serve"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = out;
    let words = {
        let lines = BufReader::new(out.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut words = Vec::new();
        for line in lines {
            let last = line.contains("key create");
            words.push(line);
            if last {
                break;
            }
        }
        words.join("\n")
    };
    out.kill().unwrap();
    out.wait().unwrap();
    assert!(!words.contains("gk_") && words.contains("first start"), "{words}");
    let file = words.split_whitespace().find(|word| word.ends_with("/admin.key")).unwrap();
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    // The line that the message shows gives a shell the key.
    let export = words.lines().find_map(|line| line.trim().strip_prefix("export ")).unwrap();
    let script = format!("export {export}; printf %s \"$GANTRY_API_KEY\"");
    let key = String::from_utf8(Command::new("sh").args(["-c", &script]).output().unwrap().stdout).unwrap();
    instance.start(None).await;
    assert_eq!(upload(&instance.url, &key, "hello").await["state"], "ready");
}

#[tokio::test]
async fn the_first_key_is_shown_on_a_terminal() {
    let instance = Instance::new(sqlite(), &[]);
    // A terminal of its own: when it closes, what runs in it is hung up.
    let serve = format!("timeout --foreground 60 {} serve", env!("CARGO_BIN_EXE_gantry"));
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &serve, "/dev/null"]).envs(instance.settings.iter().cloned());
    let mut terminal = terminal.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(terminal.stdout.take().unwrap()).lines().map_while(Result::ok);
    let shown: Vec<_> = lines.take_while(|line| !line.contains("key create")).collect();
    let shown = shown.join("\n");
    assert!(shown.contains(&format!("{}/#key=gk_", instance.url)) && !shown.contains("admin.key"), "{shown}");
    let word_after = |mark: &str| shown.split(mark).nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let (page_key, admin_key) = (word_after("/#key="), word_after("Admin key"));
    eventually("it serves", async || {
        requests::client()
            .get(format!("{}/livez", instance.url))
            .send()
            .await
            .is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    // The address goes through histories and messages: its key sends, reads and links, and ends.
    let asset = upload(&instance.url, &page_key, "hello").await;
    assert_eq!(asset["state"], "ready");
    let status = async |key: &str, path: &str, body: Option<&'static str>| {
        let url = format!("{}{path}", instance.url);
        let request =
            body.map_or_else(|| requests::client().get(&url), |body| requests::client().post(&url).body(body));
        request.bearer_auth(key).send().await.unwrap().status().as_u16()
    };
    let links = format!("/v1/assets/{}/links", asset["id"].as_str().unwrap());
    assert_eq!(status(&page_key, &links, Some("{}")).await, 201);
    assert_eq!(status(&page_key, "/v1/keys", None).await, 403);
    assert_eq!(status(&page_key, "/v1/admin/jobs", None).await, 403);
    let keys =
        requests::client().get(format!("{}/v1/keys", instance.url)).bearer_auth(&admin_key).send().await.unwrap();
    let keys: Value = keys.json().await.unwrap();
    let of_page = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| page_key.contains(&key["id"].as_str().unwrap().replace('-', "")));
    assert!(of_page.is_some_and(|key| key["expires_at"].is_string() && key["name"] == "start page"), "{keys}");
    terminal.kill().unwrap();
    terminal.wait().unwrap();
}

/// A later version's step in the history of the schema, as that version would have written it.
async fn pretend_newer(place: &Place) {
    let row = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
               VALUES (9001, 'later', true, ''::bytea, 0)";
    match place {
        Place::Sqlite(dir) => {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("gantry.db"));
            let row = row.replace("''::bytea", "x''");
            options.connect().await.unwrap().execute(AssertSqlSafe(row)).await.unwrap();
        }
        Place::Postgres(url) => {
            let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
            options.connect().await.unwrap().execute(row).await.unwrap();
        }
    }
}

async fn a_newer_schema_is_named(place: Place, named: &str) {
    let instance = Instance::new(place, &[]);
    instance.run(&["migrate"]);
    pretend_newer(&instance.place).await;
    for command in ["serve", "work", "migrate"] {
        let text = refusal(instance.gantry(&[command]));
        assert!(text.contains("newer version of Gantry") && text.contains("9001") && text.contains(named), "{text}");
    }
}

#[tokio::test]
async fn a_newer_schema_of_sqlite() {
    a_newer_schema_is_named(sqlite(), "gantry.db").await;
}

#[tokio::test]
async fn a_newer_schema_of_postgres() {
    a_newer_schema_is_named(Place::fresh_schema().await, "PostgreSQL at ").await;
}

#[tokio::test]
async fn a_database_server_that_is_not_there_is_named() {
    let nowhere = "postgres://gantry:hush@nowhere.invalid:5433/files";
    let instance = Instance::new(sqlite(), &[("GANTRY_DATABASE_URL", nowhere)]);
    let text = refusal(instance.gantry(&["serve"]));
    assert!(text.contains("PostgreSQL at nowhere.invalid:5433 (database files, user gantry)"), "{text}");
    assert!(text.contains("cannot be reached: ") && !text.contains("hush"), "{text}");
    let mut url: url::Url = std::env::var("GANTRY_TEST_POSTGRES").unwrap().parse().unwrap();
    url.set_path("/no-such-database");
    let instance = Instance::new(sqlite(), &[("GANTRY_DATABASE_URL", url.as_str())]);
    let text = refusal(instance.gantry(&["serve"]));
    assert!(text.contains("cannot be opened: ") && text.contains("no-such-database"), "{text}");
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_named() {
    // The embedded store of another instance is an S3 server like any other; SeaweedFS would make the bucket.
    let mut server = Instance::new(sqlite(), &[]);
    server.start(None).await;
    let exports = server.run(&["store-env"]);
    let value =
        |name: &str| exports.split([' ', '\n']).find_map(|word| word.strip_prefix(&format!("{name}="))).unwrap();
    let refusal_with = |secret: &str| {
        let settings = [
            ("GANTRY_STORE", "s3"),
            ("GANTRY_S3_BUCKET", "no-such-bucket"),
            ("GANTRY_S3_ENDPOINT", value("AWS_ENDPOINT_URL")),
            ("GANTRY_S3_REGION", value("AWS_REGION")),
            ("GANTRY_S3_PATH_STYLE", "true"),
            ("AWS_ACCESS_KEY_ID", value("AWS_ACCESS_KEY_ID")),
            ("AWS_SECRET_ACCESS_KEY", secret),
        ];
        refusal(Instance::new(sqlite(), &settings).gantry(&["serve"]))
    };
    let text = refusal_with(value("AWS_SECRET_ACCESS_KEY"));
    assert!(text.contains("the bucket no-such-bucket does not exist at http") && text.contains("s3_bucket"), "{text}");
    let text = refusal_with("wrong");
    assert!(text.contains("the bucket no-such-bucket at http") && text.contains("credentials"), "{text}");
}

#[tokio::test]
async fn data_of_another_user_is_named() {
    let instance = Instance::new(sqlite(), &[]);
    instance.run(&["migrate"]);
    let dir = instance.settings.iter().find(|(name, _)| name == "GANTRY_DATA_DIR").unwrap().1.clone();
    // The binary where everybody may run it.
    let public = tempfile::TempDir::new().unwrap();
    std::fs::set_permissions(public.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let gantry = public.path().join("gantry");
    std::fs::copy(env!("CARGO_BIN_EXE_gantry"), &gantry).unwrap();
    let me = String::from_utf8(Command::new("id").arg("-u").output().unwrap().stdout).unwrap();
    let text = if me.trim() == "0" {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&gantry).arg("serve");
        refusal({
            command.envs(instance.settings.iter().cloned()).current_dir("/");
            command
        })
    } else {
        let closed = std::path::Path::new(&dir).join("gantry.db");
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
        refusal(instance.gantry(&["serve"]))
    };
    if me.trim() == "0" {
        assert!(
            text.contains("belongs to user root, but gantry runs as user nobody") && text.contains("chown -R nobody"),
            "{text}"
        );
    } else {
        assert!(text.contains("is not accessible to its own user") && text.contains("chmod"), "{text}");
    }
}

#[tokio::test]
async fn data_files_that_are_gone_are_named() {
    let mut instance = Instance::new(sqlite(), &[]);
    instance.start(None).await;
    let key = instance.key();
    assert_eq!(upload(&instance.url, &key, "hello").await["state"], "ready");
    instance.kill();
    let dir = instance.settings.iter().find(|(name, _)| name == "GANTRY_DATA_DIR").unwrap().1.clone();
    let (files, away) = (format!("{dir}/store/files"), format!("{dir}/away"));
    std::fs::rename(&files, &away).unwrap();
    for made_empty in [false, true] {
        if made_empty {
            std::fs::create_dir(&files).unwrap();
        }
        let text = refusal(instance.gantry(&["serve"]));
        assert!(text.contains(&files) && text.contains("meta.db") && text.contains("restore"), "{text}");
    }
    std::fs::remove_dir(&files).unwrap();
    std::fs::rename(&away, &files).unwrap();
    instance.start(None).await;
    assert_eq!(upload(&instance.url, &key, "hello again").await["state"], "ready");
}

#[tokio::test]
async fn listening_everywhere_needs_addresses_for_clients() {
    let (port, store_port) = (free_port(), free_port());
    let (listen, store) = (format!("0.0.0.0:{port}"), format!("[::]:{store_port}"));
    let everywhere = [("GANTRY_LISTEN", listen.as_str()), ("GANTRY_STORE_LISTEN", store.as_str())];
    let text = refusal(Instance::new(sqlite(), &everywhere).gantry(&["serve"]));
    assert!(text.contains("GANTRY_PUBLIC_URL") && text.contains("GANTRY_STORE_PUBLIC_URL"), "{text}");
    let (public, store_public) = (format!("http://127.0.0.1:{port}"), format!("http://localhost:{store_port}"));
    let mended = [("GANTRY_PUBLIC_URL", public.as_str()), ("GANTRY_STORE_PUBLIC_URL", store_public.as_str())];
    let mut instance = Instance::new(sqlite(), &[everywhere, mended].concat());
    instance.url.clone_from(&public);
    instance.start(None).await;
    let key = instance.key();
    let asset = upload(&public, &key, "hello").await;
    let content = format!("{public}/v1/assets/{}/content", asset["id"].as_str().unwrap());
    let answer = requests::client().get(content).bearer_auth(&key).send().await.unwrap();
    assert!(answer.url().as_str().starts_with(&store_public), "{}", answer.url());
    assert_eq!(answer.text().await.unwrap(), "hello");
}

#[tokio::test]
async fn the_command_line_says_what_is_wrong_with_key_and_address() {
    let mut instance = Instance::new(sqlite(), &[]);
    instance.start(None).await;
    let key = instance.key();
    let gantry = |url: &str, key: &str| {
        let mut command = instance.gantry(&["ls", "--retry-max-time", "0s"]);
        command.env("GANTRY_URL", url).env("GANTRY_API_KEY", key);
        command
    };
    let (id, secret) = key.split_once('.').unwrap();
    for wrong in
        [format!("{id}.{}", "0".repeat(secret.len())), format!("gk_{}.{secret}", "0".repeat(32)), "gk_x".to_owned()]
    {
        let text = refusal(gantry(&instance.url, &wrong));
        assert!(text.contains("This API key is unknown, revoked or expired"), "{text}");
    }
    let text = refusal(gantry(&instance.url.replace("http:", "https:"), &key));
    assert!(text.contains("does not support HTTPS") && text.contains("http://"), "{text}");
    let detail = async |token: Option<&str>, path: &str| {
        let request = requests::client().get(format!("{}{path}", instance.url));
        let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
        request.send().await.unwrap().json::<Value>().await.unwrap()["detail"].as_str().unwrap().to_owned()
    };
    assert!(detail(None, "/v1/assets").await.starts_with("A credential is required"));
    assert!(detail(Some("gu_x"), "/v1/assets").await.starts_with("This grant is unknown"));
    assert!(detail(None, "/u/gu_x/events?after=0").await.starts_with("This grant is unknown"));
    assert!(detail(Some("a.b.c"), "/v1/assets").await.starts_with("This token is not accepted"));
}

#[tokio::test]
async fn nothing_is_said_to_be_kept_that_never_arrived() {
    let instance = Instance::new(sqlite(), &[]);
    let dir = tempfile::TempDir::new().unwrap();
    std::fs::write(dir.path().join("file"), "hello").unwrap();
    for arguments in [&["put", "file"][..], &["get", "019aa3c1-7c40-7d2e-9f31-0b5f6f0c2a11"]] {
        let mut command = instance.gantry(&[arguments, &["--retry-max-time", "0s"]].concat());
        let nowhere = format!("http://127.0.0.1:{}", free_port());
        command.env("GANTRY_URL", nowhere).env("GANTRY_API_KEY", "gk_x.y").current_dir(dir.path());
        let text = refusal({
            command.env("XDG_STATE_HOME", dir.path());
            command
        });
        assert!(text.contains("Nothing has arrived yet") && !text.contains("lost"), "{text}");
    }
}

#[tokio::test]
async fn a_link_for_a_network_sees_the_client_behind_a_trusted_proxy() {
    let mut instance = Instance::new(sqlite(), &[]);
    instance.start(None).await;
    let key = instance.key();
    let asset = upload(&instance.url, &key, "hello").await["id"].as_str().unwrap().to_owned();
    let client = requests::client();
    let made = client.post(format!("{}/v1/assets/{asset}/links", instance.url)).bearer_auth(&key);
    let made: Value = made.body(r#"{"ip": "192.0.2.0/24"}"#).send().await.unwrap().json().await.unwrap();
    let link = made["url"].as_str().unwrap().to_owned();
    let status = async |forwarded: Option<&str>| {
        let request = client.get(&link);
        let request = if let Some(line) = forwarded { request.header("x-forwarded-for", line) } else { request };
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status(Some("192.0.2.7")).await, 200);
    assert_eq!(status(Some("203.0.113.9, 192.0.2.7")).await, 200);
    assert_eq!(status(Some("192.0.2.7, 203.0.113.9")).await, 410);
    assert_eq!(status(None).await, 410);
    // Where no proxy is trusted, nobody is believed.
    instance.kill();
    instance.settings.push(("GANTRY_SERVER__PROXIES".to_owned(), String::new()));
    instance.start(None).await;
    assert_eq!(status(Some("192.0.2.7")).await, 410);
}

#[tokio::test]
async fn the_contents_origin_is_known_by_its_host() {
    let mut instance = Instance::new(sqlite(), &[("GANTRY_CONTENT_URL", "https://content.example")]);
    instance.start(None).await;
    for (host, status) in [
        ("content.example", 404),
        ("Content.EXAMPLE", 404),
        ("content.example:443", 404),
        ("content.example:8443", 404),
        ("content.example.", 404),
        ("content.example.:443", 404),
        ("files.example", 200),
        ("content.example.evil", 200),
    ] {
        let request = format!("GET /v1/limits HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let answer = answer_to(&instance.url, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{host}: {answer}");
    }
    eventually("bytes are served there", async || {
        let request = "GET /livez HTTP/1.1\r\nhost: CONTENT.example.\r\nconnection: close\r\n\r\n";
        answer_to(&instance.url, request).await.starts_with("HTTP/1.1 200 ")
    })
    .await;
}
