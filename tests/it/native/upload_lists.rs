//! Lists of uploads: who sees which, filters, pages, and how far each is.

use std::time::Duration;

use gantry::domain::ids::UploadId;
use gantry::machine::process_name;
use gantry::store::Tx;
use serde_json::json;

use super::PART;
use crate::support::patience::eventually;
use crate::support::requests;
use crate::support::service::{Service, Shape};
use crate::{on_both_services, transcript};

/// Opens an upload by this program, and begins to send it by tus.
async fn begin_by_program(service: &Service, user_agent: &str) {
    let open = requests::client().post(format!("{}/tus", service.base)).bearer_auth(&service.admin);
    let open = open.header("tus-resumable", "1.0.0").header("upload-length", "11").header("user-agent", user_agent);
    let opened = open.send().await.unwrap();
    assert_eq!(opened.status(), 201);
    let path = opened.headers()["location"].to_str().unwrap().to_owned();
    let append = requests::client().patch(path).bearer_auth(&service.admin).header("tus-resumable", "1.0.0");
    let append = append.header("upload-offset", "0").header("content-type", "application/offset+octet-stream");
    let appended = append.header("user-agent", "another/1.0").body("hello").send().await.unwrap();
    assert_eq!(appended.status(), 204);
}

/// Uploads of one millisecond have no order, and this clock stands.
const LATER: Duration = Duration::from_millis(1);

/// Nobody works on jobs.
fn idle() -> Shape {
    Shape { works: false, ..Shape::default() }
}

