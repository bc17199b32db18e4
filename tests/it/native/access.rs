//! The authorization matrix: every route of the service, every kind of caller, its expected cell.

use std::collections::BTreeSet;
use std::time::Duration;

use super::ready;
use crate::support::service::Service;
use crate::{on_both_services, transcript};

/// Callers, in the order of the columns.
const CALLERS: [&str; 12] = [
    "nobody",
    "nonsense",
    "revoked",
    "expired",
    "upload",
    "upload of another key",
    "read",
    "link",
    "admin",
    "admin of another tenant",
    "grant for it",
    "grant for another",
];

/// Those who may open an upload through a door, and those who have been given one.
const CREATES: [&str; 12] = ["401", "401", "401", "401", "+", "+", "403", "403", "+", "+", "+", "+"];
/// Those who may drive an upload.
const DRIVES: [&str; 12] = ["401", "401", "401", "401", "+", "+", "403", "403", "+", "404", "+", "404"];
/// Those who may keep keys: each administrator the own tenant's.
const KEEPS: [&str; 12] = ["401", "401", "401", "401", "403", "403", "403", "403", "+", "+", "403", "403"];
const KEEPS_ONE: [&str; 12] = ["401", "401", "401", "401", "403", "403", "403", "403", "+", "404", "403", "403"];
/// In a path nothing but a grant counts.
const GRANTED: [&str; 12] = ["401", "401", "401", "401", "401", "401", "401", "401", "401", "401", "+", "+"];
const GRANTED_ONE: [&str; 12] = ["401", "401", "401", "401", "401", "401", "401", "401", "401", "401", "+", "404"];

