//! The house as the map in `src/lib.rs` draws it: who may use whom, held by reading every source file. Also that each file says
//! what it is, and that none has swollen.

use std::path::{Path, PathBuf};

/// Stands for what every protocol may use: the files and folders of `http` that are no protocol.
const SHARED_HTTP: &str = "http shared by protocols";

/// Stands for what every room of the engine may use: the files of `engine` that are in no room.
const SHARED_ENGINE: &str = "engine shared by rooms";
/// Rooms of the engine. `operations` stands above all others and has no row of its own.
const ROOMS: [&str; 10] =
    ["audit", "tenants", "events", "webhooks", "uploads", "assets", "delivery", "append", "processing", "operations"];
/// Parts of the engine that commit by the port: `rows` for all others, and those that change neither uploads nor assets and have
/// no access to `rows`.
const COMMITTERS: [&str; 4] = ["engine/rows", "engine/audit", "engine/tenants/registry", "engine/note_queue"];
/// Items that rooms import from the engine itself. All others are imported from their room, so that the table sees it.
const ENGINE_ITEMS: [&str; 6] = ["Error", "Result", "EnginePorts", "IdempotencyKey", "RequestContext", "UploadLimits"];

/// A part of the house, the parts of ours that it may use, and the crates that are its own business.
///
/// The longest matching name decides: `store/sql` is not judged as `store`.
const TABLE: &[(&str, &[&str], &[&str])] = &[
    ("domain", &["domain"], &[]),
    ("crash", &[], &[]),
    ("log_level", &[], &[]),
    ("machine", &[], &[]),
    (
        "traces",
        &["traces"],
        &[
            "reqwest",
            "opentelemetry",
            "opentelemetry_http",
            "opentelemetry_otlp",
            "opentelemetry_sdk",
            "tracing_opentelemetry",
        ],
    ),
    ("metrics", &["domain", "machine", "metrics"], &["prometheus_client"]),
    ("sendfile", &["domain/clock"], &[]),
    ("backup", &["domain/clock", "crash", "backup"], &[]),
    ("backup/sqlite", &[], &["rusqlite"]),
    ("store", &["domain", "machine", "store"], &[]),
    ("store/sqlite", &["domain", "store", "crash"], &["sqlx"]),
    ("store/postgres", &["domain", "store", "crash"], &["sqlx"]),
    ("store/sql", &["domain", "machine", "store", "crash"], &["sqlx"]),
    ("store/rows", &["domain", "store"], &["sqlx"]),
    ("store/open", &["domain", "store"], &["sqlx"]),
    ("store/schema", &["domain", "store"], &["sqlx"]),
    ("blob", &["domain", "blob", "sendfile"], &[]),
    ("blob/s3", &["domain", "blob", "sendfile"], &["aws_config", "aws_sdk_s3", "reqwest"]),
    ("blob/embedded", &["domain/clock", "domain/reason", "machine", "blob/embedded", "sendfile"], &["s3s", "rusqlite"]),
    (
        "media",
        &["domain/name", "domain/reason", "media"],
        &[
            "image",
            "fast_image_resize",
            "webp",
            "jpeg_encoder",
            "nom_exif",
            "landlock",
            "moxcms",
            "seccompiler",
            "libc",
        ],
    ),
    ("engine", &["domain", "store", "blob", "engine", "crash", "machine", "sendfile", "log_level"], &[]),
    ("engine/audit", &["domain", "store", SHARED_ENGINE, "engine/audit"], &[]),
    ("engine/tenants", &["domain", "store", "crash", SHARED_ENGINE, "engine/audit", "engine/tenants"], &[]),
    ("engine/tenants/identity/issuers", &["domain", "store", SHARED_ENGINE, "engine/tenants"], &["jsonwebtoken"]),
    ("engine/tenants/identity/keyring", &["domain", SHARED_ENGINE, "engine/tenants"], &["jsonwebtoken"]),
    ("engine/events", &["domain", "store", SHARED_ENGINE, "engine/events"], &[]),
    (
        "engine/webhooks",
        &["domain", "store", "crash", SHARED_ENGINE, "engine/audit", "engine/events", "engine/webhooks"],
        &[],
    ),
    (
        "engine/uploads",
        &["domain", "store", "blob", "crash", SHARED_ENGINE, "engine/audit", "engine/tenants", "engine/uploads"],
        &[],
    ),
    (
        "engine/assets",
        &[
            "domain",
            "store",
            "blob",
            "crash",
            SHARED_ENGINE,
            "engine/audit",
            "engine/tenants",
            "engine/uploads",
            "engine/assets",
        ],
        &[],
    ),
    (
        "engine/delivery",
        &[
            "domain",
            "store",
            "blob",
            "sendfile",
            SHARED_ENGINE,
            "engine/audit",
            "engine/tenants",
            "engine/assets",
            "engine/delivery",
        ],
        &[],
    ),
    (
        "engine/append",
        &[
            "domain",
            "store",
            "blob",
            "crash",
            SHARED_ENGINE,
            "engine/audit",
            "engine/uploads",
            "engine/assets",
            "engine/append",
        ],
        &[],
    ),
    (
        "engine/processing",
        &["domain", "store", "blob", "crash", SHARED_ENGINE, "engine/tenants", "engine/assets", "engine/processing"],
        &[],
    ),
    ("keysets", &["domain", "engine"], &["reqwest"]),
    ("worker", &["domain", "store", "blob", "engine", "media", "worker", "crash"], &["croner"]),
    ("worker/processors/clamd", &["blob"], &[]),
    ("worker/handoff", &["domain", "worker/handoff"], &[]),
    ("worker/handoff/shared_connection", &["worker/handoff"], &[]),
    ("worker/handoff/nats", &["worker/handoff"], &["async_nats"]),
    ("worker/handoff/redis_streams", &["worker/handoff"], &["redis"]),
    ("worker/handoff/amqp", &["worker/handoff"], &["lapin"]),
    ("worker/handoff/sqs", &["domain/reason", "worker/handoff"], &["aws_config", "aws_sdk_sqs"]),
    ("worker/webhooks", &["domain", "store", "blob", "engine", "worker"], &["reqwest"]),
    ("http", &["domain", "engine", "http", "sendfile"], &["axum", "h2", "hyper", "hyper_util", "tower_http"]),
    ("http/native", &["domain", "engine", SHARED_HTTP, "http/native"], &["axum"]),
    ("http/tus", &["domain", "engine", SHARED_HTTP, "http/tus"], &["axum"]),
    ("http/companion", &["domain", "engine", SHARED_HTTP, "http/companion"], &["axum"]),
    ("http/ietf", &["domain", "engine", SHARED_HTTP, "http/ietf"], &["axum"]),
    ("http/events", &["domain", "engine", SHARED_HTTP, "http/events"], &["axum"]),
    ("http/download", &["domain", "engine", SHARED_HTTP, "http/download", "sendfile"], &["axum"]),
    ("http/admin", &["domain", "engine", SHARED_HTTP, "http/admin"], &["axum"]),
    ("http/processing", &["domain", "engine", SHARED_HTTP, "http/processing"], &["axum"]),
    ("http/webhooks", &["domain", "engine", SHARED_HTTP, "http/webhooks"], &["axum"]),
    ("http/keys", &["domain", "engine", SHARED_HTTP, "http/keys"], &["axum"]),
    ("http/ops", &["domain", "engine", SHARED_HTTP, "http/ops"], &["axum"]),
    ("http/web", &["domain", "engine", SHARED_HTTP, "http/web"], &["axum", "pulldown_cmark"]),
    ("client", &["domain", "client"], &["reqwest"]),
    (
        "config",
        &[
            "domain",
            "engine",
            "http/server",
            "http/tls",
            "http/forwarded",
            "blob/presign",
            "keysets",
            "media",
            "worker",
            "config",
        ],
        &["config"],
    ),
    ("cli", &["domain", "engine", "media", "config", "app", "client", "cli", "log_level"], &["clap"]),
    (
        "app",
        &[
            "domain",
            "store",
            "blob",
            "engine",
            "keysets",
            "media",
            "worker",
            "http",
            "config",
            "log_level",
            "app",
            "backup",
            "crash",
            "machine",
            "sendfile",
            "client/format",
        ],
        &["axum"],
    ),
    ("lib", &[], &[]),
];

