//! What may be kept: conditional answers, `Cache-Control` and `Vary` per route, and what is compressed.

use reqwest::header::HeaderMap;

use super::cast::Cast;
use super::{Contract, Operation};
use crate::native::ready;
use crate::on_both_services;
use crate::support::requests;
use crate::support::service::Service;

async fn get(service: &Service, path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, Vec<u8>) {
    let client = requests::client_without_redirects();
    let mut request = client.get(format!("{}{path}", service.base)).bearer_auth(&service.admin);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (status, headers, answer.bytes().await.unwrap().to_vec())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// Every word of a list, in order.
fn all_of(headers: &HeaderMap, name: &str) -> Vec<String> {
    let values = headers.get_all(name).iter().flat_map(|value| value.to_str().unwrap().split(','));
    let mut words: Vec<_> = values.map(|word| word.trim().to_lowercase()).collect();
    words.sort();
    words
}

/// Whether clients may keep what it answers. Bytes have tests of their own.
fn is_kept(operation: &Operation<'_>) -> bool {
    operation.method == "get"
        && !operation.says["responses"]["304"].is_null()
        && operation.says["tags"][0] != "Downloads"
}

on_both_services! {
    async fn what_is_kept_is_asked_about(service) {
        let (contract, cast) = (Contract::of(service).await, Cast::of(service).await);
        let (mut asked, operations) = (0, contract.operations());
        for operation in operations.iter().filter(|operation| is_kept(operation)) {
            let things = cast.things(operation, true).await;
            let path = cast.path(operation, &things, None);
            let (status, first, body) = get(service, &path, &[]).await;
            assert!(status == 200 && !body.is_empty(), "{path}: {status}");
            let (tag, kept) = (text(&first, "etag"), text(&first, "cache-control"));
            let json = text(&first, "content-type").starts_with("application/json") && path != "/openapi.json";
            let (shared, vary) = if json { ("private, no-cache", "Authorization") } else { ("public, no-cache", "accept-encoding") };
            let version = path.starts_with("/web/0/");
            assert!(version || (kept == shared && text(&first, "vary") == vary), "{path}: {first:?}");
            for known in [tag, tag.trim_start_matches("W/"), "*", &format!("\"other\", {tag}")] {
                let (status, again, body) = get(service, &path, &[("if-none-match", known)]).await;
                assert_eq!((status, body.len()), (304, 0), "{path} {known}");
                assert_eq!([text(&again, "etag"), text(&again, "cache-control")], [tag, kept], "{path}");
                assert_eq!(all_of(&again, "vary"), all_of(&first, "vary"), "{path}: a 304 varies as its 200 does");
            }
            assert_eq!(get(service, &path, &[("if-none-match", "\"other\"")]).await.0, 200);
            asked += 1;
        }
        assert!(asked >= 12, "{asked}");
    }

    async fn a_change_is_seen(service) {
        let names = ready(service, "a.txt", "hello").await;
        let path = format!("/v1/assets/{}", names["asset"]);
        let (_, first, _) = get(service, &path, &[]).await;
        let client = requests::client();
        let rename = client.patch(format!("{}{path}", service.base)).bearer_auth(&service.admin);
        assert_eq!(rename.body(r#"{"filename": "b.txt"}"#).send().await.unwrap().status(), 200);
        let (status, second, _) = get(service, &path, &[("if-none-match", text(&first, "etag"))]).await;
        assert_eq!(status, 200);
        assert_ne!(text(&first, "etag"), text(&second, "etag"));
    }

    async fn files_of_pages_are_kept_for_ever_by_their_version(service) {
        let (_, _, page) = get(service, "/", &[]).await;
        let page = String::from_utf8(page).unwrap();
        let files: Vec<_> = page.split("\"/web/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert!(files.len() >= 2, "{page}");
        for file in files {
            let (status, headers, _) = get(service, &format!("/web/{file}"), &[]).await;
            assert_eq!((status, text(&headers, "cache-control")), (200, "public, max-age=31536000, immutable"));
            let (status, headers, _) = get(service, &format!("/web/older/{}", file.split('/').nth(1).unwrap()), &[]).await;
            assert_eq!((status, text(&headers, "cache-control")), (200, "no-store"));
        }
        assert_eq!(get(service, "/web/0/nothing.js", &[]).await.0, 404);
    }

    async fn texts_of_ours_are_compressed_and_nothing_else(service) {
        let encoding = async |path: &str, headers: &[(&str, &str)]| {
            let asked = [("accept-encoding", "gzip, br")].into_iter().filter(|_| headers.is_empty());
            let all: Vec<_> = headers.iter().copied().chain(asked).collect();
            let (status, headers, body) = get(service, path, &all).await;
            (status, text(&headers, "content-encoding").to_owned(), text(&headers, "vary").to_lowercase(), body)
        };
        for path in ["/openapi.json", "/docs", "/"] {
            let (_, plain, whole) = get(service, path, &[("accept-encoding", "identity")]).await;
            assert!(text(&plain, "content-encoding").is_empty(), "{path}");
            for wished in ["gzip", "br", "zstd"] {
                let (_, packed, vary, body) = encoding(path, &[("accept-encoding", wished)]).await;
                assert!(packed == wished && vary.matches("accept-encoding").count() == 1, "{path}: {packed} {vary}");
                assert!(body.len() * 2 < whole.len(), "{path} in {wished}: {} of {}", body.len(), whole.len());
            }
            let (_, packed, _, body) = encoding(path, &[]).await;
            let mut unpacked = Vec::new();
            brotli::BrotliDecompress(&mut &body[..], &mut unpacked).unwrap();
            assert!(packed == "br" && unpacked == whole, "{path}");
        }
        // Short answers, streams and the bytes of files stay as they are, whatever their type.
        assert_eq!(encoding("/livez", &[]).await.1, "");
        assert_eq!(encoding("/v1/links?limit=1", &[]).await.1, "");
        let page = format!("<!doctype html><html><body>{}</body></html>", "x".repeat(5000));
        let names = ready(service, "page.html", &page).await;
        let path = format!("/v1/assets/{}/content?delivery=stream", names["asset"]);
        for range in [None, Some("bytes=0-3000"), Some("bytes=0-1,4-3000")] {
            let range = range.map(|range| ("range", range)).into_iter();
            let asked: Vec<_> = range.chain([("accept-encoding", "gzip, br")]).collect();
            let (status, packed, vary, body) = encoding(&path, &asked).await;
            assert!(packed.is_empty() && !vary.contains("accept-encoding") && body.len() > 2900, "{status} {packed} {vary}");
        }
    }
}
