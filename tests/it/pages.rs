//! Pages for people at the addresses that they are sent: the upload page of a grant, its form, and links that have ended.
//! Programs get what they always got.

use std::time::Duration;

use crate::companion::{FORM, form};
use crate::native::ready;
use crate::support::requests;
use crate::{on_both_services, transcript};

/// What browsers send when somebody opens an address.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// An answer's status, media type, `Referrer-Policy` and text.
struct Seen {
    status: u16,
    kind: String,
    referrer_policy: String,
    text: String,
}

async fn see(request: reqwest::RequestBuilder) -> Seen {
    let answer = request.send().await.unwrap();
    let header = |name: &str| answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let (status, kind, referrer_policy) = (answer.status().as_u16(), header("content-type"), header("referrer-policy"));
    Seen { status, kind, referrer_policy, text: answer.text().await.unwrap() }
}

async fn open(url: &str) -> Seen {
    see(requests::client_without_redirects().get(url).header("accept", BROWSER)).await
}

fn assert_page(seen: &Seen, status: u16, sentence: &str) {
    assert_eq!((seen.status, seen.kind.as_str()), (status, "text/html; charset=utf-8"), "{}", seen.text);
    assert!(seen.text.contains(sentence), "{sentence} is not in {}", seen.text);
    assert_eq!(seen.referrer_policy, "no-referrer");
}

async fn assert_json(url: &str, status: u16, code: &str) {
    let seen = see(requests::client_without_redirects().get(url)).await;
    assert_eq!((seen.status, seen.kind.as_str()), (status, "application/problem+json"), "{}", seen.text);
    assert!(seen.text.contains(&format!("\"code\":\"{code}\"")), "{}", seen.text);
}

/// Sends the form of an upload page, as a browser or as a program.
async fn send_form(page: &str, bytes: &[u8], accept: &str) -> Seen {
    let request = requests::client().post(format!("{page}/form")).header("content-type", FORM).header("accept", accept);
    see(request.body(form(&[], bytes))).await
}

on_both_services! {
    async fn a_grant_is_a_page_until_it_is_used(service) {
        let names = transcript!(service, r#"
            > POST /v1/uploads {"filename": "<b>plan</b>.txt", "size": 5}
            < 422
            > POST /v1/uploads {"filename": "<b>plan.txt", "size": 5}
            < 201 {"upload": {"id": "$upload"}, "grant": "$grant"}
        "#);
        let url = format!("{}/u/{}", service.base, names["grant"]);
        let page = open(&url).await;
        assert_page(&page, 200, "Send the file “&lt;b&gt;plan.txt”, 5 bytes");
        assert!(page.text.contains(&format!("action=\"/u/{}/form\"", names["grant"])), "{}", page.text);
        assert!(!page.text.contains("{{") && !page.text.contains("<b>"), "{}", page.text);
        assert_json(&url, 404, "not_found").await;
        assert_page(&send_form(&url, b"hello!", BROWSER).await, 413, "The file was not received");
        let sent = send_form(&url, b"hello", BROWSER).await;
        assert_page(&sent, 200, "Received: 1 file, 5 bytes. You can close this page.");
        assert_page(&open(&url).await, 410, "The file has arrived");
        assert_page(&send_form(&url, b"other", BROWSER).await, 409, "Nothing more can be sent here");
        let again = send_form(&url, b"other", "*/*").await;
        assert_eq!((again.status, again.kind.as_str()), (409, "application/json"), "{}", again.text);
        assert_json(&url, 404, "not_found").await;
    }

    async fn a_grant_says_what_it_takes(service) {
        let names = transcript!(service, r#"
            > POST /v1/uploads {"max_size": 1500000, "content_types": ["image/*", "application/pdf"]}
            < 201 {"grant": "$grant"}
        "#);
        let page = open(&format!("{}/u/{}", service.base, names["grant"])).await;
        assert_page(&page, 200, "Send one file, up to 1.5 MB");
        assert!(page.text.contains("Accepted: images and PDF.") && page.text.contains("accept=\"image/*,application/pdf\""));
    }

    async fn a_dead_grant_is_a_page(service) {
        let names = transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 5}
            < 201 {"upload": {"id": "$upload"}, "grant": "$grant"}
            > DELETE /v1/uploads/$upload
            < 204
            > POST /v1/uploads {"filename": "b", "size": 5}
            < 201 {"grant": "$late"}
        "#);
        let url = |grant: &str| format!("{}/u/{grant}", service.base);
        for unknown in ["gu_nonsense", service.admin.as_str(), "%F0%9F%98%80"] {
            assert_page(&open(&url(unknown)).await, 404, "Nothing can be sent to this address");
            assert_json(&url(unknown), 404, "not_found").await;
        }
        assert_page(&open(&url(&names["grant"])).await, 410, "Nothing more can be sent here");
        service.advance(Duration::from_secs(40 * 24 * 3600));
        assert_page(&open(&url(&names["late"])).await, 410, "The time for sending a file to this address is over.");
    }

    async fn a_link_that_ended_is_a_page(service) {
        let names = ready(service, "a.txt", "hello").await;
        let names = transcript!(service, r#"
            > POST /v1/assets/$asset/links {"uses": 1}
            < 201 {"url": "$once"}
            > POST /v1/assets/$asset/links {}
            < 201 {"id": "$id", "url": "$revoked"}
            > DELETE /v1/links/$id
            < 204
        "#, asset = names["asset"]);
        let used = open(&names["once"]).await;
        assert!(used.status == 302 || used.text == "hello", "a browser gets the file as ever: {} {}", used.status, used.text);
        for url in [&names["once"], &names["revoked"]] {
            assert_page(&open(url).await, 410, "This link has ended");
            assert_json(url, 410, "gone").await;
        }
        let unknown = format!("{}/d/gd_nonsense", service.base);
        assert_page(&open(&unknown).await, 404, "This link does not lead to a file");
        assert_json(&unknown, 404, "not_found").await;
    }
}