/// Adapters: a port may be used without them.
const ADAPTERS: [&str; 10] = [
    "store/sqlite",
    "store/postgres",
    "store/sql",
    "store/rows",
    "blob/s3",
    "blob/embedded",
    "worker/handoff/nats",
    "worker/handoff/redis_streams",
    "worker/handoff/amqp",
    "worker/handoff/sqs",
];
/// Those who put things together may name adapters.
const COMPOSERS: [&str; 1] = ["app"];
/// Crates that belong to one part of the house.
const OWNED: &[&str] = &[
    "axum",
    "h2",
    "hyper",
    "hyper_util",
    "tower_http",
    "sqlx",
    "aws_config",
    "aws_sdk_s3",
    "s3s",
    "rusqlite",
    "reqwest",
    "clap",
    "croner",
    "config",
    "image",
    "fast_image_resize",
    "webp",
    "jpeg_encoder",
    "nom_exif",
    "landlock",
    "seccompiler",
    "libc",
    "async_nats",
    "redis",
    "lapin",
    "aws_sdk_sqs",
    "jsonwebtoken",
    "pulldown_cmark",
    "prometheus_client",
    "opentelemetry",
    "opentelemetry_http",
    "opentelemetry_otlp",
    "opentelemetry_sdk",
    "tracing_opentelemetry",
];
/// Folders of `http` that speak a protocol each, and do not know each other.
const PROTOCOLS: [&str; 13] = [
    "native",
    "companion",
    "tus",
    "ietf",
    "download",
    "events",
    "keys",
    "ops",
    "web",
    "webhooks",
    "admin",
    "processing",
    "tenants",
];
/// Lines of a file, tests aside.
const MOST_LINES: usize = 400;

