//! Offset retrieval, appends, cancellation, and what happens when two want the same upload: items 12 to 26.

use std::time::Duration;

use super::{Ietf, chunked};
use crate::support::patience::{eventually_some, in_time};
use crate::support::service::Service;
use crate::support::transcript::{Names, noise};
use crate::{on_both_services, transcript};

const OFFSET: &str = "https://iana.org/assignments/http-problem-types#mismatching-upload-offset";
const LENGTH: &str = "https://iana.org/assignments/http-problem-types#inconsistent-upload-length";

/// A fresh upload of eleven bytes.
async fn eleven(service: &Service) -> Names {
    transcript!(
        service,
        r"
        > POST /files
        | upload-complete: ?0
        | upload-length: 11
        < 201
        | location: $url
    "
    )
}

fn id(names: &Names) -> String {
    names["url"].rsplit('/').next().unwrap().to_owned()
}

on_both_services! {
    async fn the_end_is_said_not_counted(service) {
        let names = eleven(service).await;
        transcript!(service, r#"
            ~ authorization: Bearer $admin
            ~ content-type: application/partial-upload
            > PATCH $url [hello ]
            | upload-offset: 0
            | upload-complete: ?0
            < 204
            | upload-offset: 6
            | upload-complete: ?0
            > PATCH $url []
            | upload-offset: 6
            | upload-complete: ?0
            < 204
            > PATCH $url [world]
            | upload-offset: 6
            | upload-complete: ?0
            < 204
            | upload-offset: 11
            | upload-complete: ?0
            > HEAD $url
            < 204
            | upload-offset: 11
            | upload-complete: ?0
            > PATCH $url []
            | upload-offset: 11
            | upload-complete: ?1
            < 200 {"upload": {"size": 11, "state": "completed"}, "asset": {"id": "$asset"}}
            | upload-offset: 11
            | upload-complete: ?1
            | upload-limit: max-size=50000000000000
            > HEAD $url
            < 204
            | upload-offset: 11
            | upload-length: 11
            | upload-complete: ?1
            > GET /v1/assets/$asset?wait=20s&until=ready
            < 200 {"state": "ready"}
            > GET /v1/assets/$asset/content?delivery=stream
            < 200 [hello world]
        "#, url = names["url"]);
    }

    async fn a_lost_final_answer_is_given_again(service) {
        let names = eleven(service).await;
        transcript!(service, r#"
            ~ authorization: Bearer $admin
            ~ content-type: application/partial-upload
            ~ upload-complete: ?1
            > PATCH $url [hello world]
            | upload-offset: 0
            < 200 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}}
            > PATCH $url []
            | upload-offset: 11
            < 200 {"upload": {"id": "$upload", "state": "completed", "size": 11}, "asset": {"id": "$asset"}}
            | upload-complete: ?1
            | upload-offset: 11
            > PATCH $url [hello world]
            | upload-offset: 0
            < 409 {"code": "completed"}
            | upload-complete: ?1
            | upload-offset: 11
            > PATCH $url [more]
            | upload-offset: 11
            | upload-draft-interop-version: 8
            < 400 {"type": "https://iana.org/assignments/http-problem-types#completed-upload"}
            | upload-complete: ?1
            | upload-offset: 11
        "#, url = names["url"]);
    }

    async fn a_wrong_offset_is_told_the_right_one(service) {
        let names = eleven(service).await;
        transcript!(service, r#"
            ~ authorization: Bearer $admin
            ~ content-type: application/partial-upload
            ~ upload-complete: ?0
            > PATCH $url [hello]
            | upload-offset: 0
            < 204
            > PATCH $url [hello]
            | upload-offset: 0
            < 409 {"type": "$type", "expected-offset": 5, "provided-offset": 0, "status": 409}
            | content-type: application/problem+json
            | upload-complete: ?0
            | upload-offset: 5
            > PATCH $url [hello]
            | upload-offset: 6
            < 409 {"type": "$type", "expected-offset": 5, "provided-offset": 6}
            > HEAD $url
            | content-type: x/y
            | upload-complete: ?0
            < 400
        "#, url = names["url"], type = OFFSET);
    }

    async fn a_byte_too_many_makes_it_void(service) {
        for body in ["hello world!", "hello world, and much more"] {
            for announced in [true, false] {
                let names = eleven(service).await;
                let ietf = Ietf::new(service);
                let answer = if announced {
                    ietf.send(&id(&names), 0, "?0", body).await
                } else {
                    ietf.send(&id(&names), 0, "?1", chunked(vec![body.as_bytes().to_vec()], Duration::ZERO)).await
                };
                assert_eq!((answer.status().as_u16(), &answer.headers()["upload-complete"]), (400, &"?0".parse().unwrap()));
                let problem: serde_json::Value = answer.json().await.unwrap();
                assert_eq!(problem["type"], LENGTH);
                let gone = ietf.request("HEAD", &format!("/files/{}", id(&names))).send().await.unwrap();
                assert_eq!(gone.status(), 404);
            }
        }
        transcript!(service, r#"
            > GET /v1/assets?state=ready
            < 200 {"assets": []}
        "#);
    }

    async fn too_short_an_end_is_no_end(service) {
        let ietf = Ietf::new(service);
        for announced in [true, false] {
            let names = eleven(service).await;
            let answer = if announced {
                ietf.send(&id(&names), 0, "?1", "hello").await
            } else {
                ietf.send(&id(&names), 0, "?1", chunked(vec![b"hello".to_vec()], Duration::ZERO)).await
            };
            assert_eq!((answer.status().as_u16(), &answer.headers()["upload-complete"]), (400, &"?0".parse().unwrap()));
            assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["type"], LENGTH);
            let at = ietf.offset(&id(&names)).await;
            let rest = &b"hello world"[usize::try_from(at).unwrap()..];
            assert_eq!(ietf.send(&id(&names), at, "?1", rest.to_vec()).await.status(), 200);
            assert_eq!(ietf.content(&id(&names)).await, "hello world");
        }
    }

    async fn the_length_is_learned_from_the_last_request(service) {
        let ietf = Ietf::new(service);
        let id = ietf.create().await;
        assert_eq!(ietf.send(&id, 0, "?0", "hello ").await.status(), 204);
        ietf.cut(&id, 6, b"wor", 5).await;
        ietf.offset_becomes(&id, 9).await;
        transcript!(service, r#"
            ~ content-type: application/partial-upload
            > HEAD /files/$id
            < 204
            | content-type:
            | upload-length: 11
            > PATCH /files/$id [ld!]
            | upload-offset: 9
            | upload-complete: ?0
            | upload-length: 12
            < 400 {"type": "https://iana.org/assignments/http-problem-types#inconsistent-upload-length"}
            | upload-offset: 9
            > PATCH /files/$id [ld]
            | upload-offset: 9
            | upload-complete: ?1
            < 200
        "#, id = id);
        assert_eq!(ietf.content(&id).await, "hello world");
    }

    async fn a_broken_connection_keeps_every_byte(service) {
        let (ietf, bytes) = (Ietf::new(service), noise(20_000_000, 41));
        let id = ietf.create().await;
        ietf.cut(&id, 0, &bytes[..11_111_111], 20_000_000).await;
        ietf.offset_becomes(&id, 11_111_111).await;
        assert_eq!(ietf.send(&id, 11_111_111, "?1", bytes[11_111_111..].to_vec()).await.status(), 200);
        assert!(ietf.content(&id).await == bytes);
    }

    async fn whoever_asks_where_to_go_on_ends_the_transfer(service) {
        let (ietf, bytes) = (Ietf::new(service), noise(3_000_000, 42));
        let id = ietf.create().await;
        let held = ietf.begun(&id, 0, &bytes[..1_000_000], 3_000_000).await;
        // What is under way is made safe, and what is told is what counts from then on.
        let some = async || Some(ietf.offset(&id).await).filter(|at| *at > 0);
        let at = eventually_some("some of it is there", some).await;
        let rest = bytes[usize::try_from(at).unwrap()..].to_vec();
        let answer = ietf.send(&id, at, "?1", rest).await;
        assert_eq!(answer.status(), 200, "{at}");
        drop(held);
        assert!(ietf.content(&id).await == bytes);
    }

    async fn two_appends_at_once_are_never_both(service) {
        let (ietf, bytes) = (Ietf::new(service), noise(4_000_000, 43));
        let id = ietf.create().await;
        let slow = chunked(bytes.chunks(400_000).map(<[u8]>::to_vec).collect(), Duration::from_millis(40));
        let first = tokio::spawn(ietf.patch(&id, 0, "?1", slow).send());
        tokio::time::sleep(Duration::from_millis(150)).await;
        let second = ietf.send(&id, 0, "?1", bytes.clone()).await.status().as_u16();
        let first = first.await.unwrap().map_or(0, |answer| answer.status().as_u16());
        assert!(!(first == 200 && second == 200), "{first} {second}");
        if first != 200 && second != 200 {
            let at = ietf.offset(&id).await;
            assert_eq!(ietf.send(&id, at, "?1", bytes[usize::try_from(at).unwrap()..].to_vec()).await.status(), 200);
        }
        assert!(ietf.content(&id).await == bytes);
    }

    async fn cancellation(service) {
        let names = eleven(service).await;
        let ietf = Ietf::new(service);
        let mut held = ietf.begun(&id(&names), 0, b"hello", 11).await;
        transcript!(service, r#"
            ~ authorization: Bearer $admin
            > DELETE $url
            | upload-offset: 5
            < 400
            > DELETE $url
            < 204
            > HEAD $url
            < 404
            > GET $url
            < 404
            > DELETE $url
            < 404
            > PATCH $url [x]
            | content-type: application/partial-upload
            | upload-offset: 0
            | upload-complete: ?0
            < 404
        "#, url = names["url"]);
        // Whoever was sending is let go.
        let mut answer = Vec::new();
        let read = tokio::io::AsyncReadExt::read_buf(&mut held, &mut answer);
        let _ = in_time("a transfer of what was cancelled", read).await;
    }

    async fn methods_may_be_overridden_and_others_are_refused(service) {
        let names = eleven(service).await;
        transcript!(service, r#"
            ~ authorization: Bearer $admin
            > POST $url [hello]
            | x-http-method-override: PATCH
            | content-type: application/partial-upload
            | upload-offset: 0
            | upload-complete: ?0
            < 204
            | upload-offset: 5
            > POST $url
            < 405
            | allow: OPTIONS, HEAD, GET, PATCH, DELETE
            > PUT $url
            < 405
            > PUT /files
            < 405
            | allow: OPTIONS, POST
            > GET /files
            < 405
        "#, url = names["url"]);
    }

    async fn the_unknown_and_the_expired_are_404(service) {
        let names = eleven(service).await;
        service.advance(Duration::from_secs(7 * 24 * 3600));
        let nobody = format!("{}/files/01900000-0000-7000-8000-000000000000", service.base);
        for url in [&names["url"], &nobody, &format!("{}/files/x", service.base)] {
            transcript!(service, r#"
                ~ authorization: Bearer $admin
                > HEAD $url
                < 404
                | upload-offset:
                > PATCH $url [hello]
                | content-type: application/partial-upload
                | upload-offset: 0
                | upload-complete: ?0
                < 404
                > DELETE $url
                < 404
            "#, url = url);
        }
    }
}
