//! A tenant is deleted: counted first, suspended at once, and gone in the end with every row and object, also when the process
//! dies on the way. Nobody else's are touched.

use std::collections::BTreeMap;
use std::time::Duration;

use gantry::blob::{BlobKey, BlobStore as _};
use gantry::domain::ids::TenantId;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions as _};
use uuid::Uuid;

use crate::support::database::{Database, Place};
use crate::support::patience::{eventually, eventually_ok};
use crate::support::process::Instance;
use crate::support::requests;
use crate::support::service::{Service, Shape};
use crate::support::transcript::noise;
use crate::transcript;

const PART: usize = 5 << 20;

/// Every table that names a tenant, with the number of its rows that name this one.
async fn rows_of(place: &Place, tenant: Uuid) -> BTreeMap<String, i64> {
    const SQLITE: &str = "SELECT m.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c \
        WHERE m.type = 'table' AND c.name = 'tenant_id'";
    const POSTGRES: &str = "SELECT c.table_name::text FROM information_schema.columns AS c \
        JOIN information_schema.tables AS t USING (table_schema, table_name) \
        WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE' AND c.column_name = 'tenant_id'";
    let count = |table: &str| AssertSqlSafe(format!("SELECT count(*) FROM {table} WHERE tenant_id = $1"));
    let mut found = BTreeMap::new();
    match place {
        Place::Sqlite(dir) => {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("gantry.db"));
            let mut db = options.connect().await.unwrap();
            for table in sqlx::query_scalar::<_, String>(SQLITE).fetch_all(&mut db).await.unwrap() {
                let rows = sqlx::query_scalar(count(&table)).bind(tenant).fetch_one(&mut db).await.unwrap();
                found.insert(table, rows);
            }
        }
        Place::Postgres(url) => {
            let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
            let mut db = options.connect().await.unwrap();
            for table in sqlx::query_scalar::<_, String>(POSTGRES).fetch_all(&mut db).await.unwrap() {
                let rows = sqlx::query_scalar(count(&table)).bind(tenant).fetch_one(&mut db).await.unwrap();
                found.insert(table, rows);
            }
        }
    }
    assert!(found.len() >= 15, "tables are missing: {found:?}");
    found
}

/// Numbers of all rows in tables that name no tenant.
async fn rows_of_nobody(place: &Place) -> Vec<i64> {
    const COUNT: &str = "SELECT count(*) FROM part UNION ALL SELECT count(*) FROM collection_crc \
        UNION ALL SELECT count(*) FROM replay";
    match place {
        Place::Sqlite(dir) => {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("gantry.db"));
            let mut db = options.connect().await.unwrap();
            let mut rows = sqlx::query_scalar(COUNT).fetch_all(&mut db).await.unwrap();
            let names = "SELECT count(*) FROM asset_name_row UNION ALL SELECT count(*) FROM asset_name";
            rows.extend(sqlx::query_scalar::<_, i64>(names).fetch_all(&mut db).await.unwrap());
            rows
        }
        Place::Postgres(url) => {
            let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
            sqlx::query_scalar(COUNT).fetch_all(&mut options.connect().await.unwrap()).await.unwrap()
        }
    }
}

async fn ask(method: Method, url: String, key: &str, body: Option<Value>) -> (StatusCode, Value) {
    let request = requests::client().request(method, url).bearer_auth(key);
    let request = request.header("idempotency-key", Uuid::new_v4().to_string());
    let answer = match body {
        Some(body) => request.body(body.to_string()).send().await.unwrap(),
        None => request.send().await.unwrap(),
    };
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    (status, serde_json::from_str(&text).unwrap_or_default())
}

