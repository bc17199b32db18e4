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

/// Status per caller. `+` stands for whatever success is: anything below 400, or the 409 and 422 of a caller who
/// was let in.
const MATRIX: [(&str, &str, [&str; 12]); 20] = [
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
    ("POST", "/v1/links", ["401", "401", "401", "401", "403", "403", "403", "+", "+", "+", "403", "403"]),
    ("DELETE", "/v1/links/{link}", ["401", "401", "401", "401", "403", "403", "403", "+", "+", "404", "403", "403"]),
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
        < 201 {"upload": {"id": "$other"}, "grant": "$othergrant"}
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
        ("{link}", links["link"].clone()),
        ("{token}", token),
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
        "/v1/uploads/{upload}/urls" => r#"{"parts": "1"}"#,
        "/v1/assets/batch" => r#"{"ids": []}"#,
        "/v1/links" => r#"{"links": []}"#,
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
                let mut request = client.request(method.clone(), format!("{}{path}", service.base)).body(body(route));
                if let Some(token) = token {
                    request = request.bearer_auth(token);
                }
                let status = request.send().await.unwrap().status().as_u16();
                let let_in = status < 400 || status == 409 || status == 422 || status == 410;
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
    let mut routes = BTreeSet::new();
    for file in ["native/mod.rs", "download/mod.rs", "ops/mod.rs", "web/mod.rs"] {
        let source = std::fs::read_to_string(format!("{}/src/http/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        for piece in source.split(".route(").skip(1) {
            let path = piece.split('"').nth(1).unwrap().to_owned();
            let methods = piece.split('"').nth(2).unwrap();
            for (word, method) in
                [("get(", "GET"), ("post(", "POST"), ("patch(", "PATCH"), ("delete(", "DELETE"), ("put(", "PUT")]
            {
                if methods.contains(word) {
                    routes.insert((method, shape(&path)));
                }
            }
        }
    }
    let known: BTreeSet<_> = MATRIX.iter().map(|(method, path, _)| (*method, *path)).chain(ELSEWHERE).collect();
    let known: BTreeSet<_> = known.into_iter().map(|(method, path)| (method, shape(path))).collect();
    let missing: Vec<_> = routes.difference(&known).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(routes.len() >= 18, "the source is read wrongly: {routes:?}");
}

/// A path with its parameters unnamed.
fn shape(path: &str) -> String {
    let unnamed = path.split('/').map(|word| if word.starts_with('{') { "{}" } else { word });
    unnamed.collect::<Vec<_>>().join("/")
}
