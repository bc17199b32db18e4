//! Collections: many assets behind one link, as an archive that real tools open.

use std::path::Path;
use std::process::Command;

use super::ready;
use crate::support::requests;
use crate::support::service::{Service, Shape};
use crate::support::transcript::noise;
use crate::{on_both_services, transcript};

/// Assets with these names and bytes.
async fn assets(service: &Service, files: &[(&str, &str)]) -> Vec<String> {
    let mut ids = Vec::new();
    for (name, body) in files {
        ids.push(ready(service, name, body).await["asset"].clone());
    }
    ids
}

fn list(ids: &[String]) -> String {
    serde_json::to_string(ids).unwrap()
}

fn run(dir: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(dir).output().unwrap();
    let words = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {words}");
    words
}

/// Judged by Info-ZIP and by Python: sound, with these members.
fn judged(bytes: &[u8], members: &[(&str, &str)]) {
    let dir = tempfile::TempDir::new().unwrap();
    std::fs::write(dir.path().join("a.zip"), bytes).unwrap();
    run(dir.path(), "unzip", &["-tq", "a.zip"]);
    let script = "import sys, zipfile, json\n\
        z = zipfile.ZipFile('a.zip')\nassert z.testzip() is None\n\
        print(json.dumps([[i.filename, z.read(i).decode()] for i in z.infolist()]))";
    let said: Vec<(String, String)> = serde_json::from_str(&run(dir.path(), "python3", &["-c", script])).unwrap();
    let expected: Vec<(String, String)> = members.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    assert_eq!(said, expected);
}

async fn fetch(url: &str, range: Option<String>) -> (u16, reqwest::header::HeaderMap, Vec<u8>) {
    let request = requests::client().get(url);
    let request = match range {
        Some(range) => request.header("range", range),
        None => request,
    };
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (status, headers, answer.bytes().await.unwrap().to_vec())
}

