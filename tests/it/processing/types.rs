//! Types: a rule names a type as people do, bytes decide where they can, and texts count as what they are called.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{TestSteps, idle, made_by, settled, work};
use crate::support::requests;
use crate::support::service::Service;
use crate::{on_both_services, transcript};

/// A file as a client sends it, and the rule under which it comes.
struct Sent<'a> {
    name: &'a str,
    declared: Option<&'a str>,
    rule: &'a str,
    bytes: Vec<u8>,
}

fn sent<'a>(name: &'a str, declared: &'a str, rule: &'a str, bytes: impl Into<Vec<u8>>) -> Sent<'a> {
    Sent { name, declared: Some(declared).filter(|said| !said.is_empty()), rule, bytes: bytes.into() }
}

/// Sends the file; its asset.
async fn bring(service: &Service, file: &Sent<'_>) -> String {
    let client = requests::client();
    let rules: Vec<_> = file.rule.split(' ').collect();
    let wish = json!({ "filename": file.name, "size": file.bytes.len(), "method": "put", "content_types": rules,
        "content_type": file.declared });
    let send = |request: reqwest::RequestBuilder| request.bearer_auth(&service.admin).send();
    let made = send(client.post(format!("{}/v1/uploads", service.base)).json(&wish)).await.unwrap();
    assert_eq!(made.status(), 201, "{} {:?} under {}", file.name, file.declared, file.rule);
    let made: Value = made.json().await.unwrap();
    let upload = made["upload"]["id"].as_str().unwrap();
    let put = client.put(format!("{}/v1/uploads/{upload}/content", service.base)).body(file.bytes.clone());
    send(put).await.unwrap().error_for_status().unwrap();
    made["asset"]["id"].as_str().unwrap().to_owned()
}

/// `Content-Type` of the download.
async fn delivered_as(service: &Service, asset: &str, query: &str) -> HashMap<String, String> {
    let url = format!("{}/v1/assets/{asset}/content?delivery=stream&{query}", service.base);
    let answer = requests::client().get(url).bearer_auth(&service.admin).send().await.unwrap();
    let headers = answer.error_for_status().unwrap().headers().clone();
    headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

/// Files of the tools that people use.
fn made() -> HashMap<&'static str, Vec<u8>> {
    const NAMES: [&str; 16] = [
        "a.wav",
        "rf64.wav",
        "a.mkv",
        "a.apng",
        "a.avif",
        "a.opus",
        "a.mp3",
        "a.flac",
        "a.ico",
        "a.m4a",
        "a.gz",
        "a.zip",
        "a.jpg",
        "a.caf",
        "tagged.aac",
        "a.webm",
    ];
    let script = "ff() { ffmpeg -v error -y -threads 2 \"$@\"; }
        tone='-f lavfi -i sine=d=0.3'; test='-f lavfi -i testsrc=s=64x64:r=5:d=0.6'
        for to in a.wav a.mp3 a.flac a.m4a a.caf a.aac; do ff $tone $to; done; ff $tone -rf64 always rf64.wav
        ff $tone -c:a libopus a.opus; ff $test -c:v mpeg4 a.mkv; ff $test -f apng a.apng; ff $test -frames:v 1 a.jpg
        ff $tone -c:a libopus a.webm; ff $test -frames:v 1 a.ico
        ff $test -pix_fmt yuv420p -c:v libaom-av1 -cpu-used 8 a.avif
        echo text > t; gzip -kc t > a.gz; zip -q a.zip t
        python3 -c \"open('tagged.aac', 'wb').write(b'ID3\\4\\0\\0\\0\\x08\\0\\0' + bytes(1 << 17) + open('a.aac', 'rb').read())\"
        python3 -c \"import pathlib, tarfile; t = tarfile.open('all.tar', 'w'); [t.add(p) for p in sorted(pathlib.Path('.').glob('*.*')) if p.name != 'all.tar']; t.close()\"
        for f in *.*; do printf '%s %s\\n' $f $(base64 -w0 $f); done > all.txt";
    let all = String::from_utf8(made_by(script, "all.txt")).unwrap();
    let files: HashMap<&str, &str> = all.lines().filter_map(|line| line.split_once(' ')).collect();
    use base64::Engine as _;
    NAMES
        .into_iter()
        .map(|name| (name, base64::engine::general_purpose::STANDARD.decode(files[name]).unwrap()))
        .collect()
}

fn in_encoding(label: &str, text: &str) -> Vec<u8> {
    encoding_rs::Encoding::for_label(label.as_bytes()).unwrap().encode(text).0.into_owned()
}

const PDF: &str = "%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";