pub(crate) fn sources() -> Vec<(String, String)> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    assert!(files.len() > 80, "the source is read wrongly");
    let name = |path: &Path| {
        let name = path.strip_prefix(&root).unwrap().with_extension("");
        name.to_str().unwrap().trim_end_matches("/mod").to_owned()
    };
    files.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

/// The text before the file's own tests.
pub(crate) fn code(text: &str) -> &str {
    text.split("\n#[cfg(test)]").next().unwrap()
}

fn within(name: &str, part: &str) -> bool {
    name == part || name.starts_with(&format!("{part}/"))
}

fn row(name: &str) -> &'static (&'static str, &'static [&'static str], &'static [&'static str]) {
    let found = TABLE.iter().filter(|(part, ..)| within(name, part)).max_by_key(|(part, ..)| part.len());
    found.unwrap_or_else(|| panic!("{name} is in no row of the table"))
}

/// Every `crate::…` and `super::…` that the code of a file names, as a path from the crate's root:
/// `crate::store::{Store, Tx}` is `store`, and so is `super::Tx` in `store/sqlite`.
fn named(file: &str, code: &str) -> Vec<String> {
    let ends = |rest: &str| rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
    let mut paths: Vec<String> = code.split("crate::").skip(1).map(|rest| rest[..ends(rest)].to_owned()).collect();
    let mut rest = code;
    while let Some(at) = rest.find("super::") {
        let climbing = rest[at..].split("super::").take_while(|between| between.is_empty()).count();
        let path = &rest[at + climbing * "super::".len()..];
        let modules: Vec<&str> = file.split('/').collect();
        let base = modules[..modules.len().saturating_sub(climbing)].join("::");
        paths.push(format!("{base}::{}", &path[..ends(path)]));
        rest = path;
    }
    // What follows the modules in a path is an item, which no table knows: `domain/clock/Clock`.
    let modules = |path: String| {
        let words: Vec<_> = path.split("::").filter(|word| !word.is_empty()).map(str::to_owned).collect();
        words.into_iter().take_while(|word| word.starts_with(char::is_lowercase)).collect::<Vec<_>>().join("/")
    };
    paths.into_iter().map(modules).collect()
}

/// Whether a path is in `engine`, but in none of its rooms.
fn is_shared_engine(path: &str) -> bool {
    within(path, "engine") && !ROOMS.iter().any(|room| within(path, &format!("engine/{room}")))
}