on_both_services! {
    async fn many_assets_in_one_archive(service) {
        let ids = assets(
            service,
            &[("a.txt", "hello"), ("A.TXT", "world"), ("..:..:passwd", "x"), ("für dich 💾.txt", "ü"), ("empty", "")],
        )
        .await;
        let names = transcript!(service, r#"
            > POST /v1/collections {"name": "Für alle", "assets": $list, "expires_in": "1h"}
            < 201 {"id": "$id", "name": "Für alle.zip", "count": 5, "url": "$url", "link": {"collection_id": "$id", "asset_id": null}}
            @ nobody
            > HEAD $url
            < 200
            | content-type: application/zip
            | accept-ranges: bytes
            | etag: $etag
            | content-disposition: attachment; filename="F_r alle.zip"; filename*=UTF-8''F%C3%BCr%20alle.zip
        "#, list = list(&ids));
        let url = &names["url"];
        let (status, headers, bytes) = fetch(url, None).await;
        assert_eq!((status, headers["content-length"].to_str().unwrap()), (200, bytes.len().to_string().as_str()));
        assert_eq!(headers["etag"].to_str().unwrap(), names["etag"]);
        judged(
            &bytes,
            &[("a.txt", "hello"), ("A (2).TXT", "world"), ("_.._passwd", "x"), ("für dich 💾.txt", "ü"), ("empty", "")],
        );
        for (from, to) in [(0, 0), (3, 40), (0, bytes.len() - 1), (bytes.len() - 30, bytes.len() - 1), (50, 300)] {
            let (status, _, part) = fetch(url, Some(format!("bytes={from}-{to}"))).await;
            assert_eq!((status, part), (206, bytes[from..=to].to_vec()), "{from}-{to}");
        }
    }

    async fn an_archive_that_broke_off_goes_on(service, Shape {
        // Nobody knows these bytes' CRC beforehand.
        settings: gantry::engine::EngineSettings { max_digest_bytes: 0, ..Shape::default().settings },
        ..Shape::default()
    }) {
        let bodies: Vec<String> = (1u64..5).map(|seed| hex::encode(noise(200_000, seed))).collect();
        let files: Vec<(&str, &str)> = bodies.iter().map(|body| ("same.bin", body.as_str())).collect();
        let ids = assets(service, &files).await;
        let names = transcript!(service, r#"
            > POST /v1/collections {"name": "all.zip", "assets": $list}
            < 201 {"url": "$url"}
            > POST /v1/collections {"name": "all.zip", "assets": $list}
            < 201 {"url": "$fresh"}
        "#, list = list(&ids));
        let dir = tempfile::TempDir::new().unwrap();
        let members: Vec<(String, &str)> = bodies
            .iter()
            .enumerate()
            .map(|(i, body)| (if i == 0 { "same.bin".to_owned() } else { format!("same ({}).bin", i + 1) }, body.as_str()))
            .collect();
        let members: Vec<(&str, &str)> = members.iter().map(|(name, body)| (name.as_str(), *body)).collect();
        // The directory comes first, whose CRCs nobody has counted yet; then the middle; then what curl makes of a third.
        let (_, _, tail) = fetch(&names["fresh"], Some("bytes=-100".to_owned())).await;
        let (_, _, whole) = fetch(&names["url"], None).await;
        judged(&whole, &members);
        assert_eq!(tail, whole[whole.len() - 100..]);
        let file = dir.path().join("part.zip");
        std::fs::write(&file, &whole[..whole.len() / 3]).unwrap();
        let url = names["fresh"].clone();
        tokio::task::block_in_place(|| run(dir.path(), "curl", &["-fsS", "-C", "-", "-o", "part.zip", &url]));
        assert!(std::fs::read(file).unwrap() == whole);
    }

    async fn what_is_retracted_takes_the_archive_with_it(service) {
        let ids = assets(service, &[("a.txt", "hello"), ("b.txt", "world")]).await;
        transcript!(service, r#"
            > POST /v1/collections {"name": "all", "assets": $list}
            | idempotency-key: k
            < 201 {"id": "$id", "url": "$url", "link": {"id": "$link"}}
            > POST /v1/collections {"name": "all", "assets": $list}
            | idempotency-key: k
            < 201 {"id": "$id", "url": "$url"}
            > POST /v1/collections {"name": "all", "assets": $list, "uses": 1}
            | idempotency-key: k
            < 422 {"code": "idempotency_key_reused"}
            > POST /v1/collections {"name": "all", "assets": $list, "uses": 1}
            < 201 {"url": "$once"}
            > GET $once
            < 200
            > GET $once
            < 410 {"state": "used up"}
            > GET $url
            < 200
            > GET $url?variant=thumb-256
            < 404
            > DELETE /v1/assets/$second
            < 204
            > GET $url
            < 410 {"code": "gone"}
            > GET /v1/links?limit=1
            < 200 {"links": [{"asset_id": null}]}
            > DELETE /v1/links/$link
            < 204
            > GET $url
            < 410 {"state": "expired or revoked"}
        "#, list = list(&ids), second = ids[1]);
    }

    async fn nobody_collects_what_is_not_theirs_or_not_ready(service) {
        let id = assets(service, &[("a.txt", "hello")]).await.remove(0);
        let (foreign, reader) = (service.foreign_key("others").await, service.key("read").await);
        transcript!(service, r#"
            > POST /v1/collections {"name": "x", "assets": []}
            < 422 {"field": "assets"}
            > POST /v1/collections {"name": "x", "assets": ["$id", "$id"]}
            < 422 {"field": "assets"}
            > POST /v1/collections {"name": "x", "assets": ["nonsense"]}
            < 422 {"field": "assets"}
            > POST /v1/collections {"name": "", "assets": ["$id"]}
            < 422 {"field": "name"}
            > POST /v1/collections {"name": "x", "assets": ["$id"], "expires_in": "400d"}
            < 422 {"field": "expires_in"}
            > POST /v1/uploads {"filename": "a", "size": 3}
            < 201 {"asset": {"id": "$unready"}}
            > POST /v1/collections {"name": "x", "assets": ["$id", "$unready"]}
            < 422 {"field": "assets"}
            @ $reader
            > POST /v1/collections {"name": "x", "assets": ["$id"]}
            < 403
            @ $foreign
            > POST /v1/collections {"name": "x", "assets": ["$id"]}
            < 422 {"field": "assets"}
            @ nobody
            > POST /v1/collections {"name": "x", "assets": ["$id"]}
            < 401
        "#, id = id, foreign = foreign, reader = reader);
    }
}
