//! Lessons of other people's advisories: each has a test here that fails if we make the same mistake. The table says which;
//! tests that stand nowhere else follow it.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::native::ready;
use crate::support::patience::in_time;
use crate::support::requests;
use crate::{on_both_services, transcript};

/// Advisory, what went wrong, and the test that says it does not here.
const LESSONS: [(&str, &str, &str); 28] = [
    (
        "CVE-2026-35412",
        "the row's owner was not asked about, only the collection's",
        "every_operation_and_every_caller",
    ),
    ("CVE-2026-29188", "delete was guarded by the right to create", "deleting_takes_more_than_creating"),
    ("CVE-2026-54094", "symbolic links were followed below a checked path", "keys_are_never_paths"),
    ("tuspyserver#93", "an id of Upload-Concat was joined into a path", "what_is_no_finished_piece_is_refused"),
    ("tusd", "errors of the inside went to clients", "every_problem_says_which_request"),
    ("uppy#2083", "redirects led past the guard of addresses", "a_redirect_is_a_failure_and_leads_nowhere"),
    (
        "uppy#6480",
        "an allow-list was an unanchored expression",
        "names_have_the_extension_and_the_form_that_are_asked_for",
    ),
    ("CVE-2026-33480", "addresses were compared as text", "no_spelling_of_an_inner_address_gets_through"),
    ("CVE-2026-33173", "a client's metadata were the flags of the inside", "a_clients_metadata_are_nothing_but_that"),
    ("CVE-2026-33658", "thousands of tiny ranges", "a_thousand_tiny_ranges_are_the_whole"),
    ("CVE-2024-26141", "overlapping ranges", "ranges_are_ordered_disjoint_and_inside"),
    ("CVE-2026-33202", "a name was taken for a pattern, and others' files deleted", "a_name_is_no_pattern"),
    ("CVE-2024-26144", "cookies came along with what caches share", "no_answer_sets_a_cookie"),
    ("CVE-2020-8162", "a declared size was believed", "the_edges_of_a_size"),
    ("CVE-2020-15237", "signatures were compared byte by byte", "every_changed_byte_is_noticed"),
    ("RUSTSEC-2024-0010", "a shorter signature matched", "every_changed_byte_is_noticed"),
    ("CVE-2023-49105", "signatures counted although there was no key", "a_store_without_keys_does_not_open"),
    ("OpenSign#2205", "anybody's URL was signed", "a_foreign_id_answers_like_an_unknown_one"),
    ("CVE-2025-61780", "a client's header chose the file that a proxy sends", "strangers_headers_mean_nothing"),
    ("CVE-2026-7381", "a client's header chose the mapping of paths", "nobody_is_told_where_bytes_are_without_proof"),
    ("CVE-2026-40344", "one handler did not ask who it is", "routes_are_made_together_with_what_is_said_of_them"),
    ("CVE-2026-41145", "credentials of a query were believed unverified", "wrong_keys_and_old_signatures_are_refused"),
    ("CVE-2026-25537", "a claim that could not be read counted as absent", "claims_that_are_wrong_or_missing"),
    ("supabase#286", "derivatives were served without asking", "a_photo_gets_smaller_forms"),
    ("RUSTSEC-2024-0358", "a log line had a URL with credentials", "logs_hold_no_secret"),
    ("RUSTSEC-2021-0078", "lengths that contradict each other were accepted", "requests_cannot_be_smuggled"),
    ("RUSTSEC-2024-0009", "a value split the answer's head", "names_from_hell"),
    (
        "CVE-2016-1897",
        "a converter fetched what a file names",
        "what_is_no_film_is_damaged_and_playlists_are_not_followed",
    ),
];

