//! What surrounds every answer, whatever route it is of: the host that was asked for, pages of other origins, and headers
//! that browsers and caches go by.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Contract;
use super::cast::Cast;
use crate::support::requests;
use crate::support::service::Service;
use crate::{on_both_services, transcript};

/// The whole answer to these bytes.
pub async fn answer_to(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address.trim_start_matches("http://")).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

async fn preflight(service: &Service, path: &str, headers: &str) -> reqwest::Response {
    let request = requests::client().request(reqwest::Method::OPTIONS, format!("{}{path}", service.base));
    let request = request.header("origin", "https://app.example").header("access-control-request-method", "POST");
    request.header("access-control-request-headers", headers).send().await.unwrap()
}

on_both_services! {
    async fn a_request_is_for_one_host(service) {
        let ask = async |head: &str| {
            let answer = answer_to(&service.base, &format!("GET /livez {head}connection: close\r\n\r\n")).await;
            answer.split(' ').nth(1).unwrap_or_default().to_owned()
        };
        assert_eq!(ask("HTTP/1.1\r\nhost: files.example\r\n").await, "200");
        assert_eq!(ask("HTTP/1.0\r\n").await, "200");
        for wrong in ["", "host: a\r\nhost: a\r\n", "host: a\r\nhost: b\r\n", "host: \r\n", "host: a/b\r\n", "host: u@a\r\n"] {
            assert_eq!(ask(&format!("HTTP/1.1\r\n{wrong}")).await, "400", "{wrong:?}");
        }
        let answer = answer_to(&service.base, "GET /livez HTTP/1.1\r\nconnection: close\r\n\r\n").await;
        assert!(answer.contains("\"invalid_host\"") && answer.contains("nosniff"), "{answer}");
    }

    async fn pages_may_send_the_headers_that_their_libraries_add(service) {
        let wanted = "authorization,cache-control,traceparent,tracestate,baggage,sentry-trace,x-csrf-token,content-type";
        for path in ["/v1/uploads", "/tus", "/files", "/s3/multipart"] {
            let answer = preflight(service, path, wanted).await;
            let allowed = answer.headers()["access-control-allow-headers"].to_str().unwrap().to_lowercase();
            let allowed: Vec<_> = allowed.split(',').map(str::trim).collect();
            for name in wanted.split(',') {
                assert!(allowed.contains(&name), "{name} is not allowed at {path}: {allowed:?}");
            }
        }
    }

    async fn answers_hang_on_the_origin_whatever_it_is(service) {
        let client = requests::client();
        for origin in [None, Some("https://app.example"), Some("https://stranger.example")] {
            let mut request = client.get(format!("{}/v1/limits", service.base));
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            let answer = request.send().await.unwrap();
            let vary: Vec<_> = answer.headers().get_all("vary").iter().map(|value| value.to_str().unwrap().to_lowercase()).collect();
            assert_eq!(vary.iter().filter(|value| *value == "origin").count(), 1, "{origin:?}: {vary:?}");
            let allowed = answer.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap());
            assert_eq!(allowed, origin.filter(|origin| *origin == "https://app.example"));
        }
    }

    async fn a_socket_needs_a_nonce(service) {
        let head = |keys: &str| format!(
            "GET /v1/ws HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\n{keys}\r\n", service.admin);
        for keys in ["sec-websocket-key: \r\n", "sec-websocket-key: c2hvcnQ=\r\n", "sec-websocket-key: no base64 at all\r\n"] {
            let mut stream = TcpStream::connect(service.base.trim_start_matches("http://")).await.unwrap();
            stream.write_all(head(keys).as_bytes()).await.unwrap();
            let mut answer = vec![0; 4096];
            let read = stream.read(&mut answer).await.unwrap();
            let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
            assert!(answer.starts_with("HTTP/1.1 400 "), "{keys:?}: {answer}");
        }
    }

    async fn a_parameter_that_an_address_does_not_have_is_refused(service) {
        let (contract, cast) = (Contract::of(service).await, Cast::of(service).await);
        let (client, mut asked) = (requests::client(), 0);
        for operation in contract.operations() {
            let parameters = operation.says["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
            let has_some = parameters.iter().any(|parameter| parameter["in"] == "query");
            // Libraries that cut files number their parts there; `pieces` judges them, see `native::content`.
            let uploaders = operation.path == "/v1/uploads/{id}/content";
            if has_some || uploaders || !operation.path.starts_with("/v1/") {
                continue;
            }
            let things = cast.things(&operation, false).await;
            let url = format!("{}{}?tenant=acme", service.base, cast.path(&operation, &things, None));
            let method = reqwest::Method::from_bytes(operation.method.to_uppercase().as_bytes()).unwrap();
            let answer = client.request(method, url).bearer_auth(&service.admin).send().await.unwrap();
            let (status, problem) = (answer.status().as_u16(), answer.json::<Value>().await.unwrap_or_default());
            assert_eq!((status, problem["field"].as_str()), (422, Some("query")), "{}: {problem}", operation.named());
            asked += 1;
        }
        assert!(asked > 40, "{asked}");
        transcript!(service, r#"
            > GET /v1/webhooks?tenant=acme
            < 422 {"field": "query"}
            > GET /v1/webhooks
            < 200
        "#);
    }
}