/// Status per caller. `+` stands for whatever success is: anything below 400, or the refusal of a caller who was let in.
/// `{caller}` in a path is the caller's token, which then comes in no header.
const MATRIX: [(&str, &str, [&str; 12]); 54] = [
    ("POST", "/v1/uploads", ["401", "401", "401", "401", "+", "+", "403", "403", "+", "+", "403", "403"]),
    ("POST", "/v1/uploads/check", ["401", "401", "401", "401", "+", "+", "403", "403", "+", "+", "403", "403"]),
    ("GET", "/v1/uploads/{upload}", ["401", "401", "401", "401", "+", "+", "+", "403", "+", "404", "+", "404"]),
    ("POST", "/v1/uploads/{upload}/urls", ["401", "401", "401", "401", "+", "+", "403", "403", "+", "404", "+", "404"]),
    (
        "POST",
        "/v1/uploads/{upload}/complete",
        ["401", "401", "401", "401", "+", "+", "403", "403", "+", "404", "+", "404"],
    ),
    (
        "PUT",
        "/v1/uploads/{upload}/content",
        ["401", "401", "401", "401", "+", "+", "403", "403", "+", "404", "+", "404"],
    ),
    ("GET", "/s3/params?filename=a", CREATES),
    ("GET", "/u/{caller}/s3/params?filename=a", GRANTED),
    ("POST", "/s3/multipart", CREATES),
    ("POST", "/u/{caller}/s3/multipart", GRANTED),
    (
        "GET",
        "/s3/multipart/{upload}?key={asset}",
        ["401", "401", "401", "401", "+", "+", "+", "403", "+", "404", "+", "404"],
    ),
    ("GET", "/u/{caller}/s3/multipart/{upload}?key={asset}", GRANTED_ONE),
    ("GET", "/s3/multipart/{upload}/{number}?key={asset}", DRIVES),
    ("GET", "/u/{caller}/s3/multipart/{upload}/{number}?key={asset}", GRANTED_ONE),
    ("GET", "/s3/multipart/{upload}/batch?key={asset}&partNumbers=1", DRIVES),
    ("GET", "/u/{caller}/s3/multipart/{upload}/batch?key={asset}&partNumbers=1", GRANTED_ONE),
    ("POST", "/s3/multipart/{upload}/complete?key={asset}", DRIVES),
    ("POST", "/u/{caller}/s3/multipart/{upload}/complete?key={asset}", GRANTED_ONE),
    ("POST", "/s3/form/{caller}", GRANTED),
    ("POST", "/u/{caller}/form", GRANTED),
    ("GET", "/s3/sts", ["404"; 12]),
    ("GET", "/u/{caller}/s3/sts", ["404"; 12]),
    (
        "DELETE",
        "/s3/multipart/{other}?key={otherasset}",
        ["401", "401", "401", "401", "+", "+", "403", "403", "+", "404", "404", "+"],
    ),
    (
        "DELETE",
        "/u/{caller}/s3/multipart/{other}?key={otherasset}",
        ["401", "401", "401", "401", "401", "401", "401", "401", "401", "401", "404", "+"],
    ),
    ("DELETE", "/v1/uploads/{other}", ["401", "401", "401", "401", "+", "+", "403", "403", "+", "404", "404", "+"]),
    ("GET", "/v1/assets", ["401", "401", "401", "401", "403", "403", "+", "403", "+", "+", "403", "403"]),
    ("POST", "/v1/assets/batch", ["401", "401", "401", "401", "403", "403", "+", "403", "+", "+", "403", "403"]),
    ("GET", "/v1/assets/{asset}", ["401", "401", "401", "401", "+", "+", "+", "403", "+", "404", "+", "404"]),
    ("PATCH", "/v1/assets/{asset}", ["401", "401", "401", "401", "+", "403", "403", "403", "+", "404", "403", "403"]),
    (
        "GET",
        "/v1/assets/{asset}/content",
        ["401", "401", "401", "401", "403", "403", "+", "403", "+", "404", "403", "403"],
    ),
    (
        "HEAD",
        "/v1/assets/{asset}/content",
        ["401", "401", "401", "401", "403", "403", "+", "403", "+", "404", "403", "403"],
    ),
    (
        "POST",
        "/v1/assets/{asset}/links",
        ["401", "401", "401", "401", "403", "403", "403", "+", "+", "404", "403", "403"],
    ),
    (
        "GET",
        "/v1/assets/{asset}/links",
        ["401", "401", "401", "401", "403", "403", "403", "+", "+", "404", "403", "403"],
    ),
    (
        "DELETE",
        "/v1/assets/{asset}/links",
        ["401", "401", "401", "401", "403", "403", "403", "+", "+", "404", "403", "403"],
    ),
    ("GET", "/v1/links", ["401", "401", "401", "401", "403", "403", "403", "+", "+", "+", "403", "403"]),
    ("POST", "/v1/links/revoke", ["401", "401", "401", "401", "403", "403", "403", "+", "+", "+", "403", "403"]),
    ("POST", "/v1/collections", ["401", "401", "401", "401", "403", "403", "403", "+", "+", "+", "403", "403"]),
    ("POST", "/v1/assets/thumbnails", ["401", "401", "401", "401", "403", "403", "+", "403", "+", "+", "403", "403"]),
    ("POST", "/v1/links", ["401", "401", "401", "401", "403", "403", "403", "+", "+", "+", "403", "403"]),
    ("DELETE", "/v1/links/{link}", ["401", "401", "401", "401", "403", "403", "403", "+", "+", "404", "403", "403"]),
    ("GET", "/v1/events?after=0", ["401", "401", "401", "401", "403", "403", "+", "403", "+", "+", "403", "403"]),
    ("GET", "/v1/ws", ["401", "401", "401", "401", "403", "403", "+", "403", "+", "+", "403", "403"]),
    ("GET", "/v1/ws?asset={asset}", ["401", "401", "401", "401", "+", "+", "+", "403", "+", "404", "+", "404"]),
    (
        "GET",
        "/v1/assets/{asset}/events?after=0",
        ["401", "401", "401", "401", "+", "+", "+", "403", "+", "404", "+", "404"],
    ),
    ("GET", "/u/{caller}/events?after=0", GRANTED),
    ("GET", "/v1/keys", KEEPS),
    ("POST", "/v1/keys", KEEPS),
    ("GET", "/v1/keys/{key}", KEEPS_ONE),
    ("POST", "/v1/keys/{key}/rotate", KEEPS_ONE),
    ("DELETE", "/v1/keys/{key}", KEEPS_ONE),
    ("GET", "/v1/limits", ["+"; 12]),
    ("GET", "/livez", ["+"; 12]),
    ("GET", "/readyz", ["+"; 12]),
    ("GET", "/d/{token}", ["+"; 12]),
];

/// Routes whose callers are looked at elsewhere: `DELETE` of an asset ends the matrix, pages are public files.
const ELSEWHERE: [(&str, &str); 3] = [("DELETE", "/v1/assets/{asset}"), ("GET", "/"), ("GET", "/web/{file}")];