#[test]
fn every_lesson_has_its_test() {
    let mut sources = String::new();
    let mut folders = vec!["src".into(), "tests/it".into()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder as &std::path::Path).unwrap() {
            let path: std::path::PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    let missing: Vec<_> = LESSONS.iter().filter(|(.., test)| !sources.contains(&format!("fn {test}("))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

on_both_services! {
    async fn deleting_takes_more_than_creating(service) {
        let names = ready(service, "a.txt", "hello").await;
        let (uploader, reader) = (service.key("upload").await, service.key("read,link,process").await);
        transcript!(service, r#"
            @ $uploader
            > DELETE /v1/assets/$asset
            < 403
            > PATCH /v1/assets/$asset {"filename": "mine"}
            < 403
            @ $reader
            > DELETE /v1/assets/$asset
            < 403
            > DELETE /v1/uploads/$upload
            < 403
        "#, asset = names["asset"], upload = names["upload"], uploader = uploader, reader = reader);
    }

    async fn a_clients_metadata_are_nothing_but_that(service) {
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "a.html", "size": 15, "method": "put", "metadata": {"state": "ready",
                "identified": true, "content_type": "image/png", "detected": "image/png", "scan": "clean", "policy": "x"}}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset", "state": "awaiting", "policy": "default"}}
            > GET /v1/assets/$asset/content
            < 409
            > PUT /v1/uploads/$upload/content [<html></html> .]
            < 200
            > GET /v1/assets/$asset?wait=20s&until=ready
            < 200 {"state": "ready", "content_type": "text/html", "metadata": {"identified": true}}
            > GET /v1/assets/$asset/content?disposition=inline&delivery=stream
            < 200
            | content-type: text/html; charset=utf-8
            | content-disposition: attachment; filename="a.html"
            | content-security-policy: sandbox; default-src 'none'
            | x-content-type-options: nosniff
        "#);
    }

    async fn a_name_is_no_pattern(service) {
        let other = ready(service, "other.txt", "other").await;
        let star = ready(service, "*", "stars").await;
        transcript!(service, r#"
            > DELETE /v1/assets/$star
            < 204
            > GET /v1/assets/$other/content?delivery=stream
            < 200 [other]
        "#, star = star["asset"], other = other["asset"]);
    }

    async fn no_answer_sets_a_cookie(service) {
        let names = ready(service, "a.txt", "hello").await;
        let client = requests::client_without_redirects();
        let asset = &names["asset"];
        for path in [
            "/".to_owned(),
            "/v1/limits".to_owned(),
            "/v1/assets".to_owned(),
            format!("/v1/assets/{asset}/content"),
            format!("/v1/assets/{asset}/content?delivery=stream"),
            "/nowhere".to_owned(),
        ] {
            let answer = client.get(format!("{}{path}", service.base)).bearer_auth(&service.admin).send().await.unwrap();
            assert!(answer.headers().get("set-cookie").is_none(), "{path}");
            let shared = answer.headers().get("cache-control").is_some_and(|v| v.to_str().unwrap().contains("public"));
            assert!(!shared || path == "/", "{path}");
        }
    }

    async fn requests_cannot_be_smuggled(service) {
        let length = json!({"filename": "a", "size": 1}).to_string().len();
        for head in [
            format!("Content-Length: {length}\r\nContent-Length: 3"),
            format!("Content-Length: +{length}"),
            format!("Content-Length: {length}\r\nTransfer-Encoding: identity, chunked, identity"),
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity".to_owned(),
            "Transfer-Encoding: xchunked".to_owned(),
            "Content-Length : 3".to_owned(),
        ] {
            let address = service.base.strip_prefix("http://").unwrap();
            let mut wire = TcpStream::connect(address).await.unwrap();
            let hidden = "GET /v1/limits HTTP/1.1\r\nHost: x\r\n\r\n";
            let text = format!("POST /v1/uploads/check HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n0\r\n\r\n{hidden}");
            wire.write_all(text.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            in_time("an answer", wire.read_buf(&mut answer)).await.unwrap();
            let all = wire.read_to_end(&mut answer);
            let _ = tokio::time::timeout(std::time::Duration::from_secs(2), all).await;
            let answer = String::from_utf8_lossy(&answer).into_owned();
            assert!(answer.starts_with("HTTP/1.1 400"), "{head}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head}: {answer}");
        }
    }
}