/// Sends a file by one PUT and waits until it is ready; its asset.
async fn ready_asset(base: &str, key: &str, bytes: &[u8]) -> String {
    let wish = json!({ "filename": "report.txt", "size": bytes.len(), "method": "put" });
    let (_, opened) = ask(Method::POST, format!("{base}/v1/uploads"), key, Some(wish)).await;
    let put = requests::client().put(opened["put"]["url"].as_str().unwrap()).header("if-none-match", "*");
    assert_eq!(put.header("content-length", bytes.len()).body(bytes.to_vec()).send().await.unwrap().status(), 200);
    let upload = opened["upload"]["id"].as_str().unwrap();
    assert_eq!(ask(Method::POST, format!("{base}/v1/uploads/{upload}/complete"), key, None).await.0, 200);
    let asset = opened["asset"]["id"].as_str().unwrap().to_owned();
    let path = format!("{base}/v1/assets/{asset}?wait=30s&until=ready");
    assert_eq!(ask(Method::GET, path, key, None).await.1["state"], "ready");
    asset
}

/// Something of every kind, for a tenant: files, a link, an archive, a webhook, a policy; uploads under way by parts and by tus.
async fn fill(base: &str, key: &str) {
    let asset = ready_asset(base, key, &noise(1000, 1)).await;
    ready_asset(base, key, &noise(2000, 2)).await;
    let post = async |path: &str, body: Value| {
        let (status, answer) = ask(Method::POST, format!("{base}{path}"), key, Some(body)).await;
        assert!(status.is_success(), "{path}: {answer}");
        answer
    };
    post(&format!("/v1/assets/{asset}/links"), json!({ "expires_in": "1d" })).await;
    post("/v1/collections", json!({ "assets": [asset], "name": "all", "expires_in": "1d" })).await;
    post("/v1/webhooks", json!({ "url": "http://127.0.0.1:9/", "events": ["asset.purged"] })).await;
    let policy = ask(Method::PUT, format!("{base}/v1/policies/photos"), key, Some(json!({ "max_size": 5 }))).await;
    assert_eq!(policy.0, 200);
    let parts = json!({ "filename": "big.bin", "size": 3 * PART, "method": "multipart", "part_size": PART });
    let opened = post("/v1/uploads", parts).await;
    let url = opened["multipart"]["urls"][0]["url"].as_str().unwrap();
    assert_eq!(requests::client().put(url).body(noise(PART as u64, 3)).send().await.unwrap().status(), 200);
    let tus = requests::client().post(format!("{base}/tus")).bearer_auth(key).header("tus-resumable", "1.0.0");
    let tus = tus.header("upload-length", 100_000).header("content-type", "application/offset+octet-stream");
    assert_eq!(tus.body(noise(60_000, 4)).send().await.unwrap().status(), 201);
}

/// Keys below the tenant's prefixes.
async fn objects_of(service: &Service, tenant: TenantId) -> usize {
    let mut found = 0;
    for prefix in BlobKey::prefixes_of(tenant) {
        found += service.blobs.list(&prefix, None).await.unwrap().items.len();
        found += service.blobs.list_multiparts(&prefix, None).await.unwrap().items.len();
    }
    found
}

async fn tails(service: &Service) -> usize {
    service.blobs.list(BlobKey::TAILS_PREFIX, None).await.unwrap().items.len()
}

/// Moves the clock until the tenant is unknown.
async fn wait_until_gone(service: &Service, tenant: TenantId, step: Duration) {
    let url = format!("{}/v1/tenants/{tenant}", service.base);
    eventually_ok("the tenant is deleted", async || {
        service.advance(step);
        let (status, answer) = ask(Method::DELETE, url.clone(), &service.admin, None).await;
        if status == 404 { Ok(()) } else { Err(answer) }
    })
    .await;
}

