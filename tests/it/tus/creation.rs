//! Creation in all its forms: items 21 to 29 of the checklist.

use super::Tus;
use crate::support::transcript::noise;
use crate::{on_both_services, transcript};

on_both_services! {
    async fn an_empty_file_is_complete_at_once(service) {
        transcript!(service, r#"
            ~ tus-resumable: 1.0.0
            > POST /tus
            | upload-length: 0
            | upload-metadata: filename ZW1wdHk=
            < 201
            | upload-offset: 0
            > GET /v1/assets
            < 200 {"assets": [{"id": "$asset", "filename": "empty", "size": 0}]}
            > GET /v1/assets/$asset?wait=20s&until=ready
            < 200 {"state": "ready"}
        "#);
    }

    async fn lengths_are_said_one_way(service) {
        for (length, defer, status) in
            [("", "", 400), ("5", "1", 400), ("", "2", 400), ("", "0", 400), ("-5", "", 400), ("5x", "", 400), ("60000000000000", "", 413)]
        {
            let mut request = Tus::new(service).request("POST", "/tus");
            for (name, value) in [("upload-length", length), ("upload-defer-length", defer)] {
                if !value.is_empty() {
                    request = request.header(name, value);
                }
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), status, "{length:?} {defer:?}");
            assert_eq!(answer.headers()["tus-resumable"], "1.0.0");
        }
        transcript!(service, r#"
            > GET /v1/assets
            < 200 {"assets": []}
        "#);
    }

    async fn metadata_is_read_and_echoed(service) {
        for (metadata, status) in
            [("a YQ==,a Yg==", 400), ("a !!", 400), (",", 400), ("filename w6QudHh0,empty ,n bnVsbA==", 201), ("filename Li4vLi4vZXRjL3Bhc3N3ZA==", 201)]
        {
            transcript!(service, r#"
                ~ tus-resumable: 1.0.0
                > POST /tus
                | upload-length: 5
                | upload-metadata: $metadata
                < $status
            "#, metadata = metadata, status = status);
            service.advance(std::time::Duration::from_secs(1));
        }
        transcript!(service, r#"
            > GET /v1/assets
            < 200 {"assets": [{"filename": "passwd"}, {"filename": "ä.txt", "metadata": {"empty": "", "n": "null"}}]}
        "#);
        // tuspy sends the header although it has nothing to say.
        let answer = Tus::new(service).request("POST", "/tus").header("upload-length", 5).header("upload-metadata", "");
        assert_eq!(answer.send().await.unwrap().status(), 201);
        let big = format!("x {}", "YWJj".repeat(8000));
        let answer = Tus::new(service).request("POST", "/tus").header("upload-length", 5).header("upload-metadata", big);
        assert_eq!(answer.send().await.unwrap().status(), 400);
    }

    async fn bytes_come_along(service) {
        transcript!(service, r#"
            ~ tus-resumable: 1.0.0
            ~ content-type: application/offset+octet-stream
            > POST /tus [hello world]
            | upload-length: 11
            | upload-metadata: name YS50eHQ=,type dGV4dC9odG1s
            < 201
            | upload-offset: 11
            | upload-expires:
        "#);
        // Rows are listed by their time.
        service.advance(std::time::Duration::from_secs(1));
        transcript!(service, r#"
            ~ tus-resumable: 1.0.0
            ~ content-type: application/offset+octet-stream
            > POST /tus [hello]
            | upload-length: 11
            | authorization: Bearer $admin
            < 201
            | upload-offset: 5
            | location: $url
            > PATCH $url [ world]
            | upload-offset: 5
            | authorization: Bearer $admin
            < 204
            | upload-offset: 11
            > POST /tus [hello world]
            | upload-length: 5
            < 413
            > POST /tus [hello]
            | upload-length: 5
            | content-type: text/plain
            < 415
            > GET /v1/assets
            < 200 {"assets": [{"id": "$second"}, {"id": "$first", "filename": "a.txt", "declared_content_type": "text/html"}]}
            > GET /v1/assets/$second?wait=20s&until=ready
            < 200 {"state": "ready"}
            > GET /v1/assets/$first?wait=20s&until=ready
            < 200 {"state": "ready"}
            > GET /v1/assets/$second/content?delivery=stream
            < 200 [hello world]
        "#, admin = service.admin);
    }

    async fn a_large_file_by_one_request(service) {
        let tus = Tus::new(service);
        let bytes = noise(30_000_001, 7);
        let request = tus.request("POST", "/tus").header("upload-length", bytes.len());
        let answer = request.header("content-type", super::core::CONTENT).body(bytes.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        assert_eq!(answer.headers()["upload-offset"], "30000001");
        let id = answer.headers()["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned();
        assert!(tus.content(&id).await == bytes);
    }

    async fn a_length_may_come_late(service) {
        let names = transcript!(service, r#"
            ~ tus-resumable: 1.0.0
            ~ authorization: Bearer $admin
            ~ content-type: application/offset+octet-stream
            > POST /tus
            | upload-defer-length: 1
            < 201
            | location: $url
            | upload-offset: 0
            > HEAD $url
            < 200
            | upload-offset: 0
            | upload-defer-length: 1
            | upload-length:
            > PATCH $url [hello ]
            | upload-offset: 0
            < 204
            > PATCH $url []
            | upload-offset: 6
            | upload-length: 5
            < 400
            > PATCH $url [wor]
            | upload-offset: 6
            | upload-length: 11
            < 204
            | upload-offset: 9
            > HEAD $url
            < 200
            | upload-length: 11
            | upload-defer-length:
            > PATCH $url [ld]
            | upload-offset: 9
            | upload-length: 12
            < 400
            > PATCH $url [ld]
            | upload-offset: 9
            | upload-length: 11
            < 204
            | upload-offset: 11
        "#, admin = service.admin);
        let id = names["url"].rsplit('/').next().unwrap();
        assert_eq!(Tus::new(service).content(id).await, "hello world");
        transcript!(service, r#"
            > GET /v1/assets
            < 200 {"assets": [{"size": 11}]}
        "#);
    }

    async fn a_length_may_come_with_the_last_of_large_pieces(service) {
        // Where the parts of the plan for the length are as large as what is at the store already, and around it.
        let half = 8 << 20;
        for (first, size) in [(half, 2 * half), (half, 2 * half - 1), (half, 2 * half + 1), (5 << 20, 10 << 20)] {
            let tus = Tus::new(service);
            let bytes = noise(size, 9);
            let cut = usize::try_from(first).unwrap();
            let created = tus.request("POST", "/tus").header("upload-defer-length", 1).send().await.unwrap();
            let id = created.headers()["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned();
            assert_eq!(tus.send(&id, 0, bytes[..cut].to_vec()).await.status(), 204);
            let last = tus.patch(&id, first, bytes[cut..].to_vec()).header("upload-length", size).send().await.unwrap();
            assert_eq!(last.status(), 204, "{first} of {size}");
            assert!(tus.content(&id).await == bytes);
            // Bytes beyond the length are refused where the last part is whole already.
            let created = tus.request("POST", "/tus").header("upload-length", first).send().await.unwrap();
            let id = created.headers()["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned();
            assert_eq!(tus.send(&id, 0, bytes[..=cut].to_vec()).await.status(), 413, "{first} of {first}");
        }
    }

    async fn an_empty_patch_may_bring_the_length(service) {
        for size in [0, 5, 9_000_000, 40_000_000] {
            let tus = Tus::new(service);
            let bytes = noise(size, 8);
            let created = tus.request("POST", "/tus").header("upload-defer-length", 1).send().await.unwrap();
            let id = created.headers()["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned();
            if size > 0 {
                assert_eq!(tus.send(&id, 0, bytes.clone()).await.status(), 204);
            }
            assert_eq!(tus.offset(&id).await, size);
            let ended = tus.patch(&id, size, "").header("upload-length", size).send().await.unwrap();
            assert_eq!(ended.status(), 204, "{size}");
            assert!(tus.content(&id).await == bytes);
        }
    }
}
