//! Nonsense in every header: told, never a 5xx, and nothing is different afterwards.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::Ietf;
use crate::{on_both_services, transcript};

const HEADERS: [&str; 12] = [
    "upload-draft-interop-version",
    "upload-complete",
    "upload-incomplete",
    "upload-offset",
    "upload-length",
    "upload-metadata",
    "content-type",
    "content-disposition",
    "content-digest",
    "repr-digest",
    "content-encoding",
    "x-http-method-override",
];

const NONSENSE: [&str; 20] = [
    "",
    " ",
    "?",
    "?2",
    "true",
    "-1",
    "1.5",
    "99999999999999999999",
    "0x10",
    "\"5\"",
    ":AA==:",
    "5, 5",
    "?1, ?0",
    "a=(1 2)",
    ";;;",
    "=",
    "sha-256=:AAAA:",
    "\u{fc}",
    "5;",
    "(",
];

on_both_services! {
    async fn one_header_at_a_time(service) {
        let ietf = Ietf::new(service);
        let id = ietf.create().await;
        for header in HEADERS {
            for value in NONSENSE {
                let patch = ietf.patch(&id, 0, "?0", "hello").build().unwrap();
                let look = ietf.request("HEAD", &format!("/files/{id}")).build().unwrap();
                for mut request in [patch, look] {
                    let value = reqwest::header::HeaderValue::from_bytes(value.as_bytes()).unwrap();
                    request.headers_mut().insert(header, value.clone());
                    let answer = ietf.client.execute(request).await.unwrap();
                    let status = answer.status().as_u16();
                    assert!(status < 500, "{header}: {value:?} answered {status}");
                    if status == 204 || status == 201 {
                        continue;
                    }
                    assert!((400..500).contains(&status), "{header}: {value:?} answered {status}");
                    if let Some(offset) = answer.headers().get("upload-offset") {
                        assert!(["0", "5"].contains(&offset.to_str().unwrap()));
                    }
                }
                // The few that mean nothing to an append let its bytes in.
                let at = ietf.offset(&id).await;
                assert!(at == 0 || at == 5, "{header}: {value:?}");
            }
        }
    }

    async fn creations_that_make_no_sense_create_nothing(service) {
        let ietf = Ietf::new(service);
        // A word that this was not all would only contradict the other; the digests have nonsense of their own.
        let meant = HEADERS[..5].iter().filter(|header| **header != "upload-incomplete");
        for (header, value) in meant.flat_map(|header| NONSENSE.iter().map(move |value| (*header, *value))) {
            let mut request = ietf.request("POST", "/files").header("upload-complete", "?1").body("hello").build().unwrap();
            request.headers_mut().insert(header, reqwest::header::HeaderValue::from_bytes(value.as_bytes()).unwrap());
            let answer = ietf.client.execute(request).await.unwrap();
            assert_eq!(answer.status(), 400, "{header}: {value:?}");
        }
        transcript!(service, r#"
            > GET /v1/assets
            < 200 {"assets": []}
        "#);
    }

    async fn headers_from_nowhere(service) {
        let ietf = Ietf::new(service);
        let id = ietf.create().await;
        let mut runner = TestRunner::deterministic();
        let pairs = prop::collection::vec((0..HEADERS.len(), "[ -~]{0,24}"), 1..4);
        for _ in 0..150 {
            let pairs = pairs.new_tree(&mut runner).unwrap().current();
            for (method, path) in [("POST", "/files".to_owned()), ("PATCH", format!("/files/{id}")), ("HEAD", format!("/files/{id}"))] {
                let mut request = ietf.request(method, &path);
                for (at, value) in &pairs {
                    request = request.header(HEADERS[*at], value.as_str());
                }
                let status = request.send().await.unwrap().status().as_u16();
                assert!(status < 500, "{method} {pairs:?}: {status}");
            }
        }
        assert_eq!(ietf.offset(&id).await, 0);
    }
}
