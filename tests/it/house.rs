//! The house as `DESIGN.md` draws it: who may use whom, held by reading every source file. Also that each file says
//! what it is, and that none has swollen.

use std::path::{Path, PathBuf};

/// A part of the house, the parts of ours that it may use, and the crates that are its own business.
///
/// The longest matching name decides: `store/sql` is not judged as `store`.
const TABLE: &[(&str, &[&str], &[&str])] = &[
    ("domain", &["domain"], &[]),
    ("crash", &[], &[]),
    ("sendfile", &["domain/clock"], &[]),
    ("store", &["domain", "store"], &[]),
    ("store/sqlite", &["domain", "store", "crash"], &["sqlx"]),
    ("store/postgres", &["domain", "store", "crash"], &["sqlx"]),
    ("store/sql", &["domain", "store", "crash"], &["sqlx"]),
    ("store/rows", &["domain", "store"], &["sqlx"]),
    ("store/open", &["domain", "store"], &["sqlx"]),
    ("blob", &["domain", "blob", "sendfile"], &[]),
    ("blob/s3", &["domain", "blob", "sendfile"], &["aws_config", "aws_sdk_s3", "reqwest"]),
    ("blob/embedded", &["domain/clock", "blob/embedded", "sendfile"], &["s3s", "rusqlite"]),
    (
        "media",
        &["domain/name", "media"],
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
    ("engine", &["domain", "store", "blob", "engine", "crash", "sendfile"], &[]),
    ("engine/identity/issuers", &["domain", "store", "engine"], &["jsonwebtoken"]),
    ("engine/identity/keyring", &["domain", "engine"], &["jsonwebtoken"]),
    ("keysets", &["domain", "engine"], &["reqwest"]),
    ("worker", &["domain", "store", "blob", "engine", "media", "worker", "crash"], &["croner"]),
    ("worker/processors/scan", &["blob"], &[]),
    ("worker/handoff", &["domain", "worker/handoff"], &[]),
    ("worker/handoff/kept", &["worker/handoff"], &[]),
    ("worker/handoff/nats", &["worker/handoff"], &["async_nats"]),
    ("worker/handoff/redis_streams", &["worker/handoff"], &["redis"]),
    ("worker/handoff/amqp", &["worker/handoff"], &["lapin"]),
    ("worker/handoff/sqs", &["domain/reason", "worker/handoff"], &["aws_config", "aws_sdk_sqs"]),
    ("worker/webhooks", &["domain", "store", "blob", "engine", "worker"], &["reqwest"]),
    ("http", &["domain", "engine", "http", "sendfile"], &["axum", "h2", "hyper", "hyper_util", "tower_http"]),
    ("http/native", &["domain", "engine", "http/native"], &["axum"]),
    ("http/tus", &["domain", "engine", "http/tus"], &["axum"]),
    ("http/companion", &["domain", "engine", "http/companion"], &["axum"]),
    ("http/ietf", &["domain", "engine", "http/ietf"], &["axum"]),
    ("http/events", &["domain", "engine", "http/events"], &["axum"]),
    ("http/download", &["domain", "engine", "http/download", "sendfile"], &["axum"]),
    ("http/admin", &["domain", "engine", "http/admin"], &["axum"]),
    ("http/processing", &["domain", "engine", "http/processing"], &["axum"]),
    ("http/webhooks", &["domain", "engine", "http/webhooks"], &["axum"]),
    ("http/keys", &["domain", "engine", "http/keys"], &["axum"]),
    ("http/ops", &["domain", "engine", "http/ops"], &["axum"]),
    ("http/web", &["domain", "engine", "http/web"], &["axum"]),
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
    ("cli", &["domain", "engine", "media", "config", "app", "client", "cli"], &["clap"]),
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
            "app",
            "crash",
            "sendfile",
            "client/text",
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
];
/// Lines of a file, tests aside.
const MOST_LINES: usize = 400;

fn sources() -> Vec<(String, String)> {
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
fn code(text: &str) -> &str {
    text.split("\n#[cfg(test)]").next().unwrap()
}

fn within(name: &str, part: &str) -> bool {
    name == part || name.starts_with(&format!("{part}/"))
}

fn row(name: &str) -> &'static (&'static str, &'static [&'static str], &'static [&'static str]) {
    let found = TABLE.iter().filter(|(part, ..)| within(name, part)).max_by_key(|(part, ..)| part.len());
    found.unwrap_or_else(|| panic!("{name} is in no row of the table"))
}

/// Every `crate::…` that the code names, as a path: `crate::store::{Store, Tx}` is `store`.
fn named(code: &str) -> Vec<String> {
    let paths = code.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
        rest[..end].trim_end_matches(':').replace("::", "/")
    });
    // What follows the modules in a path is an item, which no table knows: `domain/clock/Clock`.
    paths
        .map(|path| {
            path.split('/').take_while(|word| word.starts_with(char::is_lowercase)).collect::<Vec<_>>().join("/")
        })
        .collect()
}

#[test]
fn everyone_uses_only_whom_they_may() {
    let mut trespasses = Vec::new();
    for (name, text) in sources().iter().filter(|(name, _)| !matches!(name.as_str(), "main")) {
        let (part, allowed, own) = row(name);
        let code: String =
            code(text).lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        for used in named(&code) {
            let may = allowed.iter().any(|module| within(&used, module) || within(module, &used) && used == *module);
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
        named("use crate::domain::clock::Clock;\nlet x = crate::store::StoreError::Busy;"),
        ["domain/clock", "store"]
    );
    assert_eq!(named("use crate::blob::{Blobs, s3};"), ["blob"]);
    assert!(!row("engine").1.contains(&"http") && row("http/native/wire").0 == "http/native");
}

/// Handlers that read a body: what stands first in their signature judges the credential by the head alone.
#[test]
fn the_credential_comes_before_the_body() {
    let mut readers = 0;
    for (name, text) in sources() {
        if !within(&name, "http") || !(name.ends_with("/handlers") || name.ends_with("/links")) {
            continue;
        }
        for function in code(&text).split("async fn ").skip(1) {
            let signature = function.split(" {\n").next().unwrap();
            if ["body: Json", "body: Result<Json", "body: Body"].iter().any(|body| signature.contains(body)) {
                let first = signature.split('(').nth(1).unwrap().trim_start();
                let judges = ["Authenticated", "call: Call", "call: &Call"].iter().any(|head| first.starts_with(head));
                assert!(judges, "{name}: {signature}");
                readers += 1;
            }
        }
    }
    assert!(readers >= 28, "only {readers} handlers were found");
}