struct Cast {
    tokens: Vec<Option<String>>,
    path: Vec<(&'static str, String)>,
}

async fn cast(service: &Service) -> Cast {
    let owner = service.key("upload,read,link").await;
    let names = transcript!(
        service,
        r#"
        @ $owner
        > POST /v1/uploads {"filename": "a", "size": 10485760, "part_size": 5242880}
        < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "grant": "$grant"}
        > POST /v1/uploads {"filename": "b", "size": 10485760, "part_size": 5242880}
        < 201 {"upload": {"id": "$other"}, "asset": {"id": "$otherasset"}, "grant": "$othergrant"}
    "#,
        owner = owner
    );
    let done = ready(service, "ready.txt", "hello").await;
    let links = transcript!(
        service,
        r#"
        > POST /v1/assets/$ready/links {}
        < 201 {"id": "$link", "url": "$url"}
    "#,
        ready = done["asset"]
    );
    let [revoked, expired] = dead_keys(service).await;
    // The owner of the upload with nothing but `upload`: the same key cannot have two scopes, so its scopes are fewer.
    let tokens = vec![
        None,
        Some("gk_nonsense".to_owned()),
        Some(revoked),
        Some(expired),
        Some(owner_with_upload_only(service, &names).await),
        Some(service.key("upload").await),
        Some(service.key("read").await),
        Some(service.key("link").await),
        Some(service.admin.clone()),
        Some(service.foreign_key("other").await),
        Some(names["grant"].clone()),
        Some(names["othergrant"].clone()),
    ];
    let token = links["url"].rsplit('/').next().unwrap().to_owned();
    let path = vec![
        ("{upload}", names["upload"].clone()),
        ("{asset}", names["asset"].clone()),
        ("{other}", names["other"].clone()),
        ("{otherasset}", names["otherasset"].clone()),
        ("{number}", "1".to_owned()),
        ("{link}", links["link"].clone()),
        ("{token}", token),
        ("{key}", service.key("read").await[3..35].to_owned()),
    ];
    Cast { tokens, path }
}

/// A revoked key and an expired one.
async fn dead_keys(service: &Service) -> [String; 2] {
    let expired = service.registry.create_key(service.tenant, "admin".parse().unwrap(), Some(Duration::from_secs(1)));
    let expired = expired.await.unwrap().reveal();
    service.advance(Duration::from_secs(2));
    let revoked = service.registry.create_key(service.tenant, "admin".parse().unwrap(), None).await.unwrap();
    service.registry.revoke_key(service.tenant, revoked.id).await.unwrap();
    [revoked.reveal(), expired]
}

/// Makes a key with the scope `upload` alone the owner of the rows: ownership is a column, scopes are the key's.
async fn owner_with_upload_only(service: &Service, names: &crate::support::transcript::Names) -> String {
    use sqlx::ConnectOptions;
    let token = service.registry.create_key(service.tenant, "upload".parse().unwrap(), None).await.unwrap();
    let ids = [&names["asset"], &names["upload"], &names["other"]].map(|id| id.parse::<uuid::Uuid>().unwrap());
    let statements = ["UPDATE asset SET owner_id = $1 WHERE id = $2", "UPDATE upload SET owner_id = $1 WHERE id = $2"];
    for statement in statements {
        for id in ids {
            match &service.database.place {
                crate::support::database::Place::Sqlite(dir) => {
                    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("gantry.db"));
                    let mut conn = options.connect().await.unwrap();
                    sqlx::query(statement).bind(token.id.0).bind(id).execute(&mut conn).await.unwrap();
                }
                crate::support::database::Place::Postgres(url) => {
                    let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
                    let mut conn = options.connect().await.unwrap();
                    sqlx::query(statement).bind(token.id.0).bind(id).execute(&mut conn).await.unwrap();
                }
            }
        }
    }
    token.reveal()
}

fn body(path: &str) -> &'static str {
    match path {
        "/v1/uploads" | "/v1/uploads/check" => r#"{"filename": "x", "size": 1}"#,
        "/v1/keys" => r#"{"scopes": "read"}"#,
        "/v1/uploads/{upload}/urls" => r#"{"parts": "1"}"#,
        "/v1/assets/batch" => r#"{"ids": []}"#,
        "/v1/links" => r#"{"links": []}"#,
        "/v1/collections" => r#"{"name": "x", "assets": []}"#,
        "/v1/assets/thumbnails" => r#"{"ids": [], "variant": "x"}"#,
        "/s3/multipart" | "/u/{caller}/s3/multipart" => r#"{"filename": "x", "type": ""}"#,
        _ if path.contains("/s3/") && path.contains("/complete") => r#"{"parts": []}"#,
        _ => "{}",
    }
}