/// Every text of an ordinary type that a rule was known to refuse, and what it is delivered as.
fn ordinary_texts() -> Vec<(Sent<'static>, &'static str)> {
    let korean = "이름,나이\n홍길동,20\n".repeat(20);
    let utf16: Vec<u8> = "\u{feff}a,b\r\n1,2\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        (sent("a.csv", "text/csv", "text/csv", "a,b\n1,2\n"), "text/csv; charset=utf-8"),
        (sent("a.csv", "", "text/csv", "a,b\n1,2\n"), "text/csv; charset=utf-8"),
        (sent("a.csv", "application/vnd.ms-excel", "text/csv", "a,b\n1,2\n"), "text/csv; charset=utf-8"),
        (sent("a.json", "application/json", "application/json", "{\"a\": 1}\n"), "application/json"),
        (sent("README.md", "", "text/markdown", "# Title\n"), "text/markdown; charset=utf-8"),
        (sent("README.md", "", "text/markdown", "<p align=\"center\">x</p>\n"), "text/markdown; charset=utf-8"),
        (sent("a.js", "application/javascript", "text/javascript", "f(1)\n"), "text/javascript; charset=utf-8"),
        (sent("a.eml", "message/rfc822", "message/rfc822", "From: a@b.c\nSubject: x\n\nbody\n"), "message/rfc822"),
        (
            sent("a.txt", "text/plain", "text/plain", in_encoding("latin1", "Grüße aus Köln\n")),
            "text/plain; charset=windows-1252",
        ),
        (
            sent("a.txt", "", "text/plain", in_encoding("shift_jis", &"日本語のテキスト\n".repeat(20))),
            "text/plain; charset=shift_jis",
        ),
        (sent("a.csv", "", "text/csv", in_encoding("euc-kr", &korean)), "text/csv; charset=euc-kr"),
        (sent("a.csv", "", "text/csv", utf16), "text/csv; charset=utf-16le"),
        (sent("a.txt", "text/plain", "text/plain", ""), "text/plain"),
        (sent("a.csv", "", "text/csv", ""), "text/csv"),
    ]
}

/// Every other file of an ordinary type that a rule was known to refuse, and what it is delivered as.
fn ordinary_files(made: &HashMap<&'static str, Vec<u8>>) -> Vec<(Sent<'static>, &'static str)> {
    let made = |name: &str| made[name].clone();
    vec![
        (sent("a.wav", "audio/wav", "audio/wav", made("a.wav")), "audio/wav"),
        (sent("a.wav", "audio/x-wav", "audio/wav", made("rf64.wav")), "audio/wav"),
        (sent("a.mkv", "video/x-matroska", "video/x-matroska", made("a.mkv")), "video/matroska"),
        (sent("a.png", "image/png", "image/png", made("a.apng")), "image/apng"),
        (sent("a.avif", "image/avif", "image/avif", made("a.avif")), "image/avif"),
        (sent("a.opus", "audio/ogg", "audio/ogg", made("a.opus")), "audio/ogg"),
        (sent("a.gz", "application/x-gzip", "application/x-gzip", made("a.gz")), "application/gzip"),
        (
            sent("a.zip", "application/x-zip-compressed", "application/x-zip-compressed", made("a.zip")),
            "application/zip",
        ),
        (sent("a.mp3", "audio/mp3", "audio/mp3", made("a.mp3")), "audio/mpeg"),
        (sent("a.flac", "audio/x-flac", "audio/x-flac", made("a.flac")), "audio/flac"),
        (sent("a.ico", "image/x-icon", "image/x-icon", made("a.ico")), "image/vnd.microsoft.icon"),
        (sent("a.rtf", "text/rtf", "text/rtf", "{\\rtf1 hi}"), "application/rtf"),
        (sent("a.m4a", "audio/x-m4a", "video/mp4", made("a.m4a")), "audio/…"),
        (sent("a.webm", "video/webm", "video/webm", made("a.webm")), "…webm"),
        (
            sent("a.svg", "image/svg+xml", "image/svg+xml", "<!DOCTYPE svg PUBLIC 'x' 'y'>\n<svg/>"),
            "image/svg+xml; charset=utf-8",
        ),
        (sent("a.svg", "", "image/svg+xml", "<!-- Made with x -->\n<svg/>"), "image/svg+xml; charset=utf-8"),
        (sent("a.pdf", "application/pdf", "application/pdf", format!("\n{PDF}")), "application/pdf"),
        (sent("a.pdf", "application/pdf", "application/pdf", format!("\u{feff}{PDF}")), "application/pdf"),
        (sent("a.jpg", "image/jpg", "image/jpg", made("a.jpg")), "image/jpeg"),
        (sent("a.caf", "", "audio/x-caf", made("a.caf")), "audio/x-caf"),
        (sent("a.aac", "audio/aac", "audio/aac", made("tagged.aac")), "audio/aac"),
    ]
}