/// What the caller is told, from the count to the deletion under way.
async fn begin_deletion(service: &Service, key: &str) {
    transcript!(
        service,
        r#"
        > DELETE /v1/tenants/acme
        < 200 {"name": "acme", "deletion": null,
               "contents": {"assets": 4, "uploads": 4, "links": 2, "keys": 1, "webhooks": 1}}
        > DELETE /v1/tenants/acme?confirm=globex
        < 422 {"field": "confirm"}
        > DELETE /v1/tenants/acme?apply=yes
        < 422
        > DELETE /v1/tenants/default?confirm=default
        < 422 {"field": "id"}
        > DELETE /v1/tenants/nobody
        < 404
        @ $key
        > DELETE /v1/tenants/acme?confirm=acme
        < 403
        > GET /v1/assets
        < 200
        @ $admin
        > DELETE /v1/tenants/acme?confirm=acme
        < 202 {"contents": {"assets": 4}, "deletion": {"phase": "uploads", "found": {"assets": 4}, "deleted_objects": 0}}
        > DELETE /v1/tenants/acme?confirm=acme
        < 202 {"deletion": {"found": {"assets": 4}}}
        > PATCH /v1/tenants/acme {"suspended": false}
        < 409 {"code": "conflict"}
        @ $key
        > GET /v1/assets
        < 403 {"code": "suspended"}
    "#,
        key = key,
        admin = service.admin
    );
}

/// One entry stays in the operators' trail, without the tenant's name and without an address.
async fn check_trail(service: &Service, acme: TenantId) {
    let base = &service.base;
    let trail = format!("{base}/v1/admin/audit?action=tenant.delete");
    let (_, trail) = ask(Method::GET, trail, &service.admin, None).await;
    let entries = trail["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{trail}");
    assert_eq!((&entries[0]["subject"], &entries[0]["peer"]), (&json!(format!("tenant:{acme}")), &Value::Null));
    assert_eq!(entries[0]["after"]["found"]["assets"], 4, "{trail}");
    assert!(!trail.to_string().contains("acme"), "{trail}");
    assert!(service.database.run("DELETE FROM audit").await.is_err(), "the trail of others stays");
}