on_both_services! {
    async fn every_route_and_every_caller(service) {
        let cast = cast(service).await;
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let mut wrong = Vec::new();
        for (method, route, expected) in MATRIX {
            let path = cast.path.iter().fold(route.to_owned(), |path, (name, value)| path.replace(name, value));
            for ((caller, token), cell) in CALLERS.iter().zip(&cast.tokens).zip(expected) {
                // Whoever may abort does: deletions are asked about in an order that leaves the upload for last.
                let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
                let url = format!("{}{path}", service.base).replace("{caller}", token.as_deref().unwrap_or("nobody"));
                let mut request = client.request(method.clone(), url).body(body(route));
                if let Some(token) = token.as_ref().filter(|_| !route.contains("{caller}")) {
                    request = request.bearer_auth(token);
                }
                let status = request.send().await.unwrap().status().as_u16();
                let let_in = status < 400 || [400, 409, 410, 422, 426].contains(&status);
                let holds = if cell == "+" { let_in } else { status.to_string() == cell };
                if !holds {
                    wrong.push(format!("{method} {route} by {caller}: {status}, expected {cell}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    async fn a_foreign_id_answers_like_an_unknown_one(service) {
        let names = ready(service, "a.txt", "hello").await;
        let foreign = service.foreign_key("other").await;
        let unknown = "01900000-0000-7000-8000-000000000000";
        let client = reqwest::Client::new();
        let paths = ["/v1/assets/{}", "/v1/assets/{}/content", "/v1/uploads/{}"];
        let ids = [&names["asset"], &names["asset"], &names["upload"]];
        for (path, id) in paths.iter().zip(ids) {
            let ask = async |id: &str| {
                let url = format!("{}{}", service.base, path.replace("{}", id));
                let answer = client.get(url).bearer_auth(&foreign).header("x-request-id", "same").send().await.unwrap();
                let mut headers: Vec<_> =
                    answer.headers().iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
                headers.retain(|header| !header.starts_with("date"));
                (answer.status(), headers, answer.text().await.unwrap())
            };
            assert_eq!(ask(id).await, ask(unknown).await);
        }
        transcript!(service, r#"
            @ $foreign
            > GET /v1/assets
            < 200 {"assets": []}
            > DELETE /v1/assets/$asset
            < 404
            > PATCH /v1/assets/$asset {}
            < 404
            > POST /v1/assets/$asset/links {}
            < 404
        "#, foreign = foreign, asset = names["asset"]);
    }
}

/// Every route in the source is in the matrix, or named as being looked at elsewhere.
#[test]
fn the_matrix_is_complete() {
    let read =
        |file: &str| std::fs::read_to_string(format!("{}/src/http/{file}/mod.rs", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut routes = BTreeSet::new();
    for file in ["native", "download", "events", "keys", "ops", "web"] {
        routes.extend(routes_in(&read(file), ""));
    }
    let companion = read("companion");
    let (outside, contract) = companion.split_once("fn contract").unwrap();
    routes.extend(routes_in(outside, ""));
    for prefix in ["/s3", "/u/{grant}/s3"] {
        routes.extend(routes_in(contract, prefix));
    }
    let known = MATRIX.iter().map(|(method, path, _)| (*method, *path)).chain(ELSEWHERE);
    let known: BTreeSet<_> = known.map(|(method, path)| (method, shape(path))).collect();
    let missing: Vec<_> = routes.difference(&known).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(routes.len() >= 36, "the source is read wrongly: {routes:?}");
}

fn routes_in(source: &str, prefix: &str) -> Vec<(&'static str, String)> {
    const METHODS: [(&str, &str); 5] =
        [("get(", "GET"), ("post(", "POST"), ("patch(", "PATCH"), ("delete(", "DELETE"), ("put(", "PUT")];
    let mut routes = Vec::new();
    for piece in source.split(".route(").skip(1) {
        let words: Vec<_> = piece.splitn(4, '"').collect();
        let path = shape(&format!("{prefix}{}", words[1]));
        let methods = METHODS.iter().filter(|(word, _)| words[2].contains(word));
        routes.extend(methods.map(|(_, method)| (*method, path.clone())));
    }
    routes
}

/// A path with its parameters unnamed, and without its query.
fn shape(path: &str) -> String {
    let path = path.split('?').next().unwrap();
    let unnamed = path.split('/').map(|word| if word.starts_with('{') { "{}" } else { word });
    unnamed.collect::<Vec<_>>().join("/")
}
