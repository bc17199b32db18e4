//! Forms that do not carry one whole file: refused, nothing stored, and the grant as good as before.

use serde_json::Value;

use super::{FORM, form, post, ready};
use crate::on_both_services;
use crate::support::requests;
use crate::support::service::Service;

/// Where a grant for a file of its holder's choice takes a form.
async fn granted(service: &Service) -> String {
    let request = requests::client().post(format!("{}/v1/uploads", service.base)).bearer_auth(&service.admin);
    let opened = request.json(&serde_json::json!({ "max_size": 1_000_000 })).send().await.unwrap();
    let opened: Value = opened.json().await.unwrap();
    opened["endpoints"]["form"].as_str().unwrap().to_owned()
}

fn part(disposition: &str, content: &str) -> String {
    format!("--frontier\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n")
}

fn whole(parts: &[String]) -> Vec<u8> {
    format!("{}--frontier--\r\n", parts.concat()).into_bytes()
}

/// What the form is told: 400 and a sentence.
async fn refused(url: &str, body: Vec<u8>) -> String {
    let answer = post(url, body).await;
    assert_eq!(answer.status(), 400);
    let said: Value = answer.json().await.unwrap();
    said["message"].as_str().unwrap().to_owned()
}

/// The asset as it is, which nothing has happened to.
async fn untouched(service: &Service) {
    let request = requests::client().get(format!("{}/v1/assets", service.base)).bearer_auth(&service.admin);
    let list: Value = request.send().await.unwrap().json().await.unwrap();
    let asset = &list["assets"][0];
    assert_eq!((asset["state"].as_str(), asset["size"].as_u64()), (Some("awaiting"), Some(0)), "{asset}");
    assert_eq!(asset["filename"], "upload", "a file that was refused has not named it");
}

const FILE: &str = r#"name="file"; filename="a.txt""#;

on_both_services! {
    async fn no_file_or_more_than_one(service) {
        let url = granted(service).await;
        let unchosen = part(r#"name="file"; filename="""#, "");
        assert!(refused(&url, whole(&[part(r#"name="title""#, "x"), unchosen])).await.contains("none was chosen"));
        assert!(refused(&url, whole(&[part(r#"name="file""#, "{}")])).await.contains("with a filename"));
        let two = [part(FILE, "one"), part(r#"name="file"; filename="b.txt""#, "two")];
        assert!(refused(&url, whole(&two)).await.contains("more than one file"));
        // Larger than what the connection delivers at once: the first has been read to its end by then.
        let large = [part(FILE, &"1".repeat(900_000)), part(r#"name="file"; filename="b.txt""#, "two")];
        assert!(refused(&url, whole(&large)).await.contains("more than one file"));
        let other = [part(r#"name="cover"; filename="c.png""#, "png"), part(FILE, "one")];
        assert!(refused(&url, whole(&other)).await.contains("in the field cover"));
        untouched(service).await;
        // As FilePond sends it: what is known of the file under the same name, and then the file.
        let last = [part(r#"name="file""#, "{}"), part(r#"name="file"; filename="C:\fakepath\b%22%25.txt""#, "hello")];
        assert_eq!(post(&url, whole(&last)).await.status(), 200);
        let asset = ready(service).await;
        assert_eq!((asset["filename"].as_str(), asset["size"].as_u64()), (Some("b\"%25.txt"), Some(5)));
    }

    async fn a_part_of_a_file(service) {
        let url = granted(service).await;
        for fields in [
            [("dzchunkindex", "0"), ("dztotalchunkcount", "3")],
            [("resumableChunkNumber", "1"), ("resumableTotalChunks", "3")],
            [("flowChunkNumber", "1"), ("flowTotalChunks", "3")],
        ] {
            let said = refused(&url, form(&fields, b"the first")).await;
            assert!(said.contains("/tus") && said.contains("/files"), "{said}");
            let query: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
            refused(&format!("{url}?{}", query.join("&")), form(&[], b"the first")).await;
        }
        let client = requests::client();
        let send = async |name: &str, value: &str| {
            let request = client.post(&url).header("content-type", FORM).header(name, value);
            request.body(form(&[], b"hello")).send().await.unwrap().status()
        };
        for (name, value) in [("content-range", "bytes 0-4/15"), ("content-range", "bytes 0-3/4"), ("content-range", "x"),
            ("upload-offset", "5"), ("upload-complete", "?0"), ("upload-incomplete", "?1")] {
            assert_eq!(send(name, value).await, 400, "{name}: {value}");
        }
        untouched(service).await;
        assert_eq!(send("content-range", "bytes 0-4/5").await, 200);
        assert_eq!(ready(service).await["size"], 5);
    }

    async fn the_only_part_is_the_file(service) {
        let url = granted(service).await;
        let fields = [("dzchunkindex", "0"), ("dztotalchunkcount", "1"), ("dztotalfilesize", "5")];
        assert_eq!(post(&url, form(&fields, b"hello")).await.status(), 200);
        assert_eq!(ready(service).await["size"], 5);
    }

    async fn what_a_refused_file_was_called_is_forgotten(service) {
        let url = granted(service).await;
        let body = whole(&[part(FILE, &"x".repeat(1_000_001))]);
        assert_eq!(post(&url, body).await.status(), 413);
        untouched(service).await;
        let body = whole(&[part(FILE, "short")]);
        assert!(refused(&url, body[..body.len() - 6].to_vec()).await.contains("closing boundary"));
        untouched(service).await;
        let body = whole(&[part(r#"name="file"; filename="b.txt""#, "right")]);
        assert_eq!(post(&url, body).await.status(), 200);
        assert_eq!(ready(service).await["filename"], "b.txt");
    }
}