on_both_services! {
    async fn ordinary_files_are_taken_under_the_names_that_people_give_their_types(service, idle()) {
        let files: Vec<_> = ordinary_texts().into_iter().chain(ordinary_files(&made())).collect();
        let mut brought = Vec::new();
        for (file, shown) in &files {
            brought.push((bring(service, file).await, file, shown));
        }
        let _working = work(service, TestSteps::default());
        let mut wrong = Vec::new();
        for (asset, file, shown) in brought {
            let row = settled(service, &asset).await;
            if row.state.name() != "ready" {
                wrong.push(format!("{} under {}: {:?}", file.name, file.rule, row.state));
                continue;
            }
            let said = delivered_as(service, &asset, "").await["content-type"].clone();
            let (start, end) = shown.split_once('…').map_or((*shown, None), |(start, end)| (start, Some(end)));
            let holds = end.map_or(said == *shown, |end| said.starts_with(start) && said.ends_with(end));
            if !holds {
                wrong.push(format!("{} {:?} as {said} instead of {shown}", file.name, file.declared));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    async fn pages_and_scripts_do_not_pass_as_texts(service, idle()) {
        let files = [
            sent("a.csv", "text/csv", "text/csv text/plain", "<!-- c -->\n<html><script>1</script>"),
            sent("a.md", "text/markdown", "text/markdown", "<p>x</p><script>1</script>"),
            sent("a.md", "text/markdown", "text/markdown", "<!doctype html><p>x"),
            sent("a.txt", "text/plain", "text/*", "<!-- x -->\n<svg onload='f()'/>"),
            sent("a.csv", "text/csv", "text/csv", "\u{feff}<html>".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()),
            sent("a.html", "", "text/plain", "no page by its bytes"),
            sent("a.js", "", "text/plain text/csv", "alert(1)"),
            sent("run.bat", "", "text/plain", "del x"),
            sent("a.svg", "", "image/*", "no drawing by its bytes"),
            sent("a.png", "image/png", "image/*", "no picture by its bytes"),
            sent("a.txt", "", "text/plain", vec![0, 1, 2, 3, 200]),
            sent("a.csv", "", "text/csv", format!("\n{PDF}")),
        ];
        let mut brought = Vec::new();
        for file in &files {
            brought.push((bring(service, file).await, file));
        }
        let _working = work(service, TestSteps::default());
        for (asset, file) in brought {
            let state = settled(service, &asset).await.state;
            let code = state.verdict().map(|verdict| verdict.code.as_str());
            assert_eq!((state.name(), code), ("rejected", Some("type_not_allowed")), "{} under {}", file.name, file.rule);
        }
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 1, "content_types": ["text/csv"], "content_type": "text/html"}
            < 422 {"field": "content_type"}
            > POST /v1/uploads {"filename": "a.csv", "size": 1, "content_types": ["text/csv"], "content_type": "image/png"}
            < 422 {"field": "content_type"}
        "#);
    }

    async fn only_what_cannot_run_is_shown_in_place_and_nothing_is_code_of_a_page(service, idle()) {
        let shown = bring(service, &sent("a.csv", "", "*/*", "a,b\n")).await;
        let script = bring(service, &sent("a.js", "", "*/*", "f(1)\n")).await;
        let _working = work(service, TestSteps::default());
        for (asset, disposition) in [(&shown, "inline"), (&script, "attachment")] {
            settled(service, asset).await;
            let headers = delivered_as(service, asset, "disposition=inline").await;
            assert!(headers["content-disposition"].starts_with(disposition), "{headers:?}");
            assert_eq!(headers["x-content-type-options"], "nosniff");
        }
        transcript!(service, r#"
            > GET /v1/assets/$script/content?delivery=stream
            | sec-fetch-dest: script
            < 200
            | content-type: text/plain
            > GET /v1/assets/$script/content?delivery=stream
            | sec-fetch-dest: document
            < 200
            | content-type: text/javascript; charset=utf-8
            > GET /v1/assets/$script
            < 200 {"content_type": "text/javascript", "charset": "utf-8"}
            > GET /v1/assets?content_type=application/javascript
            < 200 {"assets": [{"id": "$script"}]}
        "#, script = script);
    }

    async fn the_holder_of_a_grant_sends_a_table_through_every_door(service) {
        transcript!(service, r#"
            > PUT /v1/policies/tables {"content_types": ["text/csv"]}
            < 200
            > POST /v1/uploads {"max_size": 1000, "policy": "tables"}
            < 201 {"grant": "$grant", "asset": {"id": "$asset"}}
            @ $grant
            > POST /tus
            | tus-resumable: 1.0.0
            | upload-length: 8
            | upload-metadata: filename YS5jc3Y=,filetype YXBwbGljYXRpb24vdm5kLm1zLWV4Y2Vs
            < 201
            | location: $upload
            > PATCH $upload [a,b,1,2,]
            | authorization: Bearer $grant
            | tus-resumable: 1.0.0
            | content-type: application/offset+octet-stream
            | upload-offset: 0
            < 204
            @ $admin
            > GET /v1/assets/$asset?wait=20s&until=ready
            < 200 {"state": "ready", "filename": "a.csv", "content_type": "text/csv"}
            > POST /v1/uploads {"max_size": 1000, "policy": "tables"}
            < 201 {"grant": "$second", "asset": {"id": "$other"}}
            @ $second
            > POST /files [a,b,1,2,]
            | upload-complete: ?1
            | content-type: text/plain
            | content-disposition: attachment; filename="a.csv"
            < 201
            @ $admin
            > GET /v1/assets/$other?wait=20s&until=ready
            < 200 {"state": "ready", "filename": "a.csv"}
        "#);
    }
}
