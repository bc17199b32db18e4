//! Who has not proven to be our proxy learns nothing of where bytes are.

use serde_json::json;

use super::stage::{SECRET, Stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_told_where_bytes_are_without_proof() {
    for delivery in ["accel", "sendfile"] {
        let stage = Stage::bare(&[("GANTRY_DELIVERY", delivery)]).await;
        let asset = stage.asset("a.txt", b"hello", false).await;
        let url = stage.link(&asset, json!({})).await;
        let wrong = ["", "0123456789abcdef0123456789abcdeF", "0123456789abcdef0123456789abcde"];
        for proof in wrong {
            let answer = stage.get(&url, &[("x-gantry-proxy-secret", proof)]).await;
            assert_eq!((answer.status.as_u16(), answer.body.as_slice()), (200, &b"hello"[..]), "{proof}");
            let told = answer.headers.keys().any(|name| {
                ["x-accel", "x-sendfile", "x-gantry"].iter().any(|prefix| name.as_str().starts_with(prefix))
            });
            assert!(!told, "{:?}", answer.headers);
        }
        let answer = stage.get(&url, &[("x-gantry-proxy-secret", SECRET)]).await;
        let name = if delivery == "accel" { "x-accel-redirect" } else { "x-sendfile" };
        assert!(answer.headers.contains_key(name), "{:?}", answer.headers);
        assert!(answer.body.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_chooses_among_what_is_offered() {
    let stage = Stage::bare(&[("GANTRY_DELIVERY", "stream"), ("GANTRY_DOWNLOADS__ALSO", "accel")]).await;
    let asset = stage.asset("a.txt", b"hello", false).await;
    let url = stage.link(&asset, json!({})).await;
    for (wish, status) in [("stream", 200), ("accel", 200), ("redirect", 422), ("cdn", 422), ("pigeon", 422)] {
        let answer = stage.get(&format!("{url}?delivery={wish}"), &[("x-gantry-proxy-secret", SECRET)]).await;
        assert_eq!(answer.status, status, "{wish}");
        assert_eq!(answer.headers.contains_key("x-accel-redirect"), wish == "accel");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_for_one_network_never_becomes_an_address_for_all() {
    let stage = Stage::bare(&[]).await;
    let asset = stage.asset("a.txt", b"hello", false).await;
    let url = stage.link(&asset, json!({ "ip": "127.0.0.0/8" })).await;
    let answer = stage.get(&url, &[]).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_slice()), (200, &b"hello"[..]));
}
