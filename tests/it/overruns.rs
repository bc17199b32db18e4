//! More bytes than the file has, in a body whose length was not announced, by every route that relays bytes: refused,
//! and what was sent is neither kept nor taken for the file.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use reqwest::{Body, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::on_both_services;
use crate::support::requests;
use crate::support::service::{Service, Shape};
use crate::support::transcript::noise;

const TUS_CONTENT: &str = "application/offset+octet-stream";
const IETF_CONTENT: &str = "application/partial-upload";

fn idle() -> Shape {
    Shape { works: false, ..Shape::default() }
}

fn ask(service: &Service, method: &str, url: &str) -> RequestBuilder {
    let url = if url.starts_with('/') { format!("{}{url}", service.base) } else { url.to_owned() };
    let method: Method = method.parse().unwrap();
    requests::client().request(method, url).bearer_auth(&service.admin)
}

/// A body without a length, piece by piece with pauses in between.
fn chunked(pieces: Vec<Vec<u8>>, pause: Duration) -> Body {
    let pieces = stream::iter(pieces).then(move |piece| async move {
        tokio::time::sleep(pause).await;
        Ok::<_, std::io::Error>(piece)
    });
    Body::wrap_stream(pieces)
}

fn at_once(bytes: &[u8]) -> Body {
    chunked(vec![bytes.to_vec()], Duration::ZERO)
}

fn tus(service: &Service, method: &str, url: &str) -> RequestBuilder {
    ask(service, method, url).header("tus-resumable", "1.0.0").header("content-type", TUS_CONTENT)
}

/// Opens an upload by tus and returns its address.
async fn tus_upload(service: &Service, length: u64, more: &[(&str, &str)]) -> String {
    let request = ask(service, "POST", "/tus").header("tus-resumable", "1.0.0").header("upload-length", length);
    let request = more.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 201);
    answer.headers()["location"].to_str().unwrap().to_owned()
}

async fn tus_offset(service: &Service, url: &str) -> u64 {
    let answer = tus(service, "HEAD", url).send().await.unwrap();
    answer.headers()["upload-offset"].to_str().unwrap().parse().unwrap()
}

