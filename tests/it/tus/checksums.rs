//! Checksums: an append counts as a whole or not at all. Items 31 to 33 of the checklist.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Tus;
use crate::support::transcript::noise;
use crate::{on_both_services, transcript};

fn sha256(bytes: &[u8]) -> String {
    use base64::Engine;
    use sha2::Digest;
    format!("sha256 {}", base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(bytes)))
}

/// Sends a chunked body with a trailer, as no HTTP library of ours does; returns the status.
async fn with_trailer(tus: &Tus, id: &str, body: &str, trailer: &str) -> u16 {
    let mut stream = tokio::net::TcpStream::connect(tus.base.strip_prefix("http://").unwrap()).await.unwrap();
    let request = format!(
        "PATCH /tus/{id} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ntus-resumable: 1.0.0\r\nconnection: close\r\n\
         content-type: application/offset+octet-stream\r\nupload-offset: 0\r\ntransfer-encoding: chunked\r\n\
         trailer: Upload-Checksum\r\n\r\n{:x}\r\n{body}\r\n0\r\n{trailer}\r\n",
        tus.key,
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

on_both_services! {
    async fn every_algorithm(service) {
        for (algorithm, good) in [
            ("sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00="),
            ("sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
            ("md5", "XUFAKrxLKna5cZ2REBfFkg=="),
            ("crc32", "NhCmhg=="),
        ] {
            let bad = good.replace(&good[..1], "B");
            transcript!(service, r#"
                ~ tus-resumable: 1.0.0
                ~ content-type: application/offset+octet-stream
                ~ authorization: Bearer $admin
                > POST /tus
                | upload-length: 10
                < 201
                | location: $url
                > PATCH $url [hello]
                | upload-offset: 0
                | upload-checksum: $algorithm $bad
                < 460 {"code": "checksum_mismatch"}
                > HEAD $url
                < 200
                | upload-offset: 0
                > PATCH $url [hello]
                | upload-offset: 0
                | upload-checksum: $algorithm $good
                < 204
                | upload-offset: 5
                > PATCH $url [hello]
                | upload-offset: 5
                | upload-checksum: $algorithm $bad
                < 460
                > PATCH $url [hello]
                | upload-offset: 5
                | upload-checksum: $algorithm $good
                < 204
                | upload-offset: 10
            "#, algorithm = algorithm, good = good, bad = bad, admin = service.admin);
        }
    }

    async fn nonsense_is_400(service) {
        for nonsense in ["sha512 AAAA", "sha1", "sha1 AAAA", "sha256 !!"] {
            transcript!(service, r#"
                ~ tus-resumable: 1.0.0
                ~ content-type: application/offset+octet-stream
                ~ upload-checksum: $nonsense
                > POST /tus [hello]
                | upload-length: 5
                < 400
                > GET /v1/assets
                < 200 {"assets": []}
            "#, nonsense = nonsense);
        }
    }

    async fn with_the_creation(service) {
        transcript!(service, r#"
            ~ tus-resumable: 1.0.0
            ~ content-type: application/offset+octet-stream
            > POST /tus [jello]
            | upload-length: 5
            | upload-checksum: sha256 LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=
            < 460
            > POST /tus [hello]
            | upload-length: 5
            | upload-checksum: sha256 LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=
            < 201
            | upload-offset: 5
        "#);
    }

    async fn a_large_append_counts_as_a_whole_or_not_at_all(service) {
        let tus = Tus::new(service);
        let bytes = noise(60_000_000, 9);
        let id = tus.create(60_000_000).await;
        assert_eq!(tus.send(&id, 0, bytes[..1000].to_vec()).await.status(), 204);
        let rest = &bytes[1000..];
        let wrong = tus.patch(&id, 1000, rest.to_vec()).header("upload-checksum", sha256(b"else")).send().await.unwrap();
        assert_eq!(wrong.status(), 460);
        assert_eq!(tus.offset(&id).await, 1000);
        let half = tus.patch(&id, 1000, rest[..30_000_000].to_vec());
        assert_eq!(half.header("upload-checksum", sha256(&rest[..30_000_000])).send().await.unwrap().status(), 204);
        assert_eq!(tus.offset(&id).await, 30_001_000);
        let rest = &bytes[30_001_000..];
        let end = tus.patch(&id, 30_001_000, rest.to_vec()).header("upload-checksum", sha256(rest));
        assert_eq!(end.send().await.unwrap().status(), 204);
        assert!(tus.content(&id).await == bytes);
    }

    async fn in_a_trailer(service) {
        let tus = Tus::new(service);
        let good = "Upload-Checksum: sha256 LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=\r\n";
        let id = tus.create(5).await;
        assert_eq!(with_trailer(&tus, &id, "jello", good).await, 460);
        assert_eq!(tus.offset(&id).await, 0);
        // Announced and not sent, or not to be understood: nothing counts.
        assert_eq!(with_trailer(&tus, &id, "hello", "").await, 460);
        assert_eq!(with_trailer(&tus, &id, "hello", "Upload-Checksum: nonsense\r\n").await, 460);
        assert_eq!(tus.offset(&id).await, 0);
        assert_eq!(with_trailer(&tus, &id, "hello", good).await, 204);
        assert_eq!(tus.content(&id).await, "hello");
    }
}
