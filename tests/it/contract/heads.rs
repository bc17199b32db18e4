//! A request's credential is judged by its head: whatever body it announces, none of it is asked for, waited for or read.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::cast::Cast;
use super::{Contract, Operation};
use crate::on_both_services;
use crate::support::patience::in_time;
use crate::support::requests;
use crate::support::service::Service;

/// The head of the answer to a request that announces a body of four megabytes and sends no byte of it.
async fn answer_to_head(service: &Service, operation: &Operation<'_>, path: &str, expects: bool) -> String {
    let mut head =
        format!("{} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 4000000\r\n", operation.method.to_uppercase());
    if expects {
        head.push_str("expect: 100-continue\r\n");
    }
    for (name, example) in operation.said("header") {
        head.push_str(&format!("{name}: {example}\r\n"));
    }
    if let Some((kind, _)) = operation.body() {
        head.push_str(&format!("content-type: {kind}\r\n"));
    }
    head.push_str("\r\n");
    let mut stream = TcpStream::connect(service.base.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    while !read.windows(4).any(|window| window == b"\r\n\r\n") {
        if in_time(&operation.named(), stream.read_buf(&mut read)).await.unwrap_or(0) == 0 {
            break;
        }
    }
    String::from_utf8_lossy(&read).into_owned()
}

on_both_services! {
    async fn no_operation_asks_a_stranger_for_a_body(service) {
        let contract = Contract::of(service).await;
        let cast = Cast::of(service).await;
        let (mut problems, mut driven) = (Vec::new(), 0);
        for operation in contract.operations() {
            let cells = &operation.says["x-gantry-access"];
            if ["get", "head", "options"].contains(&operation.method) || cells["nobody"] != 401 {
                continue;
            }
            let things = cast.things(&operation, false).await;
            let path = cast.path(&operation, &things, None);
            for expects in [true, false] {
                let answer = answer_to_head(service, &operation, &path, expects).await;
                if !answer.starts_with("HTTP/1.1 401 ") {
                    problems.push(format!("{} (expects: {expects}): {answer}", operation.named()));
                }
                driven += 1;
            }
        }
        assert!(problems.is_empty(), "{problems:#?}");
        assert!(driven > 80, "only {driven} requests");
    }

    async fn a_body_is_bounded_by_its_route(service) {
        let client = requests::client();
        let post = |path: &str, body: reqwest::Body| {
            client.post(format!("{}{path}", service.base)).bearer_auth(&service.admin).body(body).send()
        };
        // A list may be longer than a wish, whether its length is announced or not.
        let padded = |text: &str, bytes: usize| format!("{}{text}", " ".repeat(bytes - text.len()));
        let chunked = |text: String| reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(text)]));
        let wish = r#"{"filename": "a", "size": 1}"#;
        for (path, text, bytes, status) in [
            ("/v1/uploads", wish, 64 << 10, 201),
            ("/v1/uploads", wish, (64 << 10) + 1, 413),
            ("/v1/assets/batch", r#"{"ids": []}"#, (64 << 10) + 1, 200),
            ("/v1/assets/batch", r#"{"ids": []}"#, (4 << 20) + 1, 413),
        ] {
            let body = padded(text, bytes);
            for body in [body.clone().into(), chunked(body)] {
                let answer = post(path, body).await.unwrap();
                let (got, said) = (answer.status(), answer.text().await.unwrap());
                assert_eq!(got, status, "{path} {bytes}: {said}");
                assert!(status != 413 || said.contains("body_too_large"), "{said}");
            }
        }
    }
}