async fn create(service: &Service, wish: Value) -> Value {
    let answer = ask(service, "POST", "/v1/uploads").body(wish.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    answer.json().await.unwrap()
}

/// States of every asset of the tenant that is not deleted, and how many jobs are owed.
async fn outcome(service: &Service) -> (Vec<String>, u64) {
    let page: Value = ask(service, "GET", "/v1/assets?limit=100").send().await.unwrap().json().await.unwrap();
    let states = page["assets"].as_array().unwrap().iter().map(|asset| asset["state"].as_str().unwrap().to_owned());
    let states = states.filter(|state| state != "deleted");
    (states.collect(), service.database.store.count_jobs().await.unwrap().0)
}

fn waiting() -> (Vec<String>, u64) {
    (vec!["awaiting".to_owned()], 0)
}

on_both_services! {
    async fn a_tus_append_with_a_byte_too_many_is_refused(service, idle()) {
        // Below a part, over several parts with the excess in a piece of its own, and behind a known beginning.
        for (size, begin, pieces) in [(10, 0, 1), (20_000_000, 0, 20), (20_000_000, 9_000_000, 3)] {
            let bytes = noise(size, 71);
            let url = tus_upload(service, size, &[]).await;
            if begin > 0 {
                let first = tus(service, "PATCH", &url).header("upload-offset", 0).body(bytes[..begin].to_vec());
                assert_eq!(first.send().await.unwrap().status(), 204);
            }
            let rest = &bytes[begin..];
            let mut cut: Vec<Vec<u8>> = rest.chunks(rest.len().div_ceil(pieces)).map(<[u8]>::to_vec).collect();
            cut.push(b"!".to_vec());
            let body = chunked(cut, Duration::ZERO);
            let answer = tus(service, "PATCH", &url).header("upload-offset", begin).body(body).send().await.unwrap();
            assert_eq!(answer.status(), 413, "{size} {begin}");
            let offset = tus_offset(service, &url).await;
            assert!(offset < size, "{offset} of {size}");
            assert_eq!(outcome(service).await, waiting());
            let rest = bytes[usize::try_from(offset).unwrap()..].to_vec();
            let right = tus(service, "PATCH", &url).header("upload-offset", offset).body(rest);
            assert_eq!(right.send().await.unwrap().status(), 204);
            assert_eq!(outcome(service).await, (vec!["stored".to_owned()], 1));
            assert_eq!(tus(service, "DELETE", &url).send().await.unwrap().status(), 204);
        }
    }

    async fn the_byte_too_many_may_come_after_a_pause(service, idle()) {
        let url = tus_upload(service, 5, &[]).await;
        let body = chunked(vec![b"hello".to_vec(), b"!".to_vec()], Duration::from_millis(3500));
        let answer = tus(service, "PATCH", &url).header("upload-offset", 0).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 413);
        assert_eq!(tus_offset(service, &url).await, 0);
        assert_eq!(outcome(service).await, waiting());
    }

    async fn a_tus_creation_with_a_byte_too_many_leaves_nothing(service, idle()) {
        let request = tus(service, "POST", "/tus").header("upload-length", 5).body(at_once(b"hello!"));
        assert_eq!(request.send().await.unwrap().status(), 413);
        assert_eq!(outcome(service).await, (vec!["abandoned".to_owned()], 0));
    }

    async fn a_piece_of_a_concatenation_and_a_length_that_is_not_said(service, idle()) {
        let piece = tus_upload(service, 5, &[("upload-concat", "partial")]).await;
        let sent = tus(service, "PATCH", &piece).header("upload-offset", 0).body(at_once(b"hello!")).send().await.unwrap();
        assert_eq!((sent.status().as_u16(), tus_offset(service, &piece).await), (413, 0));

        let granted = create(service, json!({"filename": "a", "max_size": 5, "method": "append"})).await;
        let collection = granted["endpoints"]["tus"].as_str().unwrap();
        let request = ask(service, "POST", collection).header("tus-resumable", "1.0.0");
        let opened = request.header("upload-defer-length", "1").send().await.unwrap();
        let url = opened.headers()["location"].to_str().unwrap();
        let sent = tus(service, "PATCH", url).header("upload-offset", 0).body(at_once(b"hello!")).send().await.unwrap();
        assert_eq!((sent.status().as_u16(), tus_offset(service, url).await), (413, 0));
    }

    async fn an_ietf_upload_of_inconsistent_length_is_void(service, idle()) {
        for complete in ["?1", "?0"] {
            let request = ask(service, "POST", "/files").header("upload-complete", "?0").header("upload-length", 5);
            let opened = request.send().await.unwrap();
            let url = opened.headers()["location"].to_str().unwrap();
            let append = ask(service, "PATCH", url).header("upload-offset", 0).header("upload-complete", complete);
            let append = append.header("content-type", IETF_CONTENT).body(at_once(b"hello!")).send().await.unwrap();
            assert_eq!(append.status(), 400, "{complete}");
            let problem: Value = append.json().await.unwrap();
            assert!(problem["type"].as_str().unwrap().ends_with("#inconsistent-upload-length"), "{problem}");
            assert_eq!(ask(service, "HEAD", url).send().await.unwrap().status(), 404);
        }
        // Without a word of drafts, and as one request that brings the file.
        for headers in [vec![("upload-complete", "?1"), ("upload-length", "5")], vec![("upload-draft-interop-version", "6"), ("upload-complete", "?1"), ("upload-length", "5")]] {
            let request = ask(service, "POST", "/files").body(at_once(b"hello!"));
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            assert_eq!(request.send().await.unwrap().status(), 400);
        }
        let (states, jobs) = outcome(service).await;
        assert!(states.iter().all(|state| state == "abandoned") && jobs == 0, "{states:?} {jobs}");
    }

    async fn content_and_forms_are_taken_whole_or_not_at_all(service, idle()) {
        let native = create(service, json!({"filename": "a", "size": 5})).await;
        let content = format!("/v1/uploads/{}/content", native["upload"]["id"].as_str().unwrap());
        let form = |file: &str| {
            let text = format!("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n{file}\r\n--x--\r\n");
            at_once(text.as_bytes())
        };
        let granted = create(service, json!({"filename": "b", "size": 5})).await;
        let address = granted["endpoints"]["form"].as_str().unwrap();
        let kind = ("content-type", "multipart/form-data; boundary=x");
        let params = ask(service, "GET", &format!("{}/params?filename=c&type=text/plain", granted["endpoints"]["s3"].as_str().unwrap()));
        let params: Value = params.send().await.unwrap().json().await.unwrap();
        let signed = params["url"].as_str().unwrap();
        assert_eq!(ask(service, "PUT", &content).body(at_once(b"hello!")).send().await.unwrap().status(), 413);
        for url in [address, signed] {
            assert_eq!(ask(service, "POST", url).header(kind.0, kind.1).body(form("hello!")).send().await.unwrap().status(), 413, "{url}");
        }
        let (states, jobs) = outcome(service).await;
        assert!(states.iter().all(|state| state == "awaiting") && jobs == 0, "{states:?} {jobs}");
        assert_eq!(ask(service, "PUT", &content).body(at_once(b"hello")).send().await.unwrap().status(), 200);
        assert_eq!(ask(service, "POST", address).header(kind.0, kind.1).body(form("hello")).send().await.unwrap().status(), 200);
    }
}
