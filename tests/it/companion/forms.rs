//! Single files as forms: what Uppy sends below its limit for parts, and what a page without scripts sends.

use std::time::Duration;

use super::{form, post, ready};
use crate::support::requests;
use crate::support::service::{Service, Shape};
use crate::support::transcript::{Names, noise};
use crate::{on_both_services, transcript};

fn small() -> Shape {
    let mut shape = Shape::default();
    shape.settings.max_size = 1000;
    shape
}

/// A form's address and key.
async fn params(service: &Service) -> Names {
    transcript!(
        service,
        r#"
        > GET /s3/params?filename=%C3%A4+b.bin&type=text%2Fplain&metadata%5Bcaption%5D=h%C3%A9llo&metadata%5Bn%5D=5
        < 200 {"method": "POST", "url": "$url", "expires": 604800,
               "fields": {"key": "$key", "success_action_status": "201", "content-type": "text/plain"}}
    "#
    )
}

fn fields(names: &Names) -> [(&str, &str); 3] {
    [("key", names["key"].as_str()), ("success_action_status", "201"), ("content-type", "text/plain")]
}

on_both_services! {
    async fn a_small_file_comes_as_a_form(service) {
        let names = params(service).await;
        for _ in 0..2 {
            let answer = post(&names["url"], form(&fields(&names), b"hello")).await;
            assert_eq!(answer.status(), 201);
            assert!(answer.headers()["etag"].to_str().unwrap().starts_with('"'));
            let location = answer.headers()["location"].to_str().unwrap().to_owned();
            let text = answer.text().await.unwrap();
            assert!(text.contains(&format!("<Key>{}</Key>", names["key"])), "{text}");
            assert!(text.contains(&format!("<Location>{location}</Location>")), "{text}");
        }
        let asset = ready(service).await;
        assert_eq!((asset["filename"].as_str(), asset["size"].as_u64()), (Some("ä b.bin"), Some(5)));
        assert_eq!(asset["metadata"], serde_json::json!({"caption": "héllo", "n": "5"}));
        // What came first stays.
        for other in [&b"hell"[..], b"hello!", b"jello"] {
            assert_eq!(post(&names["url"], form(&fields(&names), other)).await.status(), 409);
        }
        transcript!(service, r#"
            > GET /v1/assets/$key/content?delivery=stream
            < 200 [hello]
        "#, key = names["key"]);
    }

    async fn a_page_without_scripts_sends_a_file_of_any_size(service) {
        let names = params(service).await;
        let grant = names["url"].rsplit('/').next().unwrap();
        let answer = post(&format!("{}/u/{grant}/form", service.base), form(&[], b"hello")).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(ready(service).await["size"], 5);
    }

    async fn an_empty_file_is_a_file(service) {
        let names = params(service).await;
        assert_eq!(post(&names["url"], form(&fields(&names), b"")).await.status(), 201);
        assert_eq!(ready(service).await["size"], 0);
        assert_eq!(post(&names["url"], form(&fields(&names), b"")).await.status(), 201);
    }

    async fn a_large_one_is_streamed(service) {
        let (names, bytes) = (params(service).await, noise(40_000_001, 4));
        assert_eq!(post(&names["url"], form(&fields(&names), &bytes)).await.status(), 201);
        ready(service).await;
        let url = format!("{}/v1/assets/{}/content?delivery=stream", service.base, names["key"]);
        let there = requests::client().get(url).bearer_auth(&service.admin).send().await.unwrap().bytes().await;
        assert!(there.unwrap() == bytes);
    }

    async fn what_breaks_off_was_never_there(service) {
        use futures_util::stream;
        for size in [20_000u64, 40_000_000] {
            let names = params(service).await;
            let whole = form(&fields(&names), &noise(size, 5));
            let short = whole[..whole.len() - 10_000].to_vec();
            // Ends like a body that is complete, and is not: the closing boundary is missing.
            assert_eq!(post(&names["url"], short.clone()).await.status(), 400);
            let cut = stream::iter([Ok(short), Err(std::io::Error::other("cut"))]);
            let cut = requests::client().post(&names["url"]).header("content-type", super::FORM).body(reqwest::Body::wrap_stream(cut));
            let _ = cut.send().await;
            let answer = post(&names["url"], whole).await;
            assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
            transcript!(service, r#"
                > GET /v1/assets/$key?wait=20s&until=ready
                < 200 {"state": "ready", "size": $size}
            "#, key = names["key"], size = size);
        }
    }

    async fn more_than_is_accepted_is_refused_by_counting(service, small()) {
        let names = params(service).await;
        let answer = post(&names["url"], form(&fields(&names), &[0; 1001])).await;
        assert_eq!(answer.status(), 413);
        assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["error"], "too_large");
        assert_eq!(post(&names["url"], form(&fields(&names), &[0; 1000])).await.status(), 201);
        assert_eq!(ready(service).await["size"], 1000);
    }

    async fn what_is_no_form_is_refused(service) {
        let names = params(service).await;
        let whole = form(&fields(&names), b"hello");
        let client = requests::client();
        for kind in ["text/plain", "multipart/form-data", "multipart/form-data; boundary=other", "application/json"] {
            let answer = client.post(&names["url"]).header("content-type", kind).body(whole.clone()).send().await.unwrap();
            assert_eq!(answer.status(), 400, "{kind}");
        }
        assert_eq!(client.post(&names["url"]).send().await.unwrap().status(), 400);
        let wrong = form(&[("key", "another")], b"hello");
        assert_eq!(post(&names["url"], wrong).await.status(), 404);
        let long = "x".repeat(20_000);
        assert_eq!(post(&names["url"], form(&[("key", &long)], b"hello")).await.status(), 400);
        let many: Vec<_> = (0..2000).map(|_| ("padding", "some words that are nobody's business")).collect();
        assert_eq!(post(&names["url"], form(&many, b"hello")).await.status(), 400);
        assert_eq!(post(&names["url"], b"--frontier--\r\n".to_vec()).await.status(), 400);
        let link = names["url"].replace("/s3/form/gu_", "/s3/form/gd_");
        assert_eq!(post(&link, whole.clone()).await.status(), 401);
        assert_eq!(post(&format!("{}/s3/form/{}", service.base, service.admin), whole.clone()).await.status(), 401);
        transcript!(service, r#"
            > GET /v1/assets
            < 200 {"assets": [{"id": "$key", "state": "awaiting"}]}
        "#, key = names["key"]);
        assert_eq!(post(&names["url"], whole).await.status(), 201);
        ready(service).await;
    }

    async fn a_form_has_its_time(service) {
        let names = params(service).await;
        service.advance(Duration::from_secs(8 * 24 * 3600));
        assert_eq!(post(&names["url"], form(&fields(&names), b"hello")).await.status(), 401);
    }
}