/// `GET` of a path by this key, as JSON.
async fn get(service: &Service, key: &str, path: &str) -> serde_json::Value {
    let answer = requests::client().get(format!("{}{path}", service.base)).bearer_auth(key).send().await.unwrap();
    let status = answer.status();
    let body = answer.text().await.unwrap();
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// Names of the files of all pages of a list of uploads.
async fn walk(service: &Service, key: &str, query: &str) -> Vec<String> {
    let (mut names, mut after) = (Vec::new(), String::new());
    loop {
        let page = get(service, key, &format!("/v1/uploads?{query}{after}")).await;
        names
            .extend(page["uploads"].as_array().unwrap().iter().map(|one| one["filename"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return names,
        }
    }
}

/// One completed upload, one in parts, one by tus that has begun. Ids: the first upload, its asset, the second upload.
async fn create_three(service: &Service) -> [String; 3] {
    let names = transcript!(
        service,
        r#"
        > POST /v1/uploads {"filename": "one.bin", "size": 5}
        < 201 {"upload": {"id": "$one"}, "put": {"url": "$url"}}
        > PUT $url [hello]
        | if-none-match: *
        < 200
        > POST /v1/uploads/$one/complete
        < 200 {"id": "$asset"}
    "#
    );
    service.advance(LATER);
    let two = transcript!(
        service,
        r#"
        > POST /v1/uploads {"filename": "two.bin", "size": 20971520, "method": "multipart", "part_size": 5242880}
        < 201 {"upload": {"id": "$two"}}
    "#
    );
    service.advance(LATER);
    transcript!(
        service,
        r#"
        > POST /tus
        | tus-resumable: 1.0.0
        | upload-length: 11
        | upload-metadata: filename dGhyZWUudHh0
        < 201
        | location: $tus
        > PATCH $tus [hello ]
        | authorization: Bearer $admin
        | tus-resumable: 1.0.0
        | upload-offset: 0
        | content-type: application/offset+octet-stream
        < 204
    "#
    );
    [names["one"].clone(), names["asset"].clone(), two["two"].clone()]
}

on_both_services! {
    async fn uploads_are_listed_filtered_and_paged(service, idle()) {
        let [one, asset, two] = create_three(service).await;
        let names = transcript!(service, r#"
            > GET /v1/uploads
            < 200 {"uploads": [
                {"filename": "three.txt", "state": "open", "protocol": "tus", "offset": 6, "size": 11, "owner": "$owner", "tenant": "$tenant"},
                {"id": "$two", "filename": "two.bin", "state": "open", "protocol": "native", "offset": 0, "size": 20971520,
                    "part_size": 5242880, "parts": 4, "owner": "$owner", "tenant": "$tenant"},
                {"id": "$one", "asset": "$asset", "filename": "one.bin", "state": "completed", "offset": 5, "size": 5}], "next": null}
            > GET /v1/uploads?state=open&protocol=native
            < 200 {"uploads": [{"id": "$two"}]}
            > GET /v1/uploads?state=completed&owner=$owner
            < 200 {"uploads": [{"id": "$one"}]}
            > GET /v1/uploads?asset=$asset
            < 200 {"uploads": [{"id": "$one"}], "next": null}
            > GET /v1/uploads?owner=019aa3c1-0000-7000-8000-000000000001
            < 200 {"uploads": []}
            > GET /v1/uploads?limit=1
            < 200 {"uploads": [{"filename": "three.txt"}], "next": "$first"}
            > GET /v1/uploads?limit=1&after=$first
            < 200 {"uploads": [{"filename": "two.bin"}], "next": "$second"}
            > GET /v1/uploads?limit=1&after=$second
            < 200 {"uploads": [{"filename": "one.bin"}], "next": null}
            > GET /v1/uploads?state=sleeping
            < 422
            > GET /v1/uploads?protocol=ftp
            < 422
            > GET /v1/uploads?idle_for=long
            < 422
            > GET /v1/uploads?colour=red
            < 422
        "#, one = one, asset = asset, two = two);
        assert_eq!(names["tenant"], service.tenant.to_string());
        for limit in [1, 2, 3, 100] {
            let all = walk(service, &service.admin, &format!("limit={limit}")).await;
            assert_eq!(all, ["three.txt", "two.bin", "one.bin"]);
            let open = walk(service, &service.admin, &format!("state=open&limit={limit}")).await;
            assert_eq!(open, ["three.txt", "two.bin"]);
        }
    }

    async fn an_administrator_sees_who_sends_and_who_serves(service, idle()) {
        begin_by_program(service, "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0").await;
        let listed = get(service, &service.admin, "/v1/uploads").await;
        let upload = &listed["uploads"][0];
        assert_eq!((&upload["client"], &upload["node"]), (&json!("Firefox/133.0"), &json!(process_name())), "{upload}");
        // The row says who had the lease last.
        let id: UploadId = upload["id"].as_str().unwrap().parse().unwrap();
        let mut moved = service.database.store.find_upload(id).await.unwrap().unwrap().serve_from("node-2:7");
        service.database.store.commit(Tx::new().quietly(&mut moved)).await.unwrap();
        assert_eq!(get(service, &service.admin, "/v1/uploads").await["uploads"][0]["node"], "node-2:7");
        let reader = service.key("read").await;
        let seen = get(service, &reader, "/v1/uploads").await;
        assert!(seen["uploads"][0].get("client").is_none() && seen["uploads"][0].get("node").is_none(), "{seen}");
    }

    async fn a_tenant_sees_its_own_and_an_operator_all(service, idle()) {
        let foreign = service.foreign_key("acme").await;
        let (reader, linker) = (service.key("read").await, service.key("link").await);
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "ours.bin", "size": 5}
            < 201
        "#);
        service.advance(LATER);
        transcript!(service, r#"
            @ $foreign
            > POST /v1/uploads {"filename": "theirs.bin", "size": 5}
            < 201
            > GET /v1/uploads
            < 200 {"uploads": [{"filename": "theirs.bin"}]}
            > GET /v1/uploads?tenant=acme
            < 200 {"uploads": [{"filename": "theirs.bin"}]}
            > GET /v1/uploads?tenant=default
            < 404
            > GET /v1/uploads?tenant=*
            < 403
            @ $reader
            > GET /v1/uploads
            < 200 {"uploads": [{"filename": "ours.bin"}]}
            > GET /v1/uploads?tenant=acme
            < 403
            > GET /v1/uploads?tenant=*
            < 403
            @ $linker
            > GET /v1/uploads
            < 403
            @ nobody
            > GET /v1/uploads
            < 401
        "#, foreign = foreign, reader = reader, linker = linker);
        assert_eq!(walk(service, &service.admin, "tenant=*&limit=1").await, ["theirs.bin", "ours.bin"]);
        assert_eq!(walk(service, &service.admin, "tenant=acme&state=open").await, ["theirs.bin"]);
        transcript!(service, "> GET /v1/uploads?tenant=nobody\n< 404");
    }

    async fn activity_is_what_the_client_does_and_not_who_looks(service, idle()) {
        let parts = transcript!(service, r#"
            > POST /v1/uploads {"filename": "parts.bin", "size": 12582912, "method": "multipart", "part_size": 5242880}
            < 201 {"upload": {"id": "$id"}, "multipart": {"urls": [{"url": "$first"}, {}, {}]}}
        "#);
        service.advance(LATER);
        let signed = transcript!(service, r#"
            > POST /v1/uploads {"filename": "signed.bin", "size": 12582912, "method": "multipart", "part_size": 5242880}
            < 201 {"upload": {"id": "$id"}}
        "#);
        service.advance(LATER);
        let still = transcript!(service, r#"
            > POST /v1/uploads {"filename": "still.bin", "size": 5}
            < 201 {"upload": {"id": "$id"}}
        "#);
        let (parts, first, signed, still) = (&parts["id"], &parts["first"], &signed["id"], &still["id"]);
        service.advance(Duration::from_secs(600));
        assert_eq!(walk(service, &service.admin, "idle_for=10m").await, ["still.bin", "signed.bin", "parts.bin"]);
        assert!(walk(service, &service.admin, "idle_for=11m").await.is_empty());
        transcript!(service, r#"
            > PUT $first noise:$size:1
            < 200
            > POST /v1/uploads/$signed/urls {"parts": "1"}
            < 200
            > GET /v1/uploads/$still
            < 200
            > GET /v1/uploads/$parts
            < 200 {"received_bytes": $size}
        "#, size = PART, first = first, signed = signed, still = still, parts = parts);
        eventually("what was noticed is written", async || {
            walk(service, &service.admin, "idle_for=1m").await == ["still.bin"]
        }).await;
        transcript!(service, r#"
            > GET /v1/uploads?state=open
            < 200 {"uploads": [{"filename": "still.bin", "offset": 0}, {"filename": "signed.bin", "offset": 0},
                {"filename": "parts.bin", "offset": $size}]}
        "#, size = PART);
        // Looking on changes nothing.
        service.advance(Duration::from_secs(120));
        transcript!(service, "> GET /v1/uploads/$parts\n< 200", parts = parts);
        assert_eq!(walk(service, &service.admin, "idle_for=2m").await.len(), 3);
        transcript!(service, r#"
            > DELETE /v1/uploads/$still
            < 204
            > GET /v1/uploads?idle_for=0s&state=aborted
            < 200 {"uploads": [{"id": "$still"}]}
        "#, still = still);
        assert_eq!(walk(service, &service.admin, "idle_for=2m").await, ["signed.bin", "parts.bin"]);
    }
    async fn the_lease_of_a_request_that_appends_is_shown(service, idle()) {
        let names = transcript!(service, r#"
            > POST /tus
            | tus-resumable: 1.0.0
            | upload-length: 11
            < 201
            | location: $tus
        "#);
        let shown = async || get(service, &service.admin, "/v1/uploads").await["uploads"][0]["leased_until"].clone();
        assert!(shown().await.is_null(), "nobody appends");
        let (store, id) = (&service.database.store, names["tus"].rsplit('/').next().unwrap().parse().unwrap());
        let upload = store.find_upload(id).await.unwrap().unwrap();
        let mut leased = upload.take_lease(Duration::from_secs(10), store.now()).unwrap();
        store.commit(Tx::new().quietly(&mut leased)).await.unwrap();
        let until = gantry::domain::clock::after(store.now(), Duration::from_secs(10));
        let told: gantry::domain::clock::Timestamp = shown().await.as_str().unwrap().parse().unwrap();
        assert_eq!(told, until);
    }
}
