//! Forms on connections that have carried large bodies before: whatever pieces the server reads then, the limits of a form
//! count its fields.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{FORM, form, ready};
use crate::on_both_services;
use crate::support::requests;
use crate::support::service::Service;
use crate::support::transcript::noise;

/// Paths of forms that take one file each, and the bytes for them.
async fn forms(service: &Service, count: u64) -> Vec<(String, Vec<u8>)> {
    let mut forms = Vec::new();
    for seed in 0..count {
        let request = requests::client().post(format!("{}/v1/uploads", service.base)).bearer_auth(&service.admin);
        let opened = request.json(&serde_json::json!({ "max_size": 50_000_000 })).send().await.unwrap();
        let opened: serde_json::Value = opened.json().await.unwrap();
        let file = noise(1 << 20, seed);
        forms.push((
            format!("/u/{}/form", opened["grant"].as_str().unwrap()),
            form(&[("title", "x"), ("more", "y")], &file),
        ));
    }
    forms
}

/// Every file is there, with its own bytes.
async fn arrived(service: &Service, count: usize) {
    let client = requests::client();
    let list = client.get(format!("{}/v1/assets", service.base)).bearer_auth(&service.admin).send().await.unwrap();
    let list: serde_json::Value = list.json().await.unwrap();
    let assets = list["assets"].as_array().unwrap();
    assert_eq!(assets.len(), count);
    assert!(assets.iter().all(|asset| asset["size"] == 1 << 20), "{list}");
}

on_both_services! {
    async fn on_one_connection(service) {
        let address = service.base.strip_prefix("http://").unwrap();
        let mut socket = TcpStream::connect(address).await.unwrap();
        let forms = forms(service, 6).await;
        for (path, body) in &forms {
            let head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: {FORM}\r\ncontent-length: {}\r\n\r\n", body.len());
            // Head and body at once, so that the server finds as much as its buffer has grown to.
            socket.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"close this page.") {
                assert!(socket.read_buf(&mut answer).await.unwrap() > 0, "{}", String::from_utf8_lossy(&answer));
                assert!(answer.len() < 12 || answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
            }
        }
        arrived(service, forms.len()).await;
    }

    async fn over_http_2(service) {
        let address = service.base.strip_prefix("http://").unwrap();
        let socket = TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) = h2::client::handshake(socket).await.unwrap();
        tokio::spawn(connection);
        for (path, body) in forms(service, 4).await {
            let request = http::Request::post(format!("{}{path}", service.base)).header("content-type", FORM);
            let (answer, mut stream) = sender.send_request(request.body(()).unwrap(), false).unwrap();
            stream.send_data(body.into(), true).unwrap();
            let answer = answer.await.unwrap();
            let (status, mut content) = (answer.status(), answer.into_body());
            let text = content.data().await.map(Result::unwrap).unwrap_or_default();
            assert_eq!(status, 200, "{}", String::from_utf8_lossy(&text));
        }
        arrived(service, 4).await;
    }

    async fn what_was_too_long_is_said(service) {
        let forms = forms(service, 1).await;
        let url = format!("{}{}", service.base, forms[0].0);
        let long = "x".repeat((16 << 10) + 1);
        let many: Vec<_> = (0..1000).map(|_| ("padding", "some words that are nobody's business")).collect();
        for (fields, says) in [
            (vec![("title", long.as_str())], "form: has a field title of more than 16384 bytes."),
            (many, "form: has more than 65536 bytes of fields besides its file."),
        ] {
            let answer = super::post(&url, form(&fields, &noise(300_000, 1))).await;
            assert_eq!(answer.status(), 400);
            let said: serde_json::Value = answer.json().await.unwrap();
            assert_eq!(said["message"], says, "{said}");
        }
        assert_eq!(super::post(&url, forms[0].1.clone()).await.status(), 200);
        assert_eq!(ready(service).await["size"], 1 << 20);
    }
}