/// Whether a path is in `http`, but in none of its protocols.
fn is_shared_http(path: &str) -> bool {
    within(path, "http") && !PROTOCOLS.iter().any(|protocol| within(path, &format!("http/{protocol}")))
}

#[test]
fn everyone_uses_only_whom_they_may() {
    let mut trespasses = Vec::new();
    for (name, text) in sources().iter().filter(|(name, _)| !matches!(name.as_str(), "main")) {
        let (part, allowed, own) = row(name);
        let code: String =
            code(text).lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        for used in named(name, &code) {
            // Metrics and traces are process-wide, as tracing is: every part records, but the domain, which is pure.
            let records = *part != "domain" && ["metrics", "traces"].iter().any(|wide| within(&used, wide));
            let may = records
                || allowed.iter().any(|module| {
                    within(&used, module)
                        || within(module, &used) && used == *module
                        || *module == SHARED_HTTP && is_shared_http(&used)
                        || *module == SHARED_ENGINE && is_shared_engine(&used)
                });
            let adapter = ADAPTERS.iter().find(|adapter| within(&used, adapter) && !within(name, adapter));
            let across = adapter.is_some_and(|adapter| !part.starts_with(adapter.split('/').next().unwrap()));
            if !may || (across && !COMPOSERS.contains(part)) {
                trespasses.push(format!("{name} uses crate::{}", used.replace('/', "::")));
            }
        }
        for owned in OWNED.iter().filter(|owned| !own.contains(owned)) {
            let uses = [format!("use {owned}::"), format!(" {owned}::"), format!("({owned}::"), format!("<{owned}::")];
            if uses.iter().any(|text| code.contains(text.as_str())) {
                trespasses.push(format!("{name} uses the crate {owned}"));
            }
        }
    }
    assert!(trespasses.is_empty(), "{trespasses:#?}");
}

#[test]
fn rooms_import_items_of_other_rooms_by_the_room() {
    let mut trespasses = Vec::new();
    for (name, text) in sources().iter().filter(|(name, _)| within(name, "engine") && !is_shared_engine(name)) {
        for (at, prefix) in code(text).match_indices("crate::engine::") {
            let rest = &code(text)[at + prefix.len()..];
            let listed = rest.strip_prefix('{').and_then(|list| list.split('}').next());
            let items = listed.unwrap_or_else(|| rest.split(|c: char| !c.is_alphanumeric()).next().unwrap());
            let items = items.split(',').map(str::trim).filter(|item| item.starts_with(char::is_uppercase));
            trespasses.extend(
                items
                    .filter(|item| !ENGINE_ITEMS.contains(item))
                    .map(|item| format!("{name} uses crate::engine::{item}")),
            );
        }
    }
    assert!(trespasses.is_empty(), "{trespasses:#?}");
}

/// What is committed past `rows` leaves stale copies in the cache of uploads, and wakes no task that waits for an asset.
#[test]
fn the_engine_commits_where_the_cache_is_kept() {
    let mut committers = 0;
    for (name, text) in sources().iter().filter(|(name, _)| within(name, "engine")) {
        let text: String = code(text).split_whitespace().collect();
        if text.contains("store.commit(") {
            assert!(COMMITTERS.iter().any(|part| within(name, part)), "{name} commits past engine/rows");
            committers += 1;
        }
    }
    assert!(committers >= COMMITTERS.len(), "commits are found wrongly: {committers}");
}

#[test]
fn the_port_to_brokers_names_its_adapters_only_where_it_connects() {
    let (_, text) = sources().into_iter().find(|(name, _)| name == "worker/handoff").unwrap();
    let begin = text.find("pub fn connect(").unwrap();
    let end = begin + text[begin..].find("\n}\n").unwrap();
    let elsewhere = format!("{}{}", &text[..begin], code(&text[end..]));
    for adapter in ["nats::", "redis_streams::", "amqp::", "sqs::"] {
        assert!(text[begin..end].contains(adapter) && !elsewhere.contains(adapter), "{adapter}");
    }
}

#[test]
fn protocols_do_not_know_each_other() {
    for (name, text) in sources() {
        let Some(own) = PROTOCOLS.iter().find(|protocol| within(&name, &format!("http/{protocol}"))) else { continue };
        for other in PROTOCOLS.iter().filter(|other| *other != own) {
            assert!(!code(&text).contains(&format!("super::{other}")), "{name} knows {other}");
        }
    }
}

