//! RFC 9530: items 28 to 30.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256, Sha512};

use super::{Ietf, chunked};
use crate::{on_both_services, transcript};

fn sha256(bytes: &[u8]) -> String {
    format!("sha-256=:{}:", BASE64.encode(Sha256::digest(bytes)))
}

fn sha512(bytes: &[u8]) -> String {
    format!("sha-512=:{}:", BASE64.encode(Sha512::digest(bytes)))
}

const MISMATCHED: &str = "https://iana.org/assignments/http-problem-types#digest-mismatched-values";
const INVALID: &str = "https://iana.org/assignments/http-problem-types#digest-invalid-values";

on_both_services! {
    async fn the_content_of_a_request(service) {
        let ietf = Ietf::new(service);
        let id = ietf.create().await;
        for digest in [sha256(b"other"), sha512(b"other"), format!("{}, {}", sha256(b"hello"), sha512(b"other"))] {
            let answer = ietf.patch(&id, 0, "?1", "hello").header("content-digest", digest).send().await.unwrap();
            assert_eq!(answer.status(), 400);
            assert_eq!(answer.headers()["upload-offset"], "0");
            assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["type"], MISMATCHED);
            assert_eq!(ietf.offset(&id).await, 0);
        }
        for (at, body, digest) in [(0, "hel", sha256(b"hel")), (3, "lo", sha512(b"lo")), (5, "!", "md5=:AAAA:".to_owned())] {
            let answer = ietf.patch(&id, at, "?0", body).header("content-digest", digest).send().await.unwrap();
            // The length was said by the first try: what came too short or too long after that is another matter.
            let expected = if at == 5 { 400 } else { 204 };
            assert_eq!(answer.status(), expected, "{at}");
        }
    }

    async fn a_creation_with_other_bytes_than_it_says_was_never_there(service) {
        transcript!(service, r#"
            > POST /files [hello]
            | upload-complete: ?1
            | content-digest: $other
            < 400 {"type": "$type"}
            > POST /files [hello]
            | upload-complete: ?1
            | content-digest: $hello
            < 201
            > GET /v1/assets?state=awaiting
            < 200 {"assets": []}
        "#, other = sha256(b"other"), hello = sha256(b"hello"), type = MISMATCHED);
    }

    async fn nonsense_is_refused(service) {
        for digest in ["sha-256=:AAAA:", "sha-256=x", "sha-512", "!", "sha-256=:%%%:", "sha-256=()"] {
            for header in ["content-digest", "repr-digest"] {
                let text = r#"
                    > POST /files [hello]
                    | upload-complete: ?1
                    | $header: $digest
                    < 400 {"type": "$type"}
                "#;
                transcript!(service, &text.replace("$header", header), digest = digest, type = INVALID);
            }
        }
        transcript!(service, r#"
            > GET /v1/assets
            < 200 {"assets": []}
        "#);
    }

    async fn who_wants_the_files_digest_is_told(service) {
        let ietf = Ietf::new(service);
        let bytes = chunked(vec![b"hel".to_vec(), b"lo".to_vec()], Duration::ZERO);
        let whole = ietf.request("POST", "/files").header("upload-complete", "?1").header("want-repr-digest", "sha-256=10");
        let answer = whole.body(bytes).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["repr-digest"].to_str().unwrap()), (201, &*sha256(b"hello")));

        let id = ietf.create().await;
        let first = ietf.patch(&id, 0, "?0", "hel").header("want-repr-digest", "sha-256=1").send().await.unwrap();
        assert_eq!((first.status().as_u16(), first.headers().get("repr-digest")), (204, None));
        let wish = "sha-512=10, sha-256=3";
        let last = ietf.patch(&id, 3, "?1", "lo").header("want-repr-digest", wish).send().await.unwrap();
        assert_eq!((last.status().as_u16(), last.headers()["repr-digest"].to_str().unwrap()), (200, &*sha256(b"hello")));
        for (wish, told) in [("sha-256=10", true), ("sha-256=0", false), ("nonsense(", false)] {
            let look = ietf.request("HEAD", &format!("/files/{id}")).header("want-repr-digest", wish).send().await.unwrap();
            let digest = look.headers().get("repr-digest").map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(digest, told.then(|| sha256(b"hello")), "{wish}");
        }
        let look = ietf.request("HEAD", &format!("/files/{id}")).send().await.unwrap();
        assert_eq!(look.headers().get("repr-digest"), None, "who does not ask is not told");
    }

    async fn the_whole_file(service) {
        let ietf = Ietf::new(service);
        for (digest, state) in [(sha256(b"hello"), "ready"), (sha256(b"other"), "rejected")] {
            let request = ietf.request("POST", "/files").header("upload-complete", "?0").header("repr-digest", digest);
            let answer = request.body("hel").send().await.unwrap();
            let id = answer.headers()["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned();
            let answer = ietf.send(&id, 3, "?1", chunked(vec![b"lo".to_vec()], Duration::ZERO)).await;
            assert_eq!(answer.status(), 200);
            let result: serde_json::Value = answer.json().await.unwrap();
            transcript!(service, r#"
                > GET /v1/assets/$asset?wait=20s&until=ready
                < 200 {"state": "$state"}
            "#, asset = result["asset"]["id"].as_str().unwrap(), state = state);
        }
    }
}
