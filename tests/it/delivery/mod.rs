//! Deliveries through real proxies and to real clients: the same permission, the same bytes, whoever sends them.

mod apache;
mod clients;
mod edge;
mod files;
mod nginx;
mod stage;
mod untrusted;

use reqwest::Method;
use serde_json::json;

use stage::Stage;

use crate::events::sockets;

/// Events over WebSocket come through: 101, events, and the answer to a close. What asks for another protocol stays HTTP.
async fn sockets_pass(stage: &Stage) {
    let asset = stage.asset("a.txt", b"hello", false).await;
    let path = format!("/v1/ws?asset={asset}&after=0");
    let opened = sockets::open(&stage.url, &path, &stage.key).await;
    let mut socket = opened.unwrap_or_else(|status| panic!("{status}: {}", stage.words()));
    assert_eq!(sockets::hear(&mut socket).await.unwrap()["type"], "feed.begins");
    assert!(sockets::hear(&mut socket).await.unwrap()["type"].as_str().unwrap().starts_with("asset."));
    assert_eq!(sockets::close(socket).await, Some(1000));
    let secured = format!("Bearer {}", stage.key);
    let headers = [("authorization", &*secured), ("connection", "upgrade"), ("upgrade", "h2c")];
    assert_eq!(stage.get(&format!("/v1/assets/{asset}"), &headers).await.status, 200);
    let plain = stage.get("/v1/ws", &[("authorization", &secured)]).await;
    assert_eq!(plain.status, 426);
}

/// What every delivery must do with ranges, conditions and HEAD, for an asset of these bytes.
async fn behaves(stage: &Stage, asset: &str, bytes: &[u8]) {
    let url = stage.link(asset, json!({})).await;
    let size = bytes.len();
    let whole = stage.get(&url, &[]).await;
    assert_eq!((whole.status.as_u16(), whole.body == bytes), (200, true), "{:?} {}", whole.headers, stage.words());
    let (etag, date) = (whole.header("etag").to_owned(), whole.header("last-modified").to_owned());
    assert_eq!(whole.header("accept-ranges"), "bytes");
    assert_eq!(whole.header("content-length"), size.to_string());
    assert_eq!(whole.header("content-security-policy"), "sandbox; default-src 'none'");
    assert_eq!(whole.header("x-content-type-options"), "nosniff");
    assert_eq!(whole.header("cache-control"), "private, no-cache, no-transform");
    assert!(whole.header("content-disposition").starts_with("attachment; filename="));
    assert!(whole.header("repr-digest").starts_with("sha-256=:"));
    whole.header("content-type");
    for leaked in ["x-accel-redirect", "x-sendfile", "x-gantry-store-target", "x-gantry-object", "x-amz-request-id"] {
        assert!(!whole.headers.contains_key(leaked), "{leaked}");
    }

    let head = stage.ask(Method::HEAD, &url, &[]).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    for same in ["etag", "last-modified", "content-length", "content-type", "content-disposition", "accept-ranges"] {
        assert_eq!(head.header(same), whole.header(same), "{same}");
    }
    ranges(stage, &url, &etag, bytes).await;
    conditions(stage, &url, [&etag, &date], bytes).await;
}

async fn ranges(stage: &Stage, url: &str, etag: &str, bytes: &[u8]) {
    let size = bytes.len();
    let ranges = [
        ("bytes=0-0".to_owned(), 0..1),
        (format!("bytes={}-", size - 100), size - 100..size),
        ("bytes=-17".to_owned(), size - 17..size),
        ("bytes=1000-70000".to_owned(), 1000..70001),
        (format!("bytes=5-{}", size * 2), 5..size),
    ];
    for (range, expected) in ranges {
        let answer = stage.get(url, &[("range", &range)]).await;
        assert_eq!(answer.status, 206, "{range}");
        assert!(answer.body == bytes[expected.clone()], "{range}: {} bytes", answer.body.len());
        let content_range = format!("bytes {}-{}/{size}", expected.start, expected.end - 1);
        assert_eq!(answer.header("content-range"), content_range);
        assert_eq!(answer.header("etag"), etag);
    }
    let beyond = stage.get(url, &[("range", &format!("bytes={size}-"))]).await;
    assert_eq!((beyond.status.as_u16(), beyond.header("content-range")), (416, format!("bytes */{size}").as_str()));
    for odd in ["bytes=5-2", "chapters=1-2", "bytes=a-b"] {
        assert_eq!(stage.get(url, &[("range", odd)]).await.status, 200, "{odd}");
    }
    let two = stage.get(url, &[("range", &format!("bytes=0-9,{}-", size - 10))]).await;
    assert_eq!(two.status, 206);
    assert!(two.header("content-type").starts_with("multipart/byteranges; boundary="), "{:?}", two.headers);
}

async fn conditions(stage: &Stage, url: &str, [etag, date]: [&str; 2], bytes: &[u8]) {
    let part = ("range", "bytes=10-19");
    for (condition, value, status) in [
        ("if-none-match", etag, 304),
        ("if-none-match", "\"other\"", 206),
        ("if-modified-since", date, 304),
        ("if-modified-since", "Sat, 01 Jan 2000 00:00:00 GMT", 206),
        ("if-match", etag, 206),
        ("if-match", "\"other\"", 412),
        ("if-unmodified-since", date, 206),
        ("if-unmodified-since", "Sat, 01 Jan 2000 00:00:00 GMT", 412),
        ("if-range", etag, 206),
        ("if-range", date, 206),
        ("if-range", "\"other\"", 200),
        ("if-range", "Sat, 01 Jan 2000 00:00:00 GMT", 200),
    ] {
        let answer = stage.get(url, &[part, (condition, value)]).await;
        assert_eq!(answer.status, status, "{condition}: {value}: {:?}", answer.headers);
        match status {
            206 => assert!(answer.body == bytes[10..20], "{condition}: {value}"),
            200 => assert!(answer.body == bytes, "{condition}: {value}"),
            _ => {}
        }
    }
    let unchanged = stage.get(url, &[("if-none-match", etag)]).await;
    assert_eq!((unchanged.status.as_u16(), unchanged.header("etag"), unchanged.body.len()), (304, etag, 0));
}

/// What a client sends under the names that proxies use among themselves means nothing.
async fn strangers_headers_mean_nothing(stage: &Stage, asset: &str, bytes: &[u8]) {
    let url = stage.link(asset, json!({})).await;
    let answer = stage
        .get(
            &url,
            &[
                ("x-accel-redirect", "/_gantry/files/../../etc/passwd"),
                ("x-accel-limit-rate", "1"),
                ("x-accel-buffering", "no"),
                ("x-sendfile", "/etc/passwd"),
                ("x-sendfile-type", "X-Accel-Redirect"),
                ("x-accel-mapping", "/=/"),
                ("x-gantry-proxy-secret", "nonsense"),
                ("x-original-url", "/v1/assets"),
                ("x-rewrite-url", "/v1/assets"),
            ],
        )
        .await;
    assert_eq!(answer.status, 200);
    assert!(answer.body == bytes);
}
