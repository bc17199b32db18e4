//! File names in scripts of several bytes a character, by every route: 255 characters are kept as they are, and what is
//! longer is refused, or shortened in front of its extension.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::on_both_services;
use crate::support::requests;
use crate::support::service::Service;

fn ask(service: &Service, method: &str, url: &str) -> RequestBuilder {
    let url = if url.starts_with('/') { format!("{}{url}", service.base) } else { url.to_owned() };
    let method: Method = method.parse().unwrap();
    requests::client().request(method, url).bearer_auth(&service.admin)
}

async fn json_of(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Opens an upload of one byte natively with this name.
async fn open(service: &Service, wish: Value) -> (u16, Value) {
    json_of(ask(service, "POST", "/v1/uploads").body(wish.to_string())).await
}

/// The name of the newest asset.
async fn newest(service: &Service) -> String {
    let (_, page) = json_of(ask(service, "GET", "/v1/assets?limit=1")).await;
    page["assets"][0]["filename"].as_str().unwrap().to_owned()
}

/// Brings a file of one byte with this name by one of the routes that take whatever a client calls a name.
async fn bring(service: &Service, route: &str, name: &str) -> String {
    // Newest first goes by the clock, which stands still.
    service.advance(Duration::from_millis(2));
    let percent = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string();
    let answer = match route {
        "tus" => {
            let metadata = format!("filename {}", BASE64.encode(name));
            let request = ask(service, "POST", "/tus").header("tus-resumable", "1.0.0").header("upload-length", 1);
            request.header("upload-metadata", metadata).send().await.unwrap()
        }
        "files" => {
            let disposition = format!("attachment; filename*=UTF-8''{percent}");
            ask(service, "POST", "/files").header("content-disposition", disposition).body("x").send().await.unwrap()
        }
        "companion" => {
            let wish = json!({"filename": name, "type": "text/plain"});
            ask(service, "POST", "/s3/multipart").body(wish.to_string()).send().await.unwrap()
        }
        "params" => {
            ask(service, "GET", &format!("/s3/params?filename={percent}&type=text/plain")).send().await.unwrap()
        }
        _ => {
            let (_, granted) = open(service, json!({"max_size": 1})).await;
            let form = format!(
                "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\nx\r\n--x--\r\n"
            );
            let url = granted["endpoints"]["form"].as_str().unwrap();
            let request = ask(service, "POST", url).header("content-type", "multipart/form-data; boundary=x");
            request.body(form).send().await.unwrap()
        }
    };
    assert!(answer.status().is_success(), "{route}: {}", answer.text().await.unwrap());
    newest(service).await
}

on_both_services! {
    async fn as_many_characters_as_file_systems_take(service) {
        let most = format!("{}가나다.pdf", "보고서の".repeat(62));
        assert_eq!((most.chars().count(), most.len()), (255, 757));
        let (status, opened) = open(service, json!({"filename": most, "size": 1})).await;
        assert_eq!((status, opened["asset"]["filename"].as_str()), (201, Some(most.as_str())), "{opened}");
        for route in ["tus", "files", "companion", "params", "form"] {
            assert_eq!(bring(service, route, &most).await, most, "{route}");
        }
        let longer = format!("가{most}");
        let (status, refused) = open(service, json!({"filename": longer, "size": 1})).await;
        assert_eq!((status, refused["field"].as_str()), (422, Some("filename")));
        assert!(refused["detail"].as_str().unwrap().contains("255 characters"), "{refused}");
        for route in ["tus", "files", "companion", "params", "form"] {
            let kept = bring(service, route, &longer.replace(".pdf", ".tar.gz")).await;
            assert!(kept.ends_with(".tar.gz") && kept.chars().count() == 255, "{route}: {kept}");
        }
    }

    async fn they_come_out_as_they_went_in(service) {
        let name = format!("{}.txt", "報告書".repeat(83));
        let (_, opened) = open(service, json!({"filename": name, "size": 5})).await;
        let id = opened["asset"]["id"].as_str().unwrap();
        let url = opened["put"]["url"].as_str().unwrap();
        let put = requests::client().put(url).header("if-none-match", "*").body("hello").send().await.unwrap();
        assert_eq!(put.status(), 200);
        let complete = format!("/v1/uploads/{}/complete", opened["upload"]["id"].as_str().unwrap());
        assert_eq!(ask(service, "POST", &complete).send().await.unwrap().status(), 200);
        let (_, ready) = json_of(ask(service, "GET", &format!("/v1/assets/{id}?wait=30s&until=ready"))).await;
        assert_eq!(ready["state"], "ready");
        // Streamed, and by a redirect to the store that signs the header.
        for query in ["?delivery=stream", ""] {
            let answer = ask(service, "GET", &format!("/v1/assets/{id}/content{query}")).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{query}");
            let disposition = answer.headers()["content-disposition"].to_str().unwrap().to_owned();
            let coded = disposition.split_once("filename*=UTF-8''").unwrap().1;
            let told = percent_encoding::percent_decode_str(coded).decode_utf8().unwrap().into_owned();
            assert_eq!(told, name, "{query}");
        }
        let wish = json!({"assets": [id], "name": "all"});
        let (status, collection) = json_of(ask(service, "POST", "/v1/collections").body(wish.to_string())).await;
        assert_eq!(status, 201, "{collection}");
        let archive = requests::get(collection["url"].as_str().unwrap()).await.unwrap().bytes().await.unwrap();
        let member = usize::from(u16::from_le_bytes([archive[26], archive[27]]));
        let named = std::str::from_utf8(&archive[30..30 + member]).unwrap();
        assert!(named.len() <= 255 && named.ends_with(".txt") && named.len() > 250, "{named}");
    }
}
