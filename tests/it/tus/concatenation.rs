//! Files made of pieces: items 35 to 39 of the checklist.

use super::Tus;
use crate::support::transcript::noise;
use crate::{on_both_services, transcript};

async fn piece(tus: &Tus, bytes: &[u8]) -> String {
    let request = tus.request("POST", "/tus").header("upload-length", bytes.len()).header("upload-concat", "partial");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let url = answer.headers()["location"].to_str().unwrap().to_owned();
    if !bytes.is_empty() {
        let id = url.rsplit('/').next().unwrap();
        assert_eq!(tus.send(id, 0, bytes.to_vec()).await.status(), 204);
    }
    url
}

async fn join(tus: &Tus, urls: &[&str]) -> reqwest::Response {
    let request = tus.request("POST", "/tus").header("upload-concat", format!("final;{}", urls.join(" ")));
    request.header("upload-metadata", "filename am9pbmVk").send().await.unwrap()
}

on_both_services! {
    async fn pieces_become_a_file(service) {
        let tus = Tus::new(service);
        let bytes = noise(30_000_000, 10);
        let (one, two, none) = (piece(&tus, &bytes[..17_000_000]).await, piece(&tus, &bytes[17_000_000..]).await, piece(&tus, b"").await);
        transcript!(service, r#"
            ~ tus-resumable: 1.0.0
            ~ authorization: Bearer $admin
            > HEAD $one
            < 200
            | upload-concat: partial
            | upload-offset: 17000000
            > GET /v1/assets
            < 200 {"assets": []}
        "#, one = one, admin = service.admin);
        let relative = format!("/tus/{}", two.rsplit('/').next().unwrap());
        let made = join(&tus, &[&one, &none, &relative]).await;
        assert_eq!(made.status(), 201);
        let url = made.headers()["location"].to_str().unwrap().to_owned();
        let again = join(&tus, &[&one, &none, &relative]).await;
        assert_eq!(again.headers()["location"], url, "a client that lost the answer gets the same file");
        transcript!(service, r#"
            ~ tus-resumable: 1.0.0
            ~ authorization: Bearer $admin
            > HEAD $url
            < 200
            | upload-length: 30000000
            | upload-offset: 30000000
            | upload-concat: final;$one $none $two
            | upload-metadata: filename am9pbmVk
            > PATCH $url [x]
            | content-type: application/offset+octet-stream
            | upload-offset: 30000000
            < 403
            > GET /v1/assets
            < 200 {"assets": [{"filename": "joined", "size": 30000000}]}
        "#, url = url, one = one, none = none, two = relative, admin = service.admin);
        assert!(tus.content(url.rsplit('/').next().unwrap()).await == bytes);
        assert_eq!(tus.offset(one.rsplit('/').next().unwrap()).await, 17_000_000);
    }

    async fn one_piece_several_times_and_in_several_files(service) {
        let tus = Tus::new(service);
        let (hello, world) = (piece(&tus, b"hello ").await, piece(&tus, b"world").await);
        let files = [vec![&*hello, &hello, &world], vec![&*world, &hello]];
        let mut made = Vec::new();
        for urls in &files {
            let url = join(&tus, urls).await.headers()["location"].to_str().unwrap().to_owned();
            made.push(url.rsplit('/').next().unwrap().to_owned());
        }
        assert_eq!(tus.content(&made[0]).await, "hello hello world");
        assert_eq!(tus.content(&made[1]).await, "worldhello ");
        transcript!(service, r#"
            ~ tus-resumable: 1.0.0
            > DELETE /tus/$first
            < 204
            > DELETE $hello
            | authorization: Bearer $admin
            < 204
        "#, first = made[0], hello = hello, admin = service.admin);
        assert_eq!(tus.content(&made[1]).await, "worldhello ");
    }

    async fn what_is_no_finished_piece_is_refused(service) {
        let tus = Tus::new(service);
        let (good, whole) = (piece(&tus, b"hello").await, format!("/tus/{}", tus.create(5).await));
        let unfinished = tus.request("POST", "/tus").header("upload-length", 5).header("upload-concat", "partial").send().await.unwrap();
        let unfinished = unfinished.headers()["location"].to_str().unwrap();
        let unknown = "/tus/01900000-0000-7000-8000-000000000000";
        for bad in [&*whole, unfinished, unknown, "https://evil.example/x", "/etc/passwd", ""] {
            let urls = if bad.is_empty() { vec![] } else { vec![&*good, bad] };
            let refused = join(&tus, &urls).await;
            assert_eq!(refused.status(), 400, "{bad}");
        }
        transcript!(service, r#"
            ~ tus-resumable: 1.0.0
            > POST /tus
            | upload-concat: final;$good
            | upload-length: 5
            < 400
            > POST /tus
            | upload-concat: nonsense
            | upload-length: 5
            < 400
        "#, good = good);
    }
}