#[test]
fn every_file_says_what_it_is() {
    for (name, text) in sources() {
        assert!(text.starts_with("//! "), "{name} does not begin with what it is");
    }
}

#[test]
fn no_file_has_swollen() {
    let swollen: Vec<_> = sources()
        .into_iter()
        .map(|(name, text)| (name, code(&text).lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .collect();
    assert!(swollen.is_empty(), "{swollen:?}");
}

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |dir: &str| {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(dir);
        let mut names: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names("sqlite"), names("postgres"));
    assert!(!names("sqlite").is_empty());
}

#[test]
fn the_table_catches_a_trespasser() {
    assert_eq!(
        named("engine/x", "use crate::domain::clock::Clock;\nlet x = crate::store::StoreError::Busy;"),
        ["domain/clock", "store"]
    );
    assert_eq!(named("engine/x", "use crate::blob::{Blobs, s3};"), ["blob"]);
    assert_eq!(named("http/tus/error", "use super::super::native::wire::View;"), ["http/native/wire"]);
    assert!(is_shared_http("http/problem") && !is_shared_http("http/tus/error"));
    assert!(is_shared_engine("engine/rows") && !is_shared_engine("engine/uploads/complete"));
    assert!(!row("engine/uploads/complete").1.contains(&"engine/append"));
    assert!(!row("engine").1.contains(&"http") && row("http/native/wire").0 == "http/native");
}

/// Handlers that read a body: what stands first in their signature judges the credential by the head alone.
#[test]
fn the_credential_comes_before_the_body() {
    let mut readers = 0;
    for (name, text) in sources() {
        if !within(&name, "http") || !name.ends_with("handlers") {
            continue;
        }
        for by_hand in ["to_bytes(", "BodyExt", "body: Bytes", "body: String", "body: Json<", "Form("] {
            assert!(!code(&text).contains(by_hand), "{name} reads a body without a budget: {by_hand}");
        }
        for function in code(&text).split("async fn ").skip(1) {
            let signature = function.split(" {\n").next().unwrap();
            if ["body: Json", "body: Result<Json", "body: Body"].iter().any(|body| signature.contains(body)) {
                let first = signature.split('(').nth(1).unwrap().trim_start();
                let judges = [
                    "Authenticated",
                    "call: UploadRequest",
                    "call: &UploadRequest",
                    "call: CompanionRequest",
                    "call: &CompanionRequest",
                ]
                .iter()
                .any(|head| first.starts_with(head));
                assert!(judges, "{name}: {signature}");
                readers += 1;
            }
        }
    }
    assert!(readers >= 33, "only {readers} handlers were found");
}

/// An answer is a type, so that the document is generated from what is serialised.
#[test]
fn answers_are_types() {
    let mut views = 0;
    for (name, text) in sources().into_iter().filter(|(name, _)| within(name, "http") && !within(name, "http/openapi"))
    {
        let routes = name.ends_with("/routes") || code(&text).contains("ApiRoutes::");
        for line in code(&text).lines().filter(|line| !routes && !line.contains("example = ")) {
            assert!(!line.contains("json!("), "{name} answers without a type: {line}");
        }
        views += code(&text).matches("#[derive(Serialize, JsonSchema)]").count();
    }
    assert!(views > 70, "only {views} views were found");
}

/// A client may compare and sort times as texts: every answer writes them with six digits of a second.
#[test]
fn answers_write_times_of_one_length() {
    let mut times = 0;
    for (name, text) in sources().into_iter().filter(|(name, _)| within(name, "http")) {
        let mut answers = false;
        for line in code(&text).lines() {
            if line.contains("#[derive(") {
                answers = line.contains("Serialize") && !line.contains("Deserialize");
            }
            let is_member = line.ends_with(": Timestamp,") || line.ends_with(": Option<Timestamp>,");
            assert!(!(answers && is_member), "{name} answers with a time of any length: {line}; SortableTime has one");
            times += usize::from(line.contains(": SortableTime,") || line.contains(": Option<SortableTime>,"));
        }
    }
    assert!(times > 30, "only {times} times were found");
}