async fn check_erasure(service: &Service, step: Duration) {
    let (base, place) = (&service.base, &service.database.place);
    let other_key = service.foreign_key("globex").await;
    let other = service.registry.tenant("globex").await.unwrap().unwrap().id;
    fill(base, &other_key).await;
    eventually("its jobs are done", async || service.database.store.count_jobs().await.unwrap() == (0, 0)).await;
    while service.database.store.number_events().await.unwrap() > 0 {}
    let (others, nobodys) = (rows_of(place, other.0).await, rows_of_nobody(place).await);
    let (other_objects, other_tails) = (objects_of(service, other).await, tails(service).await);
    assert!(other_objects >= 3 && other_tails >= 1, "{other_objects} {other_tails}");

    let key = service.foreign_key("acme").await;
    let acme = service.registry.tenant("acme").await.unwrap().unwrap().id;
    fill(base, &key).await;
    begin_deletion(service, &key).await;
    assert!(service.registry.create_key(acme, "read".parse().unwrap(), None).await.is_err(), "no more keys");
    wait_until_gone(service, acme, step).await;

    assert_eq!(rows_of(place, acme.0).await.values().sum::<i64>(), 0, "{:?}", rows_of(place, acme.0).await);
    assert_eq!((rows_of(place, other.0).await, rows_of_nobody(place).await), (others, nobodys), "of another tenant");
    assert_eq!((objects_of(service, acme).await, objects_of(service, other).await), (0, other_objects));
    assert_eq!(tails(service).await, other_tails);
    assert_eq!(service.database.store.count_jobs().await.unwrap(), (0, 0));
    check_trail(service, acme).await;
    // The name is free again.
    transcript!(
        service,
        r#"
        > POST /v1/tenants {"name": "acme"}
        < 201
        @ $key
        > GET /v1/assets
        < 401
    "#,
        key = key
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_goes_with_all_it_has_on_sqlite() {
    let service = Service::start(Database::sqlite().await, Shape::default()).await;
    check_erasure(&service, Duration::from_secs(5)).await;
    service.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_goes_with_all_it_has_on_postgres() {
    let service = Service::start(Database::postgres().await, Shape::default()).await;
    check_erasure(&service, Duration::from_secs(5)).await;
    service.assert_clean().await;
}

/// On a store whose signed URLs cannot be closed, the end waits for theirs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_goes_with_all_it_has_on_another_s3() {
    let shape = Shape { seaweedfs: true, ..Shape::default() };
    let service = Service::start(Database::postgres().await, shape).await;
    check_erasure(&service, Duration::from_secs(120)).await;
}

/// A late PUT by a URL that was signed before brings an object that is removed before the deletion ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_a_signed_url_brings_late_are_removed() {
    let shape = Shape { seaweedfs: true, ..Shape::default() };
    let service = Service::start(Database::sqlite().await, shape).await;
    let key = service.foreign_key("acme").await;
    let acme = service.registry.tenant("acme").await.unwrap().unwrap().id;
    let wish = json!({ "filename": "late.txt", "size": 4, "method": "put" });
    let (_, opened) = ask(Method::POST, format!("{}/v1/uploads", service.base), &key, Some(wish)).await;
    let url = format!("{}/v1/tenants/acme", service.base);
    assert_eq!(ask(Method::DELETE, format!("{url}?confirm=acme"), &service.admin, None).await.0, 202);
    eventually_ok("all is deleted but what URLs may bring", async || {
        service.advance(Duration::from_secs(5));
        let (_, answer) = ask(Method::DELETE, url.clone(), &service.admin, None).await;
        if answer["deletion"]["phase"] == "urls" { Ok(()) } else { Err(answer) }
    })
    .await;
    let put = requests::client().put(opened["put"]["url"].as_str().unwrap()).header("if-none-match", "*");
    assert_eq!(put.header("content-length", 4).body("late").send().await.unwrap().status(), 200);
    assert_eq!(objects_of(&service, acme).await, 1);
    wait_until_gone(&service, acme, Duration::from_secs(600)).await;
    assert_eq!(objects_of(&service, acme).await, 0);
}

/// The process dies after some of the objects or rows are gone, and the next one goes on.
async fn erasure_survives(place: Place, point: &str) {
    let haste = [("GANTRY_PROCESSING__LEASE", "2s"), ("GANTRY_CLEANUP__ORPHAN_GRACE", "1s")];
    let mut instance = Instance::new(place, &haste);
    instance.start(None).await;
    let admin = instance.key();
    let tenant: Uuid = instance.run(&["tenant", "create", "acme"]).parse().unwrap();
    let key = instance.run(&["key", "create", "--tenant", "acme", "--scopes", "admin"]);
    ready_asset(&instance.url, &key, &noise(1000, 1)).await;
    ready_asset(&instance.url, &key, &noise(2000, 2)).await;
    instance.kill();
    instance.start(Some(point)).await;
    let delete = |instance: &Instance, more: &[&str]| {
        let mut command = instance.gantry(&[&["admin", "tenant", "delete", "acme"], more].concat());
        let output = command.env("GANTRY_URL", &instance.url).env("GANTRY_API_KEY", &admin).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, counted) = delete(&instance, &[]);
    assert!(code == Some(0) && counted.contains("2 assets") && counted.contains("--apply"), "{counted}");
    let (code, begun) = delete(&instance, &["--apply"]);
    assert!(code == Some(0) && begun.contains("is being deleted"), "{begun}");
    assert!(!instance.ended().await.success(), "{point} was never passed");
    instance.start(None).await;
    eventually_ok("the deletion goes on", async || match delete(&instance, &[]) {
        (Some(4), _) => Ok(()),
        other => Err(other),
    })
    .await;
    let left = rows_of(&instance.place, tenant).await;
    assert_eq!(left.values().sum::<i64>(), 0, "{left:?}");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let report = instance.run(&["cleanup", "--json"]);
    let report: Value = serde_json::from_str(report.lines().last().unwrap()).unwrap();
    assert_eq!(report["orphans"], 0, "{report}");
}

#[tokio::test]
async fn a_deletion_survives_the_death_of_its_worker_between_objects() {
    erasure_survives(Place::fresh_file(), "in_erasure_of_objects").await;
}

#[tokio::test]
async fn a_deletion_survives_the_death_of_its_worker_between_rows() {
    erasure_survives(Place::fresh_schema().await, "in_erasure_of_rows").await;
}
